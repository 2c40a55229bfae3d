/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - makes the n-th call of a kind fail.
 *
 * A stream's own buffer reaches the disk inside of the C library, where no linker comes between: so a failing fwrite() or
 * fflush() is one that wrote nothing and remembers it in the stream, as a full disk makes it. What printf() and putc() write
 * shows at the next fflush() or fclose(). SQLite's writes and syncs are replaced in its VFS, which has hooks for that.
 *
 * fclose() does what it does and then fails, as some network file systems do. Naps take no time, or a sweep would take hours. */
#include "lib/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define TRACE() __sanitizer_print_stack_trace()
#else
#define TRACE() ((void)0)
#endif

static struct {
    atomic_bool armed;
    enum fault_kind kind;
    unsigned n;
    atomic_uint count;
    const char *_Atomic hit;
    int errnum;
} faults = {.errnum = EIO};

void fault_at(enum fault_kind kind, unsigned n)
{
    faults.kind = kind;
    faults.n = n;
    atomic_store(&faults.count, 0);
    atomic_store(&faults.hit, NULL);
    atomic_store(&faults.armed, true);
}

void fault_errno(int errnum)
{
    faults.errnum = errnum;
}

void fault_off(void)
{
    atomic_store(&faults.armed, false);
}

const char *fault_hit(void)
{
    return atomic_load(&faults.hit);
}

unsigned fault_count(void)
{
    return atomic_load(&faults.count);
}

/* Does this call fail? Then errno is set. */
static bool fails(enum fault_kind kind, const char *name)
{
    const char *wanted;

    if (!atomic_load(&faults.armed) || faults.kind != kind)
        return false;
    if (atomic_fetch_add(&faults.count, 1) + 1 != faults.n)
        return false;
    atomic_store(&faults.hit, name);
    wanted = getenv("LOCKSTEP_TEST_FAULT");
    if (wanted && strcmp(wanted, "trace") == 0)
        TRACE();
    errno = kind == FAULT_WRITE ? faults.errnum : kind == FAULT_SOCKET ? EMFILE : ENOMEM;
    return true;
}

/* ---- what allocates ---- */

/* WRAP(result, name, parameters, arguments, what a failure gives) */
#define WRAP(kind, type, name, params, args, failure)             \
    type __real_##name params;                                    \
    type __wrap_##name params;                                    \
    type __wrap_##name params                                     \
    {                                                             \
        return fails(kind, #name) ? failure : __real_##name args; \
    }
#define MEMORY(type, name, params, args, failure) \
    WRAP(FAULT_MEMORY, type, name, params, args, failure)

MEMORY(void *, malloc, (size_t size), (size), NULL)
MEMORY(void *, calloc, (size_t n, size_t size), (n, size), NULL)
MEMORY(void *, realloc, (void *at, size_t size), (at, size), NULL)
MEMORY(void *, reallocarray, (void *at, size_t n, size_t size), (at, n, size), NULL)
MEMORY(char *, strdup, (const char *text), (text), NULL)
MEMORY(char *, strndup, (const char *text, size_t n), (text, n), NULL)
MEMORY(char *, realpath, (const char *path, char *to), (path, to), NULL)
MEMORY(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL)
MEMORY(ssize_t, getline, (char **line, size_t *room, FILE *f), (line, room, f), -1)

int __wrap_asprintf(char **ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **ret, const char *fmt, ...)
{
    va_list args;
    int n;

    if (fails(FAULT_MEMORY, "asprintf"))
        return -1;
    va_start(args, fmt);
    n = vasprintf(ret, fmt, args);
    va_end(args);
    return n;
}

WRAP(FAULT_SOCKET, int, socket, (int family, int type, int protocol), (family, type, protocol), -1)

/* ---- what writes ---- */

#define WRITES(type, name, params, args, failure) \
    WRAP(FAULT_WRITE, type, name, params, args, failure)

WRITES(int, fsync, (int fd), (fd), -1)
WRITES(int, rename, (const char *from, const char *to), (from, to), -1)
WRITES(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
       (a, from, b, to, flags), -1)
WRITES(int, ftruncate, (int fd, off_t size), (fd, size), -1)
WRITES(int, mknod, (const char *path, mode_t mode, dev_t dev), (path, mode, dev), -1)
WRITES(int, mkstemp, (char *name), (name), -1)
WRITES(int, fseeko, (FILE * f, off_t at, int whence), (f, at, whence), -1)

#define ERROR_SEEN 0x20 /* of the C library's streams; ferror() tells it */

size_t __real_fwrite(const void *data, size_t size, size_t n, FILE *f);
size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *f);
size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *f)
{
    if (!fails(FAULT_WRITE, "fwrite"))
        return __real_fwrite(data, size, n, f);
    f->_flags |= ERROR_SEEN;
    return 0;
}

int __real_fflush(FILE *f);
int __wrap_fflush(FILE *f);
int __wrap_fflush(FILE *f)
{
    if (!fails(FAULT_WRITE, "fflush"))
        return __real_fflush(f);
    f->_flags |= ERROR_SEEN;
    return EOF;
}

int __real_fclose(FILE *f);
int __wrap_fclose(FILE *f);
int __wrap_fclose(FILE *f)
{
    const bool failed = fails(FAULT_WRITE, "fclose");
    const int errnum = errno, rc = __real_fclose(f);

    if (!failed)
        return rc;
    errno = errnum;
    return EOF;
}

/* ---- time ---- */

/* Nobody waits here: a nap moves the clock by which naps are measured, and no more. */
static atomic_llong napped_ns;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    const int rc = __real_clock_gettime(clock, ret);
    const long long ns = clock == CLOCK_MONOTONIC ? atomic_load(&napped_ns) + ret->tv_nsec : 0;

    if (clock == CLOCK_MONOTONIC) {
        ret->tv_sec += (time_t)(ns / 1000000000);
        ret->tv_nsec = (long)(ns % 1000000000);
    }
    return rc;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    atomic_fetch_add(&napped_ns, time->tv_sec * 1000000000LL + time->tv_nsec);
    return 0;
}

/* ---- the libraries ---- */

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int size)
{
    return fails(FAULT_SQLITE, "sqlite3_malloc") ? NULL : sqlite_memory.xMalloc(size);
}

static void *sqlite_realloc(void *at, int size)
{
    return fails(FAULT_SQLITE, "sqlite3_realloc") ? NULL : sqlite_memory.xRealloc(at, size);
}

static void *json_allocate(size_t size)
{
    return fails(FAULT_JSON, "jansson malloc") ? NULL : __real_malloc(size);
}

static ssize_t sqlite_pwrite(int fd, const void *data, size_t size, off_t at)
{
    return fails(FAULT_WRITE, "sqlite pwrite") ? -1 : pwrite(fd, data, size, at);
}

static ssize_t sqlite_write(int fd, const void *data, size_t size)
{
    return fails(FAULT_WRITE, "sqlite write") ? -1 : write(fd, data, size);
}

static int sqlite_ftruncate(int fd, off_t size)
{
    return fails(FAULT_WRITE, "sqlite ftruncate") ? -1 : __real_ftruncate(fd, size);
}

void fault_begin(void)
{
    static const struct {
        const char *name;
        sqlite3_syscall_ptr call;
    } calls[] = {
        {"pwrite", (sqlite3_syscall_ptr)sqlite_pwrite},
        {"pwrite64", (sqlite3_syscall_ptr)sqlite_pwrite},
        {"write", (sqlite3_syscall_ptr)sqlite_write},
        {"ftruncate", (sqlite3_syscall_ptr)sqlite_ftruncate},
    };
    sqlite3_mem_methods mine;
    sqlite3_vfs *vfs;

    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory);
    mine = sqlite_memory;
    mine.xMalloc = sqlite_malloc;
    mine.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &mine);
    json_set_alloc_funcs(json_allocate, free);
    sqlite3_initialize();
    vfs = sqlite3_vfs_find(NULL);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        (void)vfs->xSetSystemCall(vfs, calls[i].name, calls[i].call);
}
