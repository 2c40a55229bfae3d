/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - from argv to a command and its exit status. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
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
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    return !set->no_color && !(no_color && *no_color) && isatty(STDOUT_FILENO) && term &&
           strcmp(term, "dumb") != 0;
}

/* Widths and escapes of text need a locale that knows UTF-8; where the user has none, the one that is always there. */
static void choose_locale(void)
{
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
}

int misuse(struct cli *cli, const char *fmt, ...)
{
    va_list args;

    if (cli->progress)
        progress_clear(cli->progress);
    fputs("lockstep: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return LOCKSTEP_USAGE;
}

int unknown_command(struct cli *cli, const char *name)
{
    const char *names[64], *near;
    char text[SHOWN];

    if (strstr(name, "://") || strchr(name, ':'))
        return misuse(cli,
                      "what shall be done with %s? A command comes first: lockstep status "
                      "SOURCE TARGET. See `lockstep help`",
                      shown_argument(name, text));
    for (size_t i = 0; i < command_count; i++)
        names[i] = commands[i].name;
    near = nearest_word(name, names, command_count);
    return misuse(cli, "there is no command \"%s\"%s%s%s. See `lockstep help`", name,
                  near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

/* The right number of arguments, and no URL where something else is meant: a message might show its password. */
static int check_arguments(struct cli *cli, const struct command *command)
{
    const struct settings *set = &cli->set;

    if (set->arg_count < command->min_args || set->arg_count > command->max_args)
        return misuse(cli, "too %s arguments. Usage: lockstep %s %s",
                      set->arg_count < command->min_args ? "few" : "many", command->name,
                      command->arguments);
    if (!(command->takes & TAKES_PAIR) && set->arg_count > 0 && strstr(set->args[0], "://"))
        return misuse(cli, "no URL is expected here. Usage: lockstep %s %s", command->name,
                      command->arguments);
    return 0;
}

const char *configuration(const struct settings *set)
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
        .trace_sql = cli->set.show_sql,
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
        return unknown_command(cli, name);
    if (cli->set.help) {
        if (*name)
            print_command_help(stdout, command);
        else
            print_usage(stdout);
        return LOCKSTEP_OK;
    }
    status = check_options(&cli->set, command);
    if (status == 0)
        status = check_arguments(cli, command);
    if (status == 0 && (command->takes & WRITES))
        signal(SIGPIPE, SIG_IGN); /* who reads along may leave; the run goes on */
    if (status == 0)
        status = command->handle ? run_with_handle(cli, command) : command->run(cli);
    return status;
}

/* Why output did not arrive; 0: it did. After an earlier failure errno has gone, so it is tried once more. */
static int output_error(void)
{
    if (!ferror(stdout))
        return fflush(stdout) == 0 ? 0 : errno;
    clearerr(stdout);
    return putchar('\n') != EOF && fflush(stdout) == 0 ? EIO : errno;
}

/* What was printed has to arrive, or a script takes half of it for all. A reader who left (`| head`) wanted no more. */
static int finish_output(int status)
{
    const int why = output_error();

    if (why == 0 || why == EPIPE || status >= LOCKSTEP_FAILED)
        return status;
    fprintf(stderr, "lockstep: the output could not be written: %s\n", strerror(why));
    return LOCKSTEP_FAILED;
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
    read_dotenv();
    choose_locale();
    cli.colour = wants_colour(&cli.set);
    cli.progress = progress_new(cli.set.quiet || cli.set.json, cli.set.verbose);
    status = cli.progress ? run(&cli, name) : LOCKSTEP_FAILED;
    progress_free(cli.progress);
    free_settings(&cli.set);
    return finish_output(status);
}
