/* Races of a reader with writers, made to happen: what comes between two of its steps is run there (shared.c, S2 and S3). */
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "unit/store/store_util.h"

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

/* The thread sanitizer lets no signal handler allocate, and below valgrind what it returns to has other registers. */
static int no_handlers(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return UNDER_TSAN || (preload && strstr(preload, "vgpreload"));
}

enum { ROWS = 100 };

/* ---- the shared page, at an address of its own for each handle, so that one may be kept from writing to it for a moment ---- */

static struct {
    int fd;
    uint8_t *watched;
    struct bed *bed;
    int fired;
} page;

static int map_page(void *ctx, cubby_file *f, uint64_t off, size_t n, void **out)
{
    (void)ctx;
    (void)f;
    (void)off;
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, page.fd, 0);
    *out = p;
    return p == MAP_FAILED ? -ENOMEM : 0;
}

static void unmap_page(void *ctx, void *p, size_t n)
{
    (void)ctx;
    munmap(p, n);
}

static void begin_with_pages(struct bed *b, struct cubby__store **reader)
{
    page.fd = memfd_create("page", MFD_CLOEXEC);
    ck_assert_int_ge(page.fd, 0);
    ck_assert_int_eq(ftruncate(page.fd, CUBBY__PAGE_SIZE), 0);
    bed_init(b);
    b->fault.vfs.map = map_page;
    b->fault.vfs.unmap = unmap_page;
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
    kv_store_many(b, 0, ROWS, 60);
    cubby_options o = b->o;
    o.flags = CUBBY_READ_ONLY;
    o.cache_bytes = 1; /* what it reads comes from the file */
    MUST(cubby__store_open("/s", &o, &kv_handlers, reader, &b->err));
    ck_assert_int_ge((*reader)->slot, 0);
}

static void end_with_pages(struct bed *b, struct cubby__store **reader)
{
    MUST(cubby__store_close(reader, &b->err));
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
    close(page.fd);
}

/* The reader is about to write to the page. First others publish, and use again every page of the index that they may. */
static void others_write(int sig, siginfo_t *info, void *context)
{
    (void)context;
    uint8_t *at = info->si_addr;
    if (!page.watched || at < page.watched || at >= page.watched + CUBBY__PAGE_SIZE) {
        signal(sig, SIG_DFL); /* a fault like any */
        return;
    }
    mprotect(page.watched, CUBBY__PAGE_SIZE, PROT_READ | PROT_WRITE);
    page.watched = NULL;
    page.fired++;
    for (int i = 0; i < 5; i++)
        kv_store_many(page.bed, 0, ROWS, 60);
    struct bed *b = page.bed;
    MUST(cubby__store_checkpoint(b->s, &b->err));
    kv_store_many(page.bed, 0, ROWS, 60);
}

/* Between reading what is published and claiming it a reader is overtaken: it must look again, and see the new. */
START_TEST(overtaken_before_the_claim)
{
    struct bed bed, *b = &bed;
    struct cubby__store *reader;
    struct cubby__view v;
    struct sigaction old, sa = {.sa_sigaction = others_write, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (no_handlers())
        return;
    begin_with_pages(b, &reader);
    ck_assert_int_eq(sigaction(SIGSEGV, &sa, &old), 0);
    for (int i = 0; i < 20; i++) {
        page.bed = b;
        page.watched = reader->shared;
        ck_assert_int_eq(mprotect(reader->shared, CUBBY__PAGE_SIZE, PROT_READ), 0);
        MUST(cubby__view_begin(reader, &v, &b->err));
        ck_assert_int_eq(page.fired, i + 1);
        kv_store_many(b, 0, ROWS, 60);
        struct cubby__buf rows = kv_dump_view(&v);
        cubby__buf_release(&rows);
        cubby__view_end(&v);
    }
    sigaction(SIGSEGV, &old, NULL);
    end_with_pages(b, &reader);
}
END_TEST

/* ---- the published state, word by word ---- */

#ifdef __x86_64__

enum { TRAP_FLAG = 0x100, WORDS = CUBBY__STATE_SIZE / 8 };

static struct {
    uint8_t *at;           /* the reader's page: no access but one instruction at a time */
    int left, accesses;    /* before others publish; so far */
    struct cubby__store *publisher;
    uint64_t n;            /* published last, in every word */
} step;

static void publish_next(void)
{
    struct cubby__published p;
    uint64_t *words = (uint64_t *)(void *)&p;
    step.n++;
    for (size_t i = 0; i < WORDS; i++)
        words[i] = step.n;
    cubby__publish(step.publisher, &p);
}

static void before_access(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uint8_t *at = info->si_addr;
    if (!step.at || at < step.at || at >= step.at + CUBBY__PAGE_SIZE) {
        signal(sig, SIG_DFL);
        return;
    }
    step.accesses++;
    if (step.left-- == 0) { /* both slots are written anew */
        publish_next();
        publish_next();
    }
    mprotect(step.at, CUBBY__PAGE_SIZE, PROT_READ | PROT_WRITE);
    uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void after_access(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)sig;
    (void)info;
    uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    mprotect(step.at, CUBBY__PAGE_SIZE, PROT_NONE);
}

/* What the reader reads if others publish twice before its access number `left`. */
static void read_stepwise(struct cubby__store *reader, int left, struct cubby__published *out)
{
    step.left = left;
    step.accesses = 0;
    step.at = reader->shared;
    ck_assert_int_eq(mprotect(step.at, CUBBY__PAGE_SIZE, PROT_NONE), 0);
    cubby__read_published(reader, out);
    mprotect(step.at, CUBBY__PAGE_SIZE, PROT_READ | PROT_WRITE);
    step.at = NULL;
}

/* All of a state is of one publish, whenever others publish. */
START_TEST(a_state_is_read_whole)
{
    struct bed bed, *b = &bed;
    struct cubby__store *reader;
    struct cubby__published keep, p;
    const uint64_t *words = (const uint64_t *)(const void *)&p;
    struct sigaction segv, trap, first = {.sa_sigaction = before_access, .sa_flags = SA_SIGINFO | SA_NODEFER},
                                 then = {.sa_sigaction = after_access, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (no_handlers())
        return;
    begin_with_pages(b, &reader);
    cubby__read_published(b->s, &keep);
    step.publisher = b->s;
    publish_next();
    ck_assert_int_eq(sigaction(SIGSEGV, &first, &segv) | sigaction(SIGTRAP, &then, &trap), 0);
    read_stepwise(reader, INT_MAX, &p);
    int accesses = step.accesses;
    ck_assert_int_ge(accesses, WORDS + 1); /* a word each, and what says where they are */
    for (int left = 0; left < accesses; left++) {
        uint64_t before = step.n;
        read_stepwise(reader, left, &p);
        for (size_t i = 1; i < WORDS; i++)
            ck_assert_msg(words[i] == words[0], "published before access %d: word %zu is of %llu, the first of %llu", left, i, (unsigned long long)words[i],
                          (unsigned long long)words[0]);
        ck_assert_uint_ge(words[0], before);
        ck_assert_uint_eq(step.n, before + 2);
    }
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGTRAP, &trap, NULL);
    cubby__publish(b->s, &keep);
    end_with_pages(b, &reader);
}
END_TEST

#else
START_TEST(a_state_is_read_whole) /* takes a processor that stops behind an instruction */
{
}
END_TEST
#endif

UNIT_MAIN("store/races", overtaken_before_the_claim, a_state_is_read_whole)
