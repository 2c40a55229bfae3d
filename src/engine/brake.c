/* SPDX-License-Identifier: Apache-2.0 */
/* brake.c - when a run must not go on by itself.
 *
 * A sync that is pointed at the wrong database, or whose source was emptied, looks like a very
 * large plan. So the plan's counts are held against the target's count before a single record is
 * written. Inserts never count: they destroy nothing. Small targets (under LS_BRAKE_FROM) are left
 * alone, or every second record of a test table would stop a run.
 *
 * Not done: no brake looks at the clock or at how often it stopped; a person decides with --force.
 * Invariant: pure; a brake that is forced is skipped, the others still hold. */
#include "engine/brake.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define X(name, word) [LS_BRAKE_##name] = (word),
static const char *const brake_words[LS_BRAKE_COUNT] = {LS_BRAKES(X)};
#undef X

const char *ls_brake_word(enum ls_brake brake)
{
    return brake < LS_BRAKE_COUNT ? brake_words[brake] : "unknown";
}

/* What every rule looks at. */
struct situation {
    const struct ls_job *job;
    const struct ls_plan_counts *counts;
    const struct ls_brake_memory *last;
};

static bool big_enough(const struct situation *s)
{
    return s->counts->target_count >= LS_BRAKE_FROM;
}

static bool over_share(uint64_t part, uint64_t whole, double share)
{
    return share < 1.0 && (double)part > (double)whole * share;
}

/* A record that is marked as deleted is as gone as one that is deleted. */
static uint64_t going(const struct situation *s)
{
    return s->counts->deletes + s->counts->soft;
}

static bool deletes_pulls(const struct situation *s)
{
    return big_enough(s) && over_share(going(s), s->counts->target_count, s->job->brake_deletes);
}

static bool changes_pulls(const struct situation *s)
{
    return big_enough(s) && over_share(s->counts->deletes + s->counts->updates,
                                       s->counts->target_count, s->job->brake_changes);
}

static bool empty_pulls(const struct situation *s)
{
    /* of some records alone (--only) the source may well have none */
    return s->counts->source_count == 0 && going(s) > 0 && !s->job->partial &&
           (big_enough(s) || s->last->source_count > 0);
}

static bool differs(const char *before, const char *now)
{
    return before && *before && now && *now && strcmp(before, now) != 0;
}

static bool config_pulls(const struct situation *s)
{
    return differs(s->last->digest, s->job->digest);
}

static bool identity_pulls(const struct situation *s)
{
    return differs(s->last->fingerprint, s->job->fingerprint);
}

static void explain_deletes(const struct situation *s, struct ls_error *err)
{
    ls_error_set(
        err, LS_BRAKE,
        "stopped before the first write: the plan deletes %" PRIu64 " of %" PRIu64
        " records of the target, more than %.4g %%. Look at them with `lockstep diff`; if they "
        "shall go, run again with --force=deletes",
        going(s), s->counts->target_count, s->job->brake_deletes * 100);
}

static void explain_changes(const struct situation *s, struct ls_error *err)
{
    ls_error_set(err, LS_BRAKE,
                 "stopped before the first write: the plan updates %" PRIu64 " and deletes %" PRIu64
                 " of %" PRIu64
                 " records of the target, more than %.4g %%. Look at them with `lockstep diff`; "
                 "if that is meant, run again with --force=changes",
                 s->counts->updates, s->counts->deletes, s->counts->target_count,
                 s->job->brake_changes * 100);
}

static void explain_empty(const struct situation *s, struct ls_error *err)
{
    ls_error_set(err, LS_BRAKE,
                 "stopped before the first write: the source is empty, so %" PRIu64
                 " record%s of the target would go. Check that %s is the right one; if it shall be "
                 "emptied, run again with --force=empty-source",
                 going(s), going(s) == 1 ? "" : "s", s->job->source.identity);
}

static void explain_config(const struct situation *s, struct ls_error *err)
{
    (void)s;
    ls_error_set(
        err, LS_BRAKE,
        "stopped before the first write: the key, the fields or a filter of this sync are not "
        "those of its last run. If you changed them, look at `lockstep diff` and run again "
        "with --force=config");
}

static void explain_identity(const struct situation *s, struct ls_error *err)
{
    ls_error_set(
        err, LS_BRAKE,
        "stopped before the first write: %s or %s is not the table of the last run any more "
        "(another server, database or a table made anew). If that is meant, run again with "
        "--force=identity",
        s->job->source.identity, s->job->target.identity);
}

static const struct rule {
    bool (*pulls)(const struct situation *s);
    void (*explain)(const struct situation *s, struct ls_error *err);
} rules[LS_BRAKE_COUNT] = {
    [LS_BRAKE_DELETES] = {deletes_pulls, explain_deletes},
    [LS_BRAKE_CHANGES] = {changes_pulls, explain_changes},
    [LS_BRAKE_EMPTY] = {empty_pulls, explain_empty},
    [LS_BRAKE_CONFIG] = {config_pulls, explain_config},
    [LS_BRAKE_IDENTITY] = {identity_pulls, explain_identity},
};

/* The reason that tells most comes first: a wrong database before its symptoms. */
static const enum ls_brake looked_at[LS_BRAKE_COUNT] = {
    LS_BRAKE_IDENTITY, LS_BRAKE_CONFIG, LS_BRAKE_EMPTY, LS_BRAKE_DELETES, LS_BRAKE_CHANGES,
};

static bool pulls(enum ls_brake brake, unsigned forced, const struct situation *s)
{
    return !(forced >> brake & 1u) && rules[brake].pulls(s);
}

/* Who goes past the first brake shall not run into the second. */
static void name_others(enum ls_brake first, unsigned forced, const struct situation *s,
                        struct ls_error *err)
{
    char words[100];
    int used = snprintf(words, sizeof(words), "%s", ls_brake_word(first));
    const int alone = used;

    for (size_t i = 0; i < LS_BRAKE_COUNT; i++)
        if (looked_at[i] != first && pulls(looked_at[i], forced, s))
            used += snprintf(words + used, sizeof(words) - (size_t)used, ",%s",
                             ls_brake_word(looked_at[i]));
    if (used > alone)
        ls_error_set(err, LS_BRAKE,
                     "%s. It is not the only brake: --force=%s goes past all that stop this run",
                     err->text, words);
}

enum ls_code ls_brake_check(const struct ls_job *job, const struct ls_plan_counts *counts,
                            const struct ls_brake_memory *last, unsigned forced,
                            struct ls_error *err)
{
    static const struct ls_brake_memory nothing = {"", "", 0};
    const struct situation s = {job, counts, last ? last : &nothing};

    if (counts->inserts + counts->updates + counts->deletes == 0)
        return LS_OK; /* nothing will be written: nothing can go wrong */
    for (size_t i = 0; i < LS_BRAKE_COUNT; i++) {
        const enum ls_brake brake = looked_at[i];

        if (pulls(brake, forced, &s)) {
            rules[brake].explain(&s, err);
            name_others(brake, forced, &s, err);
            return LS_BRAKE;
        }
    }
    return LS_OK;
}
