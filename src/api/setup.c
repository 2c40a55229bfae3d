/* SPDX-License-Identifier: Apache-2.0 */
/* setup.c - sets up a known system: checks everything that it needs; of a replica that is copied into production, makes the schedule and tries it once.
 *
 * What is checked is what fails later otherwise: the variables of QStash and the application's address, the Supabase project and whether its service key is let in
 * by the call that only that role may make, both databases with their tables, keys and rights. Nothing is made or run when something of it is wrong. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/text.h"
#include "event/guard.h"

#define CRON "0 */6 * * *"
#define GROUP "slave-to-prod"
#define TIMEOUT_MS 10000L

struct setup {
    struct lockstep *ls;
    lockstep_finding_fn *fn;
    void *ctx;
    struct ls_error why; /* the first error; LS_OK: none */
};

static void say(struct setup *s, int level, const char *what, const char *text)
{
    s->fn(s->ctx, &(struct lockstep_finding){level, "", what, text});
    if (level == LS_FINDING_ERROR && s->why.code == LS_OK)
        ls_error_set(&s->why, LS_CONFIG, "%s: %s", what, text);
}

static const char *set(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* ---- variables ---- */

/* QStash is one way to drive it; the scheduler of the daemon is another, which needs none of this. But half of it does nothing. */
static void check_qstash(struct setup *s)
{
    static const char *const names[] = {"QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY",
                                        "NEXT_PUBLIC_APP_URL"};

    for (size_t i = 0; i < 3; i++)
        if (set(names[i]))
            say(s, LS_FINDING_OK, names[i], "is set");
        else if (set("QSTASH_CURRENT_SIGNING_KEY") || set("QSTASH_NEXT_SIGNING_KEY"))
            say(s, LS_FINDING_ERROR, names[i], "is not set: calls of QStash cannot be verified");
    if (!set("QSTASH_CURRENT_SIGNING_KEY") && !set("QSTASH_NEXT_SIGNING_KEY"))
        say(s, LS_FINDING_NOTE, "QStash",
            "its keys are not set: lockstep's own scheduler drives the sync");
    if (!set("QSTASH_URL") || !set("QSTASH_TOKEN"))
        say(s, LS_FINDING_NOTE, "QSTASH_URL, QSTASH_TOKEN",
            "not set: needed to make a schedule at QStash, and not for lockstep's own");
}

/* What is sent there is a credential: so by https://, or to this machine. */
static bool is_safe(struct setup *s, const char *name, const char *url, struct ls_arena *mem)
{
    struct ls_error why = {0};
    const bool safe = ls_guard_own(NULL, url, false, mem, &why) == LS_OK;

    if (!safe)
        say(s, LS_FINDING_ERROR, name, why.text);
    return safe;
}

static void check_address(struct setup *s, struct ls_arena *mem)
{
    const char *url = set("NEXT_PUBLIC_APP_URL");

    if (url)
        (void)is_safe(s, "NEXT_PUBLIC_APP_URL", url, mem);
}

/* ---- Supabase ---- */

static size_t drop(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

static void set_up_call(CURL *curl, const char *url, struct curl_slist *headers)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (ls_text_starts(url, "http://")) /* a proxy would read along */
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
}

/* The status of a GET with the project's key; 0 and why: there was no answer. */
static long ask(const char *url, const char *key, struct ls_arena *mem, const char **ret_why)
{
    struct curl_slist *headers =
        curl_slist_append(NULL, ls_arena_printf(mem, "Authorization: Bearer %s", key));
    struct curl_slist *both =
        headers ? curl_slist_append(headers, ls_arena_printf(mem, "apikey: %s", key)) : NULL;
    CURL *curl = both ? curl_easy_init() : NULL;
    long status = 0;

    *ret_why = "out of memory";
    if (curl) {
        CURLcode rc;

        set_up_call(curl, url, both);
        rc = curl_easy_perform(curl);
        *ret_why = rc == CURLE_OK ? "" : ls_arena_text(mem, curl_easy_strerror(rc));
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (rc != CURLE_OK)
            status = 0;
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(both ? both : headers);
    return status;
}

static void check_supabase(struct setup *s, struct ls_arena *mem)
{
    const char *url = set("NEXT_PUBLIC_SUPABASE_URL"), *key = set("SUPABASE_SERVICE_ROLE_KEY");
    const char *why = "";
    size_t length;
    long status;

    if (!url && !key) {
        say(s, LS_FINDING_NOTE, "Supabase", "no project is set: the databases are reached alone");
        return;
    }
    if (!url || !key) {
        say(s, LS_FINDING_ERROR, url ? "SUPABASE_SERVICE_ROLE_KEY" : "NEXT_PUBLIC_SUPABASE_URL",
            "is not set");
        return;
    }
    if (!is_safe(s, "NEXT_PUBLIC_SUPABASE_URL", url, mem))
        return;
    for (length = strlen(url); length && url[length - 1] == '/'; length--)
        ;
    status =
        ask(ls_arena_printf(mem, "%.*s/auth/v1/admin/users?page=1&per_page=1", (int)length, url),
            key, mem, &why);
    if (status == 200)
        say(s, LS_FINDING_OK, "Supabase",
            "the project answers, and its service role key is let in");
    else if (status == 0)
        say(s, LS_FINDING_ERROR, "Supabase",
            ls_arena_printf(mem, "%s cannot be reached: %s", url, why));
    else if (status == 401 || status == 403)
        say(s, LS_FINDING_ERROR, "SUPABASE_SERVICE_ROLE_KEY",
            "is refused by the project: it is not the key of the service role");
    else
        say(s, LS_FINDING_ERROR, "Supabase",
            ls_arena_printf(mem, "%s answers with status %ld", url, status));
}

/* ---- databases ---- */

static void pass_on(void *ctx, const struct lockstep_finding *f)
{
    struct setup *s = ctx;

    s->fn(s->ctx, f);
}

static void check_sync(struct setup *s, const char *sync)
{
    const struct lockstep_select select = {.sync = sync};
    struct lockstep_error error = {0};

    if (lockstep_check(s->ls, &select, pass_on, s, &error) != LOCKSTEP_OK && s->why.code == LS_OK)
        ls_error_set(&s->why, LS_CONFIG, "%s: %s", sync, error.text);
}

/* ---- the schedule and a first run ---- */

static enum ls_code make_schedule(struct setup *s, const char *sync, bool alone,
                                  struct ls_arena *mem)
{
    struct lockstep_error error = {0};
    struct ls_buf json;
    const char *id = GROUP;
    int code = LOCKSTEP_FAILED;

    if (!alone) {
        char *made = (char *)(uintptr_t)ls_arena_printf(mem, GROUP ".%.150s", sync);

        for (char *c = made; c && *c; c++)
            if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *c))
                *c = '_';
        id = made ? made : GROUP;
    }
    ls_buf_init(&json, 0);
    ls_buf_printf(&json, "{\"id\":\"%s\",\"cron\":\"" CRON "\",\"retries\":2,\"sync\":", id);
    ls_text_json(&json, sync, strlen(sync));
    ls_buf_char(&json, '}');
    if (!json.failed)
        code =
            lockstep_schedule_create(s->ls, ls_buf_str(&json), json.size, true, NULL, NULL, &error);
    ls_buf_done(&json);
    if (code != LOCKSTEP_OK)
        say(s, LS_FINDING_ERROR, "schedule", error.text);
    else
        say(s, LS_FINDING_OK, "schedule", ls_arena_printf(mem, "%s: " CRON " (UTC)", id));
    return s->why.code;
}

static void try_run(struct setup *s, const char *sync, struct ls_arena *mem)
{
    const struct lockstep_select select = {.sync = sync};
    struct lockstep_error error = {0};
    struct lockstep_run *run = NULL;
    const int code = lockstep_sync(s->ls, &select, NULL, &run, &error);

    if (code == LOCKSTEP_OK && run)
        say(s, LS_FINDING_OK, "manual run",
            ls_arena_printf(mem, "%s: run %lld, %llu created, %llu updated", sync,
                            (long long)run->number, (unsigned long long)run->created,
                            (unsigned long long)run->updated));
    else
        say(s, LS_FINDING_ERROR, "manual run",
            ls_arena_printf(mem, "%s: %s", sync,
                            *error.text ? error.text : "some records could not be written"));
    lockstep_run_free(run);
}

int lockstep_setup(struct lockstep *ls, bool check_only, lockstep_finding_fn *fn, void *ctx,
                   struct lockstep_error *error)
{
    struct setup s = {.ls = ls, .fn = fn, .ctx = ctx};
    const struct ls_surfaces_config *c = ls->config ? &ls->config->surfaces : NULL;
    struct ls_arena mem;

    if (!c || (c->replica_count == 0 && !c->users)) {
        ls_error_set(&s.why, LS_CONFIG,
                     "there is nothing to set up: write a configuration by `lockstep init --preset "
                     "replica` (or users), or name syncs under surfaces");
        return ls_api_fail(&s.why, error);
    }
    ls_arena_init(&mem, 0);
    check_qstash(&s);
    check_address(&s, &mem);
    check_supabase(&s, &mem);
    if (c->users)
        check_sync(&s, c->users);
    for (size_t i = 0; i < c->replica_count; i++)
        check_sync(&s, c->replica[i]);
    for (size_t i = 0; i < c->replica_count && s.why.code == LS_OK && !check_only; i++)
        (void)!make_schedule(&s, c->replica[i], c->replica_count == 1, &mem);
    for (size_t i = 0; i < c->replica_count && s.why.code == LS_OK && !check_only; i++)
        try_run(&s, c->replica[i], &mem);
    ls_arena_done(&mem);
    return s.why.code == LS_OK ? LOCKSTEP_OK : ls_api_fail(&s.why, error);
}
