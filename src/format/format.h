/* format.h - every magic, offset, size and limit of the files of a store, in the order and with the names of FORMAT.md (offsets have _OFF behind).
 *
 * On disk everything is little-endian, keys are big-endian. Offsets are in bytes. The two files change in one commit. How much is reserved, kept or
 * waited for (FORMAT.md 3 and 8) stands beside the code that does it. */
#ifndef CUBBY_FORMAT_H
#define CUBBY_FORMAT_H

/* ---- 2. Files ---------------------------------------------------------------------------------------------------------------- */

#define CUBBY__FORMAT_VERSION 1

#define CUBBY__FILE_ID      "cubby.id"
#define CUBBY__FILE_INDEX   "index"
#define CUBBY__DIR_SEGMENTS "segments"
#define CUBBY__DIR_TMP      "tmp"
#define CUBBY__FILE_OLD_INDEX "old-index" /* in tmp/ */
#define CUBBY__FILE_NEW_INDEX "new-index" /* in tmp/ */
#define CUBBY__FILE_RESERVE "reserve" /* in tmp/ */
#define CUBBY__DIR_QUARANTINE "quarantine"

#define CUBBY__PAGE_SIZE 4096

/* ---- 3. Identity: cubby.id ------------------------------------------------------------------------------------------------------ */

/* Three pages: the identity, the identity again, the shared page. */
#define CUBBY__ID_FILE_SIZE  (3 * CUBBY__PAGE_SIZE)
#define CUBBY__ID_COPIES     2
#define CUBBY__SHARED_OFFSET (2 * CUBBY__PAGE_SIZE)

/* An identity block, also found inside every segment header. */
#define CUBBY__ID_MAGIC          "cubbyid\n"
#define CUBBY__ID_MAGIC_OFF      0  /* 8 */
#define CUBBY__ID_VERSION_OFF    8  /* u32 CUBBY__FORMAT_VERSION */
#define CUBBY__ID_COMPAT_OFF     12 /* u32 features that may be ignored */
#define CUBBY__ID_ROCOMPAT_OFF   16 /* u32 features that forbid writing if unknown */
#define CUBBY__ID_INCOMPAT_OFF   20 /* u32 features that forbid reading if unknown */
#define CUBBY__ID_UUID_OFF       24 /* 16 */
#define CUBBY__ID_ACCOUNT_OFF    40 /* 16 account id (OBJECTID) */
#define CUBBY__ID_SALT_OFF       56 /* u64 seeds every checksum of this store but its own */
#define CUBBY__ID_EPOCH_OFF      64 /* u64 raised by restore */
#define CUBBY__ID_CREATED_OFF    72 /* i64 ns since 1970 */
#define CUBBY__ID_CHECKSUM_OFF   80 /* u64 XXH3-64 of bytes 0..79, seed 0 */
#define CUBBY__ID_SIZE           88

/* The shared page: the words that attached processes share. Nothing in it is trusted by the first to attach. */
#define CUBBY__SHARED_READY_OFF     0   /* u64 CUBBY__SHARED_READY once the first to attach has filled the rest */
#define CUBBY__SHARED_CURRENT_OFF   8   /* u64 publish counter; its lowest bit says which of the two slots holds the state */
#define CUBBY__SHARED_LATCH_OFF     16  /* u64 non-zero: the log is latched */
#define CUBBY__SHARED_OWNER_OFF     24  /* u64 token of the handle that wrote last, whose allocator is current */
#define CUBBY__SHARED_RIPE_OFF      32  /* u64 snapshots of commits below are older than the time that they are promised */
#define CUBBY__SHARED_MARK_OFF      40  /* u64 a commit, and ... */
#define CUBBY__SHARED_MARK_TIME_OFF 48  /* u64 ... a time (monotonic, ms, + 1) when it was the published one */
#define CUBBY__SHARED_DIR_OFF       56  /* u64 hash of the directory that the first to attach found the file in */
#define CUBBY__SHARED_STATE0_OFF    64  /* two published states of CUBBY__STATE_SIZE bytes */
#define CUBBY__SHARED_STATE1_OFF    256
#define CUBBY__SHARED_ANCHORS_OFF   448 /* u64 nonce of the index, 0: none; then of two versions of it: u64 commit, u64 page + level << 56, u64 checksum */
#define CUBBY__SHARED_UNSYNCED_OFF  504 /* u64 nonce of an index that a sync of failed, 0: none */
#define CUBBY__SHARED_SLOTS_OFF     512 /* reader slots, u64 each: oldest commit this handle reads + 1, or 0 */
#define CUBBY__SHARED_SLOTS         448
#define CUBBY__SHARED_READY         0x0231796262756300ull /* "\0cubby1\2" */

/* A published state (CUBBY__STATE_SIZE bytes of native words: it never outlives a boot) is struct cubby__published. */
#define CUBBY__STATE_SIZE 192

/* Locks: bytes of cubby.id beyond its end. */
#define CUBBY__LOCK_ATTACH   0x10000 /* shared by every attached handle; exclusive while the first one sets up */
#define CUBBY__LOCK_WRITER   0x10001
#define CUBBY__LOCK_NOUNLINK 0x10002 /* reserved: shared by backups */
#define CUBBY__LOCK_CREATE   0x10003 /* of tmp/cubby.id, before it becomes cubby.id: by whoever makes the store */
#define CUBBY__LOCK_TURN     0x10004 /* by who is next to get LOCK_WRITER */
#define CUBBY__LOCK_SLOT     0x10100 /* + number of the reader slot */

/* ---- 4. Segments ----------------------------------------------------------------------------------------------------------------- */

/* A segment: header copy, header copy, frames. Each header copy is CUBBY__SEG_HEADER_FIXED bytes and the definitions, padded with
 * zeros to a multiple of 512; both have the same length, so the frames begin at twice that. */
#define CUBBY__SEG_MAGIC             "cubbyseg"
#define CUBBY__SEG_MAGIC_OFF         0   /* 8 */
#define CUBBY__SEG_HEADER_LEN_OFF    8   /* u32 bytes of this copy, a multiple of 512 */
#define CUBBY__SEG_COPY_OFF          12  /* u32 0 or 1: which copy this is */
#define CUBBY__SEG_ID_OFF            16  /* CUBBY__ID_SIZE bytes: the identity block */
#define CUBBY__SEG_NUMBER_OFF        104 /* u32 */
#define CUBBY__SEG_KIND_OFF          108 /* u32 CUBBY__SEG_LOG, CUBBY__SEG_PACKED */
#define CUBBY__SEG_NONCE_OFF         112 /* u64 random */
#define CUBBY__SEG_PRED_OFF          120 /* u32 predecessor, 0: none */
#define CUBBY__SEG_PRED_NONCE_OFF    128 /* u64 */
#define CUBBY__SEG_PRED_END_OFF      136 /* u64 its accepted end */
#define CUBBY__SEG_LAST_COMMIT_OFF   144 /* u64 last commit before this segment */
#define CUBBY__SEG_LAST_CHAIN_OFF    152 /* u64 chain of that commit */
#define CUBBY__SEG_PROVEN_OFF        160 /* u64 length that was synced before the segment got its name */
#define CUBBY__SEG_PROVEN_COMMIT_OFF 168 /* u64 last commit within that length */
#define CUBBY__SEG_FLOORS_OFF        176 /* 8 x u64: struct cubby__floors, in its order */
#define CUBBY__SEG_CREATED_OFF       240 /* i64 ns since 1970 */
#define CUBBY__SEG_RETIRED_COUNT_OFF 248 /* u32 ranges of retired segments, each u32 first, u32 last, before the definitions */
#define CUBBY__SEG_DEFS_LEN_OFF      252 /* u32 bytes of definitions */
#define CUBBY__SEG_CHECKSUM_OFF      256 /* u64 of the whole copy but these 8 bytes: XXH3-64 of what is behind, seeded with that of what is before */
#define CUBBY__SEG_HEADER_FIXED      264
#define CUBBY__SEG_HEADER_ALIGN      512
#define CUBBY__SEG_HEADER_MAX        (4u << 20)
#define CUBBY__NUMBER_MAX            INT64_MAX /* of commits and ids */

#define CUBBY__SEG_LOG    1
#define CUBBY__SEG_PACKED 2 /* reserved for compaction */

#define CUBBY__SEG_NUMBER_MAX   99999999u
#define CUBBY__SEG_STRAY_FROM   90000000u /* numbers that no log reaches */
#define CUBBY__SEG_GAP_MAX      4096           /* a number that far above the one before it may be none of the log's */
#define CUBBY__SEG_CAPACITY_MIN (1u << 20)
#define CUBBY__CREATE_MAX       (16u << 10) /* what an interrupted creation leaves of the first segment at most */
#define CUBBY__SEG_CAPACITY_MAX (64u << 20)
#define CUBBY__SEG_LIVE_SHARE   8              /* capacity = live bytes / this, within the bounds */
#define CUBBY__ZERO_AHEAD_MAX   (256u << 10)
#define CUBBY__ZERO_AHEAD_GROUP (128u << 10) /* commits that are appended together without zeros ahead */

/* ---- 5. Frames ---------------------------------------------------------------------------------------------------------------- */

/* A frame starts at a multiple of 8: header, payload, zeros up to the next multiple of 8. */
#define CUBBY__FRAME_LEN_OFF      0  /* u32 payload bytes */
#define CUBBY__FRAME_TYPE_OFF     4  /* u8 CUBBY__REC_... */
#define CUBBY__FRAME_FLAGS_OFF    5  /* u8 CUBBY__FRAME_COMPATIBLE */
#define CUBBY__FRAME_ZERO_OFF     6  /* u16 zero */
#define CUBBY__FRAME_COMMIT_OFF   8  /* u64 */
#define CUBBY__FRAME_PAYSUM_OFF   16 /* u64 checksum of the payload */
#define CUBBY__FRAME_HEADSUM_OFF  24 /* u64 checksum of bytes 0..23 and, of a PIECE, 32..63 */
#define CUBBY__FRAME_SIZE         32

/* A PIECE's header goes on: all that a rebuild needs, so that it can skip the content. */
#define CUBBY__PIECE_ID_OFF       32 /* u64 */
#define CUBBY__PIECE_ORIG_LEN_OFF 40 /* u32 bytes of content, at most CUBBY__PIECE_MAX (FORMAT.md 5: what is a frame all the same) */
#define CUBBY__PIECE_CODEC_OFF    44 /* u8 CUBBY__CODEC_... */
#define CUBBY__PIECE_KIND_OFF     45 /* u8 CUBBY__PIECE_BODY, CUBBY__PIECE_REST */
#define CUBBY__PIECE_ZERO_OFF     46 /* u16 zero */
#define CUBBY__PIECE_HASH_OFF     48 /* 16 XXH3-128 of the content */
#define CUBBY__PIECE_FRAME_SIZE   64

#define CUBBY__FRAME_ALIGN      8
#define CUBBY__FRAME_LEN_MAX    (64u << 20)
#define CUBBY__FRAME_COMPATIBLE 1 /* a reader that does not know the type carries it along */

#define CUBBY__PIECE_MAX  (128u << 10)
#define CUBBY__PIECE_BODY 0
#define CUBBY__PIECE_REST 1 /* header fields that are not list fields */

#define CUBBY__CODEC_STORED   0
#define CUBBY__CODEC_LZ4      1
#define CUBBY__CODEC_LZ4_DICT 2 /* with the built-in header dictionary: cubby__header_dict */

/* ---- 6. Records ------------------------------------------------------------------------------------------------------------------ */

#define CUBBY__REC_COMMIT       1
#define CUBBY__REC_PROOF        2
#define CUBBY__REC_STORE        3
#define CUBBY__REC_FOLDER       4
#define CUBBY__REC_MARK         5
#define CUBBY__REC_OBJECT       6
#define CUBBY__REC_PIECE        7
#define CUBBY__REC_ENTRY        8
#define CUBBY__REC_FLAGS        9
#define CUBBY__REC_EXPUNGE      10
#define CUBBY__REC_KEYWORD      11
#define CUBBY__REC_SUBSCRIPTION 12
#define CUBBY__REC_ANNOTATION   16
/* Reserved: later work fills them. */
#define CUBBY__REC_PURGE      13
#define CUBBY__REC_QUOTA      14
#define CUBBY__REC_ACL        15
#define CUBBY__REC_PROP       17
#define CUBBY__REC_CURSOR     18
#define CUBBY__REC_SWITCH     19
#define CUBBY__REC_DICTIONARY 20
#define CUBBY__REC_DAMAGE     21 /* put over lost bytes by a repair, or where the log was cut by recovery */

/* COMMIT payload. */
#define CUBBY__COMMIT_CHAIN_OFF   0  /* u64 chain over this commit's frame headers and the previous chain */
#define CUBBY__COMMIT_PREV_OFF    8  /* u64 number of the previous commit */
#define CUBBY__COMMIT_DURABLE_OFF 16 /* u64 durable_through: last commit that a successful sync had proved */
#define CUBBY__COMMIT_CEILING_OFF 24 /* u64 only lazy commits below this number are published before a sync */
#define CUBBY__COMMIT_BYTES_OFF   32 /* u64 from the first frame of the commit to this one */
#define CUBBY__COMMIT_TIME_OFF    40 /* i64 ns since 1970 */
#define CUBBY__COMMIT_LEN         48

/* DAMAGE payload: kind, records that may have been lost (varint), then zeros. */
#define CUBBY__DAMAGE_STRETCH 1 /* bytes that were no sound frames */
#define CUBBY__DAMAGE_CONTENT 2 /* the content of one piece: nothing else is lost */
#define CUBBY__DAMAGE_SEGMENT 3 /* a whole segment, or the end of the log */
#define CUBBY__DAMAGE_CUT     4 /* like 3, written by recovery: no repair has looked at it yet */
#define CUBBY__DAMAGE_REST    5 /* like 1, and what the file lacks up to the accepted end: it is the last frame, and the file ends with it */
#define CUBBY__DAMAGE_LEN_MAX (1u << 20)
#define CUBBY__CUT_LEN            8          /* bytes of payload of a CUT */
#define CUBBY__DAMAGE_RECORDS_MAX (64u << 20) /* more records than that are not counted */

/* PROOF payload; its frame's commit number is the one that it proves. */
#define CUBBY__PROOF_CHAIN_OFF 0 /* u64 chain of that commit */
#define CUBBY__PROOF_LEN       8

/* ---- 7. Index ---------------------------------------------------------------------------------------------------------------- */

/* Page 0 and page 1 are the meta slots; tree pages follow. */
#define CUBBY__META_MAGIC             "cubbyidx"
#define CUBBY__META_MAGIC_OFF         0   /* 8 */
#define CUBBY__META_VERSION_OFF       8   /* u32 CUBBY__FORMAT_VERSION */
#define CUBBY__META_LEVEL_OFF         12  /* u32 level of the root page */
#define CUBBY__META_UUID_OFF          16  /* 16 of the store */
#define CUBBY__META_NONCE_OFF         32  /* u64 of this index file */
#define CUBBY__META_SEQ_OFF           40  /* u64 number of the checkpoint; the slot is seq % 2 */
#define CUBBY__META_COMMIT_OFF        48  /* u64 last commit in the tree */
#define CUBBY__META_CHAIN_OFF         56  /* u64 its chain */
#define CUBBY__META_SEG_OFF           64  /* u32 segment and ... */
#define CUBBY__META_SEG_NONCE_OFF     72  /* u64 */
#define CUBBY__META_SEG_END_OFF       80  /* u64 ... offset behind that commit: where replay begins */
#define CUBBY__META_ROOT_OFF          88  /* u64 page number, 0: the tree is empty */
#define CUBBY__META_ROOT_SUM_OFF      96  /* u64 */
#define CUBBY__META_PAGES_OFF         104 /* u64 pages of the file in use, meta slots included */
#define CUBBY__META_CEILING_OFF       112 /* u64 modseq ceiling in force */
#define CUBBY__META_CHECKSUM_OFF      120 /* u64 XXH3-64 of bytes 0..119, seeded with the salt */
#define CUBBY__META_SIZE              128
#define CUBBY__META_SLOTS             2

/* A tree page. */
#define CUBBY__TREE_SUM_OFF    0  /* u64 XXH3-64 of bytes 8..4095, seeded with salt ^ page number */
#define CUBBY__TREE_PAGE_OFF   8  /* u64 its own number */
#define CUBBY__TREE_BIRTH_OFF  16 /* u64 commit that made it */
#define CUBBY__TREE_LEVEL_OFF  24 /* u8 0: leaf */
#define CUBBY__TREE_COUNT_OFF  26 /* u16 cells */
#define CUBBY__TREE_CELLS_OFF  28 /* u16 lowest offset used by a cell */
#define CUBBY__TREE_FREE_OFF   30 /* u16 bytes in holes between cells */
#define CUBBY__TREE_SLOTS_OFF  32 /* u16 each: offset of a cell, in key order */

#define CUBBY__TREE_KEY_MAX   512
#define CUBBY__TREE_VALUE_MAX 1024
#define CUBBY__TREE_DEPTH_MAX 16

/* Keyspaces: the first byte of a key. */
#define CUBBY__KS_STATE        0x01 /* -> floors */
#define CUBBY__KS_SEGMENT      0x02 /* segment */
#define CUBBY__KS_FOLDER       0x03 /* folder */
#define CUBBY__KS_NAME         0x04 /* parent, name */
#define CUBBY__KS_KEYWORD      0x05 /* keyword id */
#define CUBBY__KS_KEYWORD_NAME 0x06 /* folded name */
#define CUBBY__KS_SUBSCRIPTION 0x07 /* path */
#define CUBBY__KS_CARRIED      0x08 /* type, commit, number: unknown compatible records */
#define CUBBY__KS_MESSAGE      0x10 /* folder, uid */
#define CUBBY__KS_CHANGE       0x11 /* folder, modseq, uid */
#define CUBBY__KS_FLAG         0x12 /* reserved: bitmaps */
#define CUBBY__KS_OBJECT       0x20 /* object */
#define CUBBY__KS_ENTRY        0x21 /* object, folder, uid */
#define CUBBY__KS_PIECE        0x28 /* piece */
#define CUBBY__KS_CONTENT      0x29 /* reserved: hash of a piece */
#define CUBBY__KS_MSGID        0x2a /* reserved: keyed hash of a Message-ID */
#define CUBBY__KS_QUOTA        0x30 /* reserved */
#define CUBBY__KS_ACL          0x31 /* reserved */
#define CUBBY__KS_ANNOTATION   0x32 /* folder, principal, entry */

/* ---- 11. Limits --------------------------------------------------------------------------------------------------------------- */

#define CUBBY__NAME_MAX          255
#define CUBBY__DEPTH_MAX         64
#define CUBBY__KEYWORD_LEN_MAX   255
#define CUBBY__KEYWORDS_MAX      1024
#define CUBBY__UID_MAX           0xffffffffu
#define CUBBY__UIDVALIDITY_LAST  0xfeffffffu  /* that is taken over, or that damage raises to: folders to come need some, too */
#define CUBBY__HEADER_STORED_MAX (256u << 10) /* header bytes split into groups; what lies behind is stored with the body */
#define CUBBY__MIME_PARTS_MAX    10000
#define CUBBY__MIME_DEPTH_MAX    100
#define CUBBY__MIME_FIELDS_MAX   (64u << 10)  /* Content-* bytes of parts kept with the structure */
#define CUBBY__MESSAGE_MEMORY    (256u << 10) /* not of the files: bytes of finished pieces kept in memory before they go to the spool */
#define CUBBY__CHECKPOINT_BYTES  (256u << 10) /* bytes of frames replayed at most, content of pieces left out */
#define CUBBY__CHECKPOINT_CLOSE  (32u << 10)  /* ... after a clean stop */

#endif
