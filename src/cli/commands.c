/* SPDX-License-Identifier: Apache-2.0 */
/* commands.c - the commands, as a table; each is a few lines over one call of lockstep.h.
 *
 * To add a command: a function here and a line in the table. Help, docs/cli.md and the shell completion come from the
 * table; tests/e2e has a golden file for each. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static bool is_url(const char *text)
{
    return text && strchr(text, ':') != NULL;
}

/* Which sync: the arguments from `first` on. 0, or an exit status after a message. */
static int select_from(const struct cli *cli, size_t first, struct lockstep_select *ret)
{
    const struct settings *set = &cli->set;
    const size_t count = set->arg_count - first;

    *ret = (struct lockstep_select){
        .key = set->keys,
        .key_count = set->key_count,
        .only = set->only,
        .only_count = set->only_count,
    };
    if (count == 1 && is_url(set->args[first])) {
        fputs("lockstep: a second store URL is needed, for the target\n", stderr);
        return LOCKSTEP_USAGE;
    }
    if (count == 1)
        ret->sync = set->args[first];
    if (count == 2) {
        ret->source = set->args[first];
        ret->target = set->args[first + 1];
    }
    return 0;
}

static struct lockstep_run_options run_options(const struct cli *cli)
{
    return (struct lockstep_run_options){
        .full = cli->set.full,
        .dry_run = cli->set.dry_run,
        .create = cli->set.create,
        .force = cli->set.force,
        .explain = cli->set.explain,
        .limit = cli->set.limit,
    };
}

static void print_json(char *json)
{
    puts(json ? json : "null");
    lockstep_free(json);
}

/* ---- one sync, or all of them ---- */

typedef int sync_fn(struct cli *cli, const struct lockstep_select *select);

/* Runs fn for the sync that the arguments name; without arguments, or with --all, for every configured one. The worst exit status
 * is the answer: 3 counts for more than 1. */
static int for_syncs(struct cli *cli, sync_fn *fn, bool all_by_default)
{
    struct lockstep_select select;
    const char *const *names = NULL;
    const size_t count = lockstep_syncs(cli->ls, &names);
    int worst = 0, status = select_from(cli, 0, &select);

    if (status)
        return status;
    if (cli->set.arg_count > 0 && !cli->set.all)
        return fn(cli, &select);
    if (cli->set.arg_count > 0) {
        fputs("lockstep: --all goes without the name of a sync\n", stderr);
        return LOCKSTEP_USAGE;
    }
    if (count == 0) {
        fputs("lockstep: there is no configuration here (lockstep.yaml). Write one with `lockstep "
              "init SOURCE TARGET`, or "
              "give two store URLs\n",
              stderr);
        return LOCKSTEP_USAGE;
    }
    if (count > 1 && !cli->set.all && !all_by_default) {
        fputs("lockstep: which sync? Name one, or say --all. There are:", stderr);
        for (size_t i = 0; i < count; i++)
            fprintf(stderr, " %s", names[i]);
        fputc('\n', stderr);
        return LOCKSTEP_USAGE;
    }
    for (size_t i = 0; i < count; i++) {
        select.sync = names[i];
        status = fn(cli, &select);
        if (status > worst)
            worst = status;
        if (status == LOCKSTEP_CANCELLED)
            break;
    }
    return worst;
}

static int finish_status(struct cli *cli, int code, struct lockstep_status *status,
                         const struct lockstep_error *error)
{
    const struct lockstep_status *list[] = {status};

    progress_clear(cli->progress);
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return fail(cli, error);
    if (cli->set.json)
        print_json(lockstep_status_json(status));
    else
        render_status(cli, list, 1);
    lockstep_status_done(status);
    return code;
}

static int status_one(struct cli *cli, const struct lockstep_select *select)
{
    const struct lockstep_run_options options = run_options(cli);
    struct lockstep_status status = {0};
    struct lockstep_error error = {0};
    const int code = lockstep_status(cli->ls, select, &options, &status, &error);

    return finish_status(cli, code, &status, &error);
}

static int run_status(struct cli *cli)
{
    return for_syncs(cli, status_one, true);
}

static int verify_one(struct cli *cli, const struct lockstep_select *select)
{
    const struct lockstep_run_options options = run_options(cli);
    struct lockstep_status status = {0};
    struct lockstep_error error = {0};
    const int code = lockstep_verify(cli->ls, select, &options, &status, &error);

    return finish_status(cli, code, &status, &error);
}

static int run_verify(struct cli *cli)
{
    return for_syncs(cli, verify_one, false);
}

static bool show_difference(void *ctx, const struct lockstep_difference *difference)
{
    struct cli *cli = ctx;

    progress_clear(cli->progress);
    if (cli->set.json)
        puts(difference->json);
    else
        render_difference(cli, difference);
    return !ferror(stdout);
}

static int diff_one(struct cli *cli, const struct lockstep_select *select)
{
    const struct lockstep_run_options options = run_options(cli);
    struct lockstep_status status = {0};
    struct lockstep_error error = {0};
    const int code =
        lockstep_diff(cli->ls, select, &options, show_difference, cli, &status, &error);
    const uint64_t off =
        status.source_only + status.target_only + status.inconsistent + status.conflict;
    char n[32], m[32];

    progress_clear(cli->progress);
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return fail(cli, &error);
    if (!cli->set.json && code == LOCKSTEP_OK)
        puts("in sync");
    else if (!cli->set.json && options.limit && off > options.limit)
        printf("… the first %s of %s differences\n", grouped(options.limit, n), grouped(off, m));
    lockstep_status_done(&status);
    return code;
}

static int run_diff(struct cli *cli)
{
    return for_syncs(cli, diff_one, false);
}

/* ---- changing ---- */

static int finish_run(struct cli *cli, int code, struct lockstep_run *run,
                      const struct lockstep_error *error)
{
    progress_clear(cli->progress);
    if (run && cli->set.json)
        print_json(lockstep_run_json(run));
    else if (run)
        render_run(cli, run);
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        fail(cli, error);
    else if (run && !run->verified && run->number && !cli->set.json)
        puts("  not verified: both sides still differ, `lockstep diff` shows where");
    lockstep_run_free(run);
    return code;
}

static int sync_one(struct cli *cli, const struct lockstep_select *select)
{
    const struct lockstep_run_options options = run_options(cli);
    struct lockstep_run *run = NULL;
    struct lockstep_error error = {0};
    const int code = lockstep_sync(cli->ls, select, &options, &run, &error);

    return finish_run(cli, code, run, &error);
}

static int run_sync(struct cli *cli)
{
    return for_syncs(cli, sync_one, false);
}

static void print_plan_json(const struct lockstep_plan_info *i, const char *path)
{
    printf("{\"inserts\":%" PRIu64 ",\"updates\":%" PRIu64 ",\"deletes\":%" PRIu64
           ",\"unchanged\":%" PRIu64 ",\"moving\":%" PRIu64 ",\"kept\":%" PRIu64 ",\"file\":\"",
           i->inserts, i->updates, i->deletes, i->unchanged, i->moving, i->kept);
    for (; *path; path++)
        if (*path == '"' || *path == '\\')
            printf("\\%c", *path);
        else if ((unsigned char)*path < 0x20)
            printf("\\u%04x", (unsigned)*path);
        else
            putchar(*path);
    puts("\"}");
}

static int plan_one(struct cli *cli, const struct lockstep_select *select)
{
    const struct lockstep_run_options options = run_options(cli);
    struct lockstep_plan_info info = {0};
    struct lockstep_error error = {0};
    char a[32], b[32], c[32], d[32];
    int code;

    if (!cli->set.output) {
        fputs("lockstep: say where the plan goes: lockstep plan … -o FILE\n", stderr);
        return LOCKSTEP_USAGE;
    }
    code = lockstep_plan(cli->ls, select, &options, cli->set.output, &info, &error);
    progress_clear(cli->progress);
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return fail(cli, &error);
    if (cli->set.json)
        print_plan_json(&info, cli->set.output);
    else
        printf("%s: %s to create, %s to update, %s to delete; %s are the same. Apply it with: "
               "lockstep apply %s\n",
               cli->set.output, grouped(info.inserts, a), grouped(info.updates, b),
               grouped(info.deletes, c), grouped(info.unchanged, d), cli->set.output);
    return code;
}

static int run_plan(struct cli *cli)
{
    return for_syncs(cli, plan_one, false);
}

static int run_apply(struct cli *cli)
{
    const struct lockstep_run_options options = run_options(cli);
    struct lockstep_select select;
    struct lockstep_run *run = NULL;
    struct lockstep_error error = {0};
    int code = select_from(cli, 1, &select);

    if (code)
        return code;
    code = lockstep_apply(cli->ls, cli->set.args[0], &select, &options, &run, &error);
    return finish_run(cli, code, run, &error);
}

static int run_undo(struct cli *cli)
{
    const struct lockstep_run_options options = run_options(cli);
    struct lockstep_select select;
    struct lockstep_run *run = NULL;
    struct lockstep_error error = {0};
    int code = select_from(cli, 1, &select);

    if (code)
        return code;
    code = lockstep_undo(cli->ls, cli->set.args[0], &select, &options, &run, &error);
    return finish_run(cli, code, run, &error);
}

/* ---- remembering ---- */

static int run_history(struct cli *cli)
{
    struct lockstep_run **runs = NULL;
    struct lockstep_error error = {0};
    size_t count = 0;
    const char *sync = cli->set.arg_count ? cli->set.args[0] : NULL;
    const int code = lockstep_history(cli->ls, sync, (size_t)cli->set.limit, &count, &runs, &error);

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

static int run_show(struct cli *cli)
{
    struct lockstep_run *run = NULL;
    struct lockstep_error error = {0};
    char *log = NULL;
    const int code = lockstep_show(cli->ls, cli->set.args[0], &run, &log, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json) {
        print_json(lockstep_history_json(run));
    } else {
        render_run(cli, run);
        printf("  id      %s\n  source  %s\n  target  %s\n", run->id, run->source, run->target);
        if (*run->reason)
            printf("  reason  %s\n", run->reason);
        printf("\n%s", log);
    }
    lockstep_free(log);
    lockstep_run_free(run);
    return code;
}

static int run_receipt(struct cli *cli)
{
    struct lockstep_error error = {0};
    char *json = NULL;
    const int code = lockstep_receipt(cli->ls, cli->set.args[0], &json, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    print_json(json);
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

    for (size_t i = 0; n > 0 && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0 && n <= INT64_MAX / units[i].bytes)
            return n * units[i].bytes;
    return 0;
}

static int run_prune(struct cli *cli)
{
    const int64_t keep = cli->set.keep_size ? size_of(cli->set.keep_size) : 0;
    struct lockstep_error error = {0};
    uint64_t runs = 0;
    int64_t bytes = 0;
    int code;

    if (cli->set.keep_size && keep == 0) {
        fputs("lockstep: --keep-size takes a size such as 500MiB or 2GiB\n", stderr);
        return LOCKSTEP_USAGE;
    }
    code = lockstep_prune(cli->ls, cli->set.keep_days, keep, &runs, &bytes, &error);
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json)
        printf("{\"runs\":%" PRIu64 ",\"bytes\":%" PRId64 "}\n", runs, bytes);
    else
        printf("journals of %" PRIu64
               " runs removed, %.1f MiB; those runs can no longer be undone\n",
               runs, (double)bytes / (1 << 20));
    return code;
}

static void show_entry(void *ctx, const struct lockstep_audit_entry *e)
{
    const struct cli *cli = ctx;

    if (cli->set.json)
        puts(e->json);
    else
        printf("%6" PRId64 "  %-20s %-8s %-20s %s\n", e->seq, e->actor, e->action, e->subject,
               e->detail_json);
}

static int run_audit(struct cli *cli)
{
    struct lockstep_error error = {0};
    const char *what = cli->set.arg_count ? cli->set.args[0] : "list";
    uint64_t count = 0;
    int code;

    if (strcmp(what, "list") == 0) {
        code = lockstep_audit_list(cli->ls, (size_t)cli->set.limit, show_entry, cli, &error);
        return code == LOCKSTEP_OK ? code : fail(cli, &error);
    }
    if (strcmp(what, "verify") != 0) {
        fputs("lockstep: `lockstep audit list` or `lockstep audit verify`\n", stderr);
        return LOCKSTEP_USAGE;
    }
    code = lockstep_audit_verify(cli->ls, &count, &error);
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json)
        printf("{\"entries\":%" PRIu64 ",\"valid\":true}\n", count);
    else
        printf("%" PRIu64 " entries, every one fits the one before it\n", count);
    return code;
}

/* ---- setting up ---- */

static void show_finding(void *ctx, const struct lockstep_finding *f)
{
    struct cli *cli = ctx;

    progress_clear(cli->progress);
    render_finding(cli, f);
}

static int run_check(struct cli *cli)
{
    struct lockstep_select select;
    struct lockstep_error error = {0};
    int code = select_from(cli, 0, &select);

    if (code)
        return code;
    code = lockstep_check(cli->ls, cli->set.arg_count ? &select : NULL, show_finding, cli, &error);
    return code; /* what was wrong has been shown */
}

static int run_init(struct cli *cli)
{
    const char *path = cli->set.config ? cli->set.config : "lockstep.yaml";
    struct lockstep_error error = {0};
    size_t syncs = 0;
    const int code =
        lockstep_init(cli->set.args[0], cli->set.args[1], path, cli->set.replace, &syncs, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    printf("wrote %s with %zu sync%s. Next: lockstep check, lockstep status\n", path, syncs,
           syncs == 1 ? "" : "s");
    return code;
}

#define SYNC_ARGUMENTS "SYNC | SOURCE TARGET"
#define COMPARES (TAKES_SYNC | TAKES_ONLY | TAKES_FULL | TAKES_JSON)

const struct command commands[] = {
    {"init", "SOURCE TARGET", "write a lockstep.yaml from two stores",
     "Looks for the tables that both stores have, finds keys and fields in common, and writes a "
     "commented\n"
     "lockstep.yaml (or -c FILE). URLs with a #collection make a file for that pair alone. "
     "Passwords are not written:\n"
     "put ${VAR} into the file, or use PGPASSWORD or a pass file.",
     "lockstep init postgres://app@localhost/app sqlite:mirror.db", TAKES_REPLACE, 2, 2, false,
     run_init},
    {"check", "[" SYNC_ARGUMENTS "]", "check configuration, connections and types",
     "Connects to both sides and says, before the first record moves, what is missing and which "
     "fields cannot make the\n"
     "round trip. Without arguments: every sync of the configuration, and the state.",
     "lockstep check", TAKES_SYNC, 0, 2, true, run_check},
    {"status", "[" SYNC_ARGUMENTS "]", "count what is in sync and what is not",
     "Compares both sides and prints the counts. Writes nothing anywhere. Without arguments: every "
     "sync of the configuration.\n"
     "Exit status 1 when something differs.",
     "lockstep status sqlite:archive.db#packages sqlite:mirror.db#packages",
     COMPARES | TAKES_ALL | TAKES_EXPLAIN, 0, 2, true, run_status},
    {"diff", SYNC_ARGUMENTS, "show what differs, field by field",
     "Prints every record that differs, with the fields of both sides next to each other; with "
     "--json one line each.",
     "lockstep diff customers --limit 10", COMPARES | TAKES_LIMIT, 0, 2, true, run_diff},
    {"plan", SYNC_ARGUMENTS " -o FILE", "write down what a sync would change",
     "Writes the changes that would make the target match the source into a file that people can "
     "read, keep and review, and\n"
     "that `lockstep apply` carries out later. Changes nothing.",
     "lockstep plan customers -o customers.plan", COMPARES | TAKES_OUTPUT, 0, 2, true, run_plan},
    {"apply", "FILE [SOURCE TARGET]", "carry out a plan file",
     "Applies a plan. A record that is no longer what the plan saw is left alone and counted as a "
     "conflict. A plan that was\n"
     "edited, cut, or made for other tables is refused. Give the URLs again when they need a "
     "password.",
     "lockstep apply customers.plan", TAKES_FORCE | TAKES_FULL | TAKES_JSON, 1, 3, true, run_apply},
    {"sync", SYNC_ARGUMENTS, "make the target match the source",
     "Compares, plans, applies, reads back what was written, and leaves a receipt. The brakes stop "
     "a run that would delete or change\n"
     "more than usual (exit status 4); --force goes past all of them, --force=NAME past one. Every "
     "run can be undone.",
     "lockstep sync customers", COMPARES | TAKES_ALL | TAKES_CREATE | TAKES_FORCE, 0, 2, true,
     run_sync},
    {"verify", SYNC_ARGUMENTS, "compare, and leave a receipt",
     "Compares both sides and writes a receipt of what was found; --full reads every record of "
     "both sides.",
     "lockstep verify customers --full", COMPARES | TAKES_EXPLAIN, 0, 2, true, run_verify},
    {"undo", "RUN [SOURCE TARGET]", "take back what a run changed",
     "Puts every record that the run wrote back to what it was, where it still is what the run "
     "left; others are conflicts and stay. The\n"
     "undo is a run itself and can be undone. RUN is a number of `lockstep history` or a UUID. "
     "Give the URLs again when they need a password.",
     "lockstep undo 12", TAKES_JSON, 1, 3, true, run_undo},
    {"history", "[SYNC]", "list past runs", "Lists runs, newest first.",
     "lockstep history --limit 20", TAKES_JSON | TAKES_LIMIT, 0, 1, true, run_history},
    {"show", "RUN", "one run with its log and errors",
     "Shows a run, where it wrote, what failed and its log.", "lockstep show 12", TAKES_JSON, 1, 1,
     true, run_show},
    {"receipt", "RUN", "the proof of a run",
     "Prints the receipt as JSON: counts, both sides' digests, when each was read, chained by "
     "SHA-256 to the receipt before it.",
     "lockstep receipt 12", TAKES_JSON, 1, 1, true, run_receipt},
    {"prune", "", "remove old journals",
     "Removes the journals of old runs: by default those older than 30 days, and the oldest ones "
     "beyond 10 GiB. Runs, receipts and the\n"
     "audit log stay; a run without its journal cannot be undone.",
     "lockstep prune --keep-days 7", TAKES_KEEP | TAKES_JSON, 0, 0, true, run_prune},
    {"audit", "list | verify", "the audit log",
     "`audit list` prints who did what, newest first; `audit verify` walks the chain of the audit "
     "log and of the receipts and names\n"
     "the first entry that was changed, removed or put in.",
     "lockstep audit verify", TAKES_JSON | TAKES_LIMIT, 0, 1, true, run_audit},
    {"help", "[COMMAND]", "show this, or the help of a command",
     "Shows the commands, or one of them with its options. --markdown prints the whole manual.",
     "lockstep help sync", TAKES_MARKDOWN, 0, 1, false, run_help},
    {"completion", "bash | zsh | fish", "print the shell completion",
     "Prints a script that completes commands and options.", "source <(lockstep completion bash)",
     0, 1, 1, false, run_completion},
};
const size_t command_count = sizeof commands / sizeof *commands;

const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}
