/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c - callers who hand in events, for the audit log.
 *
 * An entry for each call would cost more than the events: it is chained to the one before, and as long as a small event. So a caller (who, from
 * where, by what route, with what outcome) is written down with its first call, in the transaction that takes its events: no event is there without its
 * caller. Its calls after that are counted in memory, and written as one entry, "N calls, M events", a minute after the table got its first caller; with that
 * all callers are forgotten, and the next call of each is a first one again. So a process that is killed loses numbers of its last minute, never a caller.
 *
 * A transaction may fail and be tried again in parts. What is noted in it is kept beside what stands (`now`), and moved over at its end. A caller
 * whose first transaction failed stays in the table as one that is not written yet.
 *
 * The table is of one size and is never half full. A call that finds no room is written by itself at once, and the table is
 * due: callers in unusual numbers cost entries, not memory. */
#include "event/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/text.h"

#define EVERY_US (60 * INT64_C(1000000))

struct counts {
    uint64_t calls, events;
};

struct row {
    uint64_t hash;
    struct counts sum, now;
    struct row *touched; /* the next one of this transaction */
    bool written;        /* its first entry is durable */
    bool failed;
    char texts[]; /* actor, address, action, subject, role, request: each with its NUL */
};

struct ls_ledger {
    size_t room, count, slots; /* slots: a power of two, at least twice the room */
    int64_t every_us, due_us;  /* due_us: monotonic; 0: nothing is counted */
    bool full;                 /* due, whatever the time */
    uint64_t waiting;          /* calls, over all rows */
    struct row *touched;
    struct row *rows[];
};

enum { ACTOR, ADDRESS, ACTION, SUBJECT, ROLE, REQUEST, TEXTS };
#define KEYS 3 /* of the texts, the first: whose rows they are */

enum ls_code ls_ledger_new(size_t room, int64_t every_us, struct ls_ledger **ret,
                           struct ls_error *err)
{
    struct ls_ledger *ledger;
    size_t slots = 2;

    room = room ? room : LS_LEDGER_ROOM;
    while (slots < room * 2)
        slots *= 2;
    ledger = calloc(1, sizeof *ledger + slots * sizeof *ledger->rows);
    if (!ledger)
        return ls_error_nomem(err);
    ledger->room = room;
    ledger->slots = slots;
    ledger->every_us = every_us ? every_us : EVERY_US;
    *ret = ledger;
    return LS_OK;
}

static void forget(struct ls_ledger *ledger)
{
    for (size_t i = 0; i < ledger->slots; i++) {
        free(ledger->rows[i]);
        ledger->rows[i] = NULL;
    }
    ledger->count = 0;
    ledger->waiting = 0;
    ledger->due_us = 0;
    ledger->full = false;
    ledger->touched = NULL;
}

void ls_ledger_free(struct ls_ledger *ledger)
{
    if (!ledger)
        return;
    forget(ledger);
    free(ledger);
}

/* ---- rows ---- */

static void texts_of(const struct ls_audit_deed *deed, const char *ret[TEXTS])
{
    ret[ACTOR] = deed->actor;
    ret[ADDRESS] = deed->address;
    ret[ACTION] = deed->action;
    ret[SUBJECT] = deed->subject;
    ret[ROLE] = deed->role;
    ret[REQUEST] = deed->request;
    for (size_t i = 0; i < TEXTS; i++)
        ret[i] = ret[i] ? ret[i] : "";
}

static bool is_of(const struct row *row, const char *const texts[TEXTS], bool failed)
{
    const char *at = row->texts;

    for (size_t i = 0; i < KEYS; i++) {
        if (strcmp(at, texts[i]) != 0)
            return false;
        at += strlen(at) + 1;
    }
    return row->failed == failed;
}

static uint64_t hash_of(const char *const texts[TEXTS], bool failed)
{
    uint64_t hash = failed;

    for (size_t i = 0; i < KEYS; i++)
        hash = ls_hash64(texts[i], strlen(texts[i]), hash);
    return hash;
}

static struct row *new_row(const char *const texts[TEXTS], uint64_t hash, bool failed)
{
    size_t size = 0, at = 0;
    struct row *row;

    for (size_t i = 0; i < TEXTS; i++)
        size += strlen(texts[i]) + 1;
    row = calloc(1, sizeof *row + size);
    if (!row)
        return NULL;
    row->hash = hash;
    row->failed = failed;
    for (size_t i = 0; i < TEXTS; i++) {
        const size_t length = strlen(texts[i]) + 1;

        memcpy(row->texts + at, texts[i], length);
        at += length;
    }
    return row;
}

/* *ret NULL: there is no room. */
static enum ls_code need_row(struct ls_ledger *ledger, const struct ls_audit_deed *deed,
                             struct row **ret, struct ls_error *err)
{
    const char *texts[TEXTS];
    uint64_t hash;
    size_t at;

    texts_of(deed, texts);
    hash = hash_of(texts, deed->failed);
    at = (size_t)hash & (ledger->slots - 1);
    for (; (*ret = ledger->rows[at]); at = (at + 1) & (ledger->slots - 1))
        if ((*ret)->hash == hash && is_of(*ret, texts, deed->failed))
            return LS_OK;
    if (ledger->count == ledger->room)
        return LS_OK;
    *ret = ledger->rows[at] = new_row(texts, hash, deed->failed);
    if (!*ret)
        return ls_error_nomem(err);
    ledger->count++;
    return LS_OK;
}

/* ---- entries ---- */

static void add_text(struct ls_buf *out, const char *name, const char *text)
{
    if (!*text)
        return;
    ls_buf_printf(out, ",\"%s\":", name);
    ls_text_json(out, text, strlen(text));
}

/* first: with the request that it was. */
static enum ls_code write_entry(struct ls_queue_tx *tx, const char *const texts[TEXTS], bool failed,
                                const struct counts *n, bool first, struct ls_error *err)
{
    struct ls_buf detail;
    enum ls_code rc;

    ls_buf_init(&detail, 0);
    ls_buf_printf(&detail, "{\"outcome\":\"%s\"", failed ? "failed" : "done");
    add_text(&detail, "role", texts[ROLE]);
    ls_buf_text(&detail, ",\"calls\":");
    ls_buf_i64(&detail, (int64_t)n->calls);
    ls_buf_text(&detail, ",\"events\":");
    ls_buf_i64(&detail, (int64_t)n->events);
    add_text(&detail, "address", texts[ADDRESS]);
    add_text(&detail, "request", first ? texts[REQUEST] : "");
    ls_buf_char(&detail, '}');
    rc = detail.failed ? ls_error_nomem(err)
                       : ls_queue_audit(tx, texts[ACTOR], texts[ACTION], texts[SUBJECT],
                                        ls_buf_str(&detail), err);
    ls_buf_done(&detail);
    return rc;
}

static enum ls_code write_row(struct ls_queue_tx *tx, const struct row *row, const struct counts *n,
                              bool first, struct ls_error *err)
{
    const char *texts[TEXTS], *at = row->texts;

    for (size_t i = 0; i < TEXTS; i++, at += strlen(at) + 1)
        texts[i] = at;
    return write_entry(tx, texts, row->failed, n, first, err);
}

/* ---- a transaction ---- */

enum ls_code ls_ledger_note(struct ls_ledger *ledger, struct ls_queue_tx *tx,
                            const struct ls_audit_deed *deed, struct ls_error *err)
{
    struct row *row = NULL;
    enum ls_code rc = need_row(ledger, deed, &row, err);

    if (rc != LS_OK)
        return rc;
    if (!row) {
        const struct counts one = {1, deed->events};
        const char *texts[TEXTS];

        texts_of(deed, texts);
        ledger->full = true;
        return write_entry(tx, texts, deed->failed, &one, true, err);
    }
    if (row->now.calls == 0) {
        row->touched = ledger->touched;
        ledger->touched = row;
    }
    row->now.calls++;
    row->now.events += deed->events;
    return LS_OK;
}

enum ls_code ls_ledger_write(struct ls_ledger *ledger, struct ls_queue_tx *tx, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (const struct row *row = ledger->touched; row && rc == LS_OK; row = row->touched)
        if (!row->written)
            rc = write_row(tx, row, &row->now, true, err);
    return rc;
}

void ls_ledger_end(struct ls_ledger *ledger, bool committed, int64_t now_us)
{
    for (struct row *row = ledger->touched; row; row = row->touched) {
        if (committed && row->written) {
            row->sum.calls += row->now.calls;
            row->sum.events += row->now.events;
            ledger->waiting += row->now.calls;
        }
        row->written = row->written || committed;
        row->now = (struct counts){0};
    }
    ledger->touched = NULL;
    if (ledger->count && !ledger->due_us)
        ledger->due_us = now_us + ledger->every_us;
}

/* ---- what was counted ---- */

bool ls_ledger_due(const struct ls_ledger *ledger, int64_t now_us)
{
    return ledger->full || (ledger->due_us && now_us >= ledger->due_us);
}

uint64_t ls_ledger_waiting(const struct ls_ledger *ledger)
{
    return ledger->waiting;
}

enum ls_code ls_ledger_flush(struct ls_ledger *ledger, struct ls_queue_tx *tx, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < ledger->slots && rc == LS_OK; i++)
        if (ledger->rows[i] && ledger->rows[i]->sum.calls)
            rc = write_row(tx, ledger->rows[i], &ledger->rows[i]->sum, false, err);
    return rc;
}

void ls_ledger_flushed(struct ls_ledger *ledger)
{
    forget(ledger);
}
