#include "archive/pipeline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive/source.h"
#include "archive/variant.h"
#include "cli.h"

#define SLOTS          48
#define IN_FLIGHT      (10u << 20) /* raw bytes that wait or are worked on */
#define STREAM_BYTES   (512u << 10)
#define WORKERS_MAX    8
#define READER_STOP_MS 500

enum { FREE, READY, WORKING, DONE };

/* A big message on its way from the reader to its worker: one buffer that is full or empty. */
struct stream {
    uint8_t *buf;
    size_t len;
    uint8_t *stage; /* the reader's: filled before it becomes buf, because chunks can be short */
    size_t staged;
    int ended;  /* no more bytes come */
    int failed; /* ... because the file could not be read on */
};

struct pipeline {
    struct pipeline_options o;
    pthread_mutex_t lock;
    pthread_cond_t room;    /* for the reader: slots are free */
    pthread_cond_t work_on; /* for workers: a message is ready */
    pthread_cond_t done;    /* for the caller: the first job is done, or there will be none */
    pthread_cond_t streamed; /* for the reader and the worker of a big message */
    int reader_waits, caller_waits, workers_wait;
    struct job slots[SLOTS];
    uint64_t head, work, tail; /* handed out, given to a worker, filled: each counts up; slot = n % SLOTS */
    size_t in_flight;
    struct stream stream;
    struct target *targets; /* the reader's */
    int ended;
    atomic_int stop;
    atomic_uint_fast64_t taken;
    pthread_t reader, workers[WORKERS_MAX];
    int worker_count;
};

static struct job *slot(struct pipeline *p, uint64_t n)
{
    return &p->slots[n % SLOTS];
}

static void wait_ms(struct pipeline *p, int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    p->caller_waits = 1;
    pthread_cond_timedwait(&p->done, &p->lock, &t);
    p->caller_waits = 0;
}

/* Waking a thread for every message would cost more than the message: the reader is woken when there is room for some. */
static void wake_reader(struct pipeline *p)
{
    uint64_t used = p->tail - p->head;
    if (p->reader_waits && (used == 0 || (used <= SLOTS * 2 / 3 && p->in_flight <= IN_FLIGHT / 3 * 2)))
        pthread_cond_signal(&p->room);
}

static void wake_caller(struct pipeline *p)
{
    if (p->caller_waits && (p->head == p->tail ? p->ended : slot(p, p->head)->state == DONE))
        pthread_cond_signal(&p->done);
}

/* ---- workers ------------------------------------------------------------------------------------------------------------------------- */

static int note_failure(cubby_store *store, struct job *job, int code)
{
    job->code = code;
    cubby_last_error(store, &job->error);
    return code;
}

int pipeline_feed(cubby_store *store, struct job *job)
{
    int rc = variant_fresh_message(store, &job->message);
    if (rc == 0)
        rc = cubby_message_write(job->message, job->letter.p, job->letter.n);
    if (rc == 0)
        rc = cubby_message_finish(job->message);
    if (rc < 0)
        return note_failure(store, job, rc);
    job->fed = 1;
    return 0;
}

static void work_small(struct pipeline *p, struct job *job)
{
    letter_decode(job->raw, job->raw_len, &job->item, p->o.labels, &job->letter);
    job->skip = (size_t)(job->letter.p - job->raw);
    if (p->o.store && !(p->o.known && p->o.known(p->o.arg, job)))
        (void)pipeline_feed(p->o.store, job);
}

/* The next bytes of the stream into the worker's hands; 0 at its end. */
static size_t stream_take(struct pipeline *p, uint8_t *into)
{
    pthread_mutex_lock(&p->lock);
    while (!p->stream.len && !p->stream.ended && !p->stop)
        pthread_cond_wait(&p->streamed, &p->lock);
    size_t n = p->stop ? 0 : p->stream.len;
    memcpy(into, p->stream.buf, n);
    p->stream.len = 0;
    pthread_cond_broadcast(&p->streamed);
    pthread_mutex_unlock(&p->lock);
    return n;
}

static void big_result(struct pipeline *p, struct job *job, struct variant *v)
{
    job->letter.n = v->size;
    digest_end(v->digest, job->letter.hash);
    job->message = v->message;
    v->message = NULL;
    if (p->o.store && v->code == 0)
        v->code = cubby_message_finish(job->message);
    if (v->code < 0)
        note_failure(p->o.store, job, v->code);
    job->fed = p->o.store && v->code == 0;
}

static void work_big(struct pipeline *p, struct job *job)
{
    struct variant whole, inner;
    struct block b;
    int has = block_parse((char *)job->raw, job->raw_len, &b);
    uint8_t *buf = cli_malloc(STREAM_BYTES);
    variant_begin(&whole, p->o.store, job->message, 0);
    variant_add(&whole, job->raw, job->raw_len);
    if (has) {
        variant_begin(&inner, p->o.store, NULL, (size_t)b.added);
        variant_add(&inner, job->raw + b.len, job->raw_len - b.len);
    }
    for (size_t n; (n = stream_take(p, buf)) > 0;) {
        variant_add(&whole, buf, n);
        if (has)
            variant_add(&inner, buf, n);
    }
    free(buf);
    job->letter = (struct letter){.p = NULL};
    int inside = has && variant_matches(&inner, &b);
    letter_state((char *)job->raw, job->raw_len, &job->item, inside ? &b : NULL, p->o.labels, &job->letter);
    job->skip = inside ? b.len : 0;
    big_result(p, job, inside ? &inner : &whole);
    digest_free(&whole.digest);
    cubby_message_free(&whole.message);
    if (has) {
        digest_free(&inner.digest);
        cubby_message_free(&inner.message);
        cli_flags_release(&b.flags);
    }
}

static struct job *take_work(struct pipeline *p)
{
    for (; p->work < p->tail; p->work++) {
        struct job *job = slot(p, p->work);
        if (job->state == READY) {
            p->work++;
            job->state = WORKING;
            return job;
        }
    }
    return NULL;
}

static void *worker(void *arg)
{
    struct pipeline *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        struct job *job = take_work(p);
        if (!job && p->ended)
            break;
        if (!job) {
            p->workers_wait++;
            pthread_cond_wait(&p->work_on, &p->lock);
            p->workers_wait--;
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        if (job->big)
            work_big(p, job);
        else
            work_small(p, job);
        pthread_mutex_lock(&p->lock);
        if (job->big && p->stream.failed)
            job->kind = JOB_FAILED;
        job->state = DONE;
        if (job->big)
            pthread_cond_broadcast(&p->streamed);
        wake_caller(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the reader ---------------------------------------------------------------------------------------------------------------------- */

struct reading {
    struct pipeline *p;
    const struct tree_file *file;
    struct reader *reader;
    struct target *target; /* folder of what comes; NULL: none yet */
    uint64_t taken_before; /* bytes of the archives before this one */
};

/* A free slot at the tail, not yet visible to others; NULL: stop. */
static struct job *next_slot(struct reading *r, int kind)
{
    struct pipeline *p = r->p;
    pthread_mutex_lock(&p->lock);
    while (!p->stop && (slot(p, p->tail)->state != FREE || (p->in_flight > 0 && p->in_flight >= IN_FLIGHT))) {
        p->reader_waits = 1;
        pthread_cond_wait(&p->room, &p->lock);
        p->reader_waits = 0;
    }
    struct job *job = p->stop ? NULL : slot(p, p->tail);
    pthread_mutex_unlock(&p->lock);
    if (!job)
        return NULL;
    cubby_message *message = job->message;
    *job = (struct job){.kind = kind, .file = r->file, .target = r->target, .options = &r->p->o.reader, .message = message, .error.offset = UINT64_MAX};
    return job;
}

static void publish(struct pipeline *p, struct job *job, int state)
{
    pthread_mutex_lock(&p->lock);
    job->state = state;
    p->in_flight += job->raw_len;
    p->tail++;
    if (state == READY && p->workers_wait)
        pthread_cond_signal(&p->work_on);
    wake_caller(p);
    pthread_mutex_unlock(&p->lock);
}

static void append(struct job *job, const uint8_t *p, size_t n)
{
    if (job->raw_cap - job->raw_len < n) {
        size_t cap = job->raw_len ? 2 * (job->raw_len + n) : n;
        job->raw = cli_realloc(job->raw, cap);
        job->raw_cap = cap;
    }
    memcpy(job->raw + job->raw_len, p, n);
    job->raw_len += n;
}

/* Hands over what is staged. */
static void stream_flush(struct pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->stream.len && !p->stop)
        pthread_cond_wait(&p->streamed, &p->lock);
    uint8_t *full = p->stream.stage;
    p->stream.stage = p->stream.buf;
    p->stream.buf = full;
    p->stream.len = p->stream.staged;
    p->stream.staged = 0;
    pthread_cond_broadcast(&p->streamed);
    pthread_mutex_unlock(&p->lock);
}

static void stream_put(struct pipeline *p, const uint8_t *data, size_t n)
{
    while (n && !p->stop) {
        size_t room = STREAM_BYTES - p->stream.staged, step = n < room ? n : room;
        memcpy(p->stream.stage + p->stream.staged, data, step);
        p->stream.staged += step;
        data += step;
        n -= step;
        if (p->stream.staged == STREAM_BYTES)
            stream_flush(p);
    }
}

static void take_note(struct reading *r, struct job *job)
{
    job->note = r->reader->note;
    r->reader->note = NULL;
}

/* The rest of a message that is too big to be kept. Returns as reader_format.read does at the end. */
static int stream_rest(struct reading *r, struct job *job)
{
    struct pipeline *p = r->p;
    const uint8_t *data;
    size_t n;
    int rc = 0;
    job->big = 1;
    p->stream.ended = p->stream.failed = 0;
    p->stream.len = p->stream.staged = 0;
    publish(p, job, READY);
    while (!p->stop && (rc = r->reader->format->read(r->reader, &data, &n)) == 0)
        stream_put(p, data, n);
    stream_flush(p);
    pthread_mutex_lock(&p->lock);
    while (p->stream.len && !p->stop)
        pthread_cond_wait(&p->streamed, &p->lock);
    if (rc < 0)
        snprintf(job->reason, sizeof job->reason, "the message is not whole: %.290s", r->reader->error);
    take_note(r, job);
    p->stream.failed = rc < 0;
    p->stream.ended = 1;
    pthread_cond_broadcast(&p->streamed);
    while ((job->state == READY || job->state == WORKING) && !p->stop) /* the stream belongs to one message at a time */
        pthread_cond_wait(&p->streamed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* Takes the item over. */
static int push_failure(struct reading *r, struct reader_item *item, const char *fmt, const char *why)
{
    struct job *job = next_slot(r, JOB_FAILED);
    if (!job)
        return -1;
    job->item = *item;
    *item = (struct reader_item){0};
    snprintf(job->reason, sizeof job->reason, fmt, why);
    publish(r->p, job, DONE);
    return 0;
}

static int fail_archive(struct reading *r, uint64_t offset, const char *why)
{
    return push_failure(r, &(struct reader_item){.offset = offset}, "%s", why);
}

/* 0: go on with the next item. */
static int read_message(struct reading *r, struct reader_item *item)
{
    const uint8_t *data;
    size_t n;
    int rc;
    struct job *job = next_slot(r, JOB_MESSAGE);
    if (!job)
        return -1;
    job->item = *item;
    *item = (struct reader_item){0};
    while ((rc = r->reader->format->read(r->reader, &data, &n)) == 0) {
        append(job, data, n);
        if (job->raw_len > PIPELINE_BIG)
            return stream_rest(r, job), 0;
    }
    take_note(r, job);
    if (rc < 0) {
        free(job->raw);
        job->raw = NULL;
        job->raw_len = job->raw_cap = 0;
        job->kind = JOB_FAILED;
        snprintf(job->reason, sizeof job->reason, "the message is not whole: %.290s", r->reader->error);
    }
    publish(r->p, job, rc < 0 ? DONE : READY);
    return 0;
}

static int begin_folder(struct reading *r, struct reader_item *item)
{
    struct target *t = cli_malloc(sizeof *t);
    struct places *places = r->p->o.tree->places;
    const char *folder = places_path(places, r->file->folder, item->folder);
    if (item->original)
        places_set_original(places, folder, item->original, strlen(item->original));
    *t = (struct target){.next = r->p->targets, .file = r->file, .folder = folder, .special_use = item->special_use,
                         .uidvalidity = item->uidvalidity, .uidnext = item->uidnext};
    r->p->targets = r->target = t;
    struct job *job = next_slot(r, JOB_FOLDER);
    if (job)
        publish(r->p, job, DONE);
    return job ? 0 : -1;
}

static int read_item(struct reading *r, struct reader_item *item)
{
    if (item->kind == READER_FOLDER)
        return begin_folder(r, item);
    if (item->kind == READER_MESSAGE)
        return read_message(r, item);
    char why[320];
    snprintf(why, sizeof why, "%s", item->reason ? item->reason : "cannot be read");
    return push_failure(r, item, "%s", why);
}

static void read_items(struct reading *r)
{
    int rc = 0;
    while (rc == 0 && !r->p->stop) {
        struct reader_item item = {0};
        int got = r->reader->format->next(r->reader, &item);
        if (got < 0)
            fail_archive(r, item.offset, r->reader->error);
        rc = got == 0 ? read_item(r, &item) : 1;
        reader_item_release(&item);
        atomic_store(&r->p->taken, r->taken_before + r->reader->format->taken(r->reader));
    }
}

static void read_archive(struct reading *r)
{
    r->target = NULL;
    if (r->file->error) {
        fail_archive(r, 0, source_strerror(r->file->error));
        return;
    }
    if (r->file->format->open(r->file->path, &r->p->o.reader, &r->reader) == 0)
        read_items(r);
    else
        fail_archive(r, 0, r->reader->error);
    r->taken_before += r->reader->format->taken(r->reader);
    reader_close(&r->reader);
}

static void *reader(void *arg)
{
    struct pipeline *p = arg;
    struct reading r = {.p = p};
    for (size_t i = 0; i < p->o.tree->count && !p->stop; i++) {
        r.file = &p->o.tree->files[i];
        read_archive(&r);
    }
    pthread_mutex_lock(&p->lock);
    p->ended = 1;
    pthread_cond_broadcast(&p->work_on);
    wake_caller(p);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the caller's side --------------------------------------------------------------------------------------------------------------- */

struct pipeline *pipeline_start(const struct pipeline_options *o)
{
    struct pipeline *p = cli_malloc(sizeof *p);
    memset(p, 0, sizeof *p);
    p->o = *o;
    p->stream.buf = cli_malloc(STREAM_BYTES);
    p->stream.stage = cli_malloc(STREAM_BYTES);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->room, NULL);
    pthread_cond_init(&p->work_on, NULL);
    pthread_cond_init(&p->done, NULL);
    pthread_cond_init(&p->streamed, NULL);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int count = cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (int)cores;
    for (int i = 0; i < count; i++)
        p->worker_count += pthread_create(&p->workers[p->worker_count], NULL, worker, p) == 0;
    if (p->worker_count == 0 || pthread_create(&p->reader, NULL, reader, p) != 0)
        cli_no_memory();
    return p;
}

int pipeline_next(struct pipeline *p, int timeout_ms, struct job **out)
{
    pthread_mutex_lock(&p->lock);
    struct job *job = slot(p, p->head);
    int ready = p->head < p->tail && job->state == DONE;
    if (!ready && !(p->ended && p->head == p->tail)) {
        wait_ms(p, timeout_ms);
        ready = p->head < p->tail && job->state == DONE;
    }
    int rc = ready ? 0 : p->ended && p->head == p->tail ? 1 : 2;
    if (ready) {
        p->head++;
        *out = job;
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* Gives the raw bytes of a job back. */
static void drop_bytes(struct pipeline *p, struct job *job)
{
    free(job->raw);
    job->raw = NULL;
    job->letter.p = NULL;
    pthread_mutex_lock(&p->lock);
    p->in_flight -= job->raw_len;
    job->raw_len = job->raw_cap = 0;
    wake_reader(p);
    pthread_mutex_unlock(&p->lock);
}

void pipeline_release(struct pipeline *p, struct job *job)
{
    drop_bytes(p, job);
    letter_release(&job->letter);
    reader_item_release(&job->item);
    free(job->note);
    job->note = NULL;
    pthread_mutex_lock(&p->lock);
    job->state = FREE;
    wake_reader(p);
    pthread_mutex_unlock(&p->lock);
}

const char *job_source(const struct job *job)
{
    return job->item.name ? job->item.name : job->file->path;
}

uint64_t pipeline_taken(struct pipeline *p)
{
    return atomic_load(&p->taken);
}

/* The reader may hang in a read from a terminal or a pipe: then the process's end will end it. */
static int join_reader(struct pipeline *p)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += READER_STOP_MS * 1000000L;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return pthread_timedjoin_np(p->reader, NULL, &t);
}

void pipeline_stop(struct pipeline **pp)
{
    struct pipeline *p = *pp;
    if (!p)
        return;
    *pp = NULL;
    pthread_mutex_lock(&p->lock);
    p->stop = 1;
    pthread_cond_broadcast(&p->room);
    pthread_cond_broadcast(&p->work_on);
    pthread_cond_broadcast(&p->streamed);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->worker_count; i++)
        pthread_join(p->workers[i], NULL);
    int stuck = join_reader(p);
    for (int i = 0; i < SLOTS; i++) {
        cubby_message_free(&p->slots[i].message);
        if (stuck)
            continue;
        letter_release(&p->slots[i].letter);
        reader_item_release(&p->slots[i].item);
        free(p->slots[i].note);
        free(p->slots[i].raw);
    }
    if (stuck)
        return;
    for (struct target *t = p->targets, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    free(p->stream.buf);
    free(p->stream.stage);
    pthread_cond_destroy(&p->room);
    pthread_cond_destroy(&p->work_on);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->streamed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
