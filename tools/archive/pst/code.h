/* code.h - checksum, signature and encoding of pages and blocks in PST files. */
#ifndef CUBBY_TOOLS_PST_CODE_H
#define CUBBY_TOOLS_PST_CODE_H

#include <stddef.h>
#include <stdint.h>

/* The CRC-32 with initial value 0 and no inversion; seed 0 at first, the last result to go on. "123456789" gives 0x2DFD2D88. */
uint32_t pst_crc(uint32_t seed, const void *p, size_t n);
/* wSig of the page or block with id `bid` at the file offset `ib`. */
uint16_t pst_signature(uint64_t ib, uint64_t bid);

enum { PST_CRYPT_NONE = 0, PST_CRYPT_PERMUTE = 1, PST_CRYPT_CYCLIC = 2 };

/* In place; method is one of PST_CRYPT_.... Internal blocks and pages are never encoded. */
void pst_encode(int method, uint64_t bid, uint8_t *p, size_t n);
void pst_decode(int method, uint64_t bid, uint8_t *p, size_t n);

#endif
