/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.c - `lockstep schedule`.
 *
 * A schedule is made from JSON, as over HTTP: the options become its members under the same names, and what is wrong with them is said by the library. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char *name_of(const struct cli *cli)
{
    return cli->set.arg_count > 1 ? cli->set.args[1] : NULL;
}

static int no_name(struct cli *cli)
{
    return misuse(cli, "which schedule? lockstep schedule %s NAME", cli->set.args[0]);
}

/* ---- list ---- */

static void show_does(const struct lockstep_schedule *s)
{
    if (strcmp(s->action, "queue") == 0)
        fputs("process the queue", stdout);
    else
        printf("%s ", strcmp(s->action, "sync") == 0 ? "sync" : "call");
    print_clean(stdout, s->target);
}

static void show_schedule(void *ctx, const struct lockstep_schedule *s)
{
    struct cli *cli = ctx;
    char next[32], last[32];

    if (cli->set.json) {
        puts(s->json);
        return;
    }
    if (cli->shown++ == 0)
        printf("%-16s %-20s %-9s %-20s %s\n", "SCHEDULE", "NEXT (UTC)", "LAST", "", "DOES");
    printf("%-16s %-20s %-9s %-20s ", s->id,
           s->paused    ? "paused"
           : s->next_us ? utc_time(s->next_us, next)
                        : "never",
           s->last_us ? s->last_state : "-", utc_time(s->last_us, last));
    show_does(s);
    printf("\n                 %s%s%s\n", s->words,
           strcmp(s->origin, "config") == 0 ? "" : "; made by ",
           strcmp(s->origin, "config") == 0 ? "" : s->origin);
    if (*s->last_reason && strcmp(s->last_state, "succeeded") != 0) {
        fputs("                 ", stdout);
        print_clean(stdout, s->last_reason);
        putchar('\n');
    }
}

static int run_list(struct cli *cli)
{
    struct lockstep_error error = {0};
    const int code = lockstep_schedules(cli->ls, show_schedule, cli, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json && cli->shown == 0)
        puts("no schedules: name some under schedules: in lockstep.yaml, or make one with "
             "`lockstep schedule create`");
    return code;
}

/* ---- create ---- */

static void add_text(FILE *out, const char *name, const char *value)
{
    if (!value)
        return;
    fprintf(out, ",\"%s\":", name);
    print_json_text(out, value);
}

static bool is_number(const char *text)
{
    return *text && strlen(text) < 10 && text[strspn(text, "0123456789")] == '\0';
}

static void add_call(FILE *out, const struct settings *set)
{
    const char *gap = "";

    fputs(",\"post\":{\"url\":", out);
    print_json_text(out, set->post);
    add_text(out, "method", set->method);
    add_text(out, "body", set->body);
    if (set->header_count)
        fputs(",\"headers\":{", out);
    for (size_t i = 0; i < set->header_count; i++, gap = ",") {
        const char *header = set->headers[i], *colon = strchr(header, ':');
        char *name = strndup(header, (size_t)(colon - header));

        fputs(gap, out);
        print_json_text(out, name ? name : "");
        fputc(':', out);
        print_json_text(out, colon + 1 + strspn(colon + 1, " \t"));
        free(name);
    }
    fputs(set->header_count ? "}}" : "}", out);
}

static void write_settings(FILE *out, const struct settings *set)
{
    fputs("{\"id\":", out);
    print_json_text(out, set->args[1]);
    add_text(out, "cron", set->cron);
    add_text(out, "zone", set->zone);
    add_text(out, "sync", set->sync);
    if (set->queue)
        fputs(",\"queue\":true", out);
    if (set->post)
        add_call(out, set);
    add_text(out, "overlap", set->overlap);
    add_text(out, "catch_up", set->catch_up);
    add_text(out, "catch_up_within", set->within);
    add_text(out, "jitter", set->jitter);
    add_text(out, "hours", set->hours);
    add_text(out, "timeout", set->timeout);
    if (set->retries)
        fprintf(out, ",\"retries\":%s", set->retries);
    if (set->paused)
        fputs(",\"paused\":true", out);
    fputc('}', out);
}

static void show_made(void *ctx, const struct lockstep_schedule *s)
{
    struct cli *cli = ctx;
    char next[32];

    if (cli->set.json) {
        puts(s->json);
        return;
    }
    printf("%s: %s; ", s->id, s->words);
    show_does(s);
    printf(". %s%s\n", s->paused ? "It is paused" : "Next at ",
           s->paused ? "" : utc_time(s->next_us, next));
}

static int create(struct cli *cli, const char *json, size_t size)
{
    struct lockstep_error error = {0};
    const int code =
        lockstep_schedule_create(cli->ls, json, size, cli->set.replace, show_made, cli, &error);

    return code == LOCKSTEP_OK ? code : fail(cli, &error);
}

static int run_create(struct cli *cli)
{
    const struct settings *set = &cli->set;
    char *json = NULL;
    size_t size = 0;
    FILE *out;
    int code;

    if (!name_of(cli))
        return no_name(cli);
    if (!set->cron)
        return misuse(cli, "when? Give --cron, such as --cron '0 * * * *' for every hour");
    if (!set->sync + !set->queue + !set->post != 2)
        return misuse(cli, "what is to be done? Give one of --sync SYNC, --queue and --post URL");
    if (!set->post && (set->method || set->body || set->header_count))
        return misuse(cli, "--method, --header and --body belong to --post");
    if (set->retries && !is_number(set->retries))
        return misuse(cli, "--retries takes a number from 0 to 20");
    out = open_memstream(&json, &size);
    if (!out)
        return misuse(cli, "out of memory");
    write_settings(out, set);
    code = fclose(out) == 0 ? create(cli, json, size) : misuse(cli, "out of memory");
    if (json)
        explicit_bzero(json, size); /* headers may be secrets */
    free(json);
    return code;
}

/* ---- pause, resume, delete, trigger ---- */

static int done(struct cli *cli, int code, const char *what, const struct lockstep_error *error)
{
    if (code != LOCKSTEP_OK)
        return fail(cli, error);
    if (!cli->set.json) {
        printf("%s %s\n", cli->set.args[1], what);
        return code;
    }
    fputs("{\"id\":", stdout);
    print_json_text(stdout, cli->set.args[1]);
    printf(",\"done\":\"%s\"}\n", cli->set.args[0]);
    return code;
}

static int pause_or_resume(struct cli *cli, bool paused)
{
    struct lockstep_error error = {0};

    if (!name_of(cli))
        return no_name(cli);
    return done(cli, lockstep_schedule_pause(cli->ls, name_of(cli), paused, &error),
                paused ? "is paused: times that pass are skipped" : "is active", &error);
}

static int run_pause(struct cli *cli)
{
    return pause_or_resume(cli, true);
}

static int run_resume(struct cli *cli)
{
    return pause_or_resume(cli, false);
}

static int run_delete(struct cli *cli)
{
    struct lockstep_error error = {0};

    if (!name_of(cli))
        return no_name(cli);
    return done(cli, lockstep_schedule_delete(cli->ls, name_of(cli), &error), "is deleted", &error);
}

static int run_trigger(struct cli *cli)
{
    struct lockstep_error error = {0};
    char firing[37];
    bool served = false;
    int code;

    if (!name_of(cli))
        return no_name(cli);
    code = lockstep_schedule_trigger(cli->ls, name_of(cli), firing, &served, &error);
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json)
        printf("{\"firing\":\"%s\",\"served\":%s}\n", firing, served ? "true" : "false");
    else
        printf("%s is asked for (%s)%s\n", name_of(cli), firing,
               served ? "" : ": no daemon runs on this state, the next `lockstep serve` does it");
    return code;
}

/* ---- next, history ---- */

static void show_time(void *ctx, int64_t unix_us)
{
    struct cli *cli = ctx;
    char text[32];

    if (cli->set.json)
        printf("%s\"%.10sT%sZ\"", cli->shown++ ? "," : "{\"next\":[", utc_time(unix_us, text),
               text + 11);
    else
        puts(utc_time(unix_us, text));
}

static int run_next(struct cli *cli)
{
    const struct settings *set = &cli->set;
    const char *which = name_of(cli) ? name_of(cli) : set->cron;
    struct lockstep_error error = {0};
    char *words = NULL;
    int code;

    if (!which)
        return misuse(cli, "of which? lockstep schedule next NAME, or a cron expression such as "
                           "'0 * * * *'");
    code = lockstep_schedule_next(cli->ls, which, set->zone, set->hours, (size_t)set->limit, &words,
                                  show_time, cli, &error);
    if (set->json && code == LOCKSTEP_OK) {
        fputs("],\"words\":", stdout);
        print_json_text(stdout, words);
        puts("}");
    } else if (code == LOCKSTEP_OK) {
        printf("(%s)\n", words);
    }
    lockstep_free(words);
    return code == LOCKSTEP_OK ? code : fail(cli, &error);
}

static void show_firing(void *ctx, const struct lockstep_firing *f)
{
    struct cli *cli = ctx;
    char at[32], until[32];

    if (cli->set.json) {
        puts(f->json);
        return;
    }
    if (cli->shown++ == 0)
        printf("%-20s %-16s %-10s %-7s %8s %6s  %s\n", "TIME (UTC)", "SCHEDULE", "STATE", "KIND",
               "ATTEMPTS", "RUN", "WHY");
    printf("%-20s %-16s %-10s %-7s %8" PRId64 " ", utc_time(f->nominal_us, at), f->schedule,
           f->state, f->late ? "late" : f->kind, f->attempts);
    if (f->run)
        printf("%6" PRId64, f->run);
    else
        printf("%6s", "-");
    if (f->times > 1)
        printf("  %" PRId64 " times, the last at %s", f->times, utc_time(f->until_us, until));
    if (*f->reason) {
        fputs(f->times > 1 ? ": " : "  ", stdout);
        print_clean(stdout, f->reason);
    }
    putchar('\n');
}

static int run_firings(struct cli *cli)
{
    struct lockstep_error error = {0};
    const int code = lockstep_schedule_history(cli->ls, name_of(cli), (size_t)cli->set.limit,
                                               show_firing, cli, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json && cli->shown == 0)
        puts("nothing was fired, skipped or missed so far");
    return code;
}

int run_schedule(struct cli *cli)
{
    static const struct subcommand list[] = {
        {"list", run_list},     {"create", run_create},   {"pause", run_pause},
        {"resume", run_resume}, {"delete", run_delete},   {"trigger", run_trigger},
        {"next", run_next},     {"history", run_firings},
    };

    return run_subcommand(cli, list, sizeof list / sizeof *list);
}
