/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - from argv to a command and its exit status. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* The handle that Ctrl-C ends: a signal handler can reach nothing else. */
static struct lockstep *volatile running;

static void on_interrupt(int signal_number)
{
    if (running)
        lockstep_cancel(running); /* after its batch; a second one ends the program */
    signal(signal_number, SIG_DFL);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error like a full disk */
}

static bool wants_colour(const struct settings *set)
{
    const char *term = getenv("TERM");

    return !set->no_color && !getenv("NO_COLOR") && isatty(STDOUT_FILENO) && term &&
           strcmp(term, "dumb") != 0;
}

static int unknown_command(const char *name)
{
    const char *names[64], *near;

    for (size_t i = 0; i < command_count; i++)
        names[i] = commands[i].name;
    near = nearest_word(name, names, command_count);
    fprintf(stderr, "lockstep: there is no command \"%s\"%s%s%s. See `lockstep help`\n", name,
            near ? ". Did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return LOCKSTEP_USAGE;
}

static int check_count(const struct command *command, const struct settings *set)
{
    if (set->arg_count >= command->min_args && set->arg_count <= command->max_args)
        return 0;
    fprintf(stderr, "lockstep: %s arguments. Usage: lockstep %s %s\n",
            set->arg_count < command->min_args ? "too few" : "too many", command->name,
            command->arguments);
    return LOCKSTEP_USAGE;
}

/* The configuration: -c FILE, or lockstep.yaml where there is one. */
static const char *configuration(const struct settings *set)
{
    if (set->config)
        return set->config;
    return access("lockstep.yaml", F_OK) == 0 ? "lockstep.yaml" : NULL;
}

static int run_with_handle(struct cli *cli, const struct command *command)
{
    const struct lockstep_options options = {
        .config_path = configuration(&cli->set),
        .state_url = cli->set.state,
        .listener = progress_listener(cli->progress),
    };
    struct lockstep_error error = {0};
    int status = lockstep_open(&options, &cli->ls, &error);

    if (status != LOCKSTEP_OK)
        return fail(cli, &error);
    running = cli->ls;
    status = command->run(cli);
    running = NULL;
    lockstep_close(cli->ls);
    return status;
}

static int run(struct cli *cli, const char *name)
{
    const struct command *command = find_command(*name ? name : "help");
    int status;

    if (cli->set.version) {
        puts("lockstep " LOCKSTEP_VERSION);
        return LOCKSTEP_OK;
    }
    if (!*name && !cli->set.help) {
        print_usage(stderr);
        return LOCKSTEP_USAGE;
    }
    if (!command)
        return unknown_command(name);
    if (cli->set.help) {
        if (*name)
            print_command_help(stdout, command);
        else
            print_usage(stdout);
        return LOCKSTEP_OK;
    }
    status = check_options(&cli->set, command);
    if (status == 0)
        status = check_count(command, &cli->set);
    if (status == 0)
        status = command->handle ? run_with_handle(cli, command) : command->run(cli);
    return status;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    const char *name = "";
    int status = parse_arguments(argc, argv, &cli.set, &name);

    hide_passwords(argc, argv);
    if (status) {
        free_settings(&cli.set);
        return status;
    }
    catch_signals();
    cli.colour = wants_colour(&cli.set);
    cli.progress = progress_new(cli.set.quiet || cli.set.json, cli.set.verbose, cli.set.no_color);
    status = cli.progress ? run(&cli, name) : LOCKSTEP_FAILED;
    progress_free(cli.progress);
    free_settings(&cli.set);
    if (fflush(stdout) != 0 && status == LOCKSTEP_OK) {
        fputs("lockstep: the output could not be written\n", stderr);
        status = LOCKSTEP_FAILED;
    }
    return status;
}
