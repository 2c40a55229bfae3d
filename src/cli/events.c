/* SPDX-License-Identifier: Apache-2.0 */
/* events.c - `lockstep events`. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---- emit ---- */

char *read_input(FILE *in, size_t *ret_size)
{
    size_t size = 0, room = 1 << 16;
    char *text = malloc(room);

    while (text && size < INPUT_MAX) {
        const size_t n = fread(text + size, 1, room - size, in);
        char *more;

        size += n;
        if (n == 0 || size < room)
            break;
        room *= 2;
        more = realloc(text, room);
        if (!more)
            free(text);
        text = more;
    }
    *ret_size = size;
    return text;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static void show_accepted(void *ctx, const struct lockstep_accepted *accepted)
{
    struct cli *cli = ctx;

    cli->shown++;
    if (cli->set.json) {
        printf("{\"seq\":%" PRId64 ",\"id\":", accepted->seq);
        print_json_text(stdout, accepted->id);
        printf(",\"known\":%s}\n", accepted->known ? "true" : "false");
        return;
    }
    if (cli->shown <= 20)
        printf("%s %" PRId64 "  %s%s\n", accepted->known ? "known   " : "accepted", accepted->seq,
               accepted->id,
               accepted->known || accepted->endpoints ? "" : "  (no endpoint wants it)");
}

/* Milliseconds of --wait; 0: the default of the library, which it also is when only --wait stands there. -1: it is no number of seconds. */
static int64_t wait_ms(const struct settings *set)
{
    char *end = NULL;
    const double seconds = *set->wait ? strtod(set->wait, &end) : 0;

    if (*set->wait && (*end || !(seconds > 0 && seconds <= 86400)))
        return -1;
    return (int64_t)(seconds * 1000);
}

static int emit(struct cli *cli, const char *json, size_t size, bool lines)
{
    struct lockstep_error error = {0};
    const int64_t wait = cli->set.wait ? wait_ms(&cli->set) : 0;
    char n[32];
    int code;

    if (wait < 0)
        return misuse(cli, "--wait takes a number of seconds, such as --wait=10");
    code = cli->set.wait
               ? lockstep_emit_now(cli->ls, json, size, lines, wait, show_accepted, cli, &error)
               : lockstep_emit(cli->ls, json, size, lines, show_accepted, cli, &error);
    if (!cli->set.json && cli->shown > 20)
        printf("… %s events in all\n", grouped(cli->shown, n));
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json && cli->set.wait)
        puts("delivered");
    return code;
}

/* One event from the options. */
static int emit_options(struct cli *cli)
{
    const struct settings *set = &cli->set;
    char *json = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&json, &size);
    int code;

    if (!out)
        return misuse(cli, "out of memory");
    fputs("{\"type\":", out);
    print_json_text(out, set->type);
    fputs(",\"resourceId\":", out);
    print_json_text(out, set->resource ? set->resource : "");
    if (set->data)
        fprintf(out, ",\"data\":%s", set->data);
    fputs("}", out);
    code = fclose(out) == 0 ? emit(cli, json, size, false) : misuse(cli, "out of memory");
    free(json);
    return code;
}

static int run_emit(struct cli *cli)
{
    const char *path = cli->set.arg_count > 1 ? cli->set.args[1] : "-";
    const bool standard = strcmp(path, "-") == 0;
    FILE *in;
    char *text;
    size_t size = 0;
    bool failed;
    int code;

    if (cli->set.type)
        return cli->set.arg_count > 1 ? misuse(cli, "give a file or --type, not both")
                                      : emit_options(cli);
    in = standard ? stdin : fopen(path, "re");
    if (!in)
        return misuse(cli,
                      "cannot read %s. Name a file of events, - for standard input, or one "
                      "event by --type, --resource and --data",
                      path);
    text = read_input(in, &size);
    failed = ferror(in) != 0;
    if (!standard)
        fclose(in);
    if (!text || failed || size >= INPUT_MAX)
        code = misuse(cli, "cannot read %s: at most 64 MiB", path);
    else
        code = emit(cli, text, size,
                    standard || ends_with(path, ".jsonl") || ends_with(path, ".ndjson"));
    free(text);
    return code;
}

/* ---- looking ---- */

static const char *second_argument(const struct cli *cli)
{
    return cli->set.arg_count > 1 ? cli->set.args[1] : NULL;
}

static struct lockstep_event_filter filter_of(const struct cli *cli, const char *id)
{
    const struct settings *set = &cli->set;

    return (struct lockstep_event_filter){
        .id = id,
        .type = set->type,
        .resource = set->resource,
        .state = set->status,
        .endpoint = set->endpoint,
        .since = set->since,
        .until = set->until,
        .limit = (size_t)set->limit,
    };
}

static void show_event(void *ctx, const struct lockstep_event *event)
{
    struct cli *cli = ctx;
    char at[32];

    if (cli->set.json) {
        puts(event->json);
        return;
    }
    if (cli->shown++ == 0)
        printf("%-8s %-20s %-10s %-5s %-24s %s\n", "EVENT", "ACCEPTED", "STATUS", "SENT", "TYPE",
               "RESOURCE");
    printf("%-8" PRId64 " %-20s %-10s %zu/%-3zu %-24s ", event->seq,
           utc_time(event->accepted_us, at), event->status, event->delivered, event->deliveries,
           event->type);
    print_clean(stdout, event->resource);
    printf("\n         %s\n", event->id);
}

static int run_list(struct cli *cli)
{
    const struct lockstep_event_filter filter = filter_of(cli, NULL);
    struct lockstep_error error = {0};
    const int code = lockstep_events(cli->ls, &filter, show_event, cli, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json && cli->shown == 0)
        puts("no events");
    return code;
}

static int run_event_show(struct cli *cli)
{
    struct lockstep_error error = {0};
    char *json = NULL;
    int code;

    if (cli->set.arg_count < 2)
        return misuse(cli, "which event? lockstep events show ID");
    code = lockstep_event_show(cli->ls, cli->set.args[1], &json, &error);
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json)
        print_json(json);
    else {
        print_json_lines(stdout, json);
        lockstep_free(json);
    }
    return code;
}

static int show_stats(struct cli *cli, int code, const struct lockstep_queue_stats *stats,
                      const struct lockstep_error *error)
{
    const struct lockstep_queue_stats s = *stats;
    char n[32], at[32];

    if (code != LOCKSTEP_OK)
        return fail(cli, error);
    if (cli->set.json) {
        printf("{\"pending\":%" PRIu64 ",\"processing\":%" PRIu64 ",\"waiting\":%" PRIu64
               ",\"failed\":%" PRIu64 ",\"dead\":%" PRIu64 "}\n",
               s.pending, s.processing, s.waiting, s.failed, s.dead);
        return code;
    }
    printf("pending     %12s\n", grouped(s.pending, n));
    printf("processing  %12s\n", grouped(s.processing, n));
    printf("waiting     %12s  for an earlier event of their resource\n", grouped(s.waiting, n));
    printf("failed      %12s  to be tried again\n", grouped(s.failed, n));
    printf("dead        %12s\n", grouped(s.dead, n));
    if (s.oldest_us)
        printf("oldest on its way: %s\n", utc_time(s.oldest_us, at));
    return code;
}

static int run_stats(struct cli *cli)
{
    struct lockstep_queue_stats s = {0};
    struct lockstep_error error = {0};
    const int code = lockstep_queue_stats(cli->ls, &s, &error);

    return show_stats(cli, code, &s, &error);
}

/* ---- changing ---- */

static int run_process(struct cli *cli)
{
    struct lockstep_queue_stats s = {0};
    struct lockstep_error error = {0};
    const int code = lockstep_process_queue(cli->ls, 0, &s, &error);

    return show_stats(cli, code, &s, &error);
}

static int done(struct cli *cli, int code, const char *what, uint64_t count,
                const struct lockstep_error *error)
{
    char n[32];

    if (code != LOCKSTEP_OK)
        return fail(cli, error);
    if (cli->set.json)
        printf("{\"deliveries\":%" PRIu64 "}\n", count);
    else
        printf("%s: %s deliver%s\n", what, grouped(count, n), count == 1 ? "y" : "ies");
    return code;
}

static int run_replay(struct cli *cli)
{
    const struct lockstep_event_filter filter = filter_of(cli, second_argument(cli));
    struct lockstep_error error = {0};
    uint64_t count = 0;
    char *end = NULL;
    const double rate = cli->set.rate ? strtod(cli->set.rate, &end) : 0;
    int code;

    if (cli->set.rate && (*end || !(rate > 0)))
        return misuse(cli, "--rate takes a number of deliveries a second");
    code = lockstep_events_replay(cli->ls, &filter, rate, &count, &error);
    return done(cli, code, "started again", count, &error);
}

static int run_discard(struct cli *cli)
{
    const struct lockstep_event_filter filter = filter_of(cli, second_argument(cli));
    struct lockstep_error error = {0};
    uint64_t count = 0;
    int code;

    code = lockstep_events_discard(cli->ls, &filter, &count, &error);
    return done(cli, code, "discarded", count, &error);
}

/* ---- the words behind the command ---- */

int run_subcommand(struct cli *cli, const struct subcommand *list, size_t count)
{
    const char *words[16] = {0}, *word = cli->set.arg_count ? cli->set.args[0] : list[0].name,
               *near;
    char all[200] = "";
    size_t n = 0;

    for (size_t i = 0; i < count && i < 16; i++) {
        if (strcmp(list[i].name, word) == 0)
            return list[i].run(cli);
        words[i] = list[i].name;
    }
    near = nearest_word(word, words, count);
    if (near)
        return misuse(cli, "\"%s\" is none of its words (did you mean %s?)", word, near);
    for (size_t i = 0; i < count && i < 16 && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", words[i]);
    return misuse(cli, "\"%s\" is none of its words: %s", word, all);
}

int run_events(struct cli *cli)
{
    static const struct subcommand list[] = {
        {"list", run_list},       {"emit", run_emit},
        {"show", run_event_show}, {"stats", run_stats},
        {"process", run_process}, {"replay", run_replay},
        {"discard", run_discard}, {"verify", run_events_verify},
    };

    return run_subcommand(cli, list, sizeof list / sizeof *list);
}
