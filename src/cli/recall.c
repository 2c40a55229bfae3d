/* SPDX-License-Identifier: Apache-2.0 */
/* recall.c - the commands that recall what was done: history, show, receipt, prune, audit. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int run_history(struct cli *cli)
{
    struct lockstep_select select;
    struct lockstep_run **runs = NULL;
    struct lockstep_error error = {0};
    size_t count = 0;
    int code = select_from(cli, 0, &select);

    if (code)
        return code;
    code = lockstep_history(cli->ls, cli->set.arg_count ? &select : NULL, (size_t)cli->set.limit,
                            &count, &runs, &error);
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json) {
        putchar('[');
        for (size_t i = 0; i < count; i++) {
            char *json = lockstep_history_json(runs[i]);

            printf("%s%s", i ? ",\n " : "", json ? json : "null");
            lockstep_free(json);
        }
        puts("]");
    } else {
        render_history(cli, runs, count);
    }
    lockstep_runs_free(runs, count);
    return code;
}

int run_show(struct cli *cli)
{
    struct lockstep_run *run = NULL;
    struct lockstep_error error = {0};
    char *log = NULL;
    const int code = lockstep_show(cli->ls, cli->set.args[0], &run, &log, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json)
        print_json(lockstep_history_json(run));
    else
        render_show(cli, run, log);
    lockstep_free(log);
    lockstep_run_free(run);
    return code;
}

int run_receipt(struct cli *cli)
{
    struct lockstep_error error = {0};
    char *json = NULL;
    const int code = lockstep_receipt(cli->ls, cli->set.args[0], &json, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json) {
        print_json(json);
    } else {
        print_json_lines(stdout, json);
        lockstep_free(json);
    }
    return code;
}

/* "2GiB" as bytes; 0 when it is none. */
static int64_t size_of(const char *text)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {
        {"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", (int64_t)1 << 40}};
    char *end = NULL;
    const long long n = strtoll(text, &end, 10);

    while (*end == ' ')
        end++;
    for (size_t i = 0; n > 0 && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0 && n <= INT64_MAX / units[i].bytes)
            return n * units[i].bytes;
    return 0;
}

int run_prune(struct cli *cli)
{
    const int64_t keep = cli->set.keep_size ? size_of(cli->set.keep_size) : 0;
    struct lockstep_error error = {0};
    uint64_t runs = 0;
    int64_t bytes = 0;
    char n[32];
    int code;

    if (cli->set.keep_size && keep == 0)
        return misuse(cli, "--keep-size takes a size such as 500MiB or 2GiB");
    code = lockstep_prune(cli->ls, cli->set.keep_days, keep, &runs, &bytes, &error);
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json)
        printf("{\"runs\":%" PRIu64 ",\"bytes\":%" PRId64 "}\n", runs, bytes);
    else if (runs == 0)
        puts("nothing to remove: no journal is older or larger than what is to be kept");
    else
        printf("removed the journal%s of %s run%s, %.1f MiB; %s can no longer be undone\n",
               runs == 1 ? "" : "s", grouped(runs, n), runs == 1 ? "" : "s",
               (double)bytes / (1 << 20), runs == 1 ? "it" : "they");
    return code;
}

static void show_entry(void *ctx, const struct lockstep_audit_entry *e)
{
    struct cli *cli = ctx;

    if (cli->set.json)
        puts(e->json);
    else
        render_entry(cli, e);
}

static int audit_list(struct cli *cli)
{
    struct lockstep_error error = {0};
    const int code = lockstep_audit_list(cli->ls, (size_t)cli->set.limit, show_entry, cli, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json && cli->shown == 0)
        puts("no entries yet");
    return code;
}

static int audit_verify(struct cli *cli)
{
    struct lockstep_error error = {0};
    uint64_t count = 0;
    const int code = lockstep_audit_verify(cli->ls, &count, &error);
    char n[32];

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json)
        printf("{\"entries\":%" PRIu64 ",\"valid\":true}\n", count);
    else if (count == 0)
        puts("no entries yet");
    else
        printf("%s entr%s of the audit log and receipts, each fits the one before it\n",
               grouped(count, n), count == 1 ? "y" : "ies");
    return code;
}

int run_audit(struct cli *cli)
{
    const char *what = cli->set.arg_count ? cli->set.args[0] : "list";

    if (strcmp(what, "list") == 0)
        return audit_list(cli);
    if (strcmp(what, "verify") == 0)
        return audit_verify(cli);
    return misuse(cli, "audit has no \"%s\". There are: lockstep audit list, lockstep audit verify",
                  what);
}
