/* format.h - the numbers of the PST file format: sizes, page and block types, node ids. Offsets are those of Unicode files (wVer 23) unless
 * a shape (ndb.h) says otherwise. */
#ifndef CUBBY_TOOLS_PST_FORMAT_H
#define CUBBY_TOOLS_PST_FORMAT_H

#include <stdint.h>

/* ---- header ---------------------------------------------------------------------------------------------------------------------- */

#define PST_MAGIC 0x4E444221u /* "!BDN" */
#define PST_CLIENT_PST 0x4D53u
#define PST_CLIENT_OST 0x4F53u
enum {
    PST_HEADER_SIZE = 564, /* ANSI: 512 */
    PST_CRC_PARTIAL = 471, /* bytes from 8 on that dwCRCPartial covers */
    PST_CRC_FULL = 516,    /* and dwCRCFull */
    PST_SENTINEL = 0x80,
};

/* ---- the maps -------------------------------------------------------------------------------------------------------------------- */

enum {
    PST_DLIST_AT = 0x4200,       /* the density list */
    PST_AMAP_AT = 0x4400,        /* the first allocation map */
    PST_AMAP_BYTES = 496,        /* a bit for every PST_SLOT bytes, its own page included */
    PST_AMAP_SPAN = 0x3E000,     /* from one map to the next */
    PST_SLOT = 64,
    PST_PMAP_EVERY = 8,          /* intervals; at +0x200 */
    PST_FMAP_FIRST = 128,        /* at +0x400 */
    PST_FMAP_EVERY = 496,
    PST_FPMAP_FIRST = 8192,      /* at +0x400 */
    PST_FPMAP_EVERY = 31744,
};

enum {
    PST_PAGE_BBT = 0x80,
    PST_PAGE_NBT = 0x81,
    PST_PAGE_FMAP = 0x82,
    PST_PAGE_PMAP = 0x83,
    PST_PAGE_AMAP = 0x84,
    PST_PAGE_FPMAP = 0x85,
    PST_PAGE_DLIST = 0x86,
};

/* ---- blocks ---------------------------------------------------------------------------------------------------------------------- */

enum {
    PST_PAGE_SIZE = 512,
    PST_BLOCK_MAX = 8176, /* payload */
    PST_BLOCK_TRAILER = 16,
    PST_XENTRIES_MAX = 1021,
    PST_SLENTRIES_MAX = 340,
    PST_SIENTRIES_MAX = 510,
    PST_BLOCK_X = 1, /* btype of XBLOCK and XXBLOCK */
    PST_BLOCK_S = 2, /* of SLBLOCK and SIBLOCK */
};

#define PST_BID_INTERNAL 2u
#define PST_BID_KEY(bid) ((bid) & ~(uint64_t)1) /* what the block B-tree compares */

/* ---- heaps ----------------------------------------------------------------------------------------------------------------------- */

enum {
    PST_HN_SIGNATURE = 0xEC,
    PST_HN_PC = 0xBC,
    PST_HN_TC = 0x7C,
    PST_HN_BTH = 0xB5,
    PST_HN_ITEM_MAX = 3580,
};

/* ---- node ids -------------------------------------------------------------------------------------------------------------------- */

#define PST_NID(index, type) ((uint32_t)(index) << 5 | (uint32_t)(type))
#define PST_NID_TYPE(nid) ((nid) & 0x1Fu)
#define PST_NID_INDEX(nid) ((uint32_t)(nid) >> 5)
enum {
    PST_NT_HID = 0,
    PST_NT_INTERNAL = 1,
    PST_NT_FOLDER = 2,
    PST_NT_SEARCH = 3,
    PST_NT_MESSAGE = 4,
    PST_NT_ATTACHMENT = 5,
    PST_NT_FAI = 8,
    PST_NT_HIERARCHY = 0xD,
    PST_NT_CONTENTS = 0xE,
    PST_NT_FAI_CONTENTS = 0xF,
    PST_NT_SEARCH_CONTENTS = 0x10,
    PST_NT_LTP = 0x1F,
};
enum {
    PST_NID_STORE = 0x21,
    PST_NID_NAMES = 0x61,
    PST_NID_ROOT = 0x122,
    PST_NID_ATTACHMENTS = 0x671,
    PST_NID_RECIPIENTS = 0x692,
};

/* ---- property types -------------------------------------------------------------------------------------------------------------- */

enum {
    PST_PT_INT16 = 2,
    PST_PT_INT32 = 3,
    PST_PT_FLOAT32 = 4,
    PST_PT_FLOAT64 = 5,
    PST_PT_CURRENCY = 6,
    PST_PT_APPTIME = 7,
    PST_PT_ERROR = 0xA,
    PST_PT_BOOLEAN = 0xB,
    PST_PT_OBJECT = 0xD,
    PST_PT_INT64 = 0x14,
    PST_PT_STRING8 = 0x1E,
    PST_PT_STRING = 0x1F,
    PST_PT_TIME = 0x40,
    PST_PT_GUID = 0x48,
    PST_PT_BINARY = 0x102,
    PST_PT_MULTI = 0x1000,
};

#endif
