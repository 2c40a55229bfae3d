/* SPDX-License-Identifier: Apache-2.0 */
/* users.c - users of a local database and an auth service: which sync keeps them in step, how one is shown, and whether one is in step now.
 *
 * Validating a user compares that one key on both sides, by the engine and as `status --only` does: nothing else is read, and nothing is written. */
#include "server/users.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "server/handler.h"
#include "server/write.h"

/* ---- which sync ---- */

bool ls_users_find(const struct ls_config *config, struct ls_users *ret)
{
    const char *name = config && config->surfaces.users ? config->surfaces.users : "users";

    *ret = (struct ls_users){.sync = name};
    for (size_t i = 0; config && i < config->sync_count; i++)
        if (strcmp(config->names[i], name) == 0)
            ret->config = &config->syncs[i];
    ret->swapped = config && config->surfaces.users && config->surfaces.users_are_target;
    return ret->config != NULL;
}

/* ---- statuses ---- */

const struct ls_users_words *ls_users_words(const struct ls_users *u, const char *status)
{
    static const struct ls_users_words words[] = {
        {"in_sync", "in_sync", "In Sync"},
        {"source_only", "local_only", "Local Only"},
        {"target_only", "supabase_only", "Supabase Only"},
        {"inconsistent", "inconsistent", "Inconsistent"}, /* last: anything else is shown so */
    };
    size_t i = 0;

    while (i < 3 && strcmp(words[i].engine, status) != 0)
        i++;
    if (u->swapped && (i == 1 || i == 2))
        i = 3 - i;
    return &words[i];
}

/* ---- a user ---- */

const char *ls_users_value(const struct lockstep_difference *d, const char *name)
{
    for (size_t i = 0; i < d->field_count; i++)
        if (strcmp(d->fields[i].name, name) == 0)
            return d->fields[i].source ? d->fields[i].source : d->fields[i].target;
    return NULL;
}

static void write_side(struct ls_buf *out, const struct lockstep_difference *d, const char *name,
                       bool target)
{
    const bool there = strcmp(d->status, target ? "source_only" : "target_only") != 0;

    if (!there) {
        ls_write_null(out, name);
        return;
    }
    ls_write_open(out, name, '{');
    for (size_t i = 0; i < d->field_count; i++)
        ls_write_text(out, d->fields[i].name, target ? d->fields[i].target : d->fields[i].source);
    ls_write_close(out, '}');
}

static const char *or_nothing(const char *text)
{
    return text ? text : "nothing";
}

/* One issue for each field that differs, or one for the side that lacks the user. */
static void write_issues(struct ls_buf *out, const struct ls_users *u,
                         const struct lockstep_difference *d, struct ls_arena *mem)
{
    const struct ls_users_words *w = ls_users_words(u, d->status);

    ls_write_open(out, "issues", '[');
    if (strcmp(w->word, "local_only") == 0)
        ls_write_text(out, NULL, "exists in the local database but not in Supabase");
    if (strcmp(w->word, "supabase_only") == 0)
        ls_write_text(out, NULL, "exists in Supabase but not in the local database");
    for (size_t i = 0; i < d->field_count && strcmp(w->word, "inconsistent") == 0; i++) {
        const struct lockstep_field *f = &d->fields[i];

        if (f->differs)
            ls_write_text(out, NULL,
                          ls_arena_printf(mem, "%s: %s locally, %s in Supabase", f->name,
                                          or_nothing(u->swapped ? f->target : f->source),
                                          or_nothing(u->swapped ? f->source : f->target)));
    }
    if (strcmp(d->status, "moving") == 0)
        ls_write_text(out, NULL, "changed while it was being looked at");
    if (strcmp(d->status, "conflict") == 0)
        ls_write_text(out, NULL, "changed on both sides");
    ls_write_close(out, ']');
}

static void write_differences(struct ls_buf *out, const struct ls_users *u,
                              const struct lockstep_difference *d)
{
    ls_write_open(out, "differences", '[');
    for (size_t i = 0; i < d->field_count; i++) {
        const struct lockstep_field *f = &d->fields[i];

        if (!f->differs || !f->name ||
            strcmp(ls_users_words(u, d->status)->word, "inconsistent") != 0)
            continue;
        ls_write_open(out, NULL, '{');
        ls_write_text(out, "field", f->name);
        ls_write_text(out, "local", u->swapped ? f->target : f->source);
        ls_write_text(out, "supabase", u->swapped ? f->source : f->target);
        ls_write_close(out, '}');
    }
    ls_write_close(out, ']');
}

/* The members of an entry, without its braces. */
void ls_users_write(struct ls_buf *out, const struct ls_users *u,
                    const struct lockstep_difference *d)
{
    const struct ls_users_words *w = ls_users_words(u, d->status);
    struct ls_arena mem;

    ls_arena_init(&mem, 0);
    ls_write_text(out, "id", ls_users_value(d, "id"));
    ls_write_text(out, "email", ls_users_value(d, "email"));
    ls_write_text(out, "name", ls_users_value(d, "name"));
    ls_write_text(out, "status", w->word);
    ls_write_text(out, "label", w->label);
    ls_write_bool(out, "inSync", strcmp(w->word, "in_sync") == 0);
    write_side(out, d, "local", u->swapped);
    write_side(out, d, "supabase", !u->swapped);
    write_issues(out, u, d, &mem);
    write_differences(out, u, d);
    ls_arena_done(&mem);
}

/* ---- names ---- */

/* An expression that is a field's name and nothing else. */
static bool is_name(const char *expression)
{
    size_t n = 0;

    while (expression[n] == '_' || (expression[n] >= 'a' && expression[n] <= 'z') ||
           (expression[n] >= 'A' && expression[n] <= 'Z') ||
           (n && expression[n] >= '0' && expression[n] <= '9'))
        n++;
    return n > 0 && !expression[n];
}

enum ls_code ls_users_source_field(const struct ls_users *u, const char *target, const char **ret,
                                   struct ls_error *err)
{
    *ret = target;
    if (u->config->field_count == 0)
        return LS_OK;
    for (size_t i = 0; i < u->config->field_count; i++) {
        if (strcmp(u->config->fields[i].target, target) != 0)
            continue;
        *ret = u->config->fields[i].expression;
        if (is_name(*ret))
            return LS_OK;
        return ls_error_set(err, LS_UNSUPPORTED,
                            "the sync %s makes %s by an expression, so a user cannot be named by "
                            "it",
                            u->sync, target);
    }
    return ls_error_set(err, LS_UNSUPPORTED, "the sync %s does not sync %s", u->sync, target);
}

enum ls_code ls_users_key(const struct ls_users *u, const char **ret_target,
                          const char **ret_source, struct ls_error *err)
{
    if (u->config->key_count > 1)
        return ls_error_set(err, LS_UNSUPPORTED, "users of the sync %s are named by several fields",
                            u->sync);
    *ret_target = u->config->key_count ? u->config->key[0] : "id";
    return ls_users_source_field(u, *ret_target, ret_source, err);
}

/* ---- one user, now ---- */

struct looked {
    const struct ls_users *u;
    const char *key_field;
    struct ls_arena *mem;
    struct ls_users_verdict *verdict;
    bool failed;
};

/* The first one is shown, and of several one that is off. */
static bool take(void *ctx, const struct lockstep_difference *d)
{
    struct looked *l = ctx;
    struct ls_users_verdict *v = l->verdict;
    const struct ls_users_words *w = ls_users_words(l->u, d->status);
    const char *key = ls_users_value(d, l->key_field);
    struct ls_buf out;

    if (*v->status && strcmp(v->status, "in_sync") != 0)
        return true;
    ls_buf_init(&out, 0);
    ls_buf_char(&out, '{');
    ls_users_write(&out, l->u, d);
    ls_buf_char(&out, '}');
    v->status = w->word;
    v->label = w->label;
    v->key = key ? ls_arena_text(l->mem, key) : NULL;
    v->entry = out.failed ? NULL : ls_arena_text(l->mem, ls_buf_str(&out));
    l->failed = l->failed || !v->entry || (key && !v->key);
    ls_buf_done(&out);
    return true;
}

enum ls_code ls_users_validate(struct lockstep *ls, const struct ls_users *u, const char *only,
                               struct ls_arena *mem, struct ls_users_verdict *ret,
                               struct ls_error *err)
{
    const struct lockstep_select select = {.sync = u->sync, .only = &only, .only_count = 1};
    const struct lockstep_run_options options = {.every = true};
    struct lockstep_status status = {0};
    struct lockstep_error error = {0};
    struct looked l = {.u = u, .mem = mem, .verdict = ret};
    const char *source = NULL;
    int code;
    enum ls_code rc = ls_users_key(u, &l.key_field, &source, err);

    *ret = (struct ls_users_verdict){.status = "", .label = "", .entry = "null"};
    if (rc != LS_OK)
        return rc;
    code = lockstep_diff(ls, &select, &options, take, &l, &status, &error);
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return ls_call_failed(&error, err);
    ret->valid = status.in_sync == status.total;
    ret->total = status.total;
    ret->source_count = status.source_count;
    ret->target_count = status.target_count;
    lockstep_status_done(&status);
    return l.failed ? ls_error_nomem(err) : LS_OK;
}

static enum ls_code note(struct lockstep *ls, const struct ls_users *u, const char *only,
                         const char *about, const struct ls_users_verdict *v, struct ls_error *err)
{
    struct ls_buf out;
    enum ls_code rc;

    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "sync", u->sync);
    ls_write_bool(&out, "valid", v->valid);
    ls_write_text(&out, "status", *v->status ? v->status : "absent");
    ls_write_text(&out, "because", about);
    ls_write_close(&out, '}');
    rc = out.failed ? ls_error_nomem(err)
                    : ls_api_audit(ls, "user validate", only, ls_buf_str(&out), err);
    ls_buf_done(&out);
    return rc;
}

enum ls_code ls_users_validate_noted(struct lockstep *ls, const struct ls_users *u,
                                     const char *only, const char *about, struct ls_arena *mem,
                                     struct ls_users_verdict *ret, struct ls_error *err)
{
    enum ls_code rc = ls_users_validate(ls, u, only, mem, ret, err);

    if (rc == LS_OK)
        rc = note(ls, u, only, about, ret, err);
    if (rc == LS_OK)
        ls_log(ret->valid ? LS_LOG_INFO : LS_LOG_WARN, "users: %.200s is %s after %.100s (sync=%s)",
               only, *ret->label ? ret->label : "on neither side", about, u->sync);
    return rc;
}
