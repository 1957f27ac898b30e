/* codec.h - content to stored bytes and back: LZ4, alone or with the built-in dictionary for header fields. */
#ifndef CUBBY_CODEC_CODEC_H
#define CUBBY_CODEC_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* Working memory of one thread; reusable. Owner frees. */
struct cubby__codec;
struct cubby__codec *cubby__codec_new(void); /* NULL: out of memory */
void cubby__codec_free(struct cubby__codec **c);

/* Room that cubby__compress needs for n bytes. */
size_t cubby__compress_bound(size_t n);

/* Compresses n bytes (n <= CUBBY__PIECE_MAX * 8) to out (cubby__compress_bound(n)). codec asks for CUBBY__CODEC_LZ4 or CUBBY__CODEC_LZ4_DICT; *used is that,
 * or CUBBY__CODEC_STORED if it would not be smaller by at least 1/16 (then the bytes are copied as they are). Returns the stored length. */
size_t cubby__compress(struct cubby__codec *c, uint8_t codec, const void *in, size_t n, uint8_t *out, uint8_t *used);

/* Exactly orig_len bytes to out. 0, or CUBBY_ECORRUPT if the input is no such thing; never reads or writes outside. Thread-safe, no state. */
int cubby__decompress(uint8_t codec, const void *in, size_t n, void *out, size_t orig_len);

/* The built-in dictionary: strings common in mail header fields, nobody's names. Part of the format: its bytes never change. */
extern const unsigned char cubby__header_dict[];
extern const size_t cubby__header_dict_len;

#endif
