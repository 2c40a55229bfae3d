/* SPDX-License-Identifier: Apache-2.0 */
/* endpoints.c - `lockstep endpoints`.
 *
 * A secret that is made up goes to standard output alone, so that SECRET=$(lockstep endpoints create ...) holds it and nothing else; one that is given comes
 * from the environment or a file, never from an argument, which others can read. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define KEEP_S 86400     /* how long the secret before a new one signs */
#define TEST_TRIES 300   /* looks at a test event */
#define TEST_PACE_MS 100 /* between two of them */

/* ---- looking ---- */

static void show_endpoint(void *ctx, const struct lockstep_endpoint *e)
{
    struct cli *cli = ctx;
    char n[32], m[32];

    if (cli->set.json) {
        puts(e->json);
        return;
    }
    if (cli->shown++ == 0)
        printf("%-16s %-10s %10s %8s  %s\n", "ENDPOINT", "STATE", "ON ITS WAY", "DEAD", "URL");
    printf("%-16s %-10s %10s %8s  ", e->name,
           *e->disabled ? "disabled"
           : e->paused  ? "paused"
                        : "active",
           grouped(e->pending, n), grouped(e->dead, m));
    print_clean(stdout, e->url);
    printf("\n                 %s; policy %s", e->types, e->policy);
    if (*e->disabled) {
        fputs("; ", stdout);
        print_clean(stdout, e->disabled);
    }
    putchar('\n');
}

static int run_list(struct cli *cli)
{
    struct lockstep_error error = {0};
    const int code = lockstep_endpoints(cli->ls, show_endpoint, cli, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json && cli->shown == 0)
        puts(
            "no endpoints: name some under endpoints: in lockstep.yaml or in SYNC_WEBHOOK_URLS, or "
            "make one with `lockstep endpoints create`");
    return code;
}

static void show_attempt(void *ctx, const struct lockstep_attempt *a)
{
    struct cli *cli = ctx;
    char at[32];

    if (cli->set.json) {
        puts(a->json);
        return;
    }
    if (cli->shown++ == 0)
        printf("%-20s %-4s %6s %8s  %s\n", "AT", "TRY", "STATUS", "TOOK", "EVENT");
    printf("%-20s %-4d %6d %5" PRId64 " ms  ", utc_time(a->at_us, at), a->number, a->status,
           a->duration_us / 1000);
    print_clean(stdout, a->event);
    if (*a->error) {
        fputs(": ", stdout);
        print_clean(stdout, a->error);
    }
    putchar('\n');
}

static int run_tries(struct cli *cli)
{
    struct lockstep_error error = {0};
    const int code = lockstep_endpoint_attempts(cli->ls, cli->set.args[1], 0,
                                                (size_t)cli->set.limit, show_attempt, cli, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json && cli->shown == 0)
        puts("no tries so far");
    return code;
}

/* ---- changing ---- */

/* The options as a JSON object. NULL: out of memory. */
static char *settings_json(const struct cli *cli, const char *name, const char *url,
                           const char *secret)
{
    const struct {
        const char *name, *value;
        bool number;
    } members[] = {
        {"name", name, false},           {"url", url, false},
        {"types", cli->set.type, false}, {"policy", cli->set.policy, false},
        {"rate", cli->set.rate, true},   {"secret", secret, false},
    };
    char *json = NULL;
    size_t size = 0;
    const char *before = "{";
    FILE *out = open_memstream(&json, &size);

    if (!out)
        return NULL;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (!members[i].value)
            continue;
        fprintf(out, "%s\"%s\":", before, members[i].name);
        if (members[i].number)
            fputs(members[i].value, out);
        else
            print_json_text(out, members[i].value);
        before = ",";
    }
    fputs(*before == '{' ? "{}" : "}", out);
    if (fclose(out) == 0)
        return json;
    free(json);
    return NULL;
}

static void forget(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

/* The secret that --secret names; NULL without the option. 0, or an exit status after a message. */
static int given_secret(struct cli *cli, char **ret)
{
    *ret = NULL;
    if (cli->set.secret_count > 1)
        return misuse(cli, "an endpoint gets one secret at a time");
    return cli->set.secret_count ? read_secret(cli, cli->set.secrets[0], ret) : 0;
}

static void show_made(void *ctx, const struct lockstep_endpoint *e)
{
    struct cli *cli = ctx;

    if (cli->set.json) {
        puts(e->json);
        return;
    }
    if (e->secret) {
        puts(e->secret);
        fflush(stdout);
        fprintf(stderr, "This is the only time that it is shown: %s signs with it from now on\n",
                e->name);
    } else {
        printf("%s: ", e->name);
        print_clean(stdout, e->url);
        putchar('\n');
    }
}

static bool rate_is_good(const char *rate)
{
    char *end = NULL;

    return !rate || (strtod(rate, &end) >= 0 && end != rate && !*end &&
                     strspn(rate, "0123456789.") == strlen(rate));
}

static int run_create(struct cli *cli)
{
    struct lockstep_error error = {0};
    char *secret = NULL, *json = NULL;
    int code;

    if (cli->set.arg_count < 3)
        return misuse(cli, "where to? lockstep endpoints create NAME URL");
    if (!rate_is_good(cli->set.rate))
        return misuse(cli, "--rate takes a number of deliveries a second");
    code = given_secret(cli, &secret);
    if (code == 0 && !(json = settings_json(cli, cli->set.args[1], cli->set.args[2], secret)))
        code = misuse(cli, "out of memory");
    if (code == 0)
        code = lockstep_endpoint_create(cli->ls, json, strlen(json), show_made, cli, &error);
    forget(json);
    forget(secret);
    return error.code ? fail(cli, &error) : code;
}

static int run_change(struct cli *cli)
{
    struct lockstep_error error = {0};
    char *json;
    int code;

    if (!rate_is_good(cli->set.rate))
        return misuse(cli, "--rate takes a number of deliveries a second, or 0 for no bound");
    if (cli->set.secret_count)
        return misuse(cli, "a secret is changed by lockstep endpoints rotate NAME");
    json = settings_json(cli, NULL, cli->set.arg_count > 2 ? cli->set.args[2] : NULL, NULL);
    if (!json)
        return misuse(cli, "out of memory");
    code = lockstep_endpoint_change(cli->ls, cli->set.args[1], json, strlen(json), NULL, show_made,
                                    cli, &error);
    free(json);
    return code == LOCKSTEP_OK ? code : fail(cli, &error);
}

static int run_rotate(struct cli *cli)
{
    struct lockstep_error error = {0};
    const char *keep = cli->set.keep;
    int64_t keep_s = KEEP_S;
    char *secret = NULL;
    int code;

    if (keep)
        keep_s = strcmp(keep, "0") == 0 ? 0 : seconds_of(keep);
    if (keep && keep_s == 0 && strcmp(keep, "0") != 0)
        return misuse(cli, "--keep takes a time such as 12h or 7d, or 0");
    code = given_secret(cli, &secret);
    if (code == 0)
        code = lockstep_endpoint_rotate(cli->ls, cli->set.args[1], secret, keep_s, show_made, cli,
                                        &error);
    forget(secret);
    return error.code ? fail(cli, &error) : code;
}

static int run_remove(struct cli *cli)
{
    struct lockstep_error error = {0};
    const int code = lockstep_endpoint_remove(cli->ls, cli->set.args[1], NULL, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json)
        printf("removed %s\n", cli->set.args[1]);
    return code;
}

static int pause_or_resume(struct cli *cli, bool paused)
{
    struct lockstep_error error = {0};
    const int code = lockstep_endpoint_pause(cli->ls, cli->set.args[1], paused, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json)
        printf("%s is %s\n", cli->set.args[1], paused ? "paused: its events wait" : "active");
    return code;
}

static int run_pause(struct cli *cli)
{
    return pause_or_resume(cli, true);
}

static int run_resume(struct cli *cli)
{
    return pause_or_resume(cli, false);
}

/* ---- a test ---- */

/* What became of it so far: the state of its one delivery. Free *ret_json. */
static int look_at_test(struct cli *cli, const char *id, char **ret_json, const char **ret_state)
{
    static const char *const words[] = {"delivered", "failed", "dead", "discarded"};
    struct lockstep_error error = {0};
    const char *state;

    *ret_state = "";
    if (lockstep_event_show(cli->ls, id, ret_json, &error) != LOCKSTEP_OK)
        return fail(cli, &error);
    state = strstr(*ret_json, "\"state\":\"");
    for (size_t i = 0; state && i < sizeof words / sizeof *words; i++)
        if (strncmp(state + strlen("\"state\":\""), words[i], strlen(words[i])) == 0)
            *ret_state = words[i];
    return 0;
}

static int tell_test(struct cli *cli, const char *name, const char *id, char *json,
                     const char *state)
{
    const int code = strcmp(state, "delivered") == 0 ? LOCKSTEP_OK : LOCKSTEP_DIFFERENT;
    struct lockstep_error error = {0};

    if (cli->set.json) {
        print_json(json);
        return code;
    }
    lockstep_free(json);
    if (!*state) {
        fprintf(stderr,
                "lockstep: nobody has sent it so far. `lockstep serve` delivers: does it run, on "
                "this state? `lockstep events show %s` tells what becomes of it\n",
                id);
        return code;
    }
    printf("%s %s: ", name, state);
    return lockstep_endpoint_attempts(cli->ls, name, 0, 1, show_attempt, cli, &error) == LOCKSTEP_OK
               ? code
               : fail(cli, &error);
}

static int test_one(struct cli *cli, const char *name)
{
    const struct timespec pace = {.tv_nsec = TEST_PACE_MS * 1000000L};
    struct lockstep_error error = {0};
    const char *state = "";
    char id[37], *json = NULL;
    int code = lockstep_endpoint_test(cli->ls, name, id, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    cli->shown = 1; /* no heading */
    for (int i = 0; i < TEST_TRIES && code == 0 && !*state; i++) {
        lockstep_free(json);
        json = NULL;
        if (i)
            (void)nanosleep(&pace, NULL);
        code = look_at_test(cli, id, &json, &state);
    }
    return code == 0 ? tell_test(cli, name, id, json, state) : code;
}

/* The names of those that are not paused and not disabled. */
struct names {
    char *names[4096];
    size_t count;
};

static void add_name(void *ctx, const struct lockstep_endpoint *e)
{
    struct names *list = ctx;

    if (!e->paused && !*e->disabled && list->count < sizeof list->names / sizeof *list->names &&
        (list->names[list->count] = strdup(e->name)) != NULL)
        list->count++;
}

/* One, or without a name each in turn; the highest exit status. */
static int run_test(struct cli *cli)
{
    struct names list = {.count = 0};
    struct lockstep_error error = {0};
    int worst = LOCKSTEP_OK;

    if (cli->set.arg_count > 1)
        return test_one(cli, cli->set.args[1]);
    if (lockstep_endpoints(cli->ls, add_name, &list, &error) != LOCKSTEP_OK)
        worst = fail(cli, &error);
    for (size_t i = 0; i < list.count; i++) {
        const int code = test_one(cli, list.names[i]);

        worst = code > worst ? code : worst;
        free(list.names[i]);
    }
    if (!cli->set.json && list.count == 0 && worst == LOCKSTEP_OK)
        puts("no endpoints that are active");
    return worst;
}

/* ---- the words behind the command ---- */

int run_endpoints(struct cli *cli)
{
    static const struct subcommand list[] = {
        {"list", run_list},     {"create", run_create}, {"change", run_change},
        {"rotate", run_rotate}, {"pause", run_pause},   {"resume", run_resume},
        {"remove", run_remove}, {"test", run_test},     {"tries", run_tries},
    };

    if (cli->set.arg_count == 1 && strcmp(cli->set.args[0], "list") != 0 &&
        strcmp(cli->set.args[0], "test") != 0)
        for (size_t i = 0; i < sizeof list / sizeof *list; i++)
            if (strcmp(cli->set.args[0], list[i].name) == 0)
                return misuse(cli, "which endpoint? lockstep endpoints %s NAME", list[i].name);
    return run_subcommand(cli, list, sizeof list / sizeof *list);
}
