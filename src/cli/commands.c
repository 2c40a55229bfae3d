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

/* Two URLs, or a preset with two or none. */
static int check_init(struct cli *cli)
{
    const size_t count = cli->set.arg_count;

    if (count == 2 || (count == 0 && cli->set.preset))
        return 0;
    return misuse(cli, count == 1
                           ? "init takes two stores: SOURCE TARGET"
                           : "too few arguments. Usage: lockstep init SOURCE TARGET, or lockstep "
                             "init --preset users, events or replica");
}

static void print_next(const struct cli *cli, const char *path, size_t syncs)
{
    const char *option = cli->set.config ? " -c " : "", *file = cli->set.config ? path : "";

    if (syncs == 0)
        printf("wrote %s. Next: lockstep check%s%s, lockstep serve%s%s\n", path, option, file,
               option, file);
    else
        printf("wrote %s with %zu sync%s. Next: lockstep check%s%s, lockstep status%s%s\n", path,
               syncs, syncs == 1 ? "" : "s", option, file, option, file);
}

static int run_init(struct cli *cli)
{
    const char *path = cli->set.config ? cli->set.config : "lockstep.yaml";
    const char *const *args = cli->set.args, *preset = cli->set.preset;
    const bool replace = cli->set.replace;
    struct lockstep_error error = {0};
    size_t syncs = 0;
    int code = check_init(cli);

    if (code)
        return code;
    code = preset ? lockstep_init_preset(preset, args[0], args[1], path, replace, &syncs, &error)
                  : lockstep_init(args[0], args[1], path, replace, &syncs, &error);
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    print_next(cli, path, syncs);
    if (cli->set.arg_count == 2 && (has_password(args[0]) || has_password(args[1])))
        puts("Passwords were not written: set PGPASSWORD, use a pass file, or put ${VAR} into the "
             "URLs there");
    return code;
}

static void show_url(void *ctx, const char *url)
{
    (void)ctx;
    printf("%s\n", url);
    fflush(stdout);
}

static void show_first(void *ctx, const char *link)
{
    (void)ctx;
    printf("nobody can log in yet. This link makes the first admin, once, within a day:\n%s\n",
           link);
    fflush(stdout);
}

static int run_serve(struct cli *cli)
{
    const struct lockstep_serve_options options = {
        .config_path = configuration(&cli->set),
        .state_url = cli->set.state,
        .listen = cli->set.listen,
        .log = cli->set.log,
        .verbose = cli->set.verbose,
        .ready = show_url,
        .first = show_first,
    };
    struct lockstep_error error = {0};
    int code;

    if (cli->set.log && strcmp(cli->set.log, "text") != 0 && strcmp(cli->set.log, "json") != 0)
        return misuse(cli, "--log is text or json");
    code = lockstep_serve(&options, &error);
    return code == LOCKSTEP_OK ? code : fail(cli, &error);
}

#define SYNC_ARGUMENTS "SYNC | SOURCE TARGET"
#define LOOKS (TAKES_SYNC | TAKES_PAIR | TAKES_JSON)
#define COMPARES (LOOKS | TAKES_ONLY | TAKES_FULL)

const struct command commands[] = {
    {"init", "SOURCE TARGET | --preset NAME", "write lockstep.yaml from two stores",
     "Looks for the tables that both stores have, finds keys and fields in common, and writes a "
     "commented lockstep.yaml (or -c FILE). URLs with a #collection make a file for that pair "
     "alone. Passwords are not written: put ${VAR} in their place, or use PGPASSWORD or a pass "
     "file. --preset writes the configuration of a known system from the variables that it has "
     "(in the environment, .env.local or .env): users (a local database and an auth service), "
     "events (signed webhooks), replica (a copy into production). docs/surfaces.md has them.",
     "lockstep init postgres://app@localhost/app sqlite:mirror.db", TAKES_PAIR | TAKES_REPLACE, 0,
     2, false, run_init},
    {"check", "[" SYNC_ARGUMENTS "]", "check set-up, connections and types",
     "Connects to both sides and says, before the first record moves, what is missing and which "
     "fields cannot make the round trip. Without arguments: every sync of the configuration, the "
     "state, the endpoints that events go to and what receivers write to.",
     "lockstep check", LOOKS, 0, 2, true, run_check},
    {"setup", "", "check and schedule a known system",
     "Checks what `surfaces` of the configuration needs: the variables of QStash and the "
     "application's address, the Supabase project and its service role key, both databases, their "
     "tables and rights; and names what fails. Of a replica that is copied into production it then "
     "makes the schedule (every 6 hours), runs the sync once and prints how to manage it. With "
     "--dry-run it checks alone.",
     "lockstep setup --dry-run", TAKES_JSON | TAKES_CREATE | WRITES, 0, 0, true, run_setup},
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
    {"events", "emit | verify [FILE] | list | stats | process | show | replay | discard [ID]",
     "events and their deliveries",
     "`events list` prints accepted events, newest first, `events show` one of them with its data, "
     "its deliveries and every try, `events stats` how many deliveries are where. `events emit` "
     "accepts events from a file or standard input (a JSON object, an array, JSON Lines), or one "
     "from --type, --resource and --data; once it ends they are on disk, and with --wait every "
     "endpoint has them, or the error says which has not, and why. `events replay` sends "
     "dead deliveries again, all that fit the options or those of one event; with --status others "
     "that have ended. `events discard` gives them up. The daemon, `lockstep serve`, delivers; "
     "`events process` does once, where there is none, and so does --wait. "
     "`events "
     "verify` checks the signature of a message, of which the body is in a file or comes by "
     "standard "
     "input, and says why it does not fit; exit status 1 when it does not.",
     "lockstep events emit --type enrollment.created --resource 7 --data '{\"course\":3}'",
     TAKES_EVENTS | TAKES_SIGNED | TAKES_LIMIT | TAKES_JSON, 0, 2, true, run_events},
    {"endpoints",
     "list | create | change | rotate | pause | resume | remove | test | tries [NAME URL]",
     "where events are delivered to",
     "`endpoints list` prints them: those of lockstep.yaml, of SYNC_WEBHOOK_URLS, and those made "
     "here or over the API, which are changed and removed here too. `create` takes a name and a "
     "URL, draws a secret unless --secret says where one is, and prints it, once. `rotate` gives "
     "an endpoint another secret; the one before signs beside it for a day, or --keep. Events "
     "that are accepted for a paused one wait until it is resumed. `resume` also enables one again "
     "that was disabled because it answered 410 Gone. `test` sends an event to one endpoint "
     "alone, or to each in turn, and says what became of it; `tries` lists those of its "
     "deliveries. A daemon follows every "
     "change by itself.",
     "lockstep endpoints create crm https://crm.example/hook --type 'enrollment.*'",
     TAKES_ENDPOINT | TAKES_LIMIT | TAKES_JSON, 0, 3, true, run_endpoints},
    {"outbox", "install | remove | status [STORE.TABLE[=RESOURCE]...]",
     "events that an application's own transactions write",
     "`outbox install` makes a table in a PostgreSQL or SQLite database and triggers that write an "
     "event into it for each record of a table that changes, in the same transaction: there is no "
     "change without its event, and no event without its change. `lockstep serve` moves them into "
     "the queue, each once, where events.outbox of lockstep.yaml names the store. RESOURCE is what "
     "events call the record; by default the table's name without its plural: enrollments gives "
     "enrollment.created, enrollment.updated and enrollment.deleted; profile, user and progress "
     "have the type updated alone. `outbox remove` takes the triggers away, and the table with the "
     "last of them. `outbox status` counts what waits and what was no event.",
     "lockstep outbox install app.public.enrollments", TAKES_JSON | TAKES_PAIR, 1, 8, true,
     run_outbox},
    {"schedule", "list | create | pause | resume | delete | trigger | next | history [NAME | WHEN]",
     "what the daemon does by itself, and when",
     "`schedule list` prints the schedules: those of lockstep.yaml, and those made here or over "
     "the "
     "API. `schedule create` makes one that runs a sync, processes the queue of events or makes an "
     "HTTP call; the daemon, `lockstep serve`, fires it, once for each time. Of a paused one the "
     "times that pass are skipped. `schedule trigger` asks for it now. `schedule next` prints the "
     "next times of one, or of a cron expression. `schedule history` prints what became of each "
     "time: fired, skipped or missed, and why. Times are in UTC.",
     "lockstep schedule create nightly --cron '30 2 * * *' --sync customers",
     TAKES_WHEN | TAKES_LIMIT | TAKES_JSON, 0, 2, true, run_schedule},
    {"receivers", "list", "where others send their messages",
     "`receivers list` prints the receivers of lockstep.yaml: how their messages are signed, where "
     "those go, how many came and what became of them. The daemon, `lockstep serve`, takes them at "
     "/api/webhooks/NAME.",
     "lockstep receivers", TAKES_JSON, 0, 1, true, run_receivers},
    {"token", "create | list | revoke [NAME]", "tokens by which programs call",
     "`token create` draws a token for programs that call the daemon and prints it, once: lockstep "
     "keeps a hash of it. Roles: user (own items), viewer (looks), operator (starts runs), admin, "
     "service (a program that works for all users). `token revoke` ends one, by name or id; it "
     "takes effect within a second, in every daemon on this state.",
     "lockstep token create ci --role operator --expires 90d",
     TAKES_ROLE | TAKES_EXPIRES | TAKES_JSON, 0, 2, true, run_token},
    {"user", "add | list | passwd | role | disable | enable | remove [NAME]", "people who log in",
     "People who log in to the dashboard with a password. It is asked for on a terminal, and read "
     "from standard input otherwise, one line; it never stands in an argument. At least 12 "
     "characters. Whatever changes a user ends their sessions at once; another role and a removal "
     "end their tokens too.",
     "lockstep user add ann@example.org --role admin", TAKES_ROLE | TAKES_JSON, 0, 2, true,
     run_user},
    {"serve", "", "run as a service, with an HTTP API",
     "Serves the HTTP API, with everything that the commands do, until SIGTERM or Ctrl-C; SIGHUP "
     "reads the configuration again. Prints the URL once it is ready; log lines go to standard "
     "error. Every call needs credentials: without LOCKSTEP_TOKEN in the environment and without "
     "tokens all but the public ones are refused.",
     "lockstep serve --listen 127.0.0.1:7380", TAKES_SERVE, 0, 0, false, run_serve},
    {"help", "[COMMAND]", "show this, or the help of a command",
     "Shows the commands, or one of them with its options. --markdown prints the whole manual, "
     "--openapi the HTTP API for programs that read such.",
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
