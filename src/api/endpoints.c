/* SPDX-License-Identifier: Apache-2.0 */
/* endpoints.c - the endpoints in force.
 *
 * The configuration's endpoints are written into the state before anything needs them, so that every process
 * that accepts events sends them the same ways: the command line, the daemon, several nodes. Those that the configuration
 * does not name any more are the daemon's to take away: a command that was called without the daemon's environment
 * knows nothing of its endpoints. While something is on its way to one it is kept, and gets nothing more: a line that was lost from
 * a file loses no event. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/events.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

static struct ls_endpoint *find(struct ls_endpoint *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

/* ---- those of the environment ---- */

static bool is_taken(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (names[i] && strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* The name that the endpoint of this URL has already and that none of `names` is; NULL: none has it. */
static const char *name_of(const char *url, const struct ls_endpoint *there, size_t there_count,
                           const char *const *names, size_t count)
{
    for (size_t i = 0; i < there_count; i++)
        if (strcmp(there[i].origin, "config") == 0 && ls_text_starts(there[i].name, "webhook-") &&
            strcmp(there[i].url, url) == 0 && !is_taken(names, count, there[i].name))
            return there[i].name;
    return NULL;
}

/* They are named by their places in the list. Whoever takes one out of it, or puts one in, leaves the others what they are called, and what is on its
 * way to them. A place whose URL is another one now is the same endpoint, moved. */
static enum ls_code keep_names(struct ls_endpoint *list, size_t count, struct ls_endpoint *there,
                               size_t there_count, struct ls_arena *mem, struct ls_error *err)
{
    const char **names = ls_arena_array(mem, count, sizeof *names);
    size_t next = 1;

    for (size_t i = 0; names && i < count; i++)
        names[i] = name_of(list[i].url, there, there_count, names, i);
    for (size_t i = 0; names && i < count; i++) {
        if (!names[i] && !is_taken(names, count, list[i].name))
            names[i] = list[i].name;
        while (!names[i]) {
            const char *name = ls_arena_printf(mem, "webhook-%zu", next++);

            if (!name)
                return ls_error_nomem(err);
            if (!is_taken(names, count, name) && !find(there, there_count, name) &&
                !find(list, count, name))
                names[i] = name;
        }
    }
    for (size_t i = 0; names && i < count; i++)
        list[i].name = names[i];
    return names ? LS_OK : ls_error_nomem(err);
}

static enum ls_code configured(struct lockstep *ls, struct ls_endpoint *there, size_t there_count,
                               struct ls_arena *mem, size_t *ret_count, struct ls_endpoint **ret,
                               struct ls_error *err)
{
    const struct ls_events_config *config = ls->config ? &ls->config->events : NULL;
    struct ls_endpoint *environment = NULL, *all;
    const size_t named = config ? config->endpoint_count : 0;
    size_t more = 0;
    enum ls_code rc = ls_config_environment_endpoints(mem, &more, &environment, err);

    if (rc == LS_OK)
        rc = keep_names(environment, more, there, there_count, mem, err);
    if (rc != LS_OK)
        return rc;
    all = ls_arena_array(mem, named + more, sizeof *all);
    if (!all)
        return ls_error_nomem(err);
    if (named)
        memcpy(all, config->endpoints, named * sizeof *all);
    if (more)
        memcpy(all + named, environment, more * sizeof *all);
    *ret = all;
    *ret_count = named + more;
    return LS_OK;
}

static bool same_secrets(const struct ls_endpoint *a, const struct ls_endpoint *b)
{
    if (a->secret_count != b->secret_count)
        return false;
    for (size_t i = 0; i < a->secret_count; i++)
        if (strcmp(a->secrets[i], b->secrets[i]) != 0)
            return false;
    return true;
}

/* Sealing is not the same twice, so what is kept is compared before it is written. */
static bool same(const struct ls_endpoint *a, const struct ls_endpoint *b, struct ls_arena *mem)
{
    const char *x = ls_endpoint_settings(a, mem), *y = ls_endpoint_settings(b, mem);

    return x && y && strcmp(x, y) == 0 && strcmp(a->url, b->url) == 0 &&
           strcmp(a->origin, b->origin) == 0 && same_secrets(a, b);
}

static bool is_settled(const struct ls_endpoint *wanted, const struct ls_endpoint *there,
                       struct ls_arena *mem)
{
    return there && same(wanted, there, mem) && !ls_endpoint_is_dropped(there);
}

/* Pause and breaker are what people and receivers did to it; they stay, except that the configuration can pause. A new URL ends what the old
 * one was disabled for. */
static enum ls_code write_one(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                              const struct ls_endpoint *wanted, const struct ls_endpoint *there,
                              struct ls_arena *mem, struct ls_error *err)
{
    struct ls_endpoint e = *wanted;
    struct ls_endpoint_row row;
    enum ls_code rc;

    if (there) {
        e.number = there->number;
        e.paused = there->paused || wanted->paused;
        e.breaker = there->breaker;
        e.disabled = strcmp(there->url, wanted->url) == 0 && !ls_endpoint_is_dropped(there)
                         ? there->disabled
                         : "";
    }
    rc = ls_endpoint_to_row(&e, key, mem, &row, err);
    return rc == LS_OK ? ls_endpoint_save(tx, &row, err) : rc;
}

/* What somebody disabled or paused meanwhile is kept so, and is taken away as well. */
static enum ls_code drop(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                         const struct ls_endpoint *there, struct ls_arena *mem,
                         struct ls_error *err)
{
    struct ls_endpoint e = *there;
    struct ls_endpoint_row row;
    bool busy = false;
    enum ls_code rc = ls_endpoint_busy(tx->state, there->number, &busy, err);

    if (rc == LS_OK && !busy)
        return ls_endpoint_remove(tx, there->number, err);
    if (rc != LS_OK || ls_endpoint_is_dropped(there))
        return rc;
    ls_log(LS_LOG_WARN,
           "events: the configuration does not name endpoint %s any more: it gets nothing, and "
           "what is on its way to it waits until it is named again or removed (lockstep endpoints "
           "remove)",
           there->name);
    e.disabled = LS_ENDPOINT_DROPPED;
    rc = ls_endpoint_to_row(&e, key, mem, &row, err);
    return rc == LS_OK ? ls_endpoint_save(tx, &row, err) : rc;
}

/* Of an older program's rows the values of headers are open to whoever reads the state. */
static bool any_unsealed(const struct ls_endpoint *there, size_t there_count)
{
    for (size_t i = 0; i < there_count; i++)
        if (there[i].unsealed)
            return true;
    return false;
}

static enum ls_code seal_all(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                             struct ls_arena *mem, struct ls_error *err)
{
    struct ls_endpoint *there = NULL;
    struct ls_endpoint_row row;
    size_t count = 0;
    enum ls_code rc = ls_endpoints_lock(tx, err);

    if (rc == LS_OK)
        rc = ls_endpoints_read(tx->state, key, mem, &count, &there, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        if (!there[i].unsealed)
            continue;
        rc = ls_endpoint_to_row(&there[i], key, mem, &row, err);
        if (rc == LS_OK)
            rc = ls_endpoint_save(tx, &row, err);
    }
    return rc;
}

static bool is_unwanted(const struct ls_endpoint *e, struct ls_endpoint *wanted, size_t count)
{
    return strcmp(e->origin, "config") == 0 && !find(wanted, count, e->name);
}

/* Several processes may begin with the same configuration at the same time: what is there is read under the lock. */
static enum ls_code settle(struct ls_queue_tx *tx, const struct ls_seal_key *key, bool drops,
                           struct ls_endpoint *wanted, size_t wanted_count, struct ls_arena *mem,
                           struct ls_error *err)
{
    struct ls_endpoint *there = NULL;
    size_t there_count = 0;
    enum ls_code rc = ls_endpoints_lock(tx, err);

    if (rc == LS_OK)
        rc = ls_endpoints_read(tx->state, key, mem, &there_count, &there, err);
    for (size_t i = 0; i < there_count && drops && rc == LS_OK; i++)
        if (is_unwanted(&there[i], wanted, wanted_count))
            rc = drop(tx, key, &there[i], mem, err);
    for (size_t i = 0; i < wanted_count && rc == LS_OK; i++) {
        const struct ls_endpoint *old = find(there, there_count, wanted[i].name);

        if (!is_settled(&wanted[i], old, mem))
            rc = write_one(tx, key, &wanted[i], old, mem, err);
    }
    return rc;
}

static bool all_settled(bool drops, struct ls_endpoint *wanted, size_t wanted_count,
                        struct ls_endpoint *there, size_t there_count, struct ls_arena *mem)
{
    for (size_t i = 0; i < there_count && drops; i++)
        if (is_unwanted(&there[i], wanted, wanted_count))
            return false;
    for (size_t i = 0; i < wanted_count; i++) {
        const struct ls_endpoint *old = find(there, there_count, wanted[i].name);

        if (!is_settled(&wanted[i], old, mem))
            return false;
    }
    return true;
}

/* drops: what the configuration does not name goes. */
static enum ls_code in_force(struct lockstep *ls, bool drops, struct ls_arena *mem,
                             size_t *ret_count, struct ls_endpoint **ret, struct ls_error *err)
{
    struct ls_endpoint *wanted = NULL;
    struct ls_seal_key key;
    struct ls_queue_tx tx;
    size_t wanted_count = 0;
    enum ls_code rc = ls_api_state(ls, true, err);

    if (rc == LS_OK)
        rc = ls_seal_key(ls_state_where(ls->state), &key, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_endpoints_read(ls->state, &key, mem, ret_count, ret, err);
    if (rc == LS_OK && any_unsealed(*ret, *ret_count)) {
        rc = ls_queue_begin(ls->state, ls_clock_now_us(), &tx, err);
        if (rc == LS_OK)
            rc = ls_queue_end(&tx, seal_all(&tx, &key, mem, err), err);
        if (rc == LS_OK)
            rc = ls_endpoints_read(ls->state, &key, mem, ret_count, ret, err);
    }
    if (rc == LS_OK)
        rc = configured(ls, *ret, *ret_count, mem, &wanted_count, &wanted, err);
    /* Only a process that was told of endpoints settles them: one without a configuration takes them as they are. */
    if (rc == LS_OK && (ls->config || wanted_count) &&
        !all_settled(drops, wanted, wanted_count, *ret, *ret_count, mem)) {
        rc = ls_queue_begin(ls->state, ls_clock_now_us(), &tx, err);
        if (rc == LS_OK)
            rc = ls_queue_end(&tx, settle(&tx, &key, drops, wanted, wanted_count, mem, err), err);
        if (rc == LS_OK)
            rc = ls_endpoints_read(ls->state, &key, mem, ret_count, ret, err);
    }
    ls_seal_key_wipe(&key);
    return rc;
}

enum ls_code ls_api_endpoints(struct lockstep *ls, struct ls_arena *mem, size_t *ret_count,
                              struct ls_endpoint **ret, struct ls_error *err)
{
    return in_force(ls, false, mem, ret_count, ret, err);
}

enum ls_code ls_api_endpoints_settle(struct lockstep *ls, struct ls_error *err)
{
    struct ls_endpoint *endpoints = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = in_force(ls, true, &mem, &count, &endpoints, err);
    ls_arena_done(&mem);
    return rc;
}

size_t ls_route(const struct ls_endpoint *endpoints, size_t count, const char *type, int64_t *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        if (ls_endpoint_wants(&endpoints[i], type) &&
            strcmp(endpoints[i].origin, LS_ENDPOINT_OF_MESSAGES) != 0)
            ret[n++] = endpoints[i].number;
    return n;
}

static enum ls_code not_there(const char *name, const char *const *names, size_t count,
                              struct ls_error *err)
{
    const char *near = ls_text_nearest(name, names, count);

    return ls_error_set(
        err, LS_NOT_FOUND,
        "there is no endpoint named %.100s%s%s%s. `lockstep endpoints list` shows them", name,
        near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

enum ls_code ls_api_endpoint_find(struct ls_endpoint *list, size_t count, const char *name,
                                  struct ls_arena *mem, struct ls_endpoint **ret,
                                  struct ls_error *err)
{
    const char **names = ls_arena_array(mem, count, sizeof *names);
    size_t n = 0;

    *ret = find(list, count, name);
    if (*ret && strcmp((*ret)->origin, LS_ENDPOINT_OF_MESSAGES) != 0)
        return LS_OK;
    for (size_t i = 0; names && i < count; i++)
        if (strcmp(list[i].origin, LS_ENDPOINT_OF_MESSAGES) != 0)
            names[n++] = list[i].name;
    return names ? not_there(name, names, n, err) : ls_error_nomem(err);
}

enum ls_code ls_api_endpoint_number(struct lockstep *ls, const char *name, struct ls_arena *mem,
                                    int64_t *ret, struct ls_error *err)
{
    struct ls_endpoint_row *rows = NULL;
    const char **names;
    size_t count = 0;
    enum ls_code rc = ls_endpoint_rows(ls->state, mem, &count, &rows, err);

    if (rc != LS_OK)
        return rc;
    names = ls_arena_array(mem, count, sizeof *names);
    if (!names)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *ret = rows[i].number;
            return LS_OK;
        }
        names[i] = rows[i].name;
    }
    return not_there(name, names, count, err);
}
