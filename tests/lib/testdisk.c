/* SPDX-License-Identifier: Apache-2.0 */
/* testdisk.c - small disks that only this process sees. */
#include "lib/testdisk.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/testdir.h"

static void must(bool fine, const char *what)
{
    if (fine)
        return;
    perror(what);
    exit(1);
}

bool testdisk_begin(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

char *testdisk_new(const char *size)
{
    char *dir = testdir_new(), options[40];

    snprintf(options, sizeof options, "size=%s", size);
    must(mount("none", dir, "tmpfs", 0, options) == 0, "mount");
    return dir;
}

void testdisk_remove(const char *path)
{
    must(umount(path) == 0, "umount");
}

static int64_t left_on(const char *path)
{
    struct statvfs fs;

    must(statvfs(path, &fs) == 0, "statvfs");
    return (int64_t)(fs.f_bavail * fs.f_frsize);
}

static void filler(const char *path, char out[400])
{
    snprintf(out, 400, "%s/filler", path);
}

void testdisk_fill(const char *path, int64_t left)
{
    static const char page[4096];
    char name[400];
    int fd;

    filler(path, name);
    fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    must(fd >= 0, name);
    while (left_on(path) > left)
        must(write(fd, page, sizeof page) == sizeof page, name);
    close(fd);
}

void testdisk_clear(const char *path)
{
    char name[400];

    filler(path, name);
    must(unlink(name) == 0, name);
}
