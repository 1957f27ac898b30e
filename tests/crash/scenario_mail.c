/* scenario_mail.c - scenarios about what transactions do to mail. */
#include "crash/scenario_list.h"

/* What most of them find: four messages and a folder with one. */
void scenario_some_mail(struct play *p)
{
    play_create(p);
    play_open(p, 0, 0);
    for (size_t i = 0; i < 4; i++)
        play_append(p, INBOX, 60 + i * 90);
    play_folder_create(p, CUBBY_ROOT, "Archive");
    play_append(p, p->folder, 80);
}

void scenario_append_one(struct play *p)
{
    play_append(p, INBOX, 200);
}

void scenario_append_many(struct play *p)
{
    for (size_t i = 0; i < 6; i++)
        play_append(p, INBOX, i * 300);
}

void scenario_append_batch(struct play *p)
{
    play_append(p, INBOX, 50);
    play_txn_begin(p, 0);
    for (size_t i = 0; i < 8; i++)
        play_append(p, INBOX, 40 + i * 50);
    play_txn_commit(p);
    play_append(p, INBOX, 50);
}

/* Several pieces, and more than stays in memory: through the spool. */
void scenario_append_huge(struct play *p)
{
    play_append(p, INBOX, 10);
    play_append(p, INBOX, 300000);
    play_append(p, INBOX, 10);
}

/* One transaction that is larger than a segment. */
void scenario_append_over_segment(struct play *p)
{
    play_append(p, INBOX, 500);
    play_append(p, INBOX, 12000);
    play_append(p, INBOX, 500);
}

void scenario_append_keywords(struct play *p)
{
    play_add(p, INBOX, &(struct play_mail){.body = 50, .flags = CUBBY_SEEN, .keyword = "$Forwarded", .keyword2 = "work"});
    play_add(p, INBOX, &(struct play_mail){.body = 60, .flags = CUBBY_DELETED, .keyword = "Work", .keyword2 = "$Junk"});
    play_add(p, INBOX, &(struct play_mail){.body = 70, .flags = CUBBY_DRAFT});
}

void scenario_append_mime(struct play *p)
{
    play_add(p, INBOX, &(struct play_mail){.body = 3000, .mime = 1});
    play_add(p, INBOX, &(struct play_mail){.body = 3000, .mime = 1}); /* the same attachment: its bytes may be shared */
    play_add(p, INBOX, &(struct play_mail){.body = 700, .mime = 1});
}

/* One message in two folders, and uids that the caller chose. */
void scenario_append_shared(struct play *p)
{
    play_add(p, INBOX, &(struct play_mail){.body = 100, .second = p->folder});
    play_add(p, INBOX, &(struct play_mail){.body = 100, .uid = 50});
    play_append(p, INBOX, 20);
}

void scenario_flag_add(struct play *p)
{
    play_flag(p, INBOX, "1", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0);
    play_flag(p, INBOX, "1:3", CUBBY_FLAGS_ADD, CUBBY_FLAGGED, "$Forwarded", 0);
    play_flag(p, INBOX, "2", CUBBY_FLAGS_ADD, CUBBY_DELETED, NULL, 0);
    play_flag(p, INBOX, "2", CUBBY_FLAGS_ADD, CUBBY_DELETED, NULL, 0); /* changes nothing */
}

void scenario_flag_remove(struct play *p)
{
    play_flag(p, INBOX, "1:4", CUBBY_FLAGS_ADD, CUBBY_SEEN | CUBBY_DELETED, "work", 0);
    play_flag(p, INBOX, "2:3", CUBBY_FLAGS_REMOVE, CUBBY_SEEN, "work", 0);
    play_flag(p, INBOX, "1:4", CUBBY_FLAGS_REMOVE, CUBBY_DELETED, NULL, 0);
}

void scenario_flag_replace(struct play *p)
{
    play_flag(p, INBOX, "1:4", CUBBY_FLAGS_REPLACE, CUBBY_SEEN, "a", 0);
    play_flag(p, INBOX, "1,3", CUBBY_FLAGS_REPLACE, CUBBY_DRAFT, "b", 0);
    play_flag(p, INBOX, "3", CUBBY_FLAGS_REPLACE, 0, NULL, 0);
}

void scenario_keywords(struct play *p)
{
    static const char *const names[] = {"one", "TWO", "$three", "two", "four"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        play_flag(p, INBOX, i % 2 ? "1" : "2:4", CUBBY_FLAGS_ADD, 0, names[i], 0);
}

/* Lazy commits, one after another and mixed with durable ones. */
void scenario_flag_lazy(struct play *p)
{
    play_flag(p, INBOX, "1", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY); /* announces the ceiling, so it is synced */
    play_flag(p, INBOX, "2", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_flag(p, INBOX, "3", CUBBY_FLAGS_ADD, CUBBY_SEEN, "late", CUBBY_LAZY);
    play_append(p, INBOX, 50);
    play_flag(p, INBOX, "4:5", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
}

/* ... behind a checkpoint, behind a clean stop, behind a roll: their modseqs were shown, so nobody may get them again. */
void scenario_flag_lazy_shown(struct play *p)
{
    for (int i = 0; i < 3; i++) {
        play_append(p, INBOX, 700);
        play_flag(p, INBOX, "1:1000", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
        if (i == 0)
            play_checkpoint(p);
        if (i == 1)
            play_reopen(p);
        play_flag(p, INBOX, "1:1000", CUBBY_FLAGS_ADD, 2u << i, NULL, CUBBY_LAZY);
        play_flag(p, INBOX, "1:1000", CUBBY_FLAGS_ADD, CUBBY_DRAFT, NULL, CUBBY_LAZY);
    }
}

void scenario_sync(struct play *p)
{
    play_sync(p);
    play_flag(p, INBOX, "1", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_flag(p, INBOX, "2", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_sync(p);
    play_flag(p, INBOX, "3", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_sync(p);
    play_sync(p);
}

void scenario_expunge(struct play *p)
{
    play_expunge(p, INBOX, "2:3", 0);
    play_expunge(p, INBOX, "4", 0); /* the highest uid: nobody may get it again */
    play_append(p, INBOX, 60);
    play_expunge(p, INBOX, "1:1000", 0);
}

void scenario_expunge_deleted(struct play *p)
{
    play_flag(p, INBOX, "1,3", CUBBY_FLAGS_ADD, CUBBY_DELETED, NULL, 0);
    play_expunge(p, INBOX, "1:1000", 1);
    play_expunge(p, INBOX, "1:1000", 1); /* nothing left */
    play_append(p, INBOX, 60);
}

void scenario_copy(struct play *p)
{
    play_copy(p, INBOX, "2:3", p->folder);
    play_copy(p, INBOX, "1", INBOX);
    play_expunge(p, INBOX, "2", 0); /* its copy stays */
    play_copy(p, INBOX, "3", p->folder);
}

void scenario_move(struct play *p)
{
    play_move(p, INBOX, "2:4", p->folder);
    play_append(p, INBOX, 60);
    play_move(p, p->folder, "1", INBOX);
}

void scenario_recent(struct play *p)
{
    play_recent(p, INBOX);
    play_append(p, INBOX, 60);
    play_recent(p, INBOX);
    play_recent(p, INBOX);
}

void scenario_folder_create(struct play *p)
{
    play_folder_create(p, CUBBY_ROOT, "work");
    play_folder_create(p, p->folder, "2019");
    play_append(p, p->folder, 80);
    play_folder_create(p, p->folder, "January");
}

void scenario_folder_rename(struct play *p)
{
    uint64_t archive = p->folder;
    play_folder_create(p, archive, "2019");
    play_folder_rename(p, archive, CUBBY_ROOT, "Old");
    play_folder_create(p, CUBBY_ROOT, "Archive");
    play_folder_rename(p, archive, p->folder, "older");
    play_append(p, archive, 40);
}

void scenario_folder_delete(struct play *p)
{
    uint64_t archive = p->folder;
    play_copy(p, INBOX, "1", archive);
    play_folder_create(p, archive, "child");
    play_folder_delete(p, p->folder);
    play_folder_delete(p, archive);
    play_folder_create(p, CUBBY_ROOT, "Archive"); /* another one of that name */
    play_append(p, p->folder, 40);
}

void scenario_special(struct play *p)
{
    play_special(p, p->folder, CUBBY_USE_ARCHIVE);
    play_special(p, p->folder, CUBBY_USE_ARCHIVE | CUBBY_USE_IMPORTANT);
    play_special(p, p->folder, 0);
}

void scenario_subscribe(struct play *p)
{
    play_subscribe(p, "INBOX", 6, 1);
    play_subscribe(p, "a\0b", 4, 1);
    play_subscribe(p, "INBOX", 6, 0);
    play_subscribe(p, "not there", 10, 1);
}

void scenario_annotations(struct play *p)
{
    play_annotate(p, INBOX, "/shared/comment", 20);
    play_annotate(p, p->folder, "/private/comment", CUBBY_ANNOTATION_MAX);
    play_annotate(p, INBOX, "/Shared/Comment", 300);
    play_annotate(p, p->folder, "/private/comment", 0);
    play_annotate(p, p->folder, "/private/other", 3);
    play_folder_delete(p, p->folder);
}

/* A folder that came from elsewhere, with its uids. */
void scenario_uidvalidity(struct play *p)
{
    play_folder_create(p, CUBBY_ROOT, "moved here");
    play_uidvalidity(p, p->folder, 1700000000);
    play_add(p, p->folder, &(struct play_mail){.body = 50, .uid = 77});
    play_folder_create(p, CUBBY_ROOT, "behind it");
}

/* Everything at once is there whole or not at all. */
void scenario_mixed(struct play *p)
{
    uint64_t archive = p->folder;
    for (int i = 0; i < 2; i++) {
        play_txn_begin(p, 0);
        play_append(p, INBOX, 90);
        play_folder_create(p, CUBBY_ROOT, i ? "second" : "first");
        play_copy(p, INBOX, "1", p->folder);
        play_flag(p, INBOX, "1:2", i ? CUBBY_FLAGS_REPLACE : CUBBY_FLAGS_ADD, CUBBY_SEEN, "mixed", 0);
        play_move(p, INBOX, i ? "4" : "3", archive);
        play_expunge(p, archive, "1", 0);
        play_special(p, p->folder, i ? CUBBY_USE_TRASH : CUBBY_USE_SENT);
        play_subscribe(p, "first", 6, !i);
        play_recent(p, INBOX);
        play_append(p, p->folder, 30);
        play_txn_commit(p);
    }
}

void scenario_abort(struct play *p)
{
    play_txn_begin(p, 0);
    play_append(p, INBOX, 90);
    play_flag(p, INBOX, "1", CUBBY_FLAGS_ADD, CUBBY_SEEN, "never", 0);
    play_expunge(p, INBOX, "2", 0);
    play_txn_abort(p);
    play_look(p);
    play_append(p, INBOX, 40);
    play_txn_begin(p, 0);
    play_folder_create(p, CUBBY_ROOT, "never");
    play_txn_abort(p);
    play_look(p);
    play_flag(p, INBOX, "2", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0);
}

/* A commit that changes nothing is no commit. */
void scenario_nothing(struct play *p)
{
    for (int i = 0; i < 2; i++) {
        play_txn_begin(p, 0);
        play_txn_commit(p);
    }
    play_expunge(p, INBOX, "900", 0);
    play_append(p, INBOX, 40);
}
