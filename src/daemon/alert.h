/* SPDX-License-Identifier: Apache-2.0 */
/* alert.h - what is wrong now, who was told of it, and what is to be told next. Pure but for the sending. */
#ifndef LS_DAEMON_ALERT_H
#define LS_DAEMON_ALERT_H

#include "api/config.h"
#include "base/buf.h"

/* The ways out, in the order in which they are told. */
/*    name, word */
#define LS_ALERT_CHANNELS(X)  \
    X(WEBHOOK, "webhook")     \
    X(SENTRY, "sentry")       \
    X(PAGERDUTY, "pagerduty") \
    X(COMMAND, "command")
#define X(name, word) LS_ALERT_TO_##name,
enum ls_alert_channel { LS_ALERT_CHANNELS(X) LS_ALERT_CHANNEL_COUNT };
#undef X
const char *ls_alert_channel_word(enum ls_alert_channel channel);
bool ls_alert_channel_wanted(const struct ls_alerts_config *config, enum ls_alert_channel channel);

#define LS_ALERT_KEY 160
#define LS_ALERT_TEXT 300

/* Something that is wrong. The key is the same as long as it is the same trouble. Neither holds data of records, messages of stores or secrets. */
struct ls_alert {
    enum ls_alert_kind kind;
    char key[LS_ALERT_KEY];                  /* "dead_letters:crm" */
    char text[LS_ALERT_TEXT];                /* one line for people */
    bool critical;                           /* else an error */
    int64_t since_us;                        /* when it was seen first */
    int64_t told_us[LS_ALERT_CHANNEL_COUNT]; /* last; 0: never */
    int64_t kept_us[LS_ALERT_CHANNEL_COUNT]; /* what of it stands in the state */
    int64_t gone_us;                         /* when it was found to be over; 0: it is there */
};

/* All that is wrong or was and somebody still has to be told. Zeroed: nothing. */
struct ls_alert_memory {
    size_t count, room;
    struct ls_alert *alerts;
};
void ls_alert_memory_done(struct ls_alert_memory *m);
/* A look begins: what is not found until its end is over. */
void ls_alert_look(struct ls_alert_memory *m, int64_t now_us);
/* Found by this look. One that is known keeps since when and who was told, and takes the new text. */
LS_MUST_CHECK enum ls_code ls_alert_found(struct ls_alert_memory *m, const struct ls_alert *found,
                                          int64_t now_us, struct ls_error *err);

/* Told by a process before this one, as the state has it, over a channel at told_us. To be called within a look, before anything is found by it: what it does not
 * find is over. One that is known keeps the older since and the newer told_us. */
LS_MUST_CHECK enum ls_code ls_alert_was_told(struct ls_alert_memory *m, const struct ls_alert *told,
                                             enum ls_alert_channel channel, int64_t told_us,
                                             int64_t now_us, struct ls_error *err);
/* What the state is to have of it: told_us, 0 where it is to be forgotten. */
int64_t ls_alert_to_keep(const struct ls_alert *a, enum ls_alert_channel channel, int64_t now_us);

enum ls_alert_act { LS_ALERT_QUIET, LS_ALERT_TELL, LS_ALERT_RESOLVE };
/* What a channel is to be told of an alert now: of a new one at once, of one that stays after each repeat_us, of its end when it was told of
 * the alert. */
enum ls_alert_act ls_alert_due(const struct ls_alert *a, enum ls_alert_channel channel,
                               int64_t now_us, int64_t repeat_us);
/* It was told. */
void ls_alert_told(struct ls_alert *a, enum ls_alert_channel channel, enum ls_alert_act act,
                   int64_t now_us);
/* Forgets what is over and owes nobody a word, or has for a day, and does not stand in the state any more. */
void ls_alert_forget(struct ls_alert_memory *m, int64_t now_us);

/* Where a message comes from. */
struct ls_alert_source {
    const char *host, *url, *version;
    int64_t now_us;
};
/* The body of a channel's message; *ret_event of Sentry: its id. */
void ls_alert_body(struct ls_buf *out, const struct ls_alerts_config *config,
                   enum ls_alert_channel channel, enum ls_alert_act act, const struct ls_alert *a,
                   const struct ls_alert_source *source, const char id[37]);
/* Where it goes; appended. Of COMMAND nothing. */
void ls_alert_url(struct ls_buf *out, const struct ls_alerts_config *config,
                  enum ls_alert_channel channel);

/* Sends it. LS_IO, LS_CONNECT: it did not arrive, why; neither URL nor key is in the message. Some seconds at most. */
LS_MUST_CHECK enum ls_code ls_alert_send(const struct ls_alerts_config *config,
                                         enum ls_alert_channel channel, enum ls_alert_act act,
                                         const struct ls_alert *a,
                                         const struct ls_alert_source *source,
                                         struct ls_error *err);

#endif
