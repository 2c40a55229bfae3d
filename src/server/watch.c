/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - users of whom something was heard are validated at once.
 *
 * Whoever hears of a user only notes its id: the comparison of that one key is made by a worker, one user after the other, so that a flood of events costs
 * one worker and delays no answer. An id that waits already is not noted again, since it will be looked at after this. What does not fit any more is passed
 * over and counted in the log: the scheduled check of all users finds it. Nothing is repaired here; that is the sync's.
 *
 * The ids wait in memory: what a killed daemon had not looked at is left to the scheduled check as well. */
#include "server/watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "server/users.h"
#include "server/write.h"

#define MOST 1000 /* that wait */

struct heard {
    struct heard *next;
    char *about;
    char id[];
};

struct ls_watch {
    struct ls_work work; /* first */
    struct ls_setup *setup;
    struct ls_workers *workers;
    struct ls_hub *hub;
    pthread_mutex_t lock; /* of all below */
    struct heard *first, **last;
    size_t count, lost;
    bool working;
};

static void free_heard(struct heard *h)
{
    free(h->about);
    free(h);
}

/* ---- looking ---- */

static void publish(struct ls_watch *watch, const char *id, const struct ls_users_verdict *v)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "id", id);
    ls_write_bool(&out, "valid", v->valid);
    ls_write_text(&out, "status", *v->status ? v->status : "absent");
    ls_write_close(&out, '}');
    if (!out.failed)
        ls_hub_publish(watch->hub, "user.validated", id, ls_buf_str(&out), false);
    ls_buf_done(&out);
}

static enum ls_code look(struct ls_watch *watch, struct lockstep *ls, const struct heard *h,
                         struct ls_arena *mem, struct ls_error *err)
{
    struct ls_users users;
    struct ls_users_verdict verdict;
    const char *target = NULL, *source = NULL, *only;
    enum ls_code rc;

    if (!ls_users_find(ls->config, &users))
        return LS_OK; /* a reload took it away */
    rc = ls_users_key(&users, &target, &source, err);
    if (rc != LS_OK)
        return rc;
    only = ls_arena_printf(mem, "%s=%s", target, h->id);
    if (!only)
        return ls_error_nomem(err);
    rc = ls_users_validate_noted(ls, &users, only, h->about, mem, &verdict, err);
    if (rc == LS_OK)
        publish(watch, h->id, &verdict);
    return rc;
}

static void look_at(struct ls_watch *watch, struct lockstep *ls, const struct heard *h)
{
    struct ls_error err = {0};
    struct ls_arena mem;

    ls_api_refresh(ls);
    ls_arena_init(&mem, 0);
    if (look(watch, ls, h, &mem, &err) != LS_OK)
        ls_log(LS_LOG_WARN, "users: %.100s was not validated after %.100s: %s", h->id, h->about,
               err.text);
    ls_arena_done(&mem);
}

/* NULL: none waits, and nobody works from here on. */
static struct heard *next_heard(struct ls_watch *watch, size_t *ret_lost)
{
    struct heard *h;

    (void)pthread_mutex_lock(&watch->lock);
    h = watch->first;
    if (h) {
        watch->first = h->next;
        watch->count--;
        if (!watch->first)
            watch->last = &watch->first;
    }
    watch->working = h != NULL;
    *ret_lost = watch->lost;
    watch->lost = 0;
    (void)pthread_mutex_unlock(&watch->lock);
    return h;
}

static void look_at_all(struct ls_work *work, struct lockstep *ls, const struct ls_error *err)
{
    struct ls_watch *watch = (struct ls_watch *)work;
    struct heard *h;
    size_t lost = 0;

    (void)err;
    while ((h = next_heard(watch, &lost)) != NULL) {
        if (ls)
            look_at(watch, ls, h);
        free_heard(h);
        if (lost)
            ls_log(LS_LOG_WARN, "users: %zu were not validated: too many were reported at once",
                   lost);
    }
}

/* ---- hearing ---- */

static bool waits(const struct ls_watch *watch, const char *id)
{
    for (const struct heard *h = watch->first; h; h = h->next)
        if (strcmp(h->id, id) == 0)
            return true;
    return false;
}

static struct heard *new_heard(const char *id, const char *about)
{
    const size_t size = strlen(id) + 1;
    struct heard *h = malloc(sizeof *h + size);

    if (!h)
        return NULL;
    *h = (struct heard){.about = strdup(about)};
    memcpy(h->id, id, size);
    if (h->about)
        return h;
    free_heard(h);
    return NULL;
}

static void hear(struct ls_watch *watch, const char *id, const char *about)
{
    struct heard *h = NULL;
    bool begin = false;

    (void)pthread_mutex_lock(&watch->lock);
    if (*id && !waits(watch, id)) {
        h = watch->count < MOST ? new_heard(id, about) : NULL;
        watch->lost += !h;
    }
    if (h) {
        *watch->last = h;
        watch->last = &h->next;
        watch->count++;
        begin = !watch->working;
        watch->working = true;
    }
    (void)pthread_mutex_unlock(&watch->lock);
    if (!begin || ls_workers_give(watch->workers, &watch->work))
        return;
    (void)pthread_mutex_lock(&watch->lock);
    watch->working =
        false; /* the workers have too much to do: the next one that is heard of begins */
    (void)pthread_mutex_unlock(&watch->lock);
}

/* The types that say something of a user. */
static bool about_user(const char *type)
{
    return ls_text_starts(type, "user.") || ls_text_starts(type, "profile.");
}

void ls_watch_event(struct ls_watch *watch, const char *type, const char *resource)
{
    struct ls_config *config;
    struct ls_users users;

    if (!about_user(type))
        return;
    config = ls_setup_config(watch->setup);
    if (ls_users_find(config, &users))
        hear(watch, resource, type);
    ls_config_free(config);
}

/* Whether it writes into one of the sync's sides. */
static bool writes_users(const struct ls_receiver *r, const struct ls_users *users)
{
    const struct ls_side_config *sides[] = {&users->config->source, &users->config->target};

    for (size_t i = 0; i < r->target_count; i++)
        for (size_t s = 0; s < 2; s++)
            if (r->targets[i].side.collection && sides[s]->collection &&
                strcmp(r->targets[i].side.collection, sides[s]->collection) == 0 &&
                strcmp(r->targets[i].side.url, sides[s]->url) == 0)
                return true;
    return r->sync && strcmp(r->sync, users->sync) == 0;
}

void ls_watch_message(struct ls_watch *watch, const struct ls_receiver *receiver, const char *type,
                      const char *resource)
{
    struct ls_config *config = ls_setup_config(watch->setup);
    struct ls_users users;

    if (ls_users_find(config, &users) && (about_user(type) || writes_users(receiver, &users)))
        hear(watch, resource, *type ? type : receiver->name);
    ls_config_free(config);
}

/* ---- open and close ---- */

struct ls_watch *ls_watch_new(struct ls_setup *setup, struct ls_workers *workers,
                              struct ls_hub *hub)
{
    struct ls_watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        return NULL;
    watch->work.run = look_at_all;
    watch->setup = setup;
    watch->workers = workers;
    watch->hub = hub;
    watch->last = &watch->first;
    (void)pthread_mutex_init(&watch->lock, NULL);
    return watch;
}

void ls_watch_free(struct ls_watch *watch)
{
    struct heard *h;
    size_t lost;

    if (!watch)
        return;
    while ((h = next_heard(watch, &lost)) != NULL)
        free_heard(h);
    (void)pthread_mutex_destroy(&watch->lock);
    free(watch);
}
