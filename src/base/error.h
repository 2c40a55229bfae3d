/* SPDX-License-Identifier: Apache-2.0 */
/* error.h - how a function says that it failed, and why.
 *
 * An error is returned or logged, never both. The struct is the caller's, on
 * the stack, so that even "out of memory" can be reported without memory. The
 * failing place sets it; each layer above adds context at most once. Whether
 * something is worth a retry, and which exit status it means, are properties
 * of the code and stand in one table. */
#ifndef LS_BASE_ERROR_H
#define LS_BASE_ERROR_H

#include <stdbool.h>

#define LS_MUST_CHECK __attribute__((warn_unused_result))

/*    name, the same in lower case, text, retryable, exit status of the command line */
#define LS_CODES(X)                                                                  \
    X(OK, ok, "success", 0, 0)                                                       \
    X(NOMEM, nomem, "out of memory", 0, 3)                                           \
    X(USAGE, usage, "wrong usage", 0, 2)                                             \
    X(CONFIG, config, "wrong configuration", 0, 2)                                   \
    X(NOT_FOUND, not_found, "not found", 0, 2)                                       \
    X(NO_KEY, no_key, "no usable key", 0, 2)                                         \
    X(UNSUPPORTED, unsupported, "not supported here", 0, 2)                          \
    X(CONNECT, connect, "connection failed", 1, 3)                                   \
    X(PERMISSION, permission, "permission denied", 0, 3)                             \
    X(IO, io, "input or output failed", 0, 3)                                        \
    X(FULL, full, "no space left", 0, 3)                                             \
    X(LIMIT, limit, "there are as many as there may be", 0, 3)                       \
    X(BUSY, busy, "store is busy", 1, 3)                                             \
    X(LOCKED, locked, "another run holds the lock", 0, 3)                            \
    X(DATA, data, "bad data", 0, 3)                                                  \
    X(CONSTRAINT, constraint, "a constraint of the target refuses the record", 0, 3) \
    X(TYPE, type, "value does not fit the target", 0, 3)                             \
    X(CONFLICT, conflict, "record changed since", 0, 3)                              \
    X(HELD, held, "record is locked by another session", 1, 3)                       \
    X(CORRUPT, corrupt, "damaged file", 0, 3)                                        \
    X(VERSION, version, "made by a newer version", 0, 3)                             \
    X(CHANGED, changed, "something changed since the plan", 0, 3)                    \
    X(BRAKE, brake, "stopped by a brake", 0, 4)                                      \
    X(CANCELLED, cancelled, "cancelled", 0, 130)                                     \
    X(UNDELIVERED, undelivered, "an event did not arrive", 0, 3)                     \
    X(TIMEOUT, timeout, "took too long", 1, 3)                                       \
    X(INTERNAL, internal, "internal error", 0, 3)
#define X(name, lower, text, retry, status) LS_##name,
enum ls_code { LS_CODES(X) LS_CODE_COUNT };
#undef X

struct ls_error {
    enum ls_code code;
    char native[16]; /* SQLSTATE or the errno's name; "" when there is none */
    char text[1000]; /* outermost context first, no final period before a hint */
};

/* Sets code and text (printf style; UTF-8, cut at a character when too long),
 * clears native. err may be NULL, here and below. The arguments may point into err
 * itself. Returns code, so that a function can end with `return ls_error_set(...)`. */
enum ls_code ls_error_set(struct ls_error *err, enum ls_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Like ls_error_set(), from errno: EACCES/EPERM/EROFS become LS_PERMISSION,
 * ENOENT LS_NOT_FOUND, ENOSPC/EDQUOT/EFBIG LS_FULL, ENOMEM LS_NOMEM, EMFILE/ENFILE LS_BUSY, others LS_IO;
 * ": strerror" is put behind the text (which is cut before it) and the errno's name into
 * native. */
enum ls_code ls_error_errno(struct ls_error *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text; code and native stay. Returns err->code, or LS_INTERNAL
 * for a NULL err, which has no code to return: keep the code of the call that failed. */
enum ls_code ls_error_wrap(struct ls_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets LS_NOMEM with a fixed text; the short way out for a failed allocation. */
enum ls_code ls_error_nomem(struct ls_error *err);

/* The table above, by code; a number that is no code counts as LS_INTERNAL. The name is
 * lower case, as JSON shows it ("not_found"). Static texts. */
const char *ls_code_name(enum ls_code code);
const char *ls_code_text(enum ls_code code);
bool ls_code_retryable(enum ls_code code);
int ls_code_exit_status(enum ls_code code);
/* What a target answers to one record that it does not take: constraint, type, conflict. */
bool ls_code_refusal(enum ls_code code);

#endif
