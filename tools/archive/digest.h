/* digest.h - XXH3-128 of bytes in canonical order: the hash that cubby_message_hash, scans and X-Cubby give. Finds candidates for "the
 * same message"; bytes decide. */
#ifndef CUBBY_TOOLS_DIGEST_H
#define CUBBY_TOOLS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

void digest_of(const void *p, size_t n, uint8_t out[16]);

struct digest;
struct digest *digest_new(void);
void digest_add(struct digest *d, const void *p, size_t n);
void digest_end(const struct digest *d, uint8_t out[16]);
void digest_free(struct digest **d);

#endif
