/* SPDX-License-Identifier: Apache-2.0 */
/* testdisk.h - small disks that only this process sees, for tests of what happens when they are full.
 *
 * File systems in memory, in a mount namespace of the process: they are gone with it, however it ends. Needs root; a test without it skips. */
#ifndef LS_TESTS_LIB_TESTDISK_H
#define LS_TESTS_LIB_TESTDISK_H

#include <stdbool.h>
#include <stdint.h>

/* Once, at the beginning of main(), before there is a thread. Whether there can be disks. */
bool testdisk_begin(void);
/* A new disk of that size (as mount takes it: "64m"); the caller frees its path. */
char *testdisk_new(const char *size);
/* Nothing of it is open any more. */
void testdisk_remove(const char *path);
/* Writes into a file of its own until at most `left` bytes are free. */
void testdisk_fill(const char *path, int64_t left);
/* Removes that file. */
void testdisk_clear(const char *path);

#endif
