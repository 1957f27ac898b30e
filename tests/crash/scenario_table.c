/* scenario_table.c - all scenarios. tests/check/test_scenarios.sh sees that every call of cubby.h that changes a store is made by one. */
#include <string.h>

#include "crash/scenario_list.h"

static const struct scenario table[] = {
    /* name, what it finds, what it does, segment_bytes, checkpoint_bytes, share, damages */
    {"create", scenario_no_store, scenario_create, 0, 0, 0, 0},
    {"open-create", scenario_no_store, scenario_open_create, 0, 0, 0, 0},
    {"append-one", NULL, scenario_append_one, 0, 0, 0, 0},
    {"append-many", NULL, scenario_append_many, 0, 0, 0, 0},
    {"append-batch", NULL, scenario_append_batch, 0, 0, 0, 0},
    {"append-huge", NULL, scenario_append_huge, 0, 0, 10, 0},
    {"append-over-segment", NULL, scenario_append_over_segment, 4096, 0, 60, 0},
    {"append-keywords", NULL, scenario_append_keywords, 0, 0, 0, 0},
    {"append-mime", NULL, scenario_append_mime, 0, 0, 0, 0},
    {"append-shared", scenario_some_mail, scenario_append_shared, 0, 0, 0, 0},
    {"flag-add", scenario_some_mail, scenario_flag_add, 0, 0, 0, 0},
    {"flag-remove", scenario_some_mail, scenario_flag_remove, 0, 0, 0, 0},
    {"flag-replace", scenario_some_mail, scenario_flag_replace, 0, 0, 0, 0},
    {"flag-lazy", scenario_some_mail, scenario_flag_lazy, 0, 0, 0, 0},
    {"flag-lazy-shown", NULL, scenario_flag_lazy_shown, 4096, 0, 60, 0},
    {"keywords", scenario_some_mail, scenario_keywords, 0, 0, 0, 0},
    {"sync", scenario_some_mail, scenario_sync, 0, 0, 0, 0},
    {"expunge", scenario_some_mail, scenario_expunge, 0, 0, 0, 0},
    {"expunge-deleted", scenario_some_mail, scenario_expunge_deleted, 0, 0, 0, 0},
    {"copy", scenario_some_mail, scenario_copy, 0, 0, 0, 0},
    {"move", scenario_some_mail, scenario_move, 0, 0, 0, 0},
    {"recent", scenario_some_mail, scenario_recent, 0, 0, 0, 0},
    {"folder-create", scenario_some_mail, scenario_folder_create, 0, 0, 0, 0},
    {"folder-rename", scenario_some_mail, scenario_folder_rename, 0, 0, 0, 0},
    {"folder-delete", scenario_some_mail, scenario_folder_delete, 0, 0, 0, 0},
    {"special-use", scenario_some_mail, scenario_special, 0, 0, 0, 0},
    {"subscribe", NULL, scenario_subscribe, 0, 0, 0, 0},
    {"annotations", scenario_some_mail, scenario_annotations, 0, 0, 0, 0},
    {"uidvalidity", NULL, scenario_uidvalidity, 0, 0, 0, 0},
    {"mixed", scenario_some_mail, scenario_mixed, 0, 0, 0, 0},
    {"abort", scenario_some_mail, scenario_abort, 0, 0, 0, 0},
    {"nothing", scenario_some_mail, scenario_nothing, 0, 0, 0, 0},
    {"checkpoint", NULL, scenario_checkpoint, 0, 0, 0, 0},
    {"checkpoint-often", NULL, scenario_checkpoint_often, 0, 400, 0, 0},
    {"checkpoint-lazy", scenario_some_mail, scenario_checkpoint_lazy, 0, 0, 0, 0},
    {"pages", NULL, scenario_pages, 0, 0, 40, 0},
    {"roll", NULL, scenario_roll, 4096, 0, 60, 0},
    {"roll-batch", NULL, scenario_roll_batch, 4096, 0, 60, 0},
    {"roll-lazy", NULL, scenario_roll_lazy, 3000, 0, 60, 0},
    {"roll-reopened", NULL, scenario_roll_reopened, 2000, 0, 60, 0},
    {"small", scenario_some_mail, scenario_small, 3000, 1500, 40, 0},
    {"reopen", scenario_some_mail, scenario_reopen, 0, 0, 0, 0},
    {"recover", NULL, scenario_recover, 0, 0, 0, 0},
    {"recover-lazy", scenario_some_mail, scenario_recover_lazy, 0, 0, 0, 0},
    {"recover-small", NULL, scenario_recover, 3000, 600, 0, 0},
    {"rebuild", scenario_some_mail, scenario_rebuild, 0, 0, 0, 0},
    {"index-lost", scenario_some_mail, scenario_index_lost, 0, 0, 0, 0},
    {"index-damaged", scenario_some_mail, scenario_index_damaged, 0, 0, 0, 1},
    {"takeover", scenario_some_mail, scenario_takeover, 0, 0, 0, 0},
    {"takeover-within", scenario_some_mail, scenario_takeover_within, 0, 0, 0, 0},
    {"two-writers", NULL, scenario_two_writers, 0, 0, 0, 0},
    {"two-writers-small", NULL, scenario_two_writers, 3000, 600, 60, 0},
    {"reader", scenario_some_mail, scenario_reader, 4096, 0, 60, 0},
    {"snapshot-held", scenario_some_mail, scenario_snapshot_held, 0, 0, 0, 0},
    {"fsck-beside", scenario_some_mail, scenario_fsck_beside, 0, 0, 0, 0},
    {"repair", scenario_some_mail, scenario_repair, 0, 0, 0, 1},
};

const struct scenario *scenario_table(size_t *count)
{
    *count = sizeof table / sizeof *table;
    return table;
}

const struct scenario *scenario_find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}
