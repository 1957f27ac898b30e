/* nfc.h - Unicode normalization form C, for names. */
#ifndef CUBBY_MAIL_NFC_H
#define CUBBY_MAIL_NFC_H

#include <stddef.h>
#include <stdint.h>

/* Writes the characters in NFC as UTF-8. EINVAL: more than max bytes; ENOMEM. */
int cubby__nfc(const uint32_t *c, size_t count, uint8_t *out, size_t max, size_t *len);

/* ---- tables (nfc_table.c) ---- */

struct cubby__nfc_pair {
    uint32_t composed, first, second; /* second 0: stands for first alone */
};

struct cubby__nfc_class {
    uint32_t first;
    uint8_t count, combining; /* so many characters from first on have this combining class; all others have 0 */
};

extern const struct cubby__nfc_pair cubby__nfc_pairs[]; /* sorted by composed */
extern const size_t cubby__nfc_pair_count;
extern const uint16_t cubby__nfc_compositions[]; /* indices of the pairs that compose, sorted by first, second */
extern const size_t cubby__nfc_composition_count;
extern const struct cubby__nfc_class cubby__nfc_classes[]; /* sorted */
extern const size_t cubby__nfc_class_count;

#endif
