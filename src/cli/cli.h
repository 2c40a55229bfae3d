/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - what the files of the command line share. It uses lockstep.h and nothing else of lockstep. */
#ifndef LS_CLI_CLI_H
#define LS_CLI_CLI_H

#include <stdio.h>

#include "lockstep.h"

#define SHOWN 300 /* bytes of an argument in a message */
#define LABEL 220 /* bytes of a sync's label */

/* What the options said. Strings are copies of argv: free_settings(). */
struct settings {
    const char *config, *state, *output, *force, *key, *keep_size, *listen, *log;
    const char *type, *resource, *status, *endpoint, *rate, *data, *since, *until,
        *wait;                                             /* of events */
    const char *preset;                                    /* of init */
    const char *role, *expires;                            /* of tokens and users */
    const char *policy, *keep;                             /* of endpoints */
    const char *cron, *zone, *sync, *post, *method, *body; /* of schedules */
    const char *overlap, *catch_up, *within, *jitter, *hours, *timeout, *retries;
    const char *scheme, *headers[64], *secrets[16]; /* of signatures */
    size_t header_count, secret_count;
    const char *only[64];
    size_t only_count;
    uint64_t limit;
    int keep_days;
    bool json, all, full, dry_run, create, explain, replace, markdown, openapi, quiet, verbose,
        show_sql, no_color, help, version, queue, paused;
    const char *args[8]; /* what is no option: the command's arguments */
    size_t arg_count;
    const char *keys[32]; /* key, split at commas */
    size_t key_count;
    uint64_t given; /* bitmap over option_specs */
    char **copies;  /* of argv, which is overwritten; ends with NULL */
    char *key_copy; /* what keys points into */
};

struct libscols_table;

/* One run of the program. */
struct cli {
    struct settings set;
    struct lockstep *ls; /* NULL for commands that need no handle */
    struct progress *progress;
    bool colour;       /* standard output takes colours */
    const char *about; /* the sync that messages name, when several are worked on; or NULL */
    struct lockstep_status *kept; /* of several syncs, for one table at the end */
    size_t kept_count;
    uint64_t shown;      /* findings, or entries of the audit log */
    char heading[LABEL]; /* of the findings: the sync that they are about */
};

/* Bits that say which options a command takes. */
enum option_set {
    TAKES_SYNC = 1 << 0, /* SYNC or SOURCE TARGET, --key */
    TAKES_ONLY = 1 << 1,
    TAKES_FORCE = 1 << 2,
    TAKES_FULL = 1 << 3,
    TAKES_ALL = 1 << 4,
    TAKES_CREATE = 1 << 5, /* and --dry-run */
    TAKES_OUTPUT = 1 << 6,
    TAKES_LIMIT = 1 << 7,
    TAKES_EXPLAIN = 1 << 8,
    TAKES_KEEP = 1 << 9,
    TAKES_REPLACE = 1 << 10,
    TAKES_MARKDOWN = 1 << 11,
    TAKES_JSON = 1 << 12,
    TAKES_ALWAYS = 1 << 13,   /* of an option: every command takes it */
    TAKES_PAIR = 1 << 15,     /* of a command: its first argument may be a URL */
    TAKES_EVENTS = 1 << 16,   /* which events */
    TAKES_SIGNED = 1 << 17,   /* a signed message */
    TAKES_ENDPOINT = 1 << 18, /* settings of an endpoint */
    TAKES_ROLE = 1 << 20,
    TAKES_EXPIRES = 1 << 21,
    TAKES_SERVE = 1 << 22, /* --listen, --log */
    TAKES_WHEN = 1 << 23,  /* --cron and what else makes a schedule */
    WRITES = 1 << 14, /* of a command: it changes a target, and is not ended by a closed pipe */
};

struct command {
    const char *name, *arguments, *summary, *description, *example;
    unsigned takes;
    size_t min_args, max_args;
    bool handle; /* opens lockstep with the configuration and the state */
    int (*run)(struct cli *cli);
};
extern const struct command commands[];
extern const size_t command_count;
const struct command *find_command(const char *name);

/* options.c: the option table, shared by the parser, help, docs and completion. */
struct option_spec {
    const char *name, *argument, *help; /* argument NULL: a switch */
    char letter;                        /* 0: none */
    bool optional;                      /* the argument may be left out (--force) */
    unsigned takes; /* commands that have one of these bits take it; TAKES_ALWAYS: all */
};
extern const struct option_spec option_specs[];
extern const size_t option_count;
/* Parses argv (options stand anywhere; -- ends them). The command is args[0] and is taken out into *ret_command ("" when there is none). 0, or an exit status after a message. */
int parse_arguments(int argc, char **argv, struct settings *set, const char **ret_command);
/* After parsing: is every option given one that the command takes? */
int check_options(const struct settings *set, const struct command *command);
void free_settings(struct settings *set);
void hide_passwords(int argc, char **argv);
const char *nearest_word(const char *word, const char *const *words, size_t count);

bool has_password(const char *url); /* in its user part or as an option */
/* What may be printed of an argument: a URL without what may be its password. In one buffer of the caller. */
const char *shown_argument(const char *argument, char out[SHOWN]);

/* help.c */
int run_help(struct cli *cli);
void print_usage(FILE *out);
void print_command_help(FILE *out, const struct command *command);

/* completion.c */
int run_completion(struct cli *cli);

/* recall.c: the commands that recall what was done. */
int run_history(struct cli *cli);
int run_show(struct cli *cli);
int run_receipt(struct cli *cli);
int run_prune(struct cli *cli);
int run_audit(struct cli *cli);

/* signature.c */
int run_events_verify(struct cli *cli);
/* The secret of a place (env:NAME, file:PATH); free it. 0, or an exit status after a message. */
int read_secret(struct cli *cli, const char *place, char **ret);

/* events.c */
/* All of a stream, or INPUT_MAX bytes of it. Free the text; NULL: out of memory. */
#define INPUT_MAX ((size_t)64 << 20)
char *read_input(FILE *in, size_t *ret_size);
int run_events(struct cli *cli);
int run_endpoints(struct cli *cli);
/* receivers.c */
int run_receivers(struct cli *cli);
/* A command whose first argument is one of a few words; without one, the first of the list. */
struct subcommand {
    const char *name;
    int (*run)(struct cli *cli);
};
int run_subcommand(struct cli *cli, const struct subcommand *list, size_t count);
/* schedules.c */
int run_schedule(struct cli *cli);
/* callers.c: tokens and users. */
/* Seconds of "12h", "30d", "8w", "1y"; 0: it is none of these. */
int64_t seconds_of(const char *text);
int run_token(struct cli *cli);
int run_user(struct cli *cli);

/* setup.c */
int run_setup(struct cli *cli);

/* outbox.c */
int run_outbox(struct cli *cli);

/* main.c: the configuration to read: -c FILE, or lockstep.yaml where there is one, or NULL. */
const char *configuration(const struct settings *set);

/* dotenv.c: variables of .env.local and .env in the current folder that the environment does not have. */
void read_dotenv(void);

/* commands.c: what its commands share with those of recall.c. */
/* Which sync: the arguments from `first` on. 0, or an exit status after a message. */
int select_from(const struct cli *cli, size_t first, struct lockstep_select *ret);
/* Prints a line of JSON and frees it; NULL: null. */
void print_json(char *json);

/* progress.c: a bar on a terminal, lines elsewhere; on standard error. */
struct progress *progress_new(bool quiet, bool verbose);
void progress_free(struct progress *p);
struct lockstep_listener progress_listener(struct progress *p);
void progress_clear(struct progress *p); /* takes the bar away before something is printed */

/* render.c: results for people. */
/* One sync, or several in one table; `missing` more could not be compared. */
void render_status(struct cli *cli, const struct lockstep_status *list, size_t count,
                   size_t missing);
void render_difference(struct cli *cli, const struct lockstep_difference *difference);
/* The last line of status, and all of a diff that found nothing. */
void render_verdict(struct cli *cli, const struct lockstep_status *status);
void render_plan(struct cli *cli, const struct lockstep_plan_info *info, const char *path);
void render_run(struct cli *cli, const struct lockstep_run *run);
void render_show(struct cli *cli, const struct lockstep_run *run, const char *log);
void render_history(struct cli *cli, struct lockstep_run **runs, size_t count);
void render_finding(struct cli *cli, const struct lockstep_finding *finding);
void render_entry(struct cli *cli, const struct lockstep_audit_entry *entry);
/* Lists that come one entry at a time: begin, one call for each, then print (which frees; what: "tokens"). */
struct libscols_table *tokens_begin(const struct cli *cli);
void tokens_add(struct libscols_table *table, const struct lockstep_token *token);
struct libscols_table *users_begin(const struct cli *cli);
void users_add(struct libscols_table *table, const struct lockstep_user *user);
void list_print(struct libscols_table *table, const char *what);
/* Says what went wrong on standard error; returns the exit status. */
int fail(struct cli *cli, const struct lockstep_error *error);
/* Likewise, for wrong usage that the command line finds itself. */
int misuse(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int unknown_command(struct cli *cli, const char *name);

/* text.c: figures, times and foreign text. Functions with `out` return it. */
#define TEXT_WIDTH 78    /* columns of help texts */
#define USAGE_WIDTH 100  /* of a command's usage */
#define WINDOW 160       /* bytes of a value that diff shows */
#define WINDOW_BEFORE 40 /* of these, before the first difference */
#define VALUE (WINDOW + 20)
const char *grouped(uint64_t n, char out[32]);       /* 1234567 -> 1,234,567 */
const char *duration(int64_t ms, char out[32]);      /* 350 ms, 12.3 s, 4 min 05 s, 2 h 10 min */
const char *utc_time(int64_t unix_us, char out[32]); /* 2026-11-21 06:00:00; 0: "" */
/* Text from elsewhere, with control characters written as \\x1b. Free the copy; NULL: out of memory. */
char *clean_text(const char *text);
void print_clean(FILE *out, const char *text);
/* Words from column `at` on, new lines from column `indent` on and before column `width`, which may be SIZE_MAX; a
 * line break at the end. */
void print_wrapped(FILE *out, const char *text, size_t at, size_t indent, size_t width);
size_t terminal_width(int fd); /* columns; SIZE_MAX: no terminal */
/* A flat JSON object as people read it: {"id":"7","n":"x"} is id=7, n=x with ", " as gap. Control characters are
 * cleaned. */
void print_flat_json(FILE *out, const char *json, const char *gap);
void print_json_text(FILE *out, const char *text);  /* a JSON string, quotes included */
void print_json_lines(FILE *out, const char *json); /* an object with a line for each member */
/* A sync's name for tables. That of two URLs is long: then their collections or files. */
const char *sync_label(const char *sync, const char *source, const char *target, char out[LABEL]);
/* A value as diff shows it: of long ones a window around the first difference to `other` (may be NULL); in quotes
 * where it is empty or has blanks at an end. */
const char *value_window(const char *text, const char *other, char out[VALUE]);

#endif
