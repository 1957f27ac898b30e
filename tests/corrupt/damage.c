#include "corrupt/damage.h"

#include "corrupt/sample.h"
#include "model/common.h"

enum { BLOCK = 512, MORE = 600, MORE_STEP = 37 };

const char *const damage_names[DAMAGES] = {
    [D_FLIP] = "flip", [D_BIT] = "bit", [D_CUT] = "cut", [D_MORE] = "more", [D_ZERO] = "zero", [D_OLD] = "old-block", [D_BLOCK] = "block",
    [D_GONE] = "gone", [D_STALE] = "stale", [D_FOREIGN] = "foreign", [D_TWIN] = "twin", [D_ALONE] = "alone",
};

/* ---- how many ---- */

static uint64_t blocks(const struct file *f)
{
    return (f->n + BLOCK - 1) / BLOCK;
}

static uint64_t all_blocks(const struct image *im)
{
    uint64_t n = 0;
    for (int i = 0; i < im->count; i++)
        n += blocks(&im->f[i]);
    return n;
}

static int segments(const struct image *im)
{
    int n = 0;
    for (int i = 0; i < im->count; i++)
        n += segment_number(&im->f[i]) != 0;
    return n;
}

/* Of this kind in file i. */
static uint64_t count_in(const struct scene *s, enum damage_kind kind, int i)
{
    const struct file *f = &s->im->f[i];
    switch (kind) {
    case D_FLIP:
    case D_CUT: return f->n;
    case D_BIT: return f->n * 8;
    case D_MORE: return MORE / MORE_STEP;
    case D_ZERO: return blocks(f);
    case D_OLD: return blocks(f) * EARLIER;
    case D_BLOCK: return blocks(f) * all_blocks(s->im);
    case D_STALE: return EARLIER;
    case D_GONE:
    case D_FOREIGN: return 1;
    case D_TWIN: return segment_number(f) ? (uint64_t)segments(s->im) : 0;
    case D_ALONE: return segment_number(f) != 0;
    default: return 0;
    }
}

uint64_t damage_count(const struct scene *s, enum damage_kind kind)
{
    uint64_t n = 0;
    for (int i = 0; i < s->im->count; i++)
        n += count_in(s, kind, i);
    return n;
}

/* ---- making one ---- */

/* A copy of the file, of n bytes, to be changed. */
static struct file *change(struct damage *d, int file, size_t n)
{
    struct file *f = &d->im.f[file];
    uint8_t *p = need(malloc(n + 1));
    memcpy(p, f->p, n < f->n ? n : f->n);
    f->p = d->owned = p;
    f->n = n;
    return f;
}

static void replace_file(struct damage *d, int file, const struct file *by, const char *how)
{
    struct file *f = &d->im.f[file];
    d->same = !by || (by->n == f->n && memcmp(by->p, f->p, f->n) == 0);
    if (!by)
        return;
    f->p = by->p;
    f->n = by->n;
    snprintf(d->what, sizeof d->what, "%s is %s", f->name, how);
}

/* Block `at` of the file as the bytes at p, n of them, zeros behind. */
static void replace_block(struct damage *d, int file, uint64_t at, const uint8_t *p, size_t n)
{
    struct file *f = &d->im.f[file];
    size_t off = (size_t)at * BLOCK, len = f->n - off < BLOCK ? f->n - off : BLOCK;
    uint8_t block[BLOCK] = {0};
    if (n)
        memcpy(block, p, n < len ? n : len);
    d->same = memcmp(f->p + off, block, len) == 0;
    memcpy(change(d, file, f->n)->p + off, block, len);
}

static void block_of(const struct image *im, uint64_t n, const struct file **f, size_t *off, size_t *len)
{
    int i = 0;
    for (; n >= blocks(&im->f[i]); i++)
        n -= blocks(&im->f[i]);
    *f = &im->f[i];
    *off = (size_t)n * BLOCK;
    *len = (*f)->n - *off < BLOCK ? (*f)->n - *off : BLOCK;
}

static void make_flip(int file, size_t byte, unsigned bit, struct damage *d)
{
    struct file *f = change(d, file, d->im.f[file].n);
    f->p[byte] ^= (uint8_t)(1u << bit);
    snprintf(d->what, sizeof d->what, "bit %u of byte %zu of %s flipped", bit, byte, f->name);
}

static void make_old_block(const struct scene *s, int file, uint64_t n, struct damage *d)
{
    const struct file *f = &d->im.f[file], *old = image_find(&s->earlier[n % EARLIER], f->name);
    uint64_t at = n / EARLIER;
    if (!old || at >= blocks(old)) {
        d->same = 1;
        return;
    }
    replace_block(d, file, at, old->p + at * BLOCK, old->n - (size_t)at * BLOCK);
    snprintf(d->what, sizeof d->what, "block %" PRIu64 " of %s as it was earlier (%d)", at, f->name, (int)(n % EARLIER));
}

static void make_block(const struct scene *s, int file, uint64_t n, struct damage *d)
{
    const struct file *from;
    size_t off, len;
    uint64_t all = all_blocks(s->im);
    block_of(s->im, n % all, &from, &off, &len);
    replace_block(d, file, n / all, from->p + off, len);
    snprintf(d->what, sizeof d->what, "block %" PRIu64 " of %s as block %zu of %s", n / all, d->im.f[file].name, off / BLOCK, from->name);
}

static void make_more(int file, uint64_t n, struct damage *d)
{
    size_t old = d->im.f[file].n, more = (size_t)n * MORE_STEP + 1;
    memset(change(d, file, old + more)->p + old, 0xa7, more);
    snprintf(d->what, sizeof d->what, "%zu bytes more in %s", more, d->im.f[file].name);
}

static void make_alone(int file, struct damage *d)
{
    for (int i = 0; i < d->im.count; i++)
        if (i != file && segment_number(&d->im.f[i]))
            d->im.f[i].p = NULL;
    snprintf(d->what, sizeof d->what, "all segments missing but %s", d->im.f[file].name);
}

static void make_twin(const struct scene *s, int file, uint64_t n, struct damage *d)
{
    char name[40];
    snprintf(name, sizeof name, "segments/%08u.seg", (unsigned)n + 1);
    replace_file(d, file, image_find(s->im, name), name);
}

static void make_in(const struct scene *s, int file, uint64_t n, struct damage *d)
{
    struct file *f = &d->im.f[file];
    switch (d->kind) {
    case D_FLIP: make_flip(file, (size_t)n, (unsigned)((n * 5 + n / 8) % 8), d); break;
    case D_BIT: make_flip(file, (size_t)n / 8, n % 8, d); break;
    case D_CUT:
        change(d, file, (size_t)n);
        snprintf(d->what, sizeof d->what, "%s cut to %" PRIu64 " bytes", f->name, n);
        break;
    case D_MORE: make_more(file, n, d); break;
    case D_ZERO:
        replace_block(d, file, n, NULL, 0);
        snprintf(d->what, sizeof d->what, "block %" PRIu64 " of %s zeroed", n, f->name);
        break;
    case D_OLD: make_old_block(s, file, n, d); break;
    case D_BLOCK: make_block(s, file, n, d); break;
    case D_GONE:
        f->p = NULL;
        snprintf(d->what, sizeof d->what, "%s missing", f->name);
        break;
    case D_STALE: replace_file(d, file, image_find(&s->earlier[n], f->name), n ? "an older copy (1)" : "an older copy (0)"); break;
    case D_FOREIGN: replace_file(d, file, image_find(s->foreign, f->name), "of another store"); break;
    case D_TWIN: make_twin(s, file, n, d); break;
    case D_ALONE: make_alone(file, d); break;
    default: break;
    }
}

void damage_make(const struct scene *s, enum damage_kind kind, uint64_t n, struct damage *out)
{
    *out = (struct damage){.kind = kind, .im = *s->im};
    for (int i = 0; i < s->im->count; i++) {
        uint64_t here = count_in(s, kind, i);
        if (n < here) {
            make_in(s, i, n, out);
            return;
        }
        n -= here;
    }
    die("corrupt: no damage of that number");
}

void damage_drop(struct damage *d)
{
    free(d->owned);
    d->owned = NULL;
}
