/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - the commits that others have to know of, told over PostgreSQL's NOTIFY.
 *
 * A transaction that accepts events or changes endpoints notifies inside of itself: the server tells it with the commit, not before,
 * and not at all when there is none. Nothing is said with it: who hears it looks by itself. A notification that nobody heard (the
 * watching connection was lost) is gone, so a watch that begins has to look first, and whoever relies on it looks now and then as well.
 *
 * The connection is a session of its own that does nothing else. */
#include <stdlib.h>

#include "state/queue.h"
#include "state/state_priv.h"

#define CHANNEL "lockstep_queue"

struct ls_state_watch {
    struct ls_arena mem;
    struct ls_sql *db;
};

enum ls_code ls_state_tell(struct ls_state *state, struct ls_error *err)
{
    return state->path ? LS_OK
                       : ls_state_change(state, "SELECT pg_catalog.pg_notify('" CHANNEL "', '')",
                                         NULL, 0, -1, err);
}

bool ls_state_watchable(const char *url)
{
    struct ls_arena mem;
    struct ls_url place;
    const char *path = NULL;
    struct ls_error ignored;
    bool watchable;

    ls_arena_init(&mem, 0);
    watchable = ls_state_place(url, false, &mem, &place, &path, &ignored) == LS_OK && !path;
    ls_arena_done(&mem);
    return watchable;
}

int ls_state_writer(const struct ls_state *state)
{
    return ls_sql_backend(state->db);
}

enum ls_code ls_state_watch_open(const char *url, struct ls_state_watch **ret, struct ls_error *err)
{
    const struct ls_sql_options options = {.read_only = true};
    struct ls_state_watch *watch = calloc(1, sizeof *watch);
    struct ls_url place;
    const char *path = NULL;
    enum ls_code rc;

    if (!watch)
        return ls_error_nomem(err);
    ls_arena_init(&watch->mem, 0);
    rc = ls_state_place(url, false, &watch->mem, &place, &path, err);
    if (rc == LS_OK && path)
        rc = ls_error_set(err, LS_UNSUPPORTED, "commits are told on PostgreSQL only");
    if (rc == LS_OK)
        rc = ls_sql_open(&place, &options, &watch->db, err);
    if (rc == LS_OK)
        rc = ls_sql_listen(watch->db, CHANNEL, err);
    if (rc == LS_OK)
        *ret = watch;
    else
        ls_state_watch_close(watch);
    return rc;
}

enum ls_code ls_state_watch_wait(struct ls_state_watch *watch, int stop_fd, int *ret_writer,
                                 struct ls_error *err)
{
    return ls_sql_notified(watch->db, stop_fd, ret_writer, err);
}

void ls_state_watch_close(struct ls_state_watch *watch)
{
    if (!watch)
        return;
    ls_sql_close(watch->db);
    ls_arena_done(&watch->mem);
    free(watch);
}
