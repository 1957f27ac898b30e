/* fuzz_msg.c - any bytes as a .msg file: refused, or a message that comes to an end, the same one twice, with a state. */
#include <sys/mman.h>
#include <unistd.h>

#include "archive/mapi/to_mime.h"
#include "archive/msg/msg.h"
#include "fuzz/fuzz.h"

enum { MOST = 64 << 20 };

static uint64_t read_whole(struct mapi_object *o, uint64_t *size)
{
    struct to_mime *m = to_mime_open(o);
    uint8_t buf[3000];
    uint64_t h = 1469598103934665603u;
    size_t n;
    *size = 0;
    while ((n = to_mime_read(m, buf, sizeof buf)) > 0) {
        for (size_t i = 0; i < n; i++)
            h = (h ^ buf[i]) * 1099511628211u;
        *size += n;
        must(*size < MOST);
    }
    for (size_t i = 0; to_mime_loss(m, i); i++)
        must(!strchr(to_mime_loss(m, i), '\n'));
    to_mime_close(&m);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[64], error[320] = "";
    int fd = memfd_create("msg", MFD_CLOEXEC);
    must(fd >= 0 && (n == 0 || write(fd, data, n) == (ssize_t)n));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct msg_file *f = msg_open(path, error, sizeof error);
    if (f) {
        struct mapi_object *o = msg_message(f);
        struct mapi_state st;
        uint64_t a, b, size_a, size_b;
        mapi_state_of(o, &st);
        mapi_state_release(&st);
        a = read_whole(o, &size_a);
        b = read_whole(o, &size_b);
        must(a == b && size_a == size_b);
        mapi_close(&o);
        msg_close(&f);
    } else {
        must(error[0] != '\0');
    }
    close(fd);
    return 0;
}
