/* SPDX-License-Identifier: Apache-2.0 */
/* conformance.h - one suite that every store kind passes: the sentences of store/store.h as tests.
 *
 * A kind's program is a few lines: fill a struct conformance_kind, return conformance_run(&kind).
 * Add its name to meson.build in this folder. Run one with
 *
 *     meson test -C build --suite conformance
 *     build/tests/conformance_sqlite ['pattern of test names']
 *
 * Tests make what they need through ls_store_create() and ls_store_write(), in sessions opened
 * by the URL that make() gives. Types that a kind does not have (a CSV column is text) are no fault: values
 * are converted to the field as described, written, read, and compared as two fields of those types are. A
 * value may be refused with LS_TYPE; it may not come back as another one. */
#ifndef LS_TESTS_CONFORMANCE_H
#define LS_TESTS_CONFORMANCE_H

#include <stdbool.h>

struct conformance_kind {
    const char *name; /* shown in the report */
    /* The URL, without fragment, of a store that is empty or that opening with `create` makes. To be freed by the
     * suite. Called for each test; what it makes must be gone when the program ends (lib/testdir.h). */
    char *(*make)(void);
    /* A store is one collection (a file): each collection of a test is a store of its own, named NULL. */
    bool one_collection;
    /* The folder-like part that created names get in describe: "public." on PostgreSQL; NULL: none. */
    const char *prefix;
    /* Adds a unique constraint over one field, from outside. NULL: create() keeps the keys of `like`, or
     * the kind enforces none. */
    void (*unique)(const char *url, const char *collection, const char *field);
    bool no_snapshots; /* a scan may see what is committed while it runs */
    bool no_types;     /* describe says text for every field */
};

/* Runs all tests that the kind's capabilities call for; the number of failed ones. */
int conformance_run(const struct conformance_kind *kind, int argc, char **argv);

#endif
