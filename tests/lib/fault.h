/* SPDX-License-Identifier: Apache-2.0 */
/* fault.h - makes the n-th call of a kind fail, in a program that is linked for it.
 *
 * The linker puts the functions here before those of the C library (-Wl,--wrap, for every test whose name is `faults`), in all
 * of our code; SQLite and jansson are asked to allocate, write and sync through them as well. A test calls fault_at(kind, n) for
 * n = 1, 2, ... and what it tests, until fault_hit() says that there were no n calls. Calls are counted over all threads.
 *
 * LOCKSTEP_TEST_FAULT=trace prints the stack of the call that fails (with a sanitizer). */
#ifndef LS_TESTS_LIB_FAULT_H
#define LS_TESTS_LIB_FAULT_H

#include <stdbool.h>

enum fault_kind {
    FAULT_MEMORY, /* malloc() and all that allocate, called by us: NULL, ENOMEM */
    FAULT_SQLITE, /* the same inside SQLite */
    FAULT_JSON,   /* the same inside jansson */
    FAULT_SOCKET, /* socket(), called by us: EMFILE */
    FAULT_WRITE,  /* what changes a file or makes it durable; see fault_errno() */
};

/* Once, before anything is allocated by SQLite: it and jansson take part from here on. */
void fault_begin(void);
/* The n-th call of this kind from now on fails, that one alone. n = 0: none does. */
void fault_at(enum fault_kind kind, unsigned n);
/* What a FAULT_WRITE sets errno to (EIO unless told otherwise). */
void fault_errno(int errnum);
/* No call fails any more; the count stands. */
void fault_off(void);
/* Did one fail since fault_at()? Its name (static), or NULL. */
const char *fault_hit(void);
/* Calls since fault_at() until fault_off(). */
unsigned fault_count(void);

#endif
