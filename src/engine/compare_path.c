/* SPDX-License-Identifier: Apache-2.0 */
/* compare_path.c - which path a compare takes, and why.
 *
 * A table of reasons for reading both sides, asked in order: the first that holds decides; when none does, both sides digest.
 * So the reason that people are shown is the one that decided. The cheap questions come first; only the last ones ask the stores. */
#include "engine/compare_path.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/reader.h"
#include "engine/segments.h"

#define BYTES_A_FIELD 24 /* of a sort run, for the estimate that explain shows */

static bool asked_for(struct ls_compare_choice *c)
{
    return c->options->force_merge;
}

static bool computed(struct ls_compare_choice *c)
{
    return c->job->mapping->computed;
}

static bool filtered_here(struct ls_compare_choice *c)
{
    const struct ls_mapping *m = c->job->mapping;

    return m->where[LS_SIDE_SOURCE] || m->where[LS_SIDE_TARGET] || m->only.count;
}

static bool sifts_pairs(struct ls_compare_choice *c)
{
    return c->job->mapping->pairs.count > 0;
}

static bool marks_deleted(struct ls_compare_choice *c)
{
    return c->job->soft_count > 0;
}

static bool key_not_enforced(struct ls_compare_choice *c)
{
    return !c->job->key_unique;
}

static bool converts(struct ls_compare_choice *c)
{
    const struct ls_mapping *m = c->job->mapping;

    for (size_t i = 0; i < m->field_count; i++) {
        if (m->fields[i].converts || m->fields[i].fixed)
            return true;
    }
    return false;
}

static bool cannot_digest(struct ls_compare_choice *c)
{
    return !ls_store_can(c->job->source.store, LS_CAP_DIGEST) ||
           !ls_store_can(c->job->target.store, LS_CAP_DIGEST);
}

static bool find_family(struct ls_compare_choice *c, enum ls_side_name side)
{
    struct ls_scan scan;

    if (ls_digest_scan(c->job, side, c->mem, &scan, &c->refusal) != LS_OK)
        return false;
    c->family[side] =
        ls_store_digest_family(ls_job_side(c->job, side)->store, &scan, c->mem, &c->refusal);
    return c->family[side] != NULL;
}

static bool refuses_digest(struct ls_compare_choice *c)
{
    return !find_family(c, LS_SIDE_SOURCE) || !find_family(c, LS_SIDE_TARGET);
}

static bool families_differ(struct ls_compare_choice *c)
{
    return strcmp(c->family[LS_SIDE_SOURCE], c->family[LS_SIDE_TARGET]) != 0;
}

/* The family of digests that are made in this process, over the layout. */
static const char *own_family(const struct ls_job *job, struct ls_arena *mem)
{
    struct ls_scan scan;

    if (ls_digest_scan(job, LS_SIDE_TARGET, mem, &scan, NULL) != LS_OK)
        return NULL;
    return ls_store_scan_family(&scan, mem);
}

static bool read_anyway(struct ls_compare_choice *c)
{
    const char *own = own_family(c->job, c->mem);

    c->pushed = !own || strcmp(own, c->family[LS_SIDE_SOURCE]) != 0;
    return !c->pushed && (c->job->source.schema->flags & LS_SCHEMA_ROWID_KEY) &&
           (c->job->target.schema->flags & LS_SCHEMA_ROWID_KEY);
}

/* Why both sides are read rather than digested; asked in this order. */
static const struct reason {
    bool (*holds)(struct ls_compare_choice *c);
    const char *text;
} reasons[] = {
    {asked_for, "it was asked for"},
    {computed, "a field is computed by an expression"},
    {sifts_pairs, "--only names a field that is not the key, so every pair is looked at"},
    {filtered_here, "a filter is evaluated here, not in the store"},
    {marks_deleted, "records that are marked as deleted count as gone"},
    {key_not_enforced, "a side does not enforce that the key is unique, so every key is looked at"},
    {converts, "a field has different types on the two sides, or is char(n) on the target alone"},
    {cannot_digest, "a side cannot digest records itself"},
    {refuses_digest, "a side cannot digest these fields"},
    {families_differ, "the sides hash records differently"},
    {read_anyway, "both are read in the order of their key at no extra cost"},
};

/* A key that both sides find alike although its two fields are not the same type. */
static bool same_key_type(const struct ls_field *a, const struct ls_field *b)
{
    const bool numbers = (a->type == LS_T_INT || a->type == LS_T_DECIMAL) &&
                         (b->type == LS_T_INT || b->type == LS_T_DECIMAL);

    if (a->type != b->type)
        return numbers;
    switch (a->type) {
    case LS_T_DOUBLE:
        return a->precision == b->precision;
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        return a->scale == b->scale;
    case LS_T_NULL:
    case LS_T_JSON:
    case LS_TYPE_COUNT:
        return false;
    case LS_T_NATIVE:
        return strcmp(a->engine, b->engine) == 0 && strcmp(a->native, b->native) == 0;
    case LS_T_BOOL:
    case LS_T_INT:
    case LS_T_DECIMAL:
    case LS_T_TEXT:
    case LS_T_BYTES:
    case LS_T_DATE:
    case LS_T_UUID:
        break;
    }
    return true;
}

bool ls_compare_can_fetch(const struct ls_job *job, const char **ret_why)
{
    const char *why = NULL;

    if (!job->source.store)
        why = "there is no source";
    else if (!ls_store_can(job->source.store, LS_CAP_FETCH) ||
             !ls_store_can(job->target.store, LS_CAP_FETCH))
        why = "a side cannot be asked for single records";
    for (size_t i = 0; !why && i < job->layout.key_count; i++) {
        const size_t at = job->layout.key[i];
        const struct ls_map_field *map = &job->mapping->fields[at];

        if (!same_key_type(&job->source.schema->fields[map->source], &job->layout.fields[at]))
            why = "the key has different types on the two sides";
    }
    if (ret_why)
        *ret_why = why ? why : "";
    return !why;
}

/* Whether records that --only names by other fields than the key can be found by a store and fetched by their key. */
static bool finds(struct ls_compare_choice *c)
{
    const char *why = NULL;

    if (c->job->mapping->pairs.count == 0)
        return false;
    if (c->options->force_merge)
        return false;
    if (!c->job->key_unique) {
        c->unsought = "a side does not enforce that the key is unique";
    } else if (!ls_compare_can_fetch(c->job, &why)) {
        c->unsought = why;
    } else {
        for (unsigned i = 0; i < 2; i++)
            ls_find_sought(c->job, (enum ls_side_name)i, c->mem, &c->sought[i]);
        if (c->sought[0].count || c->sought[1].count)
            return true;
    }
    return false;
}

static enum ls_compare_path choose_path(struct ls_compare_choice *c)
{
    if (c->job->only_key_count && ls_compare_can_fetch(c->job, NULL))
        return LS_PATH_KEYS;
    if (finds(c))
        return LS_PATH_FOUND;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].holds(c)) {
            c->why = reasons[i].text;
            return LS_PATH_MERGE;
        }
    }
    return LS_PATH_DIGEST;
}

static void choose_order(struct ls_compare_choice *c)
{
    /* What was found is sorted here: there is little of it, and asking for an order may cost a pass over all. */
    for (unsigned i = 0; i < 2 && (c->path == LS_PATH_MERGE || c->path == LS_PATH_FOUND); i++)
        c->sorts[i] =
            c->sought[i].count || ls_side_sorts(c->job, (enum ls_side_name)i, &c->why_sorted[i]);
}

void ls_compare_choose(const struct ls_job *job, const struct ls_compare_options *options,
                       struct ls_arena *mem, struct ls_compare_choice *c)
{
    *c = (struct ls_compare_choice){.job = job, .options = options, .mem = mem};
    c->path = choose_path(c);
    choose_order(c);
}

void ls_compare_choose_merge(struct ls_compare_choice *c)
{
    c->path = LS_PATH_MERGE;
    for (unsigned i = 0; i < 2; i++)
        c->sought[i] = (struct ls_side_sought){0};
    choose_order(c);
}

void ls_compare_say(struct ls_compare_result *ret, const char *fmt, ...)
{
    const size_t used = strlen(ret->explain);
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(ret->explain + used, sizeof ret->explain - used, fmt, args);
    va_end(args);
}

static void say_sorting(const struct ls_compare_choice *c, enum ls_side_name side,
                        struct ls_compare_result *ret)
{
    const int64_t rows = ls_job_side(c->job, side)->schema->rows_estimate;
    const uint64_t bytes = (uint64_t)(rows > 0 ? rows : 0) *
                           (c->job->layout.field_count + c->job->layout.key_count) * BYTES_A_FIELD;

    if (!c->sorts[side] || !c->why_sorted[side])
        return;
    ls_compare_say(ret, " The %s is sorted here, because %s", ls_side_word(side),
                   c->why_sorted[side]);
    if (bytes)
        ls_compare_say(ret, "; that takes about %" PRIu64 " MiB in TMPDIR", (bytes >> 20) + 1);
    ls_compare_say(ret, ".");
}

static void say_sought(const struct ls_compare_choice *c, enum ls_side_name side,
                       struct ls_compare_result *ret)
{
    const struct ls_side_sought *s = &c->sought[side];
    const struct ls_field *fields = ls_job_side(c->job, side)->schema->fields;

    ls_compare_say(ret, " The %s ", ls_side_word(side));
    for (size_t i = 0; i < s->count; i++)
        ls_compare_say(ret, "%s%.60s", i ? ", " : "looks for ",
                       fields[s->sought[i].condition.field].name);
    if (s->why)
        ls_compare_say(ret, "%s %.60s: %s",
                       s->count ? ", but not for" : "is read whole, because it cannot look for",
                       s->field, s->why);
    ls_compare_say(ret, ".");
}

/* Why nothing is looked for, where --only would like it to be. */
static void say_unsought(const struct ls_compare_choice *c, struct ls_compare_result *ret)
{
    if (c->unsought)
        ls_compare_say(ret, " These are not looked for, because %s.", c->unsought);
    for (unsigned i = 0; i < 2; i++)
        if (c->sought[i].why)
            ls_compare_say(ret, " The %s cannot look for %.60s: %s.",
                           ls_side_word((enum ls_side_name)i), c->sought[i].field,
                           c->sought[i].why);
}

void ls_compare_say_choice(const struct ls_compare_choice *c, struct ls_compare_result *ret)
{
    static const char *const words[] = {"merge", "digest", "keys", "keys"};

    ret->path = words[c->path];
    ret->explain[0] = '\0';
    switch (c->path) {
    case LS_PATH_KEYS:
        ls_compare_say(ret, "keys: %zu records are fetched by their key from both sides.",
                       c->job->only_key_count);
        break;
    case LS_PATH_FOUND:
        ls_compare_say(
            ret,
            "keys: what --only names is found first, then fetched by its key from both sides.");
        say_sought(c, LS_SIDE_SOURCE, ret);
        say_sought(c, LS_SIDE_TARGET, ret);
        say_sorting(c, LS_SIDE_SOURCE, ret);
        say_sorting(c, LS_SIDE_TARGET, ret);
        break;
    case LS_PATH_DIGEST:
        ls_compare_say(
            ret,
            "digest: both sides hash their records alike, %s; only segments that differ are "
            "read.",
            c->pushed ? "each in its own server" : "each in a thread of its own");
        break;
    case LS_PATH_MERGE:
        ls_compare_say(ret, "merge: both sides are read in key order, because %s.", c->why);
        if (c->refusal.code != LS_OK)
            ls_compare_say(ret, " (%.300s)", c->refusal.text);
        say_unsought(c, ret);
        say_sorting(c, LS_SIDE_SOURCE, ret);
        say_sorting(c, LS_SIDE_TARGET, ret);
        break;
    }
}

void ls_compare_set_family(const struct ls_compare_choice *c, struct ls_compare_result *ret)
{
    const char *family =
        c->path == LS_PATH_DIGEST ? c->family[LS_SIDE_SOURCE] : own_family(c->job, c->mem);

    (void)snprintf(ret->family, sizeof ret->family, "%s", family ? family : "");
}
