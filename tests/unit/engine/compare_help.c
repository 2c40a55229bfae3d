/* SPDX-License-Identifier: Apache-2.0 */
#include "compare_help.h"

const size_t first_field[] = {0};

void make_small(const char *url, enum ls_type type)
{
    struct ls_field fields[] = {fixture_field("id", LS_T_INT), fixture_field("v", type),
                                fixture_field("w", LS_T_INT)};

    fixture_create(url, "t", 3, fields, 1, first_field);
}

void put(const char *url, int64_t id, struct ls_value v, int64_t w)
{
    const struct ls_value record[] = {ls_value_int(id), v, ls_value_int(w)};

    fixture_insert(url, "t", 1, record);
}

void two_sides(struct sides *s, enum ls_type a, enum ls_type b)
{
    *s = (struct sides){.a = fixture_memory(), .b = fixture_memory()};
    make_small(s->a, a);
    make_small(s->b, b);
}

void sides_job(struct sides *s, const struct ls_sync_config *config)
{
    s->job = fixture_job(fixture_url(s->a, "t"), fixture_url(s->b, "t"), config);
}

void sides_done(struct sides *s)
{
    ls_job_close(s->job);
    fixture_done();
}

enum ls_code note(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    static const char letters[] = {
        [LS_SOURCE_ONLY] = 's', [LS_TARGET_ONLY] = 't', [LS_INCONSISTENT] = 'i', [LS_MOVING] = 'm'};
    struct sides *s = ctx;
    const size_t used = strlen(s->seen);

    (void)snprintf(s->seen + used, sizeof s->seen - used, "%c%" PRId64 " ", letters[d->status],
                   d->key[0].i);
    return s->answer == LS_OK ? LS_OK : ls_error_set(err, s->answer, "stop here");
}

void compare(struct sides *s, struct ls_compare_options options)
{
    options.recheck_delay_ms = 1;
    s->seen[0] = '\0';
    assert_ok(ls_compare(s->job, &options, NULL, note, s, &s->result, &s->err), &s->err);
}

const struct ls_compare_options plain = {0};
