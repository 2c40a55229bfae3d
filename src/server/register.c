/* SPDX-License-Identifier: Apache-2.0 */
/* register.c - looks up tokens and sessions in the state, on a thread of its own, and remembers them for a second.
 *
 * Why a thread: a handle of the state belongs to one thread, and a state on a server may take ten seconds to say that it is not there; an HTTP thread
 * that waited for it would make everybody wait. So who asks leaves a slip on a list and waits two seconds at most. While a look-up takes longer
 * than that, further ones are refused at once.
 *
 * The memory is a table of a fixed size, sets of four. "Not there" is remembered as well, for a program that calls with a revoked token
 * does so a hundred times a second.
 *
 * Also here: noting that a token or session was used. It is a write, so it is done seldom (a token's last use is true to five minutes,
 * a session's to one), and after whoever asked has been answered. */
#include "server/register.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "state/callers.h"

#define SECOND INT64_C(1000000)
#define HOLD_US SECOND
#define WAIT_US (2 * SECOND)
#define AGAIN_US SECOND /* before a state that could not be opened is tried again */
#define TOKEN_USED_US (300 * SECOND)
#define SESSION_USED_US (60 * SECOND)
#define WAYS 4
#define SETS 256
#define SLIPS_MOST 1000

struct entry {
    int64_t until_us; /* monotonic; 0: empty */
    enum ls_register_kind kind;
    bool found;
    unsigned char hash[LS_SECRET_HASH];
    struct ls_known known;
};

/* A question. It lives on the stack of who asks, and is taken off the list before that goes. */
struct slip {
    struct slip *next;
    uint64_t number;
    enum ls_register_kind kind;
    unsigned char hash[LS_SECRET_HASH];
    bool unnoted; /* the question is no use of it */
    bool taken, done, found;
    enum ls_code rc;
    struct ls_known known;
    struct ls_error err;
};

struct ls_register {
    char *state_url;
    int64_t hold_us, wait_us;
    struct ls_thread thread;
    /* The thread's own. */
    struct ls_state *state;
    struct ls_error trouble; /* why it could not be opened */
    int64_t tried_us;
    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    struct slip *slips;
    size_t slip_count;
    uint64_t numbers;
    int64_t busy_since_us; /* a look-up is under way since; 0: none */
    uint64_t forgotten;    /* times; an answer from before is not remembered */
    bool stopping;
    struct entry entries[SETS][WAYS];
};

/* ---- the memory ---- */

static struct entry *set_of(struct ls_register *reg, const unsigned char hash[LS_SECRET_HASH])
{
    return reg->entries[hash[0]]; /* a SHA-256: any byte is as good as another */
}

/* Under the lock. NULL: it is not remembered, or too old. */
static const struct entry *remembered(struct ls_register *reg, enum ls_register_kind kind,
                                      const unsigned char hash[LS_SECRET_HASH])
{
    const struct entry *set = set_of(reg, hash);

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].until_us > ls_clock_monotonic_us() && set[i].kind == kind &&
            memcmp(set[i].hash, hash, LS_SECRET_HASH) == 0)
            return &set[i];
    return NULL;
}

/* Under the lock. */
static void remember(struct ls_register *reg, const struct slip *slip)
{
    struct entry *set = set_of(reg, slip->hash), *place = set;

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].kind == slip->kind && memcmp(set[i].hash, slip->hash, LS_SECRET_HASH) == 0) {
            place = &set[i];
            break;
        }
        if (set[i].until_us < place->until_us)
            place = &set[i];
    }
    *place = (struct entry){.until_us = ls_clock_monotonic_us() + reg->hold_us,
                            .kind = slip->kind,
                            .found = slip->found,
                            .known = slip->known};
    memcpy(place->hash, slip->hash, LS_SECRET_HASH);
}

/* ---- the thread ---- */

static enum ls_code open_state(struct ls_register *reg, struct ls_error *err)
{
    const int64_t now = ls_clock_monotonic_us();

    if (reg->state)
        return LS_OK;
    if (reg->trouble.code != LS_OK && now - reg->tried_us < AGAIN_US) {
        *err = reg->trouble;
        return err->code;
    }
    reg->trouble.code = LS_OK;
    if (ls_state_open(reg->state_url, false, &reg->state, err) != LS_OK) {
        reg->state = NULL;
        reg->trouble = *err;
        reg->tried_us = ls_clock_monotonic_us();
        return err->code;
    }
    return LS_OK;
}

/* false: what was written is longer than anything we write. */
static bool copy(char *out, size_t size, const char *text)
{
    const size_t length = strlen(text);

    if (length >= size)
        return false;
    memcpy(out, text, length + 1);
    return true;
}

static enum ls_code find_token(struct ls_register *reg, struct slip *slip, struct ls_arena *mem,
                               int64_t now_us, char used_id[37])
{
    struct ls_token token;
    bool found = false;
    enum ls_code rc =
        ls_state_token_find(reg->state, slip->hash, now_us, mem, &token, &found, &slip->err);

    if (rc != LS_OK || !found)
        return rc;
    if (!copy(slip->known.role, sizeof slip->known.role, token.role) ||
        !copy(slip->known.name, sizeof slip->known.name, token.name) ||
        !copy(slip->known.user, sizeof slip->known.user, token.owner))
        return ls_error_set(&slip->err, LS_CORRUPT, "a token is not what was written");
    slip->known.expires_us = token.expires_us;
    slip->found = true;
    if (!slip->unnoted && now_us - token.used_us > TOKEN_USED_US)
        memcpy(used_id, token.id, sizeof token.id);
    return LS_OK;
}

static enum ls_code find_session(struct ls_register *reg, struct slip *slip, struct ls_arena *mem,
                                 int64_t now_us, bool *ret_used)
{
    struct ls_session session;
    bool found = false;
    enum ls_code rc =
        ls_state_session_find(reg->state, slip->hash, now_us, mem, &session, &found, &slip->err);

    if (rc != LS_OK || !found)
        return rc;
    if (!copy(slip->known.role, sizeof slip->known.role, session.role) ||
        !copy(slip->known.name, sizeof slip->known.name, session.user) ||
        !copy(slip->known.user, sizeof slip->known.user, session.user))
        return ls_error_set(&slip->err, LS_CORRUPT, "a session is not what was written");
    slip->known.expires_us = session.expires_us;
    slip->found = true;
    *ret_used = !slip->unnoted && now_us - session.used_us > SESSION_USED_US;
    return LS_OK;
}

/* The answer into slip; what else is to be written is told. */
static void look_up(struct ls_register *reg, struct slip *slip, char used_id[37], bool *ret_used)
{
    struct ls_arena mem;
    const int64_t now = ls_clock_now_us();
    enum ls_code rc = open_state(reg, &slip->err);

    if (rc == LS_NOT_FOUND) { /* no state yet: nobody has a token */
        slip->rc = LS_OK;
        return;
    }
    ls_arena_init(&mem, 0);
    if (rc == LS_OK)
        rc = slip->kind == LS_REGISTER_TOKEN ? find_token(reg, slip, &mem, now, used_id)
                                             : find_session(reg, slip, &mem, now, ret_used);
    ls_arena_done(&mem);
    slip->rc = rc;
    if (rc != LS_OK) {
        slip->found = false;
        slip->known = (struct ls_known){0};
        ls_state_close(reg->state); /* another connection may do better */
        reg->state = NULL;
    }
}

static void note_use(struct ls_register *reg, const struct slip *slip, const char *used_id,
                     bool session_used)
{
    struct ls_error err = {0};
    enum ls_code rc = LS_OK;

    if (!reg->state)
        return;
    if (*used_id)
        rc = ls_state_token_used(reg->state, used_id, ls_clock_now_us(), &err);
    else if (session_used)
        rc = ls_state_session_used(reg->state, slip->hash, ls_clock_now_us(), &err);
    if (rc != LS_OK)
        ls_log(LS_LOG_WARN, "the use of a token or session could not be noted: %s", err.text);
}

/* Under the lock: the first question that nobody works on. */
static struct slip *next_slip(struct ls_register *reg)
{
    struct slip *slip = reg->slips;

    while (slip && slip->taken)
        slip = slip->next;
    return slip;
}

/* Under the lock: hands the answer to all who ask the same and still wait. */
static void answer(struct ls_register *reg, const struct slip *answer)
{
    for (struct slip *s = reg->slips; s; s = s->next)
        if (!s->done && s->kind == answer->kind &&
            memcmp(s->hash, answer->hash, LS_SECRET_HASH) == 0) {
            s->taken = s->done = true;
            s->found = answer->found;
            s->rc = answer->rc;
            s->known = answer->known;
            s->err = answer->err;
        }
    pthread_cond_broadcast(&reg->answered);
}

/* Under the lock, which is let go meanwhile. */
static void serve(struct ls_register *reg, struct slip *asked)
{
    struct slip work = {.kind = asked->kind, .unnoted = asked->unnoted};
    const uint64_t forgotten = reg->forgotten;
    char used_id[37] = "";
    bool session_used = false;

    memcpy(work.hash, asked->hash, LS_SECRET_HASH);
    asked->taken = true;
    reg->busy_since_us = ls_clock_monotonic_us();
    pthread_mutex_unlock(&reg->lock);
    look_up(reg, &work, used_id, &session_used);
    pthread_mutex_lock(&reg->lock);
    reg->busy_since_us = 0;
    if (work.rc == LS_OK && forgotten == reg->forgotten)
        remember(reg, &work);
    answer(reg, &work);
    if (*used_id || session_used) {
        pthread_mutex_unlock(&reg->lock);
        note_use(reg, &work, used_id, session_used);
        pthread_mutex_lock(&reg->lock);
    }
}

static void run(void *arg)
{
    struct ls_register *reg = arg;

    pthread_mutex_lock(&reg->lock);
    while (!reg->stopping) {
        struct slip *slip = next_slip(reg);

        if (slip)
            serve(reg, slip);
        else
            pthread_cond_wait(&reg->asked, &reg->lock);
    }
    pthread_mutex_unlock(&reg->lock);
    ls_state_close(reg->state);
    reg->state = NULL;
}

/* ---- use ---- */

/* Under the lock. */
static void take_off(struct ls_register *reg, struct slip *slip)
{
    struct slip **at = &reg->slips;

    while (*at && *at != slip)
        at = &(*at)->next;
    if (*at) {
        *at = slip->next;
        reg->slip_count--;
    }
}

/* Under the lock: asks and waits. */
static enum ls_code ask(struct ls_register *reg, struct slip *slip, struct ls_error *err)
{
    const int64_t until = ls_clock_monotonic_us() + reg->wait_us;
    const bool stuck =
        reg->busy_since_us && ls_clock_monotonic_us() - reg->busy_since_us > reg->wait_us;
    struct slip **end = &reg->slips;

    if (stuck || reg->slip_count >= SLIPS_MOST)
        return ls_error_set(err, LS_CONNECT,
                            "who is calling cannot be told now: the state does not answer");
    while (*end)
        end = &(*end)->next;
    *end = slip;
    reg->slip_count++;
    pthread_cond_signal(&reg->asked);
    while (!slip->done && !reg->stopping &&
           (ls_cond_wait(&reg->answered, &reg->lock, until) || slip->done)) {
    }
    take_off(reg, slip);
    if (!slip->done)
        return ls_error_set(err, LS_CONNECT,
                            "who is calling cannot be told now: the state does not answer");
    if (slip->rc != LS_OK) {
        ls_log(LS_LOG_WARN, "a caller could not be looked up: %s", slip->err.text);
        return ls_error_set(err, slip->rc == LS_PERMISSION ? LS_CONNECT : slip->rc,
                            "who is calling cannot be told now: the state cannot be read");
    }
    return LS_OK;
}

bool ls_register_has(struct ls_register *reg, enum ls_register_kind kind,
                     const unsigned char hash[LS_SECRET_HASH])
{
    bool has;

    pthread_mutex_lock(&reg->lock);
    has = remembered(reg, kind, hash) != NULL;
    pthread_mutex_unlock(&reg->lock);
    return has;
}

static enum ls_code find(struct ls_register *reg, enum ls_register_kind kind, bool unnoted,
                         const unsigned char hash[LS_SECRET_HASH], struct ls_known *ret,
                         bool *ret_found, struct ls_error *err)
{
    struct slip slip = {.kind = kind, .unnoted = unnoted};
    const struct entry *entry;
    enum ls_code rc = LS_OK;

    *ret_found = false;
    *ret = (struct ls_known){0};
    memcpy(slip.hash, hash, LS_SECRET_HASH);
    pthread_mutex_lock(&reg->lock);
    entry = remembered(reg, kind, hash);
    if (entry) {
        slip.found = entry->found;
        slip.known = entry->known;
    } else {
        rc = ask(reg, &slip, err);
    }
    pthread_mutex_unlock(&reg->lock);
    if (rc != LS_OK || !slip.found)
        return rc;
    if (slip.known.expires_us && slip.known.expires_us <= ls_clock_now_us())
        return LS_OK;
    *ret = slip.known;
    *ret_found = true;
    return LS_OK;
}

enum ls_code ls_register_find(struct ls_register *reg, enum ls_register_kind kind,
                              const unsigned char hash[LS_SECRET_HASH], struct ls_known *ret,
                              bool *ret_found, struct ls_error *err)
{
    return find(reg, kind, false, hash, ret, ret_found, err);
}

enum ls_code ls_register_look(struct ls_register *reg, enum ls_register_kind kind,
                              const unsigned char hash[LS_SECRET_HASH], struct ls_known *ret,
                              bool *ret_found, struct ls_error *err)
{
    return find(reg, kind, true, hash, ret, ret_found, err);
}

void ls_register_forget(struct ls_register *reg)
{
    pthread_mutex_lock(&reg->lock);
    reg->forgotten++;
    memset(reg->entries, 0, sizeof reg->entries);
    pthread_mutex_unlock(&reg->lock);
}

/* ---- open and close ---- */

enum ls_code ls_register_open(const struct ls_register_options *options, struct ls_register **ret,
                              struct ls_error *err)
{
    struct ls_register *reg = calloc(1, sizeof *reg);
    enum ls_code rc = LS_OK;

    if (!reg)
        return ls_error_nomem(err);
    pthread_mutex_init(&reg->lock, NULL);
    pthread_cond_init(&reg->asked, NULL);
    pthread_cond_init(&reg->answered, NULL);
    reg->hold_us = options->hold_us ? options->hold_us : HOLD_US;
    reg->wait_us = options->wait_us ? options->wait_us : WAIT_US;
    if (options->state_url && !(reg->state_url = strdup(options->state_url)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_thread_start(&reg->thread, run, reg, err);
    if (rc == LS_OK)
        *ret = reg;
    else
        ls_register_close(reg);
    return rc;
}

void ls_register_close(struct ls_register *reg)
{
    if (!reg)
        return;
    pthread_mutex_lock(&reg->lock);
    reg->stopping = true;
    pthread_cond_broadcast(&reg->asked);
    pthread_cond_broadcast(&reg->answered);
    pthread_mutex_unlock(&reg->lock);
    ls_thread_join(&reg->thread);
    pthread_cond_destroy(&reg->asked);
    pthread_cond_destroy(&reg->answered);
    pthread_mutex_destroy(&reg->lock);
    free(reg->state_url);
    free(reg);
}
