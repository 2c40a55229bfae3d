/* SPDX-License-Identifier: Apache-2.0 */
/* receiver.h - messages that others send: whether they are right, what they say, and their effect on records.
 *
 * What a message says is read by expressions over it, in the language of field expressions: its id, its type, what it is about, when that happened.
 * Each scheme has its own, a receiver may have others. The same expressions give the fields of the records. Any thread. */
#ifndef LS_EVENT_RECEIVER_H
#define LS_EVENT_RECEIVER_H

#include "engine/job.h"
#include "event/sign.h"

#define LS_RECEIVER_BODY_MAX ((size_t)1000000) /* bytes: what an expression reads at most */

/* What is read of a message, in this order; each may use those before it, and body and headers. */
/*    name, setting */
#define LS_SAID_PARTS(X)    \
    X(DATA, "data")         \
    X(TYPE, "type")         \
    X(ID, "id")             \
    X(RESOURCE, "resource") \
    X(AT, "at")             \
    X(DELETE, "delete")
#define X(name, word) LS_SAID_##name,
enum ls_said_part { LS_SAID_PARTS(X) LS_SAID_PART_COUNT };
#undef X

/* A collection that messages are applied to. */
struct ls_receiver_target {
    struct ls_side_config side;
    size_t key_count; /* 0: the collection's own */
    const char *const *key;
    size_t field_count; /* 0: the members of data that have the name of a field */
    const struct ls_field_config *fields;
};

/* What counts where the application has changed a record since a message about it happened. */
enum ls_receiver_conflicts {
    LS_CONFLICTS_AS_SCHEME, /* the newest of what comes from lockstep; else the message */
    LS_CONFLICTS_NEWEST,
    LS_CONFLICTS_MESSAGE
};

/* As configured. */
struct ls_receiver {
    const char *name;
    enum ls_sign_scheme scheme;
    const char *header; /* instead of the scheme's own; NULL */
    size_t secret_count;
    const char *const *secrets;
    int64_t
        window_s; /* how far times may be off; 0: LS_SIGN_WINDOW_S for what is signed, and no bound for other times in the past */
    size_t body_max; /* 0: LS_RECEIVER_BODY_MAX */
    size_t type_count;
    const char *const *types;              /* which are taken; 0: all */
    const char *parts[LS_SAID_PART_COUNT]; /* expressions; NULL: the scheme's */
    size_t target_count;                   /* of one store; or: */
    const struct ls_receiver_target *targets;
    const char *sync;  /* to be run, */
    size_t only_count; /* for the records where these fields of its target have these values */
    const struct ls_field_config *only;
    enum ls_receiver_conflicts conflicts;
    bool forward; /* what it writes is an event of an outbox there, like any other change */
};
/* Whether expressions, secrets and stores of a receiver are fit for use: LS_CONFIG says what is not. */
LS_MUST_CHECK enum ls_code ls_receiver_check(const struct ls_receiver *r, struct ls_error *err);

/* A message as it came. */
struct ls_arrival {
    const struct ls_header *headers;
    size_t header_count;
    const void *body;
    size_t size;
};
/* Whether it is signed by one of the receiver's secrets, and in time; *ret says why not, for the log. */
LS_MUST_CHECK enum ls_code ls_receiver_verify(const struct ls_receiver *r,
                                              const struct ls_arrival *a, int64_t now_us,
                                              struct ls_arena *mem, struct ls_sign_finding *ret,
                                              struct ls_error *err);

/* What it says. */
#define LS_SAID_FIELDS 7 /* body, headers, data, type, id, resource, at */
struct ls_said {
    const char *id;              /* made where the message has none */
    const char *type, *resource; /* "" where it has none */
    int64_t at_us;               /* when what it tells happened; now where it does not say */
    bool deletes;
    bool wanted;         /* its type is one that is taken */
    const char *headers; /* JSON, names in lower case, without those that hold secrets */
    struct ls_eval *eval;
    struct ls_value fields[LS_SAID_FIELDS]; /* what expressions over it read */
};
/* Headers as JSON, names in lower case, without credentials: what is kept of them. In mem. */
LS_MUST_CHECK enum ls_code ls_receiver_headers(const struct ls_receiver *r,
                                               const struct ls_arrival *a, struct ls_arena *mem,
                                               const char **ret, struct ls_error *err);
/* Reads it; to be emptied with ls_said_done() in any case. LS_DATA: the body is no JSON that can be relied on (not UTF-8, cut off, a member twice), or it does not say what it has to. In mem. */
LS_MUST_CHECK enum ls_code ls_receiver_read(const struct ls_receiver *r, const char *headers_json,
                                            const void *body, size_t size, int64_t now_us,
                                            struct ls_arena *mem, struct ls_said *ret,
                                            struct ls_error *err);
void ls_said_done(struct ls_said *m); /* a zeroed one is fine */
/* Of a message that is read again: the id and the time that it had. */
void ls_said_recall(struct ls_said *m, const char *id, int64_t at_us);
/* The value of an expression over a message. mem has to outlive the message. */
LS_MUST_CHECK enum ls_code ls_said_value(const struct ls_said *m, const char *expression,
                                         struct ls_arena *mem, struct ls_value *ret,
                                         struct ls_error *err);

/* Whether a target is there, with its key and the fields that are mapped. *ret: what it is called, for people; in mem. */
LS_MUST_CHECK enum ls_code ls_receiver_target_check(const struct ls_receiver_target *t,
                                                    struct ls_arena *mem, const char **ret,
                                                    struct ls_error *err);

/* What it did. */
struct ls_effect {
    uint64_t created, updated, deleted, unchanged;
    uint64_t stale; /* something newer was there, and they were left alone */
};
/* Applies it to the receiver's targets, with the note of the message in the same transaction: once, whatever happens, and never over something newer. *ret_known: it
 * had been applied before, and *ret is what it did then. LS_CONSTRAINT, LS_TYPE, LS_DATA: it cannot be applied as it is. */
LS_MUST_CHECK enum ls_code ls_receiver_apply(const struct ls_receiver *r, const struct ls_said *m,
                                             struct ls_effect *ret, bool *ret_known,
                                             struct ls_error *err);

#endif
