/* SPDX-License-Identifier: Apache-2.0 */
/* testdir.h - a folder of its own for each test program, gone when the program ends.
 *
 * Made in TMPDIR (default /tmp) at first use; removed with all that is in it at exit, also
 * after failed tests, but never by a child process. A failure ends the program with a message. */
#ifndef LS_TESTS_LIB_TESTDIR_H
#define LS_TESTS_LIB_TESTDIR_H

#include <stddef.h>

/* The folder's path, the same each time. */
const char *testdir(void);
/* A fresh folder in it; the caller frees the path. */
char *testdir_new(void);
/* `testdir()/name`; the caller frees it. Makes nothing. */
char *testdir_path(const char *name);
/* Writes a file and gives its path (the caller frees it). */
char *testdir_file(const char *name, const void *data, size_t size);
/* Fails the test unless the file at this path is there and holds exactly this text. */
void testdir_assert_content(const char *path, const char *expected);

#endif
