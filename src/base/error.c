/* SPDX-License-Identifier: Apache-2.0 */
/* error.c - setting and wrapping errors, and the table of codes.
 *
 * Every text is formatted into a local buffer first and copied afterwards: what a
 * caller passes may point into the error itself ("could not undo: %s" with err->text).
 *
 * Nothing here allocates, so that running out of memory can be told like anything
 * else. A text that is too long loses its end, cut between two characters: half a
 * character would make the JSON that shows it invalid. In ls_error_errno() the
 * system's reason is what matters most, so there the caller's part is cut before it. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define TEXT_SIZE sizeof(((struct ls_error *)NULL)->text)

struct code_info {
    const char *name;
    const char *text;
    int exit_status;
    bool retryable;
};

static const struct code_info codes[] = {
#define X(name, lower, text, retry, status) [LS_##name] = {#lower, text, status, retry},
    LS_CODES(X)
#undef X
};

/* Formats into out and gives the length, cut at a character. */
static size_t format(char *out, size_t size, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

static size_t format(char *out, size_t size, const char *fmt, va_list args)
{
    int n = vsnprintf(out, size, fmt, args);
    size_t length;

    if (n < 0) { /* an unusable format or locale: the code must still get through */
        out[0] = '\0';
        return 0;
    }
    length = (size_t)n < size ? (size_t)n : ls_utf8_cut(out, size - 1);
    out[length] = '\0';
    return length;
}

/* Puts `add` behind out[0..length), cut at a character. */
static void append(char *out, size_t size, size_t length, const char *add)
{
    size_t room = size - 1 - length, n = strlen(add);

    if (n > room)
        n = ls_utf8_cut(add, room);
    memcpy(out + length, add, n);
    out[length + n] = '\0';
}

enum ls_code ls_error_set(struct ls_error *err, enum ls_code code, const char *fmt, ...)
{
    char text[TEXT_SIZE];
    va_list args;

    if (!err)
        return code;
    va_start(args, fmt);
    format(text, sizeof(text), fmt, args);
    va_end(args);
    err->code = code;
    err->native[0] = '\0';
    memcpy(err->text, text, sizeof(text));
    return code;
}

static enum ls_code code_of_errno(int errnum)
{
    switch (errnum) {
    case EACCES:
    case EPERM:
    case EROFS:
        return LS_PERMISSION;
    case ENOENT:
        return LS_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return LS_FULL;
    case ENOMEM:
        return LS_NOMEM;
    case EMFILE:
    case ENFILE: /* others are at it: it passes */
        return LS_BUSY;
    default:
        return LS_IO;
    }
}

static void name_of_errno(int errnum, char *out, size_t size)
{
    const char *name = strerrorname_np(errnum);

    if (name)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%d", errnum);
}

enum ls_code ls_error_errno(struct ls_error *err, int errnum, const char *fmt, ...)
{
    char text[TEXT_SIZE], reason[128], scratch[128];
    size_t length, room;
    va_list args;

    if (!err)
        return code_of_errno(errnum);
    snprintf(reason, sizeof(reason), ": %s", strerror_r(errnum, scratch, sizeof(scratch)));
    room = sizeof(text) - strlen(reason);
    va_start(args, fmt);
    length = format(text, room, fmt, args);
    va_end(args);
    append(text, sizeof(text), length, reason);
    err->code = code_of_errno(errnum);
    name_of_errno(errnum, err->native, sizeof(err->native));
    memcpy(err->text, text, sizeof(text));
    return err->code;
}

enum ls_code ls_error_wrap(struct ls_error *err, const char *fmt, ...)
{
    char text[TEXT_SIZE];
    size_t length;
    va_list args;

    if (!err)
        return LS_INTERNAL;
    va_start(args, fmt);
    length = format(text, sizeof(text), fmt, args);
    va_end(args);
    append(text, sizeof(text), length, ": ");
    append(text, sizeof(text), strlen(text), err->text);
    memcpy(err->text, text, sizeof(text));
    return err->code;
}

enum ls_code ls_error_nomem(struct ls_error *err)
{
    return ls_error_set(err, LS_NOMEM, "out of memory");
}

static const struct code_info *info(enum ls_code code)
{
    return &codes[(unsigned)code < LS_CODE_COUNT ? code : LS_INTERNAL];
}

const char *ls_code_name(enum ls_code code)
{
    return info(code)->name;
}

const char *ls_code_text(enum ls_code code)
{
    return info(code)->text;
}

bool ls_code_retryable(enum ls_code code)
{
    return info(code)->retryable;
}

int ls_code_exit_status(enum ls_code code)
{
    return info(code)->exit_status;
}

bool ls_code_refusal(enum ls_code code)
{
    return code == LS_CONSTRAINT || code == LS_TYPE || code == LS_CONFLICT || code == LS_HELD;
}
