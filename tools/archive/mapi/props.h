/* props.h - numbers of MAPI: property types, ids, property sets and values that this program knows. */
#ifndef CUBBY_TOOLS_MAPI_PROPS_H
#define CUBBY_TOOLS_MAPI_PROPS_H

#include <stdint.h>

enum mapi_type {
    MAPI_NONE = 0x0000,
    MAPI_INT16 = 0x0002,
    MAPI_INT32 = 0x0003,
    MAPI_FLOAT32 = 0x0004,
    MAPI_FLOAT64 = 0x0005,
    MAPI_CURRENCY = 0x0006,
    MAPI_APPTIME = 0x0007,
    MAPI_ERROR = 0x000a,
    MAPI_BOOL = 0x000b,
    MAPI_OBJECT = 0x000d,
    MAPI_INT64 = 0x0014,
    MAPI_STRING8 = 0x001e,
    MAPI_STRING = 0x001f,
    MAPI_TIME = 0x0040, /* 100 ns since 1601-01-01 UTC */
    MAPI_GUID = 0x0048,
    MAPI_BINARY = 0x0102,
    MAPI_MULTI = 0x1000, /* set in addition */
};

/* ---- messages --------------------------------------------------------------------------------------------------------------------- */

enum mapi_id {
    MAPI_P_IMPORTANCE = 0x0017, /* 0 low, 1 normal, 2 high */
    MAPI_P_MESSAGE_CLASS = 0x001a,
    MAPI_P_READ_RECEIPT_REQUESTED = 0x0029,
    MAPI_P_ORIGINAL_DELIVERY_TIME = 0x0055,
    MAPI_P_PRIORITY = 0x0026, /* -1, 0, 1 */
    MAPI_P_REPORT_TEXT = 0x1001,
    MAPI_P_REPORT_TIME = 0x0032,
    MAPI_P_SENSITIVITY = 0x0036, /* 0 none, 1 personal, 2 private, 3 confidential */
    MAPI_P_SUBJECT = 0x0037,     /* may begin with U+0001 and U+(length of prefix + 1) */
    MAPI_P_CLIENT_SUBMIT_TIME = 0x0039,
    MAPI_P_REPRESENTING_SEARCH_KEY = 0x003b,
    MAPI_P_SUBJECT_PREFIX = 0x003d,
    MAPI_P_RECEIVED_BY_NAME = 0x0040,
    MAPI_P_REPRESENTING_ENTRYID = 0x0041,
    MAPI_P_REPRESENTING_NAME = 0x0042,
    MAPI_P_ORIGINAL_SUBJECT = 0x0049,
    MAPI_P_REPLY_ENTRIES = 0x004f,
    MAPI_P_REPLY_NAMES = 0x0050,
    MAPI_P_TO_ME = 0x0057,
    MAPI_P_CC_ME = 0x0058,
    MAPI_P_START_DATE = 0x0060,
    MAPI_P_END_DATE = 0x0061,
    MAPI_P_OWNER_APPOINTMENT_ID = 0x0062,
    MAPI_P_RESPONSE_REQUESTED = 0x0063,
    MAPI_P_REPRESENTING_ADDRTYPE = 0x0064,
    MAPI_P_REPRESENTING_ADDRESS = 0x0065,
    MAPI_P_CONVERSATION_TOPIC = 0x0070,
    MAPI_P_CONVERSATION_INDEX = 0x0071,
    MAPI_P_ORIGINAL_DISPLAY_TO = 0x0074,
    MAPI_P_RECEIVED_BY_ADDRTYPE = 0x0075,
    MAPI_P_RECEIVED_BY_ADDRESS = 0x0076,
    MAPI_P_TRANSPORT_HEADERS = 0x007d,
    MAPI_P_NDR_REASON = 0x0c04,
    MAPI_P_NDR_DIAGNOSTIC = 0x0c05,
    MAPI_P_NDR_STATUS = 0x0c20,
    MAPI_P_RECIPIENT_TYPE = 0x0c15, /* 0 originator, 1 To, 2 Cc, 3 Bcc */
    MAPI_P_REPLY_REQUESTED = 0x0c17,
    MAPI_P_SENDER_ENTRYID = 0x0c19,
    MAPI_P_SENDER_NAME = 0x0c1a,
    MAPI_P_SUPPLEMENTARY_INFO = 0x0c1b,
    MAPI_P_SENDER_SEARCH_KEY = 0x0c1d,
    MAPI_P_SENDER_ADDRTYPE = 0x0c1e,
    MAPI_P_SENDER_ADDRESS = 0x0c1f,
    MAPI_P_REMOTE_MTA = 0x0c21,
    MAPI_P_DISPLAY_BCC = 0x0e02,
    MAPI_P_DISPLAY_CC = 0x0e03,
    MAPI_P_DISPLAY_TO = 0x0e04,
    MAPI_P_DELIVERY_TIME = 0x0e06,
    MAPI_P_MESSAGE_FLAGS = 0x0e07,
    MAPI_P_MESSAGE_SIZE = 0x0e08,
    MAPI_P_RESPONSIBILITY = 0x0e0f,
    MAPI_P_MESSAGE_STATUS = 0x0e17,
    MAPI_P_HAS_ATTACHMENTS = 0x0e1b,
    MAPI_P_NORMALIZED_SUBJECT = 0x0e1d,
    MAPI_P_RTF_IN_SYNC = 0x0e1f,
    MAPI_P_ATTACH_SIZE = 0x0e20,
    MAPI_P_ATTACH_NUM = 0x0e21,
    MAPI_P_TODO_FLAGS = 0x0e2b,
    MAPI_P_REPL_ITEM_ID = 0x0e30,
    MAPI_P_REPL_CHANGENUM = 0x0e33,
    MAPI_P_REPL_VERSION_HISTORY = 0x0e34,
    MAPI_P_REPL_FLAGS = 0x0e38,
    MAPI_P_RECORD_KEY = 0x0ff9,
    MAPI_P_OBJECT_TYPE = 0x0ffe,
    MAPI_P_ENTRYID = 0x0fff,
    MAPI_P_BODY = 0x1000,
    MAPI_P_RTF = 0x1009, /* compressed */
    MAPI_P_HTML = 0x1013,
    MAPI_P_BODY_CONTENT_LOCATION = 0x1014,
    MAPI_P_BODY_CONTENT_ID = 0x1015,
    MAPI_P_NATIVE_BODY = 0x1016, /* 1 plain, 2 RTF, 3 HTML, 4 clear-signed */
    MAPI_P_INTERNET_MESSAGE_ID = 0x1035,
    MAPI_P_INTERNET_REFERENCES = 0x1039,
    MAPI_P_IN_REPLY_TO = 0x1042,
    MAPI_P_ICON_INDEX = 0x1080,
    MAPI_P_LAST_VERB = 0x1081, /* 102 reply, 103 reply to all, 104 forward */
    MAPI_P_LAST_VERB_TIME = 0x1082,
    MAPI_P_FLAG_STATUS = 0x1090, /* 0 none, 1 complete, 2 flagged */
    MAPI_P_FLAG_COMPLETE_TIME = 0x1091,
    MAPI_P_FOLLOWUP_ICON = 0x1095,
    MAPI_P_BLOCK_STATUS = 0x1096,
    MAPI_P_ITEM_TEMPORARY_FLAGS = 0x1097,

    /* ---- all objects, folders, stores */
    MAPI_P_DISPLAY_NAME = 0x3001,
    MAPI_P_ADDRTYPE = 0x3002,
    MAPI_P_EMAIL_ADDRESS = 0x3003,
    MAPI_P_COMMENT = 0x3004,
    MAPI_P_CREATION_TIME = 0x3007,
    MAPI_P_MODIFICATION_TIME = 0x3008,
    MAPI_P_SEARCH_KEY = 0x300b,
    MAPI_P_CONVERSATION_ID = 0x3013,
    MAPI_P_STORE_SUPPORT_MASK = 0x340d,
    MAPI_P_VALID_FOLDER_MASK = 0x35df,
    MAPI_P_IPM_SUBTREE_ENTRYID = 0x35e0,
    MAPI_P_IPM_WASTEBASKET_ENTRYID = 0x35e3,
    MAPI_P_FINDER_ENTRYID = 0x35e7,
    MAPI_P_CONTENT_COUNT = 0x3602,
    MAPI_P_CONTENT_UNREAD = 0x3603,
    MAPI_P_SUBFOLDERS = 0x360a,
    MAPI_P_CONTAINER_CLASS = 0x3613,
    MAPI_P_DISPLAY_TYPE = 0x3900,
    MAPI_P_SMTP_ADDRESS = 0x39fe,
    MAPI_P_DISPLAY_NAME_7BIT = 0x39ff,
    MAPI_P_SEND_RICH_INFO = 0x3a40,
    MAPI_P_INTERNET_CODEPAGE = 0x3fde,
    MAPI_P_MESSAGE_LOCALE = 0x3ff1,
    MAPI_P_MESSAGE_CODEPAGE = 0x3ffd,
    MAPI_P_SENDER_SMTP = 0x5d01,
    MAPI_P_REPRESENTING_SMTP = 0x5d02,
    MAPI_P_RECIPIENT_DISPLAY_NAME = 0x5ff6,
    MAPI_P_RECIPIENT_ENTRYID = 0x5ff7,
    MAPI_P_RECIPIENT_FLAGS = 0x5ffd, /* 1 sendable, 2 organizer */
    MAPI_P_RECIPIENT_TRACK_STATUS = 0x5fff,
    MAPI_P_STORE_TYPE = 0x66fa,
    MAPI_P_PST_PASSWORD = 0x67ff,
    MAPI_P_ROW_ID = 0x67f2,
    MAPI_P_ROW_VERSION = 0x67f3,

    /* ---- attachments */
    MAPI_P_ATTACH_DATA = 0x3701,
    MAPI_P_ATTACH_ENCODING = 0x3702,
    MAPI_P_ATTACH_EXTENSION = 0x3703,
    MAPI_P_ATTACH_FILENAME = 0x3704,
    MAPI_P_ATTACH_METHOD = 0x3705,
    MAPI_P_ATTACH_LONG_FILENAME = 0x3707,
    MAPI_P_ATTACH_PATHNAME = 0x3708,
    MAPI_P_ATTACH_RENDERING = 0x3709,
    MAPI_P_ATTACH_TAG = 0x370a,
    MAPI_P_RENDERING_POSITION = 0x370b,
    MAPI_P_ATTACH_LONG_PATHNAME = 0x370d,
    MAPI_P_ATTACH_MIME_TAG = 0x370e,
    MAPI_P_ATTACH_CONTENT_ID = 0x3712,
    MAPI_P_ATTACH_CONTENT_LOCATION = 0x3713,
    MAPI_P_ATTACH_FLAGS = 0x3714, /* MAPI_ATTACH_IN_HTML */
    MAPI_P_ATTACH_DISPOSITION = 0x3716,
    MAPI_P_ATTACHMENT_HIDDEN = 0x7ffe,

    /* ---- contacts */
    MAPI_P_GENERATION = 0x3a05,
    MAPI_P_GIVEN_NAME = 0x3a06,
    MAPI_P_BUSINESS_PHONE = 0x3a08,
    MAPI_P_HOME_PHONE = 0x3a09,
    MAPI_P_SURNAME = 0x3a11,
    MAPI_P_POSTAL_ADDRESS = 0x3a15,
    MAPI_P_COMPANY_NAME = 0x3a16,
    MAPI_P_TITLE = 0x3a17,
    MAPI_P_DEPARTMENT = 0x3a18,
    MAPI_P_OFFICE_LOCATION = 0x3a19,
    MAPI_P_PRIMARY_PHONE = 0x3a1a,
    MAPI_P_BUSINESS_PHONE_2 = 0x3a1b,
    MAPI_P_MOBILE_PHONE = 0x3a1c,
    MAPI_P_OTHER_PHONE = 0x3a1f,
    MAPI_P_PAGER = 0x3a21,
    MAPI_P_BUSINESS_FAX = 0x3a24,
    MAPI_P_HOME_FAX = 0x3a25,
    MAPI_P_BUSINESS_COUNTRY = 0x3a26,
    MAPI_P_BUSINESS_CITY = 0x3a27,
    MAPI_P_BUSINESS_STATE = 0x3a28,
    MAPI_P_BUSINESS_STREET = 0x3a29,
    MAPI_P_BUSINESS_POSTAL_CODE = 0x3a2a,
    MAPI_P_BUSINESS_POST_OFFICE_BOX = 0x3a2b,
    MAPI_P_HOME_PHONE_2 = 0x3a2f,
    MAPI_P_BIRTHDAY = 0x3a42,
    MAPI_P_WEDDING_ANNIVERSARY = 0x3a41,
    MAPI_P_MIDDLE_NAME = 0x3a44,
    MAPI_P_NAME_PREFIX = 0x3a45,
    MAPI_P_PROFESSION = 0x3a46,
    MAPI_P_SPOUSE_NAME = 0x3a48,
    MAPI_P_PERSONAL_HOME_PAGE = 0x3a50,
    MAPI_P_BUSINESS_HOME_PAGE = 0x3a51,
    MAPI_P_NICKNAME = 0x3a4f,
    MAPI_P_HOME_CITY = 0x3a59,
    MAPI_P_HOME_COUNTRY = 0x3a5a,
    MAPI_P_HOME_POSTAL_CODE = 0x3a5b,
    MAPI_P_HOME_STATE = 0x3a5c,
    MAPI_P_HOME_STREET = 0x3a5d,
    MAPI_P_OTHER_CITY = 0x3a5f,
    MAPI_P_OTHER_COUNTRY = 0x3a60,
    MAPI_P_OTHER_POSTAL_CODE = 0x3a61,
    MAPI_P_OTHER_STATE = 0x3a62,
    MAPI_P_OTHER_STREET = 0x3a63,
};

/* Bits of MAPI_P_MESSAGE_FLAGS. */
enum {
    MAPI_FLAG_READ = 0x01,
    MAPI_FLAG_UNMODIFIED = 0x02,
    MAPI_FLAG_SUBMIT = 0x04,
    MAPI_FLAG_UNSENT = 0x08,
    MAPI_FLAG_HASATTACH = 0x10,
    MAPI_FLAG_FROMME = 0x20,
    MAPI_FLAG_ASSOCIATED = 0x40,
};

/* Values of MAPI_P_ATTACH_METHOD. */
enum {
    MAPI_ATTACH_NONE = 0,
    MAPI_ATTACH_BY_VALUE = 1,
    MAPI_ATTACH_BY_REFERENCE = 2,
    MAPI_ATTACH_BY_REFERENCE_RESOLVE = 3,
    MAPI_ATTACH_BY_REFERENCE_ONLY = 4,
    MAPI_ATTACH_EMBEDDED = 5,
    MAPI_ATTACH_OLE = 6,
    MAPI_ATTACH_WEB_REFERENCE = 7,
};
enum { MAPI_ATTACH_IN_HTML = 4 };

enum { MAPI_ICON_REPLIED = 261, MAPI_ICON_FORWARDED = 262 };
enum { MAPI_VERB_REPLY = 102, MAPI_VERB_REPLY_ALL = 103, MAPI_VERB_FORWARD = 104 };

/* ---- property sets, as they lie in files ------------------------------------------------------------------------------------------- */

/* {000620xx-0000-0000-C000-000000000046} and {0002xxxx-...}: the sets that differ in their first group only. */
#define MAPI_SET_(a) {(uint8_t)(a), (uint8_t)((a) >> 8), (uint8_t)((a) >> 16), (uint8_t)((a) >> 24), 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46}

extern const uint8_t mapi_set_public_strings[16];   /* 00020329 */
extern const uint8_t mapi_set_internet_headers[16]; /* 00020386 */
extern const uint8_t mapi_set_mapi[16];             /* 00020328: numbers are ids below 0x8000 */
extern const uint8_t mapi_set_common[16];           /* 00062008 */
extern const uint8_t mapi_set_appointment[16];      /* 00062002 */
extern const uint8_t mapi_set_task[16];             /* 00062003 */
extern const uint8_t mapi_set_address[16];          /* 00062004 */
extern const uint8_t mapi_set_log[16];              /* 0006200a */
extern const uint8_t mapi_set_note[16];             /* 0006200e */
extern const uint8_t mapi_set_meeting[16];          /* 6ed8da90-450b-101b-98da-00aa003f1305 */

/* Categories: a MAPI_STRING | MAPI_MULTI in mapi_set_public_strings. */
#define MAPI_NAME_KEYWORDS "Keywords"

/* The set of this program (51e80dd9-5a34-4b54-9c3c-6d8e3ff92d1b): the message as it was before an export, and XXH3-128 of that
 * (16 bytes, as digest.h counts it). An import takes it if the hash is right. */
extern const uint8_t mapi_set_cubby[16];
#define MAPI_NAME_ORIGINAL "cubby-message"           /* MAPI_BINARY */
#define MAPI_NAME_ORIGINAL_HASH "cubby-message-hash" /* MAPI_BINARY */

/* The start of a one-off EntryID: flags, this provider, version. */
extern const uint8_t mapi_oneoff_provider[16];

/* Numbers in mapi_set_common. */
enum {
    MAPI_N_REMINDER_DELTA = 0x8501,
    MAPI_N_REMINDER_TIME = 0x8502,
    MAPI_N_REMINDER_SET = 0x8503,
    MAPI_N_PRIVATE = 0x8506,
    MAPI_N_SIDE_EFFECTS = 0x8510,
    MAPI_N_COMMON_START = 0x8516,
    MAPI_N_COMMON_END = 0x8517,
    MAPI_N_FLAG_REQUEST = 0x8530,
    MAPI_N_INTERNET_ACCOUNT = 0x8580,
};

#endif
