#include "os/fs.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statfs.h>

/* statfs(2) f_type; not all of them are in <linux/magic.h>. */
static const uint32_t network_magic[] = {
    0x6969,     /* NFS */
    0x517B,     /* SMB */
    0xFF534D42, /* CIFS */
    0xFE534D42, /* SMB2 */
    0x5346414F, /* OpenAFS */
    0x6B414653, /* kAFS */
    0x00C36400, /* Ceph */
    0x0BD00BD0, /* Lustre */
    0x01161970, /* GFS2 */
    0x7461636F, /* OCFS2 */
};

int cubby__fs_is_network(const char *path)
{
    struct statfs st;
    int rc;
    do
        rc = statfs(path, &st);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return -errno;
    for (size_t i = 0; i < sizeof network_magic / sizeof *network_magic; i++)
        if ((uint32_t)st.f_type == network_magic[i])
            return 1;
    return 0;
}

int cubby__fs_keeps_blocks(int fd)
{
    struct statfs st;
    if (fstatfs(fd, &st) != 0)
        return 0;
    uint32_t magic = (uint32_t)st.f_type;
    return magic == 0xEF53 || magic == 0x01021994; /* ext, tmpfs */
}
