/* SPDX-License-Identifier: Apache-2.0 */
/* breaker.h - whether an endpoint is worth trying now.
 *
 * Closed: deliveries go. Open: it failed too often, nothing goes for a while, and no attempt is used up. Half open: one delivery goes as
 * a probe, and its outcome closes or opens. A plain struct: it is saved with the endpoint and goes on after a restart.
 * Pure: the time is an argument, Unix microseconds. */
#ifndef LS_EVENT_BREAKER_H
#define LS_EVENT_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct ls_breaker_rule {
    int64_t window_us;      /* what counts is what happened in so long */
    unsigned share_percent; /* opens when so much of it failed ... */
    unsigned
        least; /* ... of at least so many attempts; or twice as many in a row; 0: never opens */
    int64_t open_us;     /* stays open so long; twice as long each time the probe fails, ... */
    int64_t open_max_us; /* ... up to this */
    int64_t
        disable_us; /* nothing but failures for so long: not worth trying any more; 0: never says so */
};
/* 60 s, 50 %, 10, 15 s, 10 min, 120 h. */
extern const struct ls_breaker_rule ls_breaker_default;

enum ls_breaker_state { LS_BREAKER_CLOSED, LS_BREAKER_OPEN, LS_BREAKER_HALF_OPEN };
const char *ls_breaker_state_word(enum ls_breaker_state state);

#define LS_BREAKER_PARTS 6 /* of the window, so that it moves on in steps */

/* Zeroed: closed, and nothing happened yet. */
struct ls_breaker {
    enum ls_breaker_state state;
    int64_t until_us; /* OPEN: until then. HALF_OPEN: the probe is given up then */
    unsigned opened;  /* how often in a row without closing */
    unsigned ramp; /* after closing: so many at once, one more with each success; 0: any number */
    bool probing;
    struct {
        uint32_t good, bad;
    } parts[LS_BREAKER_PARTS];
    int64_t part; /* the newest of them: time divided by a part's length */
    /* the row of failures since the last success; first_us 0: there is none */
    int64_t first_us, last_us;
    uint32_t in_a_row;
};

/* How many more attempts may begin now, when in_flight are on their way and max may be altogether. *ret_until_us, when 0: when it is worth asking
 * again; INT64_MAX: after an outcome. */
unsigned ls_breaker_room(struct ls_breaker *b, const struct ls_breaker_rule *rule,
                         unsigned in_flight, unsigned max, int64_t now_us, int64_t *ret_until_us);
/* An attempt begins. patience_us: an outcome comes within this, or never. */
void ls_breaker_begin(struct ls_breaker *b, int64_t patience_us, int64_t now_us);
/* An attempt that began came to nothing that says anything about the endpoint: a fault on our side. */
void ls_breaker_forget(struct ls_breaker *b);

enum ls_breaker_change {
    LS_BREAKER_SAME,
    LS_BREAKER_OPENS,
    LS_BREAKER_CLOSES,
    LS_BREAKER_GIVES_UP
};
/* The outcome of an attempt. GIVES_UP: nothing but failures for disable_us; said at each failure from then on. */
enum ls_breaker_change ls_breaker_outcome(struct ls_breaker *b, const struct ls_breaker_rule *rule,
                                          bool good, int64_t now_us);
/* How far the row of failures is on the way to GIVES_UP: 0 to 100 percent, for alerts. */
unsigned ls_breaker_percent(const struct ls_breaker *b, const struct ls_breaker_rule *rule,
                            int64_t now_us);

/* As JSON, to be kept; and back. What cannot be read, or lies in a future that no rule makes, gives a zeroed one and false. */
void ls_breaker_write(struct ls_buf *out, const struct ls_breaker *b);
bool ls_breaker_read(const char *text, const struct ls_breaker_rule *rule, int64_t now_us,
                     struct ls_breaker *ret);

#endif
