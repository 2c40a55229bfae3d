/* SPDX-License-Identifier: Apache-2.0 */
/* jwks.c - fetches a set of keys and keeps it fresh.
 *
 * The address comes from the configuration and from nowhere else: a token names a key, never a place. So what a caller can bring about is a
 * fetch of that one address, once a minute, by one thread; requests never wait for it. One whose key is unknown is told to come again
 * while a fetch is under way, and refused when the fetch has been: a rotated key works after a second, a made-up one costs nothing.
 *
 * What comes back is believed little: status 200, a JSON type, at most 256 KiB in 5 seconds, no redirect (it would be another
 * address), no compression (256 KiB could be gigabytes), no proxy of the environment. Over http only from this machine itself,
 * for whoever stands between could hand out keys of their own.
 *
 * A set that was fetched takes the place of the one before as a whole: a key that its issuer took out is out. When fetching fails, the old one is
 * used for an hour, or a short outage of the issuer would shut everybody out; a longer one does, since nobody knows then what
 * was taken back.
 *
 * A set is never changed, only replaced, and freed by whoever holds it last. */
#include "server/jwks.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/thread.h"

#define SECOND INT64_C(1000000)
#define FRESH_US (600 * SECOND)
#define STALE_US (3600 * SECOND)
#define PAUSE_US (60 * SECOND)
#define TIMEOUT_MS 5000

struct held {
    unsigned holders;
    struct ls_jwt_keys *keys;
};

struct ls_jwks {
    struct ls_arena mem;
    const char *url, *secret, *protocols;
    int64_t fresh_us, stale_us, pause_us;
    int timeout_ms;
    struct ls_thread thread;
    atomic_bool stopping;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t changed;
    struct held *held;        /* NULL: there are none */
    bool wanted, busy;        /* a fetch is due; is under way */
    int64_t tried_us, got_us; /* the last fetch, and the last that went well; 0: none yet */
    struct ls_jwks_figures figures;
};

/* ---- one fetch ---- */

struct answer {
    struct ls_buf body;
    const struct ls_jwks *jwks;
};

static size_t take(char *data, size_t size, size_t count, void *ctx)
{
    struct answer *answer = ctx;

    ls_buf_add(&answer->body, data, size * count);
    return answer->body.failed ? 0 : size * count;
}

static int look(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct answer *answer = ctx;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&answer->jwks->stopping) ? 1 : 0;
}

static bool is_json(const char *type)
{
    static const char *const types[] = {"application/json", "application/jwk-set+json"};
    const size_t length = type ? strcspn(type, "; ") : 0;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i]) == length && strncasecmp(types[i], type, length) == 0)
            return true;
    return false;
}

/* false: out of memory. */
static bool prepare(CURL *curl, struct curl_slist *headers, struct answer *answer, char *why)
{
    const struct ls_jwks *jwks = answer->jwks;
    CURLcode rc = CURLE_OK;

#define SET(option, value) rc = rc == CURLE_OK ? curl_easy_setopt(curl, option, value) : rc
    SET(CURLOPT_URL, jwks->url);
    SET(CURLOPT_PROTOCOLS_STR, jwks->protocols);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_USERAGENT, "lockstep");
    SET(CURLOPT_WRITEFUNCTION, take);
    SET(CURLOPT_WRITEDATA, answer);
    SET(CURLOPT_XFERINFOFUNCTION, look);
    SET(CURLOPT_XFERINFODATA, answer);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_ERRORBUFFER, why);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_TIMEOUT_MS, (long)jwks->timeout_ms);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)LS_JWT_SET_MOST);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
#undef SET
    return rc == CURLE_OK;
}

/* What came, into keys. NULL: why says why not. */
static struct ls_jwt_keys *read_keys(const struct ls_jwks *jwks, const char *json, size_t size,
                                     char why[CURL_ERROR_SIZE])
{
    struct ls_jwt_keys *keys = NULL;
    struct ls_error err = {0};
    size_t usable = 0;
    enum ls_code rc = ls_jwt_keys_new(&keys, &err);

    if (rc == LS_OK && jwks->secret)
        rc = ls_jwt_keys_secret(keys, jwks->secret, strlen(jwks->secret), &err);
    if (rc == LS_OK && json)
        rc = ls_jwt_keys_set(keys, json, size, &usable, &err);
    if (rc == LS_OK)
        return keys;
    snprintf(why, CURL_ERROR_SIZE, "%.200s", err.text);
    ls_jwt_keys_free(keys);
    return NULL;
}

static struct ls_jwt_keys *fetch_with(CURL *curl, struct curl_slist *headers, struct answer *answer,
                                      char why[CURL_ERROR_SIZE])
{
    char *type = NULL;
    long status = 0;
    CURLcode rc;

    if (!prepare(curl, headers, answer, why)) {
        snprintf(why, CURL_ERROR_SIZE, "out of memory");
        return NULL;
    }
    rc = curl_easy_perform(curl);
    if (rc != CURLE_OK) {
        if (answer->body.failed || rc == CURLE_FILESIZE_EXCEEDED)
            snprintf(why, CURL_ERROR_SIZE, "the answer is longer than %zu KiB",
                     LS_JWT_SET_MOST >> 10);
        else if (!*why)
            snprintf(why, CURL_ERROR_SIZE, "%s", curl_easy_strerror(rc));
        return NULL;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    if (status != 200)
        snprintf(why, CURL_ERROR_SIZE, "the answer is status %ld, not 200", status);
    else if (!is_json(type))
        snprintf(why, CURL_ERROR_SIZE, "the answer is of type %.60s, not application/json",
                 type ? type : "(none)");
    else
        return read_keys(answer->jwks, ls_buf_str(&answer->body), answer->body.size, why);
    return NULL;
}

static struct ls_jwt_keys *fetch(const struct ls_jwks *jwks, char why[CURL_ERROR_SIZE])
{
    struct answer answer = {.jwks = jwks};
    struct curl_slist *headers =
        curl_slist_append(NULL, "Accept: application/jwk-set+json, application/json");
    struct ls_jwt_keys *keys = NULL;
    CURL *curl = curl_easy_init();

    *why = '\0';
    ls_buf_init(&answer.body, LS_JWT_SET_MOST + 1);
    if (curl && headers)
        keys = fetch_with(curl, headers, &answer, why);
    else
        snprintf(why, CURL_ERROR_SIZE, "out of memory");
    ls_buf_done(&answer.body);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return keys;
}

/* ---- who holds a set ---- */

/* Under the lock. */
static void let_go(struct held *held)
{
    if (!held || --held->holders > 0)
        return;
    ls_jwt_keys_free(held->keys);
    free(held);
}

/* Under the lock. keys NULL: none from here on. Takes keys over. */
static void replace(struct ls_jwks *jwks, struct ls_jwt_keys *keys)
{
    struct held *next = keys ? malloc(sizeof *next) : NULL;

    if (next)
        *next = (struct held){1, keys};
    else
        ls_jwt_keys_free(keys);
    let_go(jwks->held);
    jwks->held = next;
    jwks->figures.keys = next ? ls_jwt_keys_count(keys) : 0;
}

/* Under the lock: a set of the secret alone. */
static bool fall_back(struct ls_jwks *jwks)
{
    char why[CURL_ERROR_SIZE];
    struct ls_jwt_keys *keys = read_keys(jwks, NULL, 0, why);

    jwks->got_us = 0;
    replace(jwks, keys);
    return jwks->held != NULL;
}

/* ---- the thread ---- */

/* Under the lock: when the next fetch is due. */
static int64_t due_us(const struct ls_jwks *jwks)
{
    if (jwks->tried_us == 0)
        return 0;
    if (jwks->wanted || jwks->got_us < jwks->tried_us)
        return jwks->tried_us + jwks->pause_us;
    return jwks->got_us + jwks->fresh_us;
}

/* Under the lock, which is let go meanwhile. */
static void fetch_once(struct ls_jwks *jwks)
{
    char why[CURL_ERROR_SIZE];
    struct ls_jwt_keys *keys;
    int64_t now;

    jwks->busy = true;
    jwks->wanted = false;
    pthread_mutex_unlock(&jwks->lock);
    keys = fetch(jwks, why);
    pthread_mutex_lock(&jwks->lock);
    now = ls_clock_monotonic_us();
    jwks->busy = false;
    jwks->tried_us = now;
    jwks->figures.fetches++;
    if (keys) {
        jwks->got_us = now;
        jwks->figures.reason[0] = '\0';
        replace(jwks, keys);
    } else if (!atomic_load(&jwks->stopping)) {
        jwks->figures.failures++;
        snprintf(jwks->figures.reason, sizeof jwks->figures.reason, "%s", why);
        ls_log(LS_LOG_WARN, "the keys for tokens could not be fetched: %s (url=%s)", why,
               jwks->url);
    }
    pthread_cond_broadcast(&jwks->changed);
}

static void keep_fresh(void *arg)
{
    struct ls_jwks *jwks = arg;

    pthread_mutex_lock(&jwks->lock);
    while (!atomic_load(&jwks->stopping)) {
        const int64_t due = due_us(jwks);

        if (ls_clock_monotonic_us() >= due)
            fetch_once(jwks);
        else
            (void)ls_cond_wait(&jwks->changed, &jwks->lock, due);
    }
    pthread_mutex_unlock(&jwks->lock);
}

/* ---- open and close ---- */

static bool is_this_machine(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (ls_text_starts(host, "127.") && host[strspn(host, "0123456789.")] == '\0');
}

static enum ls_code check_url(struct ls_jwks *jwks, struct ls_error *err)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL;
    enum ls_code rc = LS_OK;

    if (!url)
        return ls_error_nomem(err);
    if (curl_url_set(url, CURLUPART_URL, jwks->url, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        rc = ls_error_set(err, LS_CONFIG, "the address of the keys for tokens is no URL");
    else if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK)
        rc = ls_error_set(err, LS_CONFIG,
                          "the address of the keys for tokens has a user in it. Keys that are "
                          "public need none");
    else if (strcmp(scheme, "https") == 0)
        jwks->protocols = "https";
    else if (strcmp(scheme, "http") == 0 && is_this_machine(host))
        jwks->protocols = "http";
    else
        rc =
            ls_error_set(err, LS_CONFIG,
                         "the keys for tokens have to come by https (http only from this machine): "
                         "whoever stands between could hand out other keys (url=%.200s)",
                         jwks->url);
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(url);
    return rc;
}

static enum ls_code set_up(struct ls_jwks *jwks, const struct ls_jwks_options *options,
                           struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    jwks->url = ls_arena_text(&jwks->mem, options->url);
    jwks->secret = ls_arena_text(&jwks->mem, options->secret);
    if ((options->url && !jwks->url) || (options->secret && !jwks->secret))
        return ls_error_nomem(err);
    jwks->fresh_us = options->fresh_us ? options->fresh_us : FRESH_US;
    jwks->stale_us = options->stale_us ? options->stale_us : STALE_US;
    jwks->pause_us = options->pause_us ? options->pause_us : PAUSE_US;
    jwks->timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_MS;
    if (options->secret && strlen(options->secret) < LS_JWT_SECRET_LEAST)
        return ls_error_set(err, LS_CONFIG,
                            "the secret of HS256 tokens has to have at least %d bytes, this one "
                            "has %zu",
                            LS_JWT_SECRET_LEAST, strlen(options->secret));
    if (!fall_back(jwks))
        return ls_error_nomem(err);
    if (options->url) {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
            return ls_error_set(err, LS_INTERNAL, "libcurl does not start");
        rc = check_url(jwks, err);
        if (rc == LS_OK)
            rc = ls_thread_start(&jwks->thread, keep_fresh, jwks, err);
    }
    return rc;
}

enum ls_code ls_jwks_open(const struct ls_jwks_options *options, struct ls_jwks **ret,
                          struct ls_error *err)
{
    struct ls_jwks *jwks = calloc(1, sizeof *jwks);
    enum ls_code rc;

    if (!jwks)
        return ls_error_nomem(err);
    ls_arena_init(&jwks->mem, 0);
    pthread_mutex_init(&jwks->lock, NULL);
    pthread_cond_init(&jwks->changed, NULL);
    rc = set_up(jwks, options, err);
    if (rc == LS_OK)
        *ret = jwks;
    else
        ls_jwks_close(jwks);
    return rc;
}

void ls_jwks_close(struct ls_jwks *jwks)
{
    if (!jwks)
        return;
    pthread_mutex_lock(&jwks->lock);
    atomic_store(&jwks->stopping, true);
    pthread_cond_broadcast(&jwks->changed);
    pthread_mutex_unlock(&jwks->lock);
    ls_thread_join(&jwks->thread);
    if (jwks->secret)
        ls_secret_wipe((char *)(uintptr_t)jwks->secret, strlen(jwks->secret));
    let_go(jwks->held);
    pthread_cond_destroy(&jwks->changed);
    pthread_mutex_destroy(&jwks->lock);
    ls_arena_done(&jwks->mem);
    free(jwks);
}

/* ---- use ---- */

static struct held *hold(struct ls_jwks *jwks)
{
    struct held *held;

    pthread_mutex_lock(&jwks->lock);
    if (jwks->got_us && ls_clock_monotonic_us() - jwks->got_us >= jwks->stale_us)
        (void)fall_back(jwks); /* whatever the thread is at */
    held = jwks->held;
    if (held)
        held->holders++;
    pthread_mutex_unlock(&jwks->lock);
    return held;
}

static void release(struct ls_jwks *jwks, struct held *held)
{
    pthread_mutex_lock(&jwks->lock);
    let_go(held);
    pthread_mutex_unlock(&jwks->lock);
}

/* A key was not there: may it come soon? After a fetch that failed nobody knows, and that is no reason to refuse. */
static bool want(struct ls_jwks *jwks)
{
    bool soon;

    if (!jwks->url)
        return false;
    pthread_mutex_lock(&jwks->lock);
    soon = jwks->busy || jwks->got_us == 0 || jwks->got_us < jwks->tried_us;
    if (!soon && ls_clock_monotonic_us() >= jwks->tried_us + jwks->pause_us) {
        jwks->wanted = soon = true;
        pthread_cond_broadcast(&jwks->changed);
    }
    pthread_mutex_unlock(&jwks->lock);
    return soon;
}

enum ls_jose_fault ls_jwks_verify(struct ls_jwks *jwks, const struct ls_jwt_rules *rules,
                                  const char *token, size_t length, int64_t now_s,
                                  struct ls_jwt *ret, bool *ret_soon)
{
    struct held *held = hold(jwks);
    enum ls_jose_fault fault = LS_JOSE_MEMORY;

    *ret = (struct ls_jwt){0};
    *ret_soon = false;
    if (held)
        fault = ls_jwt_verify(held->keys, rules, token, length, now_s, ret);
    release(jwks, held);
    if (fault == LS_JOSE_KEY)
        *ret_soon = want(jwks);
    return fault;
}

void ls_jwks_settle(struct ls_jwks *jwks, int64_t until_us)
{
    pthread_mutex_lock(&jwks->lock);
    while (jwks->thread.running && (jwks->busy || ls_clock_monotonic_us() >= due_us(jwks)) &&
           ls_cond_wait(&jwks->changed, &jwks->lock, until_us)) {
    }
    pthread_mutex_unlock(&jwks->lock);
}

void ls_jwks_figures(struct ls_jwks *jwks, struct ls_jwks_figures *ret)
{
    pthread_mutex_lock(&jwks->lock);
    *ret = jwks->figures;
    pthread_mutex_unlock(&jwks->lock);
}
