/* scenario_list.h - the functions that scenario_table.c puts into the table. */
#ifndef CUBBY_TESTS_SCENARIO_LIST_H
#define CUBBY_TESTS_SCENARIO_LIST_H

#include "crash/scenario.h"

/* setup */
void scenario_no_store(struct play *p);
void scenario_some_mail(struct play *p);

/* scenario_mail.c */
void scenario_append_one(struct play *p);
void scenario_append_many(struct play *p);
void scenario_append_batch(struct play *p);
void scenario_append_huge(struct play *p);
void scenario_append_over_segment(struct play *p);
void scenario_append_keywords(struct play *p);
void scenario_append_mime(struct play *p);
void scenario_append_shared(struct play *p);
void scenario_flag_add(struct play *p);
void scenario_flag_remove(struct play *p);
void scenario_flag_replace(struct play *p);
void scenario_keywords(struct play *p);
void scenario_flag_lazy(struct play *p);
void scenario_flag_lazy_shown(struct play *p);
void scenario_sync(struct play *p);
void scenario_expunge(struct play *p);
void scenario_expunge_deleted(struct play *p);
void scenario_copy(struct play *p);
void scenario_move(struct play *p);
void scenario_recent(struct play *p);
void scenario_folder_create(struct play *p);
void scenario_folder_rename(struct play *p);
void scenario_folder_delete(struct play *p);
void scenario_special(struct play *p);
void scenario_subscribe(struct play *p);
void scenario_annotations(struct play *p);
void scenario_uidvalidity(struct play *p);
void scenario_mixed(struct play *p);
void scenario_abort(struct play *p);
void scenario_nothing(struct play *p);

/* scenario_store.c */
void scenario_create(struct play *p);
void scenario_open_create(struct play *p);
void scenario_checkpoint(struct play *p);
void scenario_checkpoint_often(struct play *p);
void scenario_checkpoint_lazy(struct play *p);
void scenario_pages(struct play *p);
void scenario_roll(struct play *p);
void scenario_roll_batch(struct play *p);
void scenario_roll_lazy(struct play *p);
void scenario_roll_reopened(struct play *p);
void scenario_reopen(struct play *p);
void scenario_recover(struct play *p);
void scenario_recover_lazy(struct play *p);
void scenario_rebuild(struct play *p);
void scenario_index_lost(struct play *p);
void scenario_index_damaged(struct play *p);
void scenario_takeover(struct play *p);
void scenario_takeover_within(struct play *p);
void scenario_two_writers(struct play *p);
void scenario_reader(struct play *p);
void scenario_snapshot_held(struct play *p);
void scenario_fsck_beside(struct play *p);
void scenario_repair(struct play *p);
void scenario_small(struct play *p);

#endif
