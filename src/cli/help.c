/* SPDX-License-Identifier: Apache-2.0 */
/* help.c - help and the Markdown manual, printed from the tables. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static bool takes(const struct command *command, const struct option_spec *option)
{
    return (option->takes & command->takes) != 0;
}

static bool takes_any(const struct command *command)
{
    for (size_t i = 0; i < option_count; i++)
        if (takes(command, &option_specs[i]))
            return true;
    return false;
}

/* "-o, --output FILE" */
static void option_text(const struct option_spec *o, char *out, size_t size)
{
    char letter[8] = "";

    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(out, size, "%s--%s%s%s%s", letter, o->name,
             !o->argument  ? ""
             : o->optional ? "[="
                           : " ",
             o->argument ? o->argument : "", o->optional ? "]" : "");
}

#define OPTION_COLUMN 26 /* where the meaning of an option begins */

static void print_options(FILE *out, const struct command *command)
{
    char text[80];

    for (size_t i = 0; i < option_count; i++)
        if (command ? takes(command, &option_specs[i]) : option_specs[i].takes == TAKES_ALWAYS) {
            option_text(&option_specs[i], text, sizeof text);
            fprintf(out, "  %-*s", OPTION_COLUMN - 2, text);
            print_wrapped(out, option_specs[i].help, OPTION_COLUMN, OPTION_COLUMN, TEXT_WIDTH);
        }
}

#define SCREEN_WIDTH 80
#define ARGUMENTS_WIDTH 32 /* columns; longer ones have the summary below them */

/* name, arguments: the widths of these columns. */
static void print_command(FILE *out, const struct command *c, size_t name, size_t arguments)
{
    const size_t second = 2 + name + 2, third = second + arguments + 2;

    fprintf(out, "  %-*s  ", (int)name, c->name);
    if (strlen(c->arguments) > ARGUMENTS_WIDTH) {
        print_wrapped(out, c->arguments, second, second, SCREEN_WIDTH);
        fprintf(out, "%*s", (int)third, "");
    } else {
        fprintf(out, "%-*s  ", (int)arguments, c->arguments);
    }
    print_wrapped(out, c->summary, third, third, SCREEN_WIDTH);
}

static void print_commands(FILE *out)
{
    size_t name = 0, arguments = 0;

    for (size_t i = 0; i < command_count; i++) {
        const size_t n = strlen(commands[i].name), a = strlen(commands[i].arguments);

        name = n > name ? n : name;
        arguments = a > arguments && a <= ARGUMENTS_WIDTH ? a : arguments;
    }
    for (size_t i = 0; i < command_count; i++)
        print_command(out, &commands[i], name, arguments);
}

void print_usage(FILE *out)
{
    fputs("lockstep keeps two places that hold the same data in step.\n\n"
          "Usage: lockstep COMMAND [ARGUMENTS] [OPTIONS]\n\n",
          out);
    print_commands(out);
    fputs("\nSYNC is a name from lockstep.yaml; SOURCE and TARGET are store URLs:\n"
          "  postgres://user@host/db#schema.table, sqlite:shop.db#table, file:table.csv\n\n"
          "Options of every command:\n",
          out);
    print_options(out, NULL);
    fputs("\n`lockstep help COMMAND` tells more. Exit status: 0 done or in sync, 1\n"
          "differences or some records failed, 2 wrong usage or configuration, 3 could\n"
          "not, 4 stopped by a brake, 130 interrupted.\n",
          out);
}

void print_command_help(FILE *out, const struct command *c)
{
    static const char begin[] = "Usage: lockstep ";
    char usage[300];

    snprintf(usage, sizeof usage, "%s%s%s [OPTIONS]", c->name, *c->arguments ? " " : "",
             c->arguments);
    fputs(begin, out);
    print_wrapped(out, usage, sizeof begin - 1, sizeof begin - 1, USAGE_WIDTH);
    putc('\n', out);
    print_wrapped(out, c->description, 0, 0, TEXT_WIDTH);
    if (takes_any(c)) {
        fputs("\nOptions:\n", out);
        print_options(out, c);
    }
    fputs("\nOptions of every command:\n", out);
    print_options(out, NULL);
    fprintf(out, "\nExample:\n  %s\n", c->example);
}

/* ---- Markdown ---- */

static void print_markdown_command(const struct command *c)
{
    char text[80];

    printf("\n## lockstep %s\n\n`lockstep %s%s%s`\n\n%s\n\n```\n%s\n```\n", c->name, c->name,
           *c->arguments ? " " : "", c->arguments, c->description, c->example);
    if (!takes_any(c))
        return;
    puts("\n| option | meaning |\n|---|---|");
    for (size_t i = 0; i < option_count; i++)
        if (takes(c, &option_specs[i])) {
            option_text(&option_specs[i], text, sizeof text);
            printf("| `%s` | %s |\n", text, option_specs[i].help);
        }
}

static void print_markdown(void)
{
    char text[80];

    puts("# The command line\n\n"
         "Printed from the command table by `lockstep help --markdown`; do not edit.\n\n"
         "`lockstep COMMAND [ARGUMENTS] [OPTIONS]`. Options stand before or after the command. "
         "SYNC is a name\n"
         "from `lockstep.yaml`, or two store URLs, SOURCE and TARGET.\n\n"
         "| exit status | meaning |\n|---|---|\n"
         "| 0 | done, or in sync |\n"
         "| 1 | differences, conflicts, records that failed, a failed verify |\n"
         "| 2 | wrong usage or configuration |\n"
         "| 3 | could not: connection, permission, state |\n"
         "| 4 | stopped by a brake |\n"
         "| 130 | interrupted; what was written stays and can be undone |\n\n"
         "| option of every command | meaning |\n|---|---|");
    for (size_t i = 0; i < option_count; i++)
        if (option_specs[i].takes == TAKES_ALWAYS) {
            option_text(&option_specs[i], text, sizeof text);
            printf("| `%s` | %s |\n", text, option_specs[i].help);
        }
    for (size_t i = 0; i < command_count; i++)
        print_markdown_command(&commands[i]);
}

int run_help(struct cli *cli)
{
    const struct command *command = NULL;

    if (cli->set.openapi) {
        char *document = lockstep_openapi();

        puts(document ? document : "");
        lockstep_free(document);
        return document ? LOCKSTEP_OK : LOCKSTEP_FAILED;
    }
    if (cli->set.markdown) {
        print_markdown();
        return LOCKSTEP_OK;
    }
    if (cli->set.arg_count == 0) {
        print_usage(stdout);
        return LOCKSTEP_OK;
    }
    command = find_command(cli->set.args[0]);
    if (!command)
        return unknown_command(cli, cli->set.args[0]);
    print_command_help(stdout, command);
    return LOCKSTEP_OK;
}
