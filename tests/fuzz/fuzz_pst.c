/* fuzz_pst.c - a PST file that this program wrote, changed in any way: importing it and checking it come to an end, every item is a message, a folder or a failure
 * with a reason.
 *
 * The input is a list of changes: bytes written over in a page or block, or anywhere, a page or block copied over another, the file cut. The first byte says
 * whether checksums are put right afterwards, so that decoders are reached. */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive/pst/check.h"
#include "archive/pst/code.h"
#include "archive/reader.h"
#include "fuzz/fuzz.h"

enum { SPOTS = 8192, MOST = 64 << 20 };

/* A page or block: bytes under a checksum. */
struct spot {
    uint32_t at, len, sum_at;
};

static uint8_t *base;
static size_t base_len;
static struct spot spots[SPOTS];
static size_t spot_count;

/* ---- the file that is always the same ---- */

static const char mbox[] =
    "From a@b Sat Jan  2 01:29:12 2021\nFrom: A <a@example.org>\nTo: B <b@example.org>, c@example.org\nCc: D <d@example.org>\nSubject: Re: one\n"
    "Message-ID: <1@x>\nStatus: RO\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n"
    "--c\n\nplain text\n--c\nContent-Type: text/html; charset=utf-8\n\n<p>text</p>\n--c--\n--b\nContent-Type: application/octet-stream; name=x.bin\n"
    "Content-Disposition: attachment; filename=x.bin\nContent-Transfer-Encoding: base64\n\nAAECAwQFBgcICQ==\n--b\nContent-Type: message/rfc822\n\n"
    "From: e@example.org\nSubject: in it\n\ninner\n--b--\n\n"
    "From a@b Sun Jan  3 01:29:12 2021\nSubject: two\nX-Keywords: Work Home\nX-Status: F\n\nshort\n\n";

static void run_command(int (*command)(int, char **), const char *const *words, int n)
{
    pid_t pid = fork();
    int status;
    must(pid >= 0);
    if (pid == 0) {
        char *argv[10] = {NULL};
        for (int i = 0; i < n; i++)
            argv[i] = (char *)(uintptr_t)words[i];
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        cli.command = argv[0];
        cli.progress = CLI_PROGRESS_NEVER;
        _exit(command(n, argv));
    }
    must(waitpid(pid, &status, 0) == pid && status == 0);
}

static void add_spot(size_t at, size_t len, size_t sum_at)
{
    if (spot_count < SPOTS)
        spots[spot_count++] = (struct spot){(uint32_t)at, (uint32_t)len, (uint32_t)sum_at};
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* Pages stand at 512 bytes, blocks end at 64, both with a trailer: what has the right checksum is one. */
static void find_spots(void)
{
    add_spot(8, 471, 4);
    add_spot(8, 516, 524);
    for (size_t at = 0x4200; at + 512 <= base_len; at += 512) {
        const uint8_t *t = base + at + 496;
        if (t[0] >= 0x80 && t[0] <= 0x86 && t[0] == t[1] && pst_crc(0, base + at, 496) == get32(t + 4))
            add_spot(at, 496, at + 500);
    }
    for (size_t end = 0x4640; end <= base_len; end += 64) {
        const uint8_t *t = base + end - 16;
        size_t len = (size_t)t[0] | (size_t)t[1] << 8, whole = (len + 16 + 63) / 64 * 64;
        if (len && len <= 8176 && whole <= end && pst_crc(0, base + end - whole, len) == get32(t + 4))
            add_spot(end - whole, len, end - 12);
    }
    must(spot_count > 40);
}

static void prepare(void)
{
    char dir[] = "/tmp/cubby-fuzz-pst.XXXXXX", store[80], in[80], out[80], cmd[120];
    must(mkdtemp(dir) != NULL);
    snprintf(store, sizeof store, "%s/s", dir);
    snprintf(in, sizeof in, "%s/Folder.mbox", dir);
    snprintf(out, sizeof out, "%s/o.pst", dir);
    FILE *f = fopen(in, "w");
    must(f && fputs(mbox, f) >= 0 && fclose(f) == 0);
    run_command(cmd_import, (const char *const[]){"import", store, in}, 3);
    run_command(cmd_export, (const char *const[]){"export", "--format", "pst", store, out}, 5);
    f = fopen(out, "r");
    must(f && fseek(f, 0, SEEK_END) == 0);
    base_len = (size_t)ftell(f);
    base = malloc(base_len);
    rewind(f);
    must(base && fread(base, 1, base_len, f) == base_len && fclose(f) == 0);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    must(system(cmd) == 0);
    find_spots();
}

/* ---- changes ---- */

static void change(uint8_t *p, size_t *len, struct input *in)
{
    unsigned what = (unsigned)take(in, 1);
    const struct spot *s = &spots[take(in, 2) % spot_count];
    size_t at = (size_t)take(in, 2);
    if (what % 16 == 15) {
        *len = (s->at + at) % (base_len + 1);
        return;
    }
    if (what % 16 == 14) { /* another's bytes, with its checksum or without */
        const struct spot *from = &spots[at % spot_count];
        size_t n = from->len < s->len ? from->len : s->len;
        memmove(p + s->at, base + from->at, n);
        return;
    }
    struct input bytes = take_bytes(in, 1 + what / 16);
    size_t to = s->at + at % (s->len + 16);
    if (to + bytes.n <= base_len && bytes.n)
        memcpy(p + to, bytes.p, bytes.n);
}

static void fix(uint8_t *p)
{
    for (size_t i = 2; i < spot_count; i++)
        put32(p + spots[i].sum_at, pst_crc(0, p + spots[i].at, spots[i].len));
    for (size_t i = 0; i < 2; i++)
        put32(p + spots[i].sum_at, pst_crc(0, p + spots[i].at, spots[i].len));
}

/* ---- what must come to an end ---- */

static void import_all(const char *path)
{
    const struct reader_options o = {.password = "x"};
    struct reader *r = NULL;
    struct reader_item item = {0};
    uint64_t bytes = 0, items = 0;
    int rc = reader_pst.open(path, &o, &r);
    while (rc == 0 && (rc = reader_pst.next(r, &item)) == 0) {
        const uint8_t *p;
        size_t n;
        must(++items < 20000 && (item.kind != READER_FAILED || item.reason) && (item.kind != READER_FOLDER || item.folder));
        while (item.kind == READER_MESSAGE && reader_pst.read(r, &p, &n) == 0) {
            must(n > 0);
            bytes += n;
            must(bytes < MOST);
        }
        free(r->note);
        r->note = NULL;
        reader_item_release(&item);
        memset(&item, 0, sizeof item);
    }
    must(rc >= 0 || r->error[0]);
    reader_item_release(&item);
    reader_close(&r);
}

static void ignore(void *arg, int severity, uint64_t offset, const char *text)
{
    (void)arg, (void)severity, (void)offset;
    must(text && *text);
}

static void check(const char *path)
{
    struct pst_checked out;
    char error[256];
    uint64_t offset;
    if (pst_check(path, ignore, NULL, NULL, &out, error, &offset) < 0)
        must(error[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    char path[64];
    if (!base)
        prepare();
    size_t len = base_len;
    uint8_t *p = exact_copy(base, base_len);
    int forged = (int)take(&in, 1) & 1;
    for (int i = 0; i < 40 && in.n >= 6; i++)
        change(p, &len, &in);
    if (forged)
        fix(p);
    int fd = memfd_create("pst", MFD_CLOEXEC);
    must(fd >= 0 && (len == 0 || write(fd, p, len) == (ssize_t)len));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    import_all(path);
    check(path);
    close(fd);
    free(p);
    return 0;
}
