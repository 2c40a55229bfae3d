/* SPDX-License-Identifier: Apache-2.0 */
/* compare_help.h - what the tests of comparing share: two sides of a small table, and what was found, as text. */
#ifndef LS_TESTS_ENGINE_COMPARE_HELP_H
#define LS_TESTS_ENGINE_COMPARE_HELP_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/compare.h"
#include "fixture.h"
#include "lib/testpg.h"
#include "model/convert.h"

typedef const char *store_fn(void);

extern const size_t first_field[1];
void make_small(const char *url, enum ls_type type);
void put(const char *url, int64_t id, struct ls_value v, int64_t w);

struct sides {
    const char *a, *b;
    struct ls_job *job;
    struct ls_compare_result result;
    struct ls_error err;
    char seen[2000];
    enum ls_code answer;
};

void two_sides(struct sides *s, enum ls_type a, enum ls_type b);
void sides_job(struct sides *s, const struct ls_sync_config *config);
void sides_done(struct sides *s);
enum ls_code note(void *ctx, const struct ls_difference *d, struct ls_error *err);
void compare(struct sides *s, struct ls_compare_options options);
extern const struct ls_compare_options plain;

#endif
