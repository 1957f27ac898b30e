/* fs.h - what kind of file system a path is on. POSIX only: of use where the VFS is cubby_vfs_posix(). */
#ifndef CUBBY_OS_FS_H
#define CUBBY_OS_FS_H

/* 1: NFS, SMB, AFS, Ceph, Lustre, GFS2 or OCFS2, where neither locks nor shared memory can be relied on between machines; 0: none of
 * these; a negative errno if the path cannot be looked at (-ENOENT: ask about its directory). */
int cubby__fs_is_network(const char *path);

/* 1: a block that a file has once is written to where it is, always (ext2 to ext4, tmpfs); 0: it may be copied first, which takes room (btrfs; XFS, if
 * somebody has cloned the file), or nobody knows. */
int cubby__fs_keeps_blocks(int fd);

#endif
