/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - files that survive a crash, locks that die with their process.
 *
 * Replacing. A reader sees the old file or the new one, never a part, and after a
 * power cut one of the two is there. So: write beside it, fsync the file, rename, fsync
 * the directory. Without the first fsync some file systems keep the name and lose the
 * bytes; without the second the rename itself may be lost. Only regular files are
 * replaced: a rename over /dev/null would put a file there.
 *
 * Locks. OFD locks belong to the open file description. The older fcntl() locks belong
 * to the process, do not exclude its threads, and are lost as soon as anyone in the
 * process closes any descriptor of the file; flock() has no byte ranges. The file is
 * never unlinked: whoever waits on it would then hold a lock that nobody else can see.
 *
 * Not done: ACLs and extended attributes are not copied to the file that replaces. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define READ_PIECE ((size_t)64 << 10)
#define TEMP_NAME "lockstep-XXXXXX"

/* The directory that holds path, for free(); NULL when out of memory. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    if (slash == path)
        return strdup("/");
    return strndup(path, (size_t)(slash - path));
}

enum ls_code ls_file_sync_parent(const char *path, struct ls_error *err)
{
    enum ls_code rc = LS_OK;
    char *parent = parent_of(path);
    int fd = -1;

    if (!parent)
        return ls_error_nomem(err);
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        rc = ls_error_errno(err, errno, "cannot open the directory %s", parent);
    else if (fsync(fd) != 0 && errno != EINVAL)
        rc = ls_error_errno(err, errno, "cannot sync the directory %s", parent);
    if (fd >= 0)
        close(fd);
    free(parent);
    return rc;
}

static enum ls_code make_dir(const char *path, struct ls_error *err)
{
    struct stat st;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode)
                   ? LS_OK
                   : ls_error_errno(err, ENOTDIR, "cannot make the directory %s", path);
    if (mkdir(path, 0700) == 0)
        return ls_file_sync_parent(path, err);
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return LS_OK; /* somebody else was faster */
    return ls_error_errno(err, errno, "cannot make the directory %s", path);
}

enum ls_code ls_file_make_dirs(const char *path, struct ls_error *err)
{
    enum ls_code rc = LS_OK;
    char *part, *at;

    if (!*path)
        return ls_error_set(err, LS_USAGE, "cannot make a directory without a name");
    part = strdup(path);
    if (!part)
        return ls_error_nomem(err);
    at = part + strspn(part, "/");
    while (rc == LS_OK && *at) {
        char *end = at + strcspn(at, "/"), *after = end + strspn(end, "/");
        char slash = *end;

        *end = '\0';
        rc = make_dir(part, err);
        *end = slash;
        at = after;
    }
    free(part);
    return rc;
}

/* All that fd gives, into buf, which has a limit of one byte more than wanted. */
static enum ls_code read_all(int fd, const char *path, struct ls_buf *buf, struct ls_error *err)
{
    char piece[READ_PIECE];

    while (!buf->failed) {
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n == 0)
            break;
        if (n > 0)
            ls_buf_add(buf, piece, (size_t)n);
        else if (errno != EINTR)
            return ls_error_errno(err, errno, "cannot read %s", path);
    }
    return LS_OK;
}

/* A failed append is either of two things; only one of them leaves room to spare. */
static enum ls_code too_long(const char *path, size_t max_bytes, const struct ls_buf *buf,
                             struct ls_error *err)
{
    if (buf->size + READ_PIECE <= max_bytes)
        return ls_error_nomem(err);
    return ls_error_set(err, LS_DATA, "%s is too long (most_bytes=%zu)", path, max_bytes);
}

enum ls_code ls_file_read(const char *path, size_t max_bytes, struct ls_arena *mem, char **ret_data,
                          size_t *ret_size, struct ls_error *err)
{
    struct ls_buf buf = {0};
    enum ls_code rc;
    char *data;
    int fd;

    ls_buf_init(&buf, max_bytes < SIZE_MAX ? max_bytes + 1 : max_bytes);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        rc = ls_error_errno(err, errno, "cannot open %s", path);
        goto done;
    }
    rc = read_all(fd, path, &buf, err);
    if (rc != LS_OK)
        goto done;
    if (buf.failed || buf.size > max_bytes) {
        rc = too_long(path, max_bytes, &buf, err);
        goto done;
    }
    data = ls_arena_text_n(mem, ls_buf_str(&buf), buf.size);
    if (!data) {
        rc = ls_error_nomem(err);
        goto done;
    }
    *ret_data = data;
    *ret_size = buf.size;
done:
    if (fd >= 0)
        close(fd);
    ls_buf_done(&buf);
    return rc;
}

/* Sets swap->path: path, or what it leads to when it is a symbolic link. */
static enum ls_code resolve(struct ls_file_swap *swap, const char *path, struct ls_error *err)
{
    struct stat st;
    bool link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);

    swap->path = link ? realpath(path, NULL) : strdup(path);
    if (swap->path)
        return LS_OK;
    return ls_error_errno(err, errno, "cannot follow the symbolic link %s", path);
}

/* False when out of memory. */
static bool name_temp(struct ls_file_swap *swap, const char *tag)
{
    const char *slash = strrchr(swap->path, '/');
    const char *name = slash ? slash + 1 : swap->path;

    if (asprintf(&swap->temp_path, "%.*s.%s.lockstep-%s", (int)(name - swap->path), swap->path,
                 name, tag) < 0) {
        swap->temp_path = NULL;
        return false;
    }
    return true;
}

/* Gives fd the mode asked for, or mode and owner of the file that will be replaced. The
 * owner can only be kept by root; for others the file becomes theirs, as with an editor. */
static enum ls_code set_mode(int fd, const struct ls_file_swap *swap, mode_t mode,
                             struct ls_error *err)
{
    struct stat st;
    bool there = stat(swap->path, &st) == 0;

    if (there && !S_ISREG(st.st_mode))
        return ls_error_set(err, LS_USAGE, "cannot replace %s: not a regular file", swap->path);
    if (mode == 0) {
        mode = there ? st.st_mode & 07777 : 0600;
        if (there && fchown(fd, st.st_uid, st.st_gid) != 0)
            mode &= 0777; /* set-id bits only with their owner */
    }
    if (fchmod(fd, mode) != 0)
        return ls_error_errno(err, errno, "cannot set the mode of %s", swap->temp_path);
    return LS_OK;
}

static enum ls_code open_temp(struct ls_file_swap *swap, mode_t mode, struct ls_error *err)
{
    enum ls_code rc;
    int fd;

    if (unlink(swap->temp_path) != 0 && errno != ENOENT)
        return ls_error_errno(err, errno, "cannot remove the old %s", swap->temp_path);
    fd = open(swap->temp_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return ls_error_errno(err, errno, "cannot write %s beside the file it will replace",
                              swap->temp_path);
    rc = set_mode(fd, swap, mode, err);
    if (rc == LS_OK) {
        swap->f = fdopen(fd, "w+");
        if (!swap->f)
            rc = ls_error_nomem(err);
    }
    if (!swap->f) {
        close(fd);
        (void)unlink(swap->temp_path);
    }
    return rc;
}

/* Leaves nothing open and nothing allocated; the temporary file stays. */
static void forget(struct ls_file_swap *swap)
{
    if (swap->f)
        (void)fclose(swap->f);
    free(swap->path);
    free(swap->temp_path);
    *swap = (struct ls_file_swap){0};
}

enum ls_code ls_file_swap_open(struct ls_file_swap *swap, const char *path, const char *tag,
                               mode_t mode, struct ls_error *err)
{
    enum ls_code rc;

    *swap = (struct ls_file_swap){0};
    rc = resolve(swap, path, err);
    if (rc == LS_OK && !name_temp(swap, tag)) {
        forget(swap);
        return ls_error_nomem(err);
    }
    if (rc == LS_OK)
        rc = open_temp(swap, mode, err);
    if (rc != LS_OK)
        forget(swap);
    return rc;
}

/* A write that failed some time ago is known to the stream, but not why. The file is
 * lost anyway, so one more write may tell: a full disk is still full. */
static int reason_of_earlier(int fd)
{
    static const char zeros[4096];

    errno = 0; /* a write that comes short does not set it */
    return write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros) || !errno ? EIO : errno;
}

enum ls_code ls_file_swap_sync(struct ls_file_swap *swap, struct ls_error *err)
{
    if (ferror(swap->f))
        return ls_error_errno(err, reason_of_earlier(fileno(swap->f)), "cannot write %s",
                              swap->temp_path);
    if (fflush(swap->f) != 0)
        return ls_error_errno(err, errno, "cannot write %s", swap->temp_path);
    if (fsync(fileno(swap->f)) != 0)
        return ls_error_errno(err, errno, "cannot sync %s", swap->temp_path);
    return LS_OK;
}

/* Closes the stream; some network file systems tell only here that a write failed. */
static enum ls_code close_temp(struct ls_file_swap *swap, struct ls_error *err)
{
    FILE *f = swap->f;

    swap->f = NULL;
    if (fclose(f) != 0)
        return ls_error_errno(err, errno, "cannot close %s", swap->temp_path);
    return LS_OK;
}

enum ls_code ls_file_swap_commit(struct ls_file_swap *swap, struct ls_error *err)
{
    enum ls_code rc;

    rc = ls_file_swap_sync(swap, err);
    if (rc == LS_OK)
        rc = close_temp(swap, err);
    if (rc == LS_OK && rename(swap->temp_path, swap->path) != 0)
        rc = ls_error_errno(err, errno, "cannot rename %s to %s", swap->temp_path, swap->path);
    if (rc != LS_OK) {
        ls_file_swap_abort(swap);
        return rc;
    }
    rc = ls_file_sync_parent(swap->path, err);
    forget(swap);
    return rc;
}

void ls_file_swap_abort(struct ls_file_swap *swap)
{
    if (!swap->temp_path)
        return;
    (void)unlink(swap->temp_path);
    forget(swap);
}

/* The way for file systems without O_TMPFILE: there is a name for a moment. */
static int open_unlinked(const char *dir)
{
    char *path = NULL;
    int fd, errnum;

    if (asprintf(&path, "%s/" TEMP_NAME, dir) < 0) {
        errno = ENOMEM;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    errnum = errno;
    if (fd >= 0)
        (void)unlink(path);
    free(path);
    errno = errnum;
    return fd;
}

enum ls_code ls_file_temp(FILE **ret, struct ls_error *err)
{
    const char *dir = getenv("TMPDIR");
    FILE *f;
    int fd;

    if (!dir || !*dir)
        dir = "/tmp";
    fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        fd = open_unlinked(dir);
    if (fd < 0)
        return ls_error_errno(err, errno, "cannot make a temporary file in %s (see TMPDIR)", dir);
    f = fdopen(fd, "w+");
    if (!f) {
        close(fd);
        return ls_error_nomem(err);
    }
    *ret = f;
    return LS_OK;
}

static int set_lock(int fd, off_t offset, bool wait)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    int rc;

    do {
        rc = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
    } while (rc != 0 && errno == EINTR);
    return rc;
}

enum ls_code ls_file_lock(struct ls_file_lock *lock, const char *path, off_t offset, bool wait,
                          struct ls_error *err)
{
    int fd, errnum;

    *lock = LS_FILE_UNLOCKED;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return ls_error_errno(err, errno, "cannot open the lock file %s", path);
    if (set_lock(fd, offset, wait) == 0) {
        lock->fd = fd;
        return LS_OK;
    }
    errnum = errno;
    close(fd);
    if (errnum == EAGAIN || errnum == EACCES)
        return ls_error_set(err, LS_BUSY, "cannot lock %s: somebody else holds the lock", path);
    return ls_error_errno(err, errnum, "cannot lock %s", path);
}

bool ls_file_locked(const char *path, off_t offset)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool held = true;

    if (fd < 0)
        return errno != ENOENT;
    if (fcntl(fd, F_OFD_GETLK, &range) == 0)
        held = range.l_type != F_UNLCK;
    close(fd);
    return held;
}

void ls_file_unlock(struct ls_file_lock *lock)
{
    if (lock->fd >= 0)
        close(lock->fd); /* the only descriptor of its description: the lock goes with it */
    *lock = LS_FILE_UNLOCKED;
}
