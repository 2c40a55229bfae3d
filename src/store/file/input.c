/* SPDX-License-Identifier: Apache-2.0 */
/* input.c - a file that is read through a window.
 *
 * Formats look for what ends a field or a line in memory, many bytes at a time, and take it from there without copying.
 * So the window holds one field or line in one piece and grows when it is too small. A NUL behind it lets a loop over a table
 * of bytes stop without looking at the end each time.
 *
 * A program that writes the file in place while we read would show us half of it, and half a file is a lot of deletes. That cannot
 * be kept out, but it is seen: size and time of the last change must be the same at the end as at the
 * beginning. A file that is replaced by rename is read to its end as it was. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/file/format.h"

#define BLOCK ((size_t)256 << 10)

enum ls_code file_data_error(struct ls_error *err, const struct file_input *in, const char *fmt,
                             ...)
{
    char text[600];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return ls_error_set(err, LS_DATA, "%s line %" PRIu64 ": %s", in->shown, in->line, text);
}

static enum ls_code skip_mark(struct file_input *in, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && in->end < 3 && !in->eof)
        rc = file_input_more(in, err);
    in->style.mark = in->end >= 3 && memcmp(in->data, "\xEF\xBB\xBF", 3) == 0;
    if (in->style.mark)
        in->at = 3;
    return rc;
}

enum ls_code file_input_open(struct file_input *in, const char *path, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    *in = (struct file_input){.shown = path, .room = BLOCK, .line = 1};
    in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait */
    if (in->fd < 0 || fstat(in->fd, &in->seen) != 0)
        rc = ls_error_errno(err, errno, "cannot open %s", path);
    else if (!S_ISREG(in->seen.st_mode))
        rc = ls_error_set(err, LS_USAGE, "%s is not a regular file", path);
    if (rc == LS_OK && !(in->data = malloc(in->room + 1)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = skip_mark(in, err);
    if (rc != LS_OK)
        file_input_close(in);
    return rc;
}

void file_input_close(struct file_input *in)
{
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
    free(in->data);
    in->data = NULL;
}

/* Room behind the window: by moving it to the front, else by making it larger. */
static enum ls_code make_room(struct file_input *in, struct ls_error *err)
{
    char *larger;

    if (in->at) {
        memmove(in->data, in->data + in->at, in->end - in->at);
        in->end -= in->at;
        in->at = 0;
    }
    if (in->room - in->end >= BLOCK / 2)
        return LS_OK;
    if (in->end >= FILE_RECORD_MAX)
        return file_data_error(err, in, "a field or line of more than 64 MiB");
    larger = realloc(in->data, in->room * 2 + 1);
    if (!larger)
        return ls_error_nomem(err);
    in->data = larger;
    in->room *= 2;
    return LS_OK;
}

bool file_unwritten(const struct stat *before, const struct stat *now)
{
    return now->st_size == before->st_size && now->st_mtim.tv_sec == before->st_mtim.tv_sec &&
           now->st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

/* Whether the file is still what it was when it was opened. */
static enum ls_code check_unchanged(const struct file_input *in, struct ls_error *err)
{
    struct stat now;

    if (fstat(in->fd, &now) != 0)
        return ls_error_errno(err, errno, "cannot look at %s", in->shown);
    if (file_unwritten(&in->seen, &now))
        return LS_OK;
    return ls_error_set(err, LS_CHANGED,
                        "%s was written to while it was read. Try again when that is done; better "
                        "write a new file and rename it",
                        in->shown);
}

enum ls_code file_input_more(struct file_input *in, struct ls_error *err)
{
    enum ls_code rc = make_room(in, err);
    ssize_t n = 0;

    if (rc != LS_OK)
        return rc;
    do
        n = read(in->fd, in->data + in->end, in->room - in->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return ls_error_errno(err, errno, "cannot read %s", in->shown);
    in->end += (size_t)n;
    in->data[in->end] = '\0';
    in->eof = n == 0;
    return in->eof ? check_unchanged(in, err) : LS_OK;
}
