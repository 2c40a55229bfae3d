/* SPDX-License-Identifier: Apache-2.0 */
/* config_schedules.c - lockstep.yaml: the section `schedules`.
 *
 * What a schedule does is said by one of `sync`, `queue` and `post`; all else has the defaults of that action (schedule/manage.h). Everything is checked
 * here, with its line, down to a cron expression that never comes and a sync that is not there: a daemon that starts has schedules that fire. */
#include <string.h>

#include "api/config_read.h"
#include "base/text.h"
#include "schedule/call.h"
#include "schedule/decide.h"
#include "schedule/manage.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

static enum ls_code read_cron(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    return ls_config_text(l, node, &l->schedule->cron, err);
}

static enum ls_code read_zone(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    return ls_config_text(l, node, &l->schedule->zone, err);
}

/* ---- what it does: read before everything else, because the defaults hang on it ---- */

static enum ls_code read_sync(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    const struct ls_config *c = l->config;
    const char *near;
    enum ls_code rc = ls_config_text(l, node, &l->schedule->target, err);

    for (size_t i = 0; rc == LS_OK && i < c->sync_count; i++)
        if (strcmp(c->names[i], l->schedule->target) == 0)
            return LS_OK;
    if (rc != LS_OK)
        return rc;
    near = ls_text_nearest(l->schedule->target, c->names, c->sync_count);
    return ls_yaml_error(err, l->path, node, "there is no sync \"%s\" under syncs%s%s%s",
                         l->schedule->target, near ? ". Did you mean \"" : "", near ? near : "",
                         near ? "\"?" : "");
}

static enum ls_code read_queue(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    bool on = false;
    enum ls_code rc = ls_config_bool(l, node, &on, err);

    if (rc == LS_OK && !on)
        rc = ls_yaml_error(err, l->path, node,
                           "`queue: true` processes the queue; leave it out "
                           "otherwise");
    return rc;
}

static enum ls_code read_url(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    return ls_config_text(l, node, &l->schedule->target, err);
}

static enum ls_code read_method(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_text(l, node, &l->schedule->method, err);
}

static enum ls_code read_headers(struct ls_config_reader *l, const struct yaml_node *map,
                                 struct ls_error *err)
{
    struct ls_call_header *headers = ls_arena_array(l->mem, map->count, sizeof *headers);
    enum ls_code rc = ls_config_is_map(l, map, "headers", err);
    struct ls_buf json;

    if (!headers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        headers[i].name = map->items[2 * i]->text;
        rc = ls_config_text(l, map->items[2 * i + 1], &headers[i].value, err);
    }
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&json, 0);
    ls_call_headers_json(headers, map->count, &json);
    l->schedule->headers = json.failed ? NULL : ls_arena_text(l->mem, ls_buf_str(&json));
    ls_buf_done(&json);
    return l->schedule->headers ? LS_OK : ls_error_nomem(err);
}

static enum ls_code read_body(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    enum ls_code rc = ls_config_text(l, node, &l->schedule->body, err);

    if (rc == LS_OK)
        l->schedule->body_size = strlen(l->schedule->body);
    return rc;
}

static enum ls_code read_post(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {
        {"url", read_url}, {"method", read_method}, {"headers", read_headers}, {"body", read_body}};
    enum ls_code rc;

    if (node->kind == YAML_TEXT)
        return read_url(l, node, err);
    rc = LS_CONFIG_MAP(l, node, entries, "post", err);
    if (rc == LS_OK && !l->schedule->target)
        rc = ls_yaml_error(err, l->path, node, "post needs a url");
    return rc;
}

/* In the order of enum ls_schedule_action; what stands behind them is made over HTTP. */
static const struct ls_config_entry actions[] = {
    [LS_ACTION_SYNC] = {"sync", read_sync},
    [LS_ACTION_QUEUE] = {"queue", read_queue},
    [LS_ACTION_POST] = {"post", read_post},
};

static enum ls_code read_action(struct ls_config_reader *l, const struct yaml_node *name,
                                const struct yaml_node *map, struct ls_error *err)
{
    const struct yaml_node *found = NULL;
    size_t action = 0;

    for (size_t i = 0; i < COUNT(actions); i++) {
        const struct yaml_node *node = ls_yaml_get(map, actions[i].name);

        if (node && found)
            return ls_yaml_error(err, l->path, node,
                                 "schedule %s does one thing: sync, queue or post", name->text);
        if (node) {
            found = node;
            action = i;
        }
    }
    if (!found)
        return ls_yaml_error(err, l->path, name,
                             "schedule %s does nothing: give it sync (a sync's name), queue (true) "
                             "or post (a URL)",
                             name->text);
    ls_schedule_defaults(l->schedule, (enum ls_schedule_action)action);
    return actions[action].read(l, found, err);
}

static enum ls_code skip(struct ls_config_reader *l, const struct yaml_node *node,
                         struct ls_error *err)
{
    (void)l;
    (void)node;
    (void)err;
    return LS_OK;
}

/* ---- how it does it ---- */

static enum ls_code read_overlap(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    size_t word = 0;
    enum ls_code rc = ls_config_word(l, node, ls_overlap_words, LS_OVERLAP_COUNT, &word, err);

    l->schedule->overlap = (enum ls_overlap)word;
    return rc;
}

static enum ls_code read_catch_up(struct ls_config_reader *l, const struct yaml_node *node,
                                  struct ls_error *err)
{
    size_t word = 0;
    enum ls_code rc = ls_config_word(l, node, ls_catch_up_words, LS_CATCH_UP_COUNT, &word, err);

    l->schedule->catch_up = (enum ls_catch_up)word;
    return rc;
}

static enum ls_code read_seconds(struct ls_config_reader *l, const struct yaml_node *node,
                                 int64_t max_ms, int64_t *ret_s, struct ls_error *err)
{
    int64_t ms = 0;
    enum ls_code rc = ls_config_duration(l, node, 1000, max_ms, &ms, err);

    *ret_s = ms / 1000;
    return rc;
}

static enum ls_code read_within(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return read_seconds(l, node, 366 * DAY_MS, &l->schedule->catch_up_s, err);
}

static enum ls_code read_jitter(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return read_seconds(l, node, DAY_MS, &l->schedule->jitter_s, err);
}

static enum ls_code read_hours(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_text(l, node, &l->schedule->hours, err);
}

static enum ls_code read_timeout(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    return ls_config_duration(l, node, 1000, 7 * DAY_MS, &l->schedule->timeout_ms, err);
}

/* None is a number too. */
static enum ls_code read_retries(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    int64_t n = -1;

    if (node->kind != YAML_TEXT || !ls_text_to_i64(node->text, strlen(node->text), &n) || n < 0 ||
        n > 20)
        return ls_yaml_error(err, l->path, node,
                             "a number of retries from 0 to 20 is expected "
                             "here");
    l->schedule->retries = n;
    return LS_OK;
}

static enum ls_code read_paused(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_bool(l, node, &l->schedule->paused, err);
}

static const struct ls_config_entry schedule_entries[] = {
    {"cron", read_cron},
    {"zone", read_zone},
    {"sync", skip},
    {"queue", skip},
    {"post", skip},
    {"overlap", read_overlap},
    {"catch_up", read_catch_up},
    {"catch_up_within", read_within},
    {"jitter", read_jitter},
    {"hours", read_hours},
    {"timeout", read_timeout},
    {"retries", read_retries},
    {"paused", read_paused},
};

static enum ls_code read_schedule(struct ls_config_reader *l, const struct yaml_node *name,
                                  const struct yaml_node *node, struct ls_error *err)
{
    struct ls_schedule *s = l->schedule;
    struct ls_error why;
    enum ls_code rc;

    *s = (struct ls_schedule){.id = name->text, .origin = "config"};
    if (!ls_schedule_id_fits(s->id))
        return ls_yaml_error(err, l->path, name,
                             "\"%.60s\" cannot name a schedule: a name has 1 to %d of the "
                             "characters A-Z a-z 0-9 . _ -",
                             s->id, LS_SCHEDULE_ID_MAX);
    rc = ls_config_is_map(l, node, "a schedule", err);
    if (rc == LS_OK)
        rc = read_action(l, name, node, err);
    if (rc == LS_OK)
        rc = LS_CONFIG_MAP(l, node, schedule_entries, "a schedule", err);
    if (rc == LS_OK && !s->cron)
        rc = ls_yaml_error(err, l->path, name,
                           "schedule %s has no cron: when is it due? Such as \"0 * * * *\", every "
                           "hour",
                           name->text);
    if (rc == LS_OK && ls_schedule_check(s, &why) != LS_OK)
        rc = ls_yaml_error(err, l->path, name, "%s", why.text);
    return rc;
}

enum ls_code ls_config_schedules(struct ls_config_reader *l, const struct yaml_node *map,
                                 struct ls_error *err)
{
    enum ls_code rc = ls_config_is_map(l, map, "a list of schedules", err);
    struct ls_schedule *list = ls_arena_array(l->mem, map->count, sizeof *list);

    if (!list)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        l->schedule = &list[i];
        rc = read_schedule(l, map->items[2 * i], map->items[2 * i + 1], err);
    }
    l->config->schedules = list;
    l->config->schedule_count = map->count;
    return rc;
}
