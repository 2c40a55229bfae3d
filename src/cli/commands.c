/* SPDX-License-Identifier: Apache-2.0 */
/* commands.c - the commands, as a table; each is a few lines over one call of lockstep.h.
 *
 * To add a command: a function here and a line in the table. Help, docs/cli.md and the shell completion come from the
 * table; tests/e2e has a golden file for each. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* A URL rather than the name of a sync, which may have a colon in it too. */
static bool is_url(const struct cli *cli, const char *text)
{
    const char *const *names = NULL;
    const size_t count = lockstep_syncs(cli->ls, &names);

    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], text) == 0)
            return false;
    return strchr(text, ':') != NULL;
}

int select_from(const struct cli *cli, size_t first, struct lockstep_select *ret)
{
    const struct settings *set = &cli->set;
    const size_t count = set->arg_count - first;

    *ret = (struct lockstep_select){
        .key = set->keys,
        .key_count = set->key_count,
        .only = set->only,
        .only_count = set->only_count,
    };
    if (count == 1 && is_url(cli, set->args[first])) {
        fputs("lockstep: a second store URL is needed, for the target: SOURCE TARGET\n", stderr);
        return LOCKSTEP_USAGE;
    }
    for (size_t i = 0; count == 2 && i < 2; i++)
        if (!is_url(cli, set->args[first + i])) {
            fprintf(stderr,
                    "lockstep: \"%s\" is no store URL. Name one sync, or two stores such as "
                    "sqlite:shop.db#customers and file:customers.csv\n",
                    set->args[first + i]);
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

void print_json(char *json)
{
    puts(json ? json : "null");
    lockstep_free(json);
}

/* ---- one sync, or all of them ---- */

typedef int sync_fn(struct cli *cli, const struct lockstep_select *select);

static int no_configuration(struct cli *cli)
{
    if (cli->set.config)
        return misuse(cli, "%s has no syncs", cli->set.config);
    return misuse(cli, "there is no configuration here (lockstep.yaml). Write one with `lockstep "
                       "init SOURCE TARGET`, or give two store URLs");
}

static int which_sync(struct cli *cli, const char *const *names, size_t count, bool takes_all)
{
    char list[600] = "";
    size_t used = 0;

    for (size_t i = 0; i < count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    return misuse(cli, "which sync? Name one%s. There are: %s", takes_all ? ", or say --all" : "",
                  list);
}

/* fn for every configured sync. The worst exit status is the answer: 3 counts for more than 1. One that fails does not
 * keep the others from their turn. */
static int for_all(struct cli *cli, sync_fn *fn, struct lockstep_select *select,
                   const char *const *names, size_t count)
{
    int worst = LOCKSTEP_OK;

    for (size_t i = 0; i < count && worst != LOCKSTEP_CANCELLED; i++) {
        int status;

        select->sync = names[i];
        cli->about = count > 1 ? names[i] : NULL;
        status = fn(cli, select);
        if (status > worst)
            worst = status;
    }
    cli->about = NULL;
    return worst;
}

enum for_syncs { ONE_ONLY, ONE_OR_ALL, ALL_BY_DEFAULT };

/* Runs fn for the sync that the arguments name, or for all of the configuration. */
static int for_syncs(struct cli *cli, sync_fn *fn, enum for_syncs how)
{
    struct lockstep_select select;
    const char *const *names = NULL;
    const size_t count = lockstep_syncs(cli->ls, &names);
    const int status = select_from(cli, 0, &select);

    if (status)
        return status;
    if (cli->set.arg_count > 0 && cli->set.all)
        return misuse(cli, "--all goes without the name of a sync");
    if (cli->set.arg_count > 0)
        return fn(cli, &select);
    if (count == 0)
        return no_configuration(cli);
    if (count > 1 && !cli->set.all && how != ALL_BY_DEFAULT)
        return which_sync(cli, names, count, how == ONE_OR_ALL);
    return for_all(cli, fn, &select, names, count);
}

/* ---- looking ---- */

/* Of several syncs people get one table, at the end. */
static bool keep_for_table(struct cli *cli, struct lockstep_status *status)
{
    struct lockstep_status *kept;

    if (!cli->about || cli->set.json)
        return false;
    kept = realloc(cli->kept, (cli->kept_count + 1) * sizeof *kept);
    if (!kept)
        return false;
    cli->kept = kept;
    kept[cli->kept_count++] = *status;
    return true;
}

static void show_table(struct cli *cli)
{
    const char *const *names = NULL;
    const size_t count = lockstep_syncs(cli->ls, &names);

    if (cli->kept_count)
        render_status(cli, cli->kept, cli->kept_count, count - cli->kept_count);
    for (size_t i = 0; i < cli->kept_count; i++)
        lockstep_status_done(&cli->kept[i]);
    free(cli->kept);
    cli->kept = NULL;
    cli->kept_count = 0;
}

static int finish_status(struct cli *cli, int code, struct lockstep_status *status,
                         const struct lockstep_error *error)
{
    progress_clear(cli->progress);
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return fail(cli, error);
    if (keep_for_table(cli, status))
        return code;
    if (cli->set.json)
        print_json(lockstep_status_json(status));
    else
        render_status(cli, status, 1, 0);
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
    const int code = for_syncs(cli, status_one, ALL_BY_DEFAULT);

    show_table(cli);
    return code;
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
    const int code = for_syncs(cli, verify_one, ONE_OR_ALL);

    show_table(cli);
    return code;
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
    if (ferror(stdout))
        return LOCKSTEP_DIFFERENT; /* main() says why it cannot be read */
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return fail(cli, &error);
    if (!cli->set.json && code == LOCKSTEP_OK)
        render_verdict(cli, &status);
    else if (!cli->set.json && options.limit && off > options.limit)
        printf("… the first %s of %s differences\n", grouped(options.limit, n), grouped(off, m));
    lockstep_status_done(&status);
    return code;
}

static int run_diff(struct cli *cli)
{
    return for_syncs(cli, diff_one, ONE_ONLY);
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
    if (error->text[0]) /* an atomic run that was refused ends with 1 and has a reason too */
        fail(cli, error);
    fflush(stdout); /* of several syncs, each when it is done */
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
    return for_syncs(cli, sync_one, ONE_OR_ALL);
}

static void print_plan_json(const struct lockstep_plan_info *i, const char *path)
{
    printf("{\"inserts\":%" PRIu64 ",\"updates\":%" PRIu64 ",\"deletes\":%" PRIu64
           ",\"unchanged\":%" PRIu64 ",\"moving\":%" PRIu64 ",\"kept\":%" PRIu64 ",\"file\":",
           i->inserts, i->updates, i->deletes, i->unchanged, i->moving, i->kept);
    print_json_text(stdout, path);
    puts("}");
}

static int plan_one(struct cli *cli, const struct lockstep_select *select)
{
    const struct lockstep_run_options options = run_options(cli);
    struct lockstep_plan_info info = {0};
    struct lockstep_error error = {0};
    int code;

    if (!cli->set.output)
        return misuse(cli, "say where the plan goes: lockstep plan ... -o FILE");
    code = lockstep_plan(cli->ls, select, &options, cli->set.output, &info, &error);
    progress_clear(cli->progress);
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return fail(cli, &error);
    if (cli->set.json)
        print_plan_json(&info, cli->set.output);
    else
        render_plan(cli, &info, cli->set.output);
    return code;
}

static int run_plan(struct cli *cli)
{
    return for_syncs(cli, plan_one, ONE_ONLY);
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
    printf("wrote %s with %zu sync%s. Next: lockstep check%s%s, lockstep status%s%s\n", path, syncs,
           syncs == 1 ? "" : "s", cli->set.config ? " -c " : "", cli->set.config ? path : "",
           cli->set.config ? " -c " : "", cli->set.config ? path : "");
    if (has_password(cli->set.args[0]) || has_password(cli->set.args[1]))
        puts("Passwords were not written: set PGPASSWORD, use a pass file, or put ${VAR} into the "
             "URLs there");
    return code;
}

#define SYNC_ARGUMENTS "SYNC | SOURCE TARGET"
#define LOOKS (TAKES_SYNC | TAKES_PAIR | TAKES_JSON)
#define COMPARES (LOOKS | TAKES_ONLY | TAKES_FULL)

const struct command commands[] = {
    {"init", "SOURCE TARGET", "write lockstep.yaml from two stores",
     "Looks for the tables that both stores have, finds keys and fields in common, and writes a "
     "commented lockstep.yaml (or -c FILE). URLs with a #collection make a file for that pair "
     "alone. Passwords are not written: put ${VAR} in their place, or use PGPASSWORD or a pass "
     "file.",
     "lockstep init postgres://app@localhost/app sqlite:mirror.db", TAKES_PAIR | TAKES_REPLACE, 2,
     2, false, run_init},
    {"check", "[" SYNC_ARGUMENTS "]", "check set-up, connections and types",
     "Connects to both sides and says, before the first record moves, what is missing and which "
     "fields cannot make the round trip. Without arguments: every sync of the configuration, and "
     "the state.",
     "lockstep check", LOOKS, 0, 2, true, run_check},
    {"status", "[" SYNC_ARGUMENTS "]", "count what is in sync and what not",
     "Compares both sides and prints the counts. Writes nothing anywhere. Without arguments: every "
     "sync of the configuration. Exit status 1 when something differs.",
     "lockstep status sqlite:archive.db#packages sqlite:mirror.db#packages",
     COMPARES | TAKES_ALL | TAKES_EXPLAIN, 0, 2, true, run_status},
    {"diff", SYNC_ARGUMENTS, "show what differs, field by field",
     "Prints every record that differs, with the fields of both sides next to each other: the "
     "source first, then the target. With --json one line each. Exit status 1 when something "
     "differs.",
     "lockstep diff customers --limit 10", COMPARES | TAKES_LIMIT, 0, 2, true, run_diff},
    {"plan", SYNC_ARGUMENTS " -o FILE", "write down what a sync would change",
     "Writes the changes that would make the target match the source into a file that people can "
     "read, keep and review, and that `lockstep apply` carries out later. Changes nothing. Exit "
     "status 1 when there are changes.",
     "lockstep plan customers -o customers.plan", COMPARES | TAKES_OUTPUT, 0, 2, true, run_plan},
    {"apply", "FILE [SYNC | SOURCE TARGET]", "carry out a plan file",
     "Applies a plan. A record that is no longer what the plan saw is left alone and counted as a "
     "conflict. A plan that was edited, cut, or made for other tables is refused. Plans hold no "
     "passwords: they come from lockstep.yaml, PGPASSWORD or a pass file, or from the sync's name "
     "or the URLs given again.",
     "lockstep apply customers.plan", TAKES_FORCE | TAKES_FULL | TAKES_JSON | WRITES, 1, 3, true,
     run_apply},
    {"sync", SYNC_ARGUMENTS, "make the target match the source",
     "Compares, plans, applies, reads back what was written, and leaves a receipt. The brakes stop "
     "a run that would delete or change more than usual (exit status 4); --force goes past all of "
     "them, --force=NAME past one. Every run can be undone. Interrupted, it ends after the batch "
     "(exit status 130), and the next sync goes on from there. With --all, one that fails does "
     "not stop the others; the highest exit status counts.",
     "lockstep sync customers", COMPARES | TAKES_ALL | TAKES_CREATE | TAKES_FORCE | WRITES, 0, 2,
     true, run_sync},
    {"verify", SYNC_ARGUMENTS, "compare, and leave a receipt",
     "Compares both sides and writes a receipt of what was found; --full reads every record of "
     "both sides.",
     "lockstep verify customers --full", COMPARES | TAKES_ALL | TAKES_EXPLAIN, 0, 2, true,
     run_verify},
    {"undo", "RUN [SYNC | SOURCE TARGET]", "take back what a run changed",
     "Puts every record that the run wrote back to what it was, where it still is what the run "
     "left; others are conflicts and stay. Undo the run again for those, once they are what it "
     "left: what was taken back is not touched twice. The undo is a run itself and can be undone. "
     "RUN is a "
     "number of `lockstep history` or a UUID. Runs remember no passwords: they come from "
     "lockstep.yaml, PGPASSWORD or a pass file, or from the sync's name or the URLs given again.",
     "lockstep undo 12", TAKES_JSON | WRITES, 1, 3, true, run_undo},
    {"history", "[" SYNC_ARGUMENTS "]", "list past runs",
     "Lists runs, newest first; the last 50, or --limit.", "lockstep history --limit 20",
     TAKES_PAIR | TAKES_JSON | TAKES_LIMIT, 0, 2, true, run_history},
    {"show", "RUN", "one run with its log and errors",
     "Shows a run, where it wrote, what failed and its log.", "lockstep show 12", TAKES_JSON, 1, 1,
     true, run_show},
    {"receipt", "RUN", "the proof of a run",
     "Prints the receipt: counts, both sides' digests, when each was read, chained by SHA-256 to "
     "the receipt before it. It is JSON; with --json in one line.",
     "lockstep receipt 12", TAKES_JSON, 1, 1, true, run_receipt},
    {"prune", "", "remove old journals",
     "Removes the journals of old runs: by default those older than 30 days, and the oldest ones "
     "beyond 10 GiB (journal_keep in lockstep.yaml). Runs, receipts and the audit log stay; a run "
     "without its journal cannot be undone.",
     "lockstep prune --keep-days 7", TAKES_KEEP | TAKES_JSON, 0, 0, true, run_prune},
    {"audit", "list | verify", "the audit log",
     "`audit list` prints who did what, newest first; `audit verify` walks the chain of the audit "
     "log and of the receipts and names the first entry that was changed, removed or put in.",
     "lockstep audit verify", TAKES_JSON | TAKES_LIMIT, 0, 1, true, run_audit},
    {"help", "[COMMAND]", "show this, or the help of a command",
     "Shows the commands, or one of them with its options. --markdown prints the whole manual.",
     "lockstep help sync", TAKES_MARKDOWN, 0, 1, false, run_help},
    {"completion", "bash | zsh | fish | syncs", "print the shell completion",
     "Prints a script that completes commands, options, names of syncs and files. `completion "
     "syncs` prints the names, one a line; the scripts ask for them.",
     "source <(lockstep completion bash)", 0, 1, 1, false, run_completion},
};
const size_t command_count = sizeof commands / sizeof *commands;

const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}
