/* SPDX-License-Identifier: Apache-2.0 */
/* testdir.c - a folder of its own for each test program.
 *
 * One folder a process, so that programs run side by side; the process that made it removes
 * it. Children of fork() inherit the exit handler, so it looks at the process id first. */
#include "lib/testdir.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    char path[300];
    pid_t owner;
    unsigned fresh;
} dir;

static void die(const char *what, const char *path)
{
    fprintf(stderr, "testdir: %s: %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *where)
{
    (void)st;
    (void)flag;
    (void)where;
    return remove(path);
}

/* A test may have taken the rights away; without them a folder's files cannot be removed. */
static int open_up(const char *path, const struct stat *st, int flag, struct FTW *where)
{
    (void)st;
    (void)where;
    if (flag == FTW_D || flag == FTW_DNR)
        (void)chmod(path, 0700);
    return 0;
}

static void remove_dir(void)
{
    if (dir.owner != getpid())
        return;
    (void)nftw(dir.path, open_up, 16, FTW_PHYS);
    (void)nftw(dir.path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *testdir(void)
{
    const char *base = getenv("TMPDIR");

    if (dir.owner)
        return dir.path;
    snprintf(dir.path, sizeof(dir.path), "%s/lockstep-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(dir.path))
        die("cannot make a folder", dir.path);
    dir.owner = getpid();
    atexit(remove_dir);
    return dir.path;
}

char *testdir_path(const char *name)
{
    char *path;

    if (asprintf(&path, "%s/%s", testdir(), name) < 0)
        die("out of memory", name);
    return path;
}

char *testdir_new(void)
{
    char name[32], *path;

    snprintf(name, sizeof(name), "d%u", ++dir.fresh);
    path = testdir_path(name);
    if (mkdir(path, 0700))
        die("cannot make a folder", path);
    return path;
}

char *testdir_file(const char *name, const void *data, size_t size)
{
    char *path = testdir_path(name);
    FILE *f = fopen(path, "we");

    if (!f)
        die("cannot write", path);
    if (fwrite(data, 1, size, f) != size)
        die("cannot write", path);
    if (fclose(f))
        die("cannot write", path);
    return path;
}

void testdir_assert_content(const char *path, const char *expected)
{
    const size_t size = strlen(expected);
    char *now = calloc(1, size + 2); /* room for a byte too many */
    FILE *f = fopen(path, "r");

    assert_non_null(now);
    assert_non_null(f);
    assert_int_equal(fread(now, 1, size + 1, f), size);
    (void)fclose(f);
    assert_memory_equal(now, expected, size);
    free(now);
}
