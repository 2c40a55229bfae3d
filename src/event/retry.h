/* SPDX-License-Identifier: Apache-2.0 */
/* retry.h - what becomes of a delivery after an attempt, and when the next one is due.
 *
 * A policy has a name or is made from settings; all of it is data. Pure: the time and chance are arguments. Any thread. */
#ifndef LS_EVENT_RETRY_H
#define LS_EVENT_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "event/sign.h"

struct ls_retry {
    const char *name, *summary;
    unsigned attempts; /* in all, the first one included */
    /* The pause before the second, third, ... attempt; the last one goes for all that follow. NULL: first_ms, growing by
     * factor_percent (200: doubling) up to max_ms. */
    const int64_t *pauses_ms;
    size_t pause_count;
    int64_t first_ms, max_ms;
    unsigned factor_percent;
    const char *expression; /* instead of both, in milliseconds: see ls_retry_expression() */
    unsigned
        jitter_percent; /* of the pause, on top by chance: receivers shall not be met by everybody at once */
    int64_t asked_max_ms; /* a receiver's Retry-After counts up to this */
    int64_t
        throttled_min_ms; /* at least this when the receiver is overloaded: 429, 502, 504, or no answer in time */
    bool client_errors_end; /* 4xx other than 408, 425 and 429 is not tried again */
};

#define LS_RETRY_DAY_MS INT64_C(86400000)
#define LS_RETRY_ATTEMPTS_MAX 1000

/* The named policies: documented, standard, fast, long, qstash. NULL when there is none of that name. Static. */
const struct ls_retry *ls_retry_find(const char *name);
extern const struct ls_retry ls_retry_policies[];
extern const size_t ls_retry_policy_count;
/* LS_CONFIG names the setting that makes no sense. */
LS_MUST_CHECK enum ls_code ls_retry_check(const struct ls_retry *policy, struct ls_error *err);
/* The pause behind attempt number `attempt` (1, 2, ...), without chance. */
int64_t ls_retry_pause_ms(const struct ls_retry *policy, unsigned attempt);

/* By its numbers: begin, set each that is said, end. What is not said is as in `documented`. Names: attempts, delay, factor, max_delay, jitter; values
 * as people write them. LS_CONFIG says what is wrong. */
void ls_retry_begin(struct ls_retry *ret);
LS_MUST_CHECK enum ls_code ls_retry_set(struct ls_retry *policy, const char *name,
                                        const char *value, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_retry_end(struct ls_retry *policy, struct ls_error *err);
/* A policy as one text: its name, or "attempts=5, delay=2s". LS_CONFIG: it is none. */
LS_MUST_CHECK enum ls_code ls_retry_read(const char *text, struct ls_retry *ret,
                                         struct ls_error *err);
/* That text, with all that it is, the same for the same policy. Of policies that were named or read. */
void ls_retry_write(struct ls_buf *out, const struct ls_retry *policy);
const char *ls_retry_text(const struct ls_retry *policy,
                          struct ls_arena *mem); /* NULL: no memory */

enum ls_retry_verdict {
    LS_RETRY_DONE,    /* delivered */
    LS_RETRY_AGAIN,   /* after pause_ms */
    LS_RETRY_DEAD,    /* no more attempts: a dead letter */
    LS_RETRY_DISABLE, /* the same, and the endpoint wants nothing any more */
};
/* What came back. */
struct ls_retry_answer {
    int status;       /* of HTTP; 0: there was none */
    bool timed_out;   /* ... because it took too long */
    int64_t asked_ms; /* how long the receiver asks us to wait; 0: does not say */
    bool final;       /* it says itself that another attempt is useless: ls_retry_final() */
};
struct ls_retry_decision {
    enum ls_retry_verdict verdict;
    int64_t pause_ms; /* of AGAIN */
    const char *why;  /* of DEAD and DISABLE; static */
};
/* attempts: finished ones, this one included. chance: any random number. */
struct ls_retry_decision ls_retry_decide(const struct ls_retry *policy, unsigned attempts,
                                         const struct ls_retry_answer *answer, uint64_t chance);

/* How long an answer's headers ask us to wait: Retry-After, as seconds (whole or not), a date, or a duration like 1m30s; when there is none,
 * X-RateLimit-Reset, X-RateLimit-Reset-Requests, X-RateLimit-Reset-Tokens and RateLimit-Reset, of which the longest counts, and which
 * may be Unix seconds too. 0: nothing (or what cannot be read, or lies in the past). At most LS_RETRY_DAY_MS. */
int64_t ls_retry_asked_ms(const struct ls_header *headers, size_t count, int64_t now_ms);
/* One value of that kind; -1 when it cannot be read. unix_too: large numbers are Unix seconds. */
int64_t ls_retry_asked_value_ms(const char *value, bool unix_too, int64_t now_ms);
/* Status 489 with Upstash-NonRetryable-Error: true. */
bool ls_retry_final(int status, const struct ls_header *headers, size_t count);

/* A pause as QStash's Upstash-Retry-Delay writes it, in milliseconds: numbers, + - * / %, parentheses, `retried` (0 behind the
 * first attempt), pow sqrt abs exp floor ceil round min max. LS_USAGE says where it cannot be read. */
LS_MUST_CHECK enum ls_code ls_retry_expression_check(const char *text, struct ls_error *err);
/* Its value, between 0 and LS_RETRY_DAY_MS; -1 when it has none (it cannot be read, or 0/0). */
int64_t ls_retry_expression_ms(const char *text, unsigned retried);

#endif
