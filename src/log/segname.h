/* segname.h - the names of segments, in segments/ and elsewhere, and paths of files. Paths are allocated; the caller frees them (cubby__free). NULL: out of
 * memory. */
#ifndef CUBBY_LOG_SEGNAME_H
#define CUBBY_LOG_SEGNAME_H

#include <stddef.h>
#include <stdint.h>

char *cubby__path_join(const char *dir, const char *name);
/* "segments/00000001.seg" below dir, or "tmp/00000001.seg". */
char *cubby__path_segment(const char *dir, uint32_t number);
char *cubby__path_segment_tmp(const char *dir, uint32_t number);
/* What error messages call a segment: "segments/00000001.seg". buf: CUBBY__SEGNAME_MAX bytes; it is returned. */
enum { CUBBY__SEGNAME_MAX = 32 };
const char *cubby__segname(uint32_t number, char *buf);
/* "00000001.seg", likewise. */
const char *cubby__segname_file(uint32_t number, char *buf);
/* The number in a name of segments/, or 0 if it is none. */
uint32_t cubby__segname_parse(const char *name);

#endif
