/* scenario_calls.h - for the files that make the steps: every call below is noted, so that play_calls tells which were made. */
#ifndef CUBBY_TESTS_SCENARIO_CALLS_H
#define CUBBY_TESTS_SCENARIO_CALLS_H

#include "cubby.h" /* before the names mean something else */

void play_note(const char *name);

/* A name that is not expanded again within its own expansion. */
#define cubby_create(...)             (play_note("cubby_create"), cubby_create(__VA_ARGS__))
#define cubby_open(...)               (play_note("cubby_open"), cubby_open(__VA_ARGS__))
#define cubby_close(...)              (play_note("cubby_close"), cubby_close(__VA_ARGS__))
#define cubby_sync(...)               (play_note("cubby_sync"), cubby_sync(__VA_ARGS__))
#define cubby_checkpoint(...)         (play_note("cubby_checkpoint"), cubby_checkpoint(__VA_ARGS__))
#define cubby_check(...)              (play_note("cubby_check"), cubby_check(__VA_ARGS__))
#define cubby_message_new(...)        (play_note("cubby_message_new"), cubby_message_new(__VA_ARGS__))
#define cubby_txn_begin(...)          (play_note("cubby_txn_begin"), cubby_txn_begin(__VA_ARGS__))
#define cubby_txn_commit(...)         (play_note("cubby_txn_commit"), cubby_txn_commit(__VA_ARGS__))
#define cubby_txn_abort(t)            (*(t) ? play_note("cubby_txn_abort") : (void)0, cubby_txn_abort(t))
#define cubby_add(...)                (play_note("cubby_add"), cubby_add(__VA_ARGS__))
#define cubby_flag(...)               (play_note("cubby_flag"), cubby_flag(__VA_ARGS__))
#define cubby_copy(...)               (play_note("cubby_copy"), cubby_copy(__VA_ARGS__))
#define cubby_move(...)               (play_note("cubby_move"), cubby_move(__VA_ARGS__))
#define cubby_expunge(...)            (play_note("cubby_expunge"), cubby_expunge(__VA_ARGS__))
#define cubby_recent_claim(...)       (play_note("cubby_recent_claim"), cubby_recent_claim(__VA_ARGS__))
#define cubby_folder_create(...)      (play_note("cubby_folder_create"), cubby_folder_create(__VA_ARGS__))
#define cubby_folder_rename(...)      (play_note("cubby_folder_rename"), cubby_folder_rename(__VA_ARGS__))
#define cubby_folder_delete(...)      (play_note("cubby_folder_delete"), cubby_folder_delete(__VA_ARGS__))
#define cubby_folder_set_special(...) (play_note("cubby_folder_set_special"), cubby_folder_set_special(__VA_ARGS__))
#define cubby_subscribe(...)          (play_note("cubby_subscribe"), cubby_subscribe(__VA_ARGS__))
#define cubby_annotation_set(...)     (play_note("cubby_annotation_set"), cubby_annotation_set(__VA_ARGS__))
#define cubby_repair(...)             (play_note("cubby_repair"), cubby_repair(__VA_ARGS__))
#define cubby_folder_set_uidvalidity(...) (play_note("cubby_folder_set_uidvalidity"), cubby_folder_set_uidvalidity(__VA_ARGS__))

#endif
