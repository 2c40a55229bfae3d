/* SPDX-License-Identifier: Apache-2.0 */
/* alert.c - alerts as decisions over values: what is new, what is over, whom to tell, and in which words.
 *
 * The same trouble is told once to each channel, again after the repeat time while it stays, and once more when it is over. A channel that could
 * not be reached is simply not marked as told, so the next look tries again. What was told is kept in the state, so that a new start is no
 * reason to tell it again. A process that dies between the two tells it twice, under the same key, which services that join messages by it take as the same.
 *
 * A message holds numbers and names out of the configuration, never the text of an error: that may quote records. */
#include "daemon/alert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/write.h"

#define FORGET_US (INT64_C(86400) * 1000000)
#define PAGERDUTY_URL "https://events.pagerduty.com/v2/enqueue"

const char *ls_alert_channel_word(enum ls_alert_channel channel)
{
    static const char *const words[] = {
#define X(name, word) word,
        LS_ALERT_CHANNELS(X)
#undef X
    };

    return words[channel];
}

bool ls_alert_channel_wanted(const struct ls_alerts_config *config, enum ls_alert_channel channel)
{
    const bool wanted[] = {
        [LS_ALERT_TO_WEBHOOK] = config->webhook != NULL,
        [LS_ALERT_TO_SENTRY] = config->sentry != NULL,
        [LS_ALERT_TO_PAGERDUTY] = config->pagerduty_key != NULL,
        [LS_ALERT_TO_COMMAND] = config->command_count > 0,
    };

    return wanted[channel];
}

/* ---- memory ---- */

void ls_alert_memory_done(struct ls_alert_memory *m)
{
    free(m->alerts);
    *m = (struct ls_alert_memory){0};
}

void ls_alert_look(struct ls_alert_memory *m, int64_t now_us)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->alerts[i].gone_us == 0)
            m->alerts[i].gone_us = now_us;
}

static struct ls_alert *find(struct ls_alert_memory *m, const char *key)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->alerts[i].key, key) == 0)
            return &m->alerts[i];
    return NULL;
}

/* A copy at the end; NULL when out of memory. */
static struct ls_alert *add(struct ls_alert_memory *m, const struct ls_alert *alert)
{
    const size_t room = m->room ? 2 * m->room : 16;
    struct ls_alert *more;

    if (m->count == m->room) {
        more = reallocarray(m->alerts, room, sizeof *more);
        if (!more)
            return NULL;
        m->alerts = more;
        m->room = room;
    }
    m->alerts[m->count] = *alert;
    return &m->alerts[m->count++];
}

enum ls_code ls_alert_found(struct ls_alert_memory *m, const struct ls_alert *found, int64_t now_us,
                            struct ls_error *err)
{
    struct ls_alert *a = find(m, found->key);

    if (a) {
        a->gone_us = 0;
        a->critical = found->critical;
        memcpy(a->text, found->text, sizeof found->text);
        return LS_OK;
    }
    a = add(m, found);
    if (!a)
        return ls_error_nomem(err);
    a->since_us = now_us;
    return LS_OK;
}

enum ls_code ls_alert_was_told(struct ls_alert_memory *m, const struct ls_alert *told,
                               enum ls_alert_channel channel, int64_t told_us, int64_t now_us,
                               struct ls_error *err)
{
    struct ls_alert *a = find(m, told->key);

    if (!a) {
        a = add(m, told);
        if (!a)
            return ls_error_nomem(err);
        a->gone_us = now_us;
    }
    if (told->since_us < a->since_us)
        a->since_us = told->since_us;
    if (told_us > a->told_us[channel])
        a->told_us[channel] = told_us;
    a->kept_us[channel] = told_us;
    return LS_OK;
}

enum ls_alert_act ls_alert_due(const struct ls_alert *a, enum ls_alert_channel channel,
                               int64_t now_us, int64_t repeat_us)
{
    const int64_t told_us = a->told_us[channel];

    if (a->gone_us)
        return told_us ? LS_ALERT_RESOLVE : LS_ALERT_QUIET;
    return told_us == 0 || now_us - told_us >= repeat_us ? LS_ALERT_TELL : LS_ALERT_QUIET;
}

void ls_alert_told(struct ls_alert *a, enum ls_alert_channel channel, enum ls_alert_act act,
                   int64_t now_us)
{
    a->told_us[channel] = act == LS_ALERT_TELL ? now_us : 0;
}

static bool owes_nobody(const struct ls_alert *a)
{
    for (size_t c = 0; c < LS_ALERT_CHANNEL_COUNT; c++)
        if (a->told_us[c])
            return false;
    return true;
}

static bool is_past(const struct ls_alert *a, int64_t now_us)
{
    return a->gone_us && (owes_nobody(a) || now_us - a->gone_us >= FORGET_US);
}

int64_t ls_alert_to_keep(const struct ls_alert *a, enum ls_alert_channel channel, int64_t now_us)
{
    return is_past(a, now_us) ? 0 : a->told_us[channel];
}

static bool is_kept(const struct ls_alert *a)
{
    for (size_t c = 0; c < LS_ALERT_CHANNEL_COUNT; c++)
        if (a->kept_us[c])
            return true;
    return false;
}

void ls_alert_forget(struct ls_alert_memory *m, int64_t now_us)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->count; i++) {
        const struct ls_alert *a = &m->alerts[i];

        if (!is_past(a, now_us) || is_kept(a))
            m->alerts[kept++] = *a;
    }
    m->count = kept;
}

/* ---- words ---- */

static const char *severity(const struct ls_alert *a, enum ls_alert_act act)
{
    return act == LS_ALERT_RESOLVE ? "info" : a->critical ? "critical" : "error";
}

static void add_summary(struct ls_buf *out, const char *name, const struct ls_alert *a,
                        enum ls_alert_act act)
{
    char text[LS_ALERT_TEXT + 20];

    snprintf(text, sizeof text, "%slockstep: %s", act == LS_ALERT_RESOLVE ? "over: " : "", a->text);
    ls_write_text(out, name, text);
}

static void add_plain(struct ls_buf *out, enum ls_alert_act act, const struct ls_alert *a,
                      const struct ls_alert_source *source)
{
    ls_write_open(out, NULL, '{');
    ls_write_text(out, "type", "lockstep.alert");
    ls_write_text(out, "alert", a->key);
    ls_write_text(out, "kind", ls_alert_kind_word(a->kind));
    ls_write_text(out, "state", act == LS_ALERT_RESOLVE ? "resolved" : "firing");
    ls_write_text(out, "severity", severity(a, act));
    ls_write_text(out, "text", a->text);
    ls_write_time(out, "since", a->since_us);
    ls_write_time(out, "at", source->now_us);
    ls_write_text(out, "host", source->host);
    ls_write_text(out, "url", source->url);
    ls_write_text(out, "version", source->version);
    ls_write_close(out, '}');
}

/* Events API v2. The key joins messages to one incident, and its end closes it. */
static void add_pagerduty(struct ls_buf *out, const struct ls_alerts_config *config,
                          enum ls_alert_act act, const struct ls_alert *a,
                          const struct ls_alert_source *source)
{
    char key[LS_ALERT_KEY + 10];

    ls_write_open(out, NULL, '{');
    ls_write_text(out, "routing_key", config->pagerduty_key);
    ls_write_text(out, "event_action", act == LS_ALERT_RESOLVE ? "resolve" : "trigger");
    snprintf(key, sizeof key, "lockstep:%s", a->key);
    ls_write_text(out, "dedup_key", key);
    ls_write_text(out, "client", "lockstep");
    ls_write_text(out, "client_url", source->url);
    ls_write_open(out, "payload", '{');
    add_summary(out, "summary", a, act);
    ls_write_text(out, "source", source->host);
    ls_write_text(out, "severity", severity(a, act));
    ls_write_time(out, "timestamp", source->now_us);
    ls_write_text(out, "component", "lockstep");
    ls_write_text(out, "class", ls_alert_kind_word(a->kind));
    ls_write_close(out, '}');
    ls_write_close(out, '}');
}

/* An envelope of one event. Sentry groups by the fingerprint; it knows no end, so that one is an event of level info. */
static void add_sentry(struct ls_buf *out, enum ls_alert_act act, const struct ls_alert *a,
                       const struct ls_alert_source *source, const char id[37])
{
    char bare[33], at[25];
    size_t n = 0;
    struct ls_buf event;

    for (const char *c = id; *c && n < 32; c++)
        if (*c != '-')
            bare[n++] = *c;
    bare[n] = '\0';
    ls_clock_iso(source->now_us, at);
    ls_buf_init(&event, 0);
    ls_write_open(&event, NULL, '{');
    ls_write_text(&event, "event_id", bare);
    ls_write_text(&event, "timestamp", at);
    ls_write_text(&event, "platform", "native");
    ls_write_text(&event, "logger", "lockstep");
    ls_write_text(&event, "level",
                  act == LS_ALERT_RESOLVE ? "info"
                  : a->critical           ? "fatal"
                                          : "error");
    ls_write_text(&event, "server_name", source->host);
    ls_write_text(&event, "release", source->version);
    ls_write_open(&event, "logentry", '{');
    add_summary(&event, "formatted", a, act);
    ls_write_close(&event, '}');
    ls_write_open(&event, "fingerprint", '[');
    ls_write_text(&event, NULL, "lockstep");
    ls_write_text(&event, NULL, a->key);
    ls_write_close(&event, ']');
    ls_write_open(&event, "tags", '{');
    ls_write_text(&event, "alert", a->key);
    ls_write_text(&event, "state", act == LS_ALERT_RESOLVE ? "resolved" : "firing");
    ls_write_close(&event, '}');
    ls_write_close(&event, '}');
    ls_buf_printf(out,
                  "{\"event_id\":\"%s\",\"sent_at\":\"%s\"}\n"
                  "{\"type\":\"event\",\"content_type\":\"application/json\",\"length\":%zu}\n",
                  bare, at, event.size);
    ls_buf_add(out, event.data, event.size);
    ls_buf_char(out, '\n');
    out->failed = out->failed || event.failed;
    ls_buf_done(&event);
}

void ls_alert_body(struct ls_buf *out, const struct ls_alerts_config *config,
                   enum ls_alert_channel channel, enum ls_alert_act act, const struct ls_alert *a,
                   const struct ls_alert_source *source, const char id[37])
{
    if (channel == LS_ALERT_TO_PAGERDUTY)
        add_pagerduty(out, config, act, a, source);
    else if (channel == LS_ALERT_TO_SENTRY)
        add_sentry(out, act, a, source, id);
    else
        add_plain(out, act, a, source);
}

void ls_alert_url(struct ls_buf *out, const struct ls_alerts_config *config,
                  enum ls_alert_channel channel)
{
    const char *dsn = config->sentry;

    if (channel == LS_ALERT_TO_WEBHOOK)
        ls_buf_text(out, config->webhook);
    if (channel == LS_ALERT_TO_PAGERDUTY)
        ls_buf_text(out, config->pagerduty_url ? config->pagerduty_url : PAGERDUTY_URL);
    if (channel == LS_ALERT_TO_SENTRY) { /* the configuration has looked at its form */
        const char *host = strchr(dsn, '@') + 1, *project = strrchr(dsn, '/');

        ls_buf_add(out, dsn, (size_t)(strstr(dsn, "://") + 3 - dsn));
        ls_buf_add(out, host, (size_t)(project - host));
        ls_buf_printf(out, "/api/%s/envelope/", project + 1);
    }
}
