/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - what the files of the command line share. It uses lockstep.h and nothing else of lockstep. */
#ifndef LS_CLI_CLI_H
#define LS_CLI_CLI_H

#include <stdio.h>

#include "lockstep.h"

/* What the options said. Strings are copies of argv: free_settings(). */
struct settings {
    const char *config, *state, *output, *force, *key, *keep_size;
    const char *only[64];
    size_t only_count;
    uint64_t limit;
    int keep_days;
    bool json, all, full, dry_run, create, explain, replace, markdown, quiet, verbose, no_color,
        help, version;
    const char *args[8]; /* what is no option: the command's arguments */
    size_t arg_count;
    const char *keys[32]; /* key, split at commas */
    size_t key_count;
    unsigned given; /* bitmap over option_specs */
    char **copies;  /* of argv, which is overwritten; ends with NULL */
    char *key_copy; /* what keys points into */
};

/* One run of the program. */
struct cli {
    struct settings set;
    struct lockstep *ls; /* NULL for commands that need no handle */
    struct progress *progress;
    bool colour; /* standard output takes colours */
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
    TAKES_ALWAYS = 1 << 13, /* of an option: every command takes it */
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

/* help.c */
int run_help(struct cli *cli);
int run_completion(struct cli *cli);
void print_usage(FILE *out);
void print_command_help(FILE *out, const struct command *command);

/* progress.c: a bar on a terminal, lines elsewhere; on standard error. */
struct progress *progress_new(bool quiet, bool verbose, bool no_color);
void progress_free(struct progress *p);
struct lockstep_listener progress_listener(struct progress *p);
void progress_clear(struct progress *p); /* takes the bar away before something is printed */

/* render.c */
void render_status(struct cli *cli, const struct lockstep_status *const *list, size_t count);
void render_difference(struct cli *cli, const struct lockstep_difference *difference);
void render_run(struct cli *cli, const struct lockstep_run *run);
void render_history(struct cli *cli, struct lockstep_run **runs, size_t count);
void render_finding(struct cli *cli, const struct lockstep_finding *finding);
/* Says what went wrong on standard error, as JSON on standard output too when --json; returns the exit status. */
int fail(struct cli *cli, const struct lockstep_error *error);
/* 1234567 -> "1,234,567" in one of some static buffers of the caller. */
const char *grouped(uint64_t n, char out[32]);

#endif
