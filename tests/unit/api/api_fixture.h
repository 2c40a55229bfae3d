/* SPDX-License-Identifier: Apache-2.0 */
/* api_fixture.h - files and handles for the tests of the library's uppermost layer. */
#ifndef LS_TESTS_API_FIXTURE_H
#define LS_TESTS_API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "lockstep.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* Every one of the words (NULL-ended) stands in the text; fails the test otherwise, showing it. */
#define assert_says(text, ...) \
    api_assert_says((text), (const char *const[]){__VA_ARGS__, NULL}, __FILE__, __LINE__)
void api_assert_says(const char *text, const char *const *words, const char *file, int line);
/* A public call's code, with the error's text when it is another one. */
#define assert_code(got, wanted, error) \
    api_assert_code((got), (wanted), (error), __FILE__, __LINE__)
void api_assert_code(int got, int wanted, const struct lockstep_error *error, const char *file,
                     int line);

/* Writes text into a fresh file and gives its path, which api_done() frees. */
const char *api_file(const char *text);
/* sqlite:PATH of a fresh database that these statements made; the same for one that is not there (sql NULL). */
const char *api_sqlite(const char *sql);
/* An allocated text that api_done() frees. */
const char *api_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A handle with a state of its own; config: text of a configuration, or NULL. To be closed. */
struct lockstep *api_handle(const char *config);
/* The first column of the first row, as text. */
const char *api_value(const char *url, const char *sql);
void api_exec(const char *url, const char *sql);
/* Frees what the calls above gave. */
void api_done(void);

#endif
