/* SPDX-License-Identifier: Apache-2.0 */
/* publish.h - messages on their way into the queue: what QStash's headers say, which lane they take, whether they were here before.
 *
 * A message is an event that brings its destination along (message.h). It goes by a lane, which is an endpoint without a URL: the lane of its
 * queue, that of its flow-control key, or one of a few that all others share by the hash of their host, so that a host that hangs holds
 * up few of them. Lanes are made when they are needed first. */
#ifndef LS_EVENT_PUBLISH_H
#define LS_EVENT_PUBLISH_H

#include "event/endpoint.h"
#include "event/guard.h"
#include "event/message.h"
#include "event/queue.h"

#define LS_MESSAGE_TYPE "message" /* of the event */
#define LS_MESSAGE_NAME_MAX 250   /* bytes of the name of a queue, a key, a group */
#define LS_MESSAGE_KEPT_US (INT64_C(600) * 1000000) /* how long a deduplication id is known */
#define LS_MESSAGE_DELAY_MAX_S \
    INT64_C(31622400) /* a message is delayed at most so long: 366 days */

/* A message as it is handed in. */
struct ls_letter {
    const char *destination; /* a URL, or the name of a URL group */
    const char *queue;       /* NULL: none */
    size_t header_count;
    const struct ls_header *headers; /* as received: Upstash-..., Content-Type */
    const void *body;
    size_t body_size;
    const char *caller_ip; /* NULL: not known */
    const char *schedule;  /* that it comes from; NULL: none */
    const char *id; /* of the message: the same id again is the same message. NULL: a new one */
    int64_t
        now_us; /* when it is handed in; 0: it was, and is not looked at whether its moment is too far away */
};

/* What its headers say. */
struct ls_flow {
    const char *key;     /* NULL: none */
    int64_t parallelism; /* 0: as many as a lane has */
    int64_t rate, period_s;
};
struct ls_mail {
    struct ls_message message; /* url NULL: to a group */
    const char *group;
    const char *queue;
    struct ls_flow flow;
    int64_t delay_us;      /* from now on; 0: none */
    int64_t not_before_us; /* 0: none; wins over delay */
    const char *id;        /* NULL: a new one */
    const char *dedup_id;  /* NULL: none */
    bool dedup_by_content;
    const char *extra; /* further members of the options, each behind a comma */
    const void *body;
    size_t body_size;
};
/* Reads it. LS_USAGE, LS_PERMISSION (the guard; NULL: it was asked before) say what is wrong. In mem; borrows the letter. */
LS_MUST_CHECK enum ls_code ls_letter_read(const struct ls_letter *letter,
                                          const struct ls_guard *guard, struct ls_arena *mem,
                                          struct ls_mail *ret, struct ls_error *err);
/* The headers of a letter that say something of it, as a JSON array of pairs; and back, in mem. LS_DATA: this is none. */
void ls_letter_write_headers(struct ls_buf *out, const struct ls_letter *letter);
LS_MUST_CHECK enum ls_code ls_letter_read_headers(const char *json, struct ls_arena *mem,
                                                  struct ls_letter *ret, struct ls_error *err);
/* The id of the message that comes of a schedule's firing, by its UUID. */
#define LS_MESSAGE_ID 37
void ls_message_id_of_firing(const char *firing, char out[LS_MESSAGE_ID]);
/* Durations as QStash writes them (10s, 1d10h30m, 90), in seconds; -1 when it is none or longer than max_s. */
int64_t ls_letter_duration_s(const char *text, int64_t max_s);
/* Whether a text can be the name of a queue, a flow-control key or a URL group. */
bool ls_letter_name_fits(const char *name);

/* A message that was taken. */
struct ls_posted {
    const char *id;
    const char *url;
    const char *name; /* of the group's endpoint; NULL */
    bool known;       /* it is one that was taken before */
};
struct ls_posting_result {
    size_t count; /* of a group as many as it has URLs */
    struct ls_posted *posted;
};
/* Messages that are handed in together: all are taken, or none. To be filled by the caller up to `done`. */
struct ls_posting {
    struct ls_queue_task task;
    struct ls_arena *mem; /* the caller's; the queue's thread has it until done() */
    size_t count;
    const struct ls_mail *mail;
    bool adds; /* of a caller's; what a schedule sends is part of what was taken on before */
    /* rc LS_OK: they are on disk. LS_NOT_FOUND, LS_USAGE: one cannot be taken, and none was. On the queue's thread. */
    void (*done)(struct ls_posting *posting, enum ls_code rc, const struct ls_error *err);
    void *ctx;
    struct ls_audit_deed *deed;        /* whose call it is, borrowed until done(); NULL: nobody's */
    struct ls_posting_result *results; /* of each */
    enum ls_code refused;              /* the queue's */
    struct ls_error why;
};
void ls_posting_submit(struct ls_queue *queue, struct ls_posting *posting);

/* The options that it is kept with (kept.h). url, endpoint (of a group; NULL): where it goes. In mem; NULL when out of memory. */
const char *ls_mail_options(const struct ls_mail *mail, const char *url, const char *endpoint,
                            int64_t due_us, struct ls_arena *mem);
/* Takes one inside a transaction that is under way. */
LS_MUST_CHECK enum ls_code ls_mail_accept(struct ls_queue_tx *tx, const struct ls_mail *mail,
                                          struct ls_arena *mem, struct ls_posting_result *ret,
                                          struct ls_error *err);

/* Takes a message that is dead again, as a new one, and its dead letter away. *ret_id NULL: it is not dead any more. In mem. */
LS_MUST_CHECK enum ls_code ls_mail_again(struct ls_queue_tx *tx, int64_t event,
                                         struct ls_arena *mem, const char **ret_id,
                                         struct ls_error *err);

/* ---- lanes ---- */

#define LS_LANE_ROOM 64 /* deliveries at once by a lane that says nothing of it */
enum ls_lane_kind { LS_LANE_QUEUE, LS_LANE_FLOW };
/* The name of the endpoint that is this lane. NULL: out of memory. */
const char *ls_lane_name(enum ls_lane_kind kind, const char *name, struct ls_arena *mem);
/* A new lane, not written yet. LS_NOMEM. */
LS_MUST_CHECK enum ls_code ls_lane_new(const char *name, struct ls_arena *mem,
                                       struct ls_endpoint *ret);
LS_MUST_CHECK enum ls_code ls_lane_read(struct ls_state *state, const char *name,
                                        struct ls_arena *mem, struct ls_endpoint *ret,
                                        bool *ret_found, struct ls_error *err);
/* Forgets flow-control keys that were not used for eight days, which is longer than the longest period. Queues stay until they are removed. */
LS_MUST_CHECK enum ls_code ls_lanes_prune(struct ls_queue_tx *tx, int64_t *ret_count,
                                          struct ls_error *err);
/* Writes it. LS_LIMIT: it would be one too many. */
LS_MUST_CHECK enum ls_code ls_lane_write(struct ls_queue_tx *tx, struct ls_endpoint *lane,
                                         struct ls_arena *mem, struct ls_error *err);

#endif
