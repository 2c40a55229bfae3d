/* SPDX-License-Identifier: Apache-2.0 */
/* completion.c - what the shells complete, printed from the tables of commands and options.
 *
 * Each script is a function that finds the command in the line, past options and their values, and then offers the
 * commands, the command's options, or what its first arguments may be: words that its usage spells out (`list |
 * verify`), commands, names of syncs, files. The names come from the program itself (`lockstep completion syncs`),
 * which reads the configuration that the line names. */
#include <ctype.h>
#include <string.h>

#include "cli.h"

/* 'as the shells quote it' */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    putchar('\'');
}

static bool offers(const struct command *command, const struct option_spec *option)
{
    return option->takes == TAKES_ALWAYS || (option->takes & command->takes) != 0;
}

static bool takes_file(const struct option_spec *option)
{
    return option->argument && strcmp(option->argument, "FILE") == 0;
}

static bool needs_value(const struct option_spec *option)
{
    return option->argument && !option->optional;
}

static bool names_syncs(const struct command *command)
{
    return strstr(command->arguments, "SYNC") != NULL;
}

/* A plan, or a store's URL, which holds a file's name. */
static bool names_files(const struct command *command)
{
    return strstr(command->arguments, "FILE") || strstr(command->arguments, "SOURCE");
}

/* The words that the usage spells out, "list verify"; for help the commands. */
static void print_words(const struct command *command)
{
    const char *words = command->arguments;

    if (strcmp(words, "[COMMAND]") == 0)
        for (size_t i = 0; i < command_count; i++)
            printf("%s%s", i ? " " : "", commands[i].name);
    for (; islower((unsigned char)*words); words += strspn(words, " |"))
        for (printf("%s", words == command->arguments ? "" : " "); islower((unsigned char)*words);
             words++)
            putchar(*words);
}

/* `-c | --config | ...`: the options that are files, or the others that have a value. */
static void print_patterns(bool files)
{
    const char *gap = "";

    for (size_t i = 0; i < option_count; i++)
        if (needs_value(&option_specs[i]) && takes_file(&option_specs[i]) == files) {
            if (option_specs[i].letter)
                printf("%s-%c", gap, option_specs[i].letter);
            printf("%s--%s", option_specs[i].letter ? " | " : gap, option_specs[i].name);
            gap = " | ";
        }
}

/* ---- bash ---- */

static void print_bash_command(const struct command *command)
{
    printf("    %s)\n        options=\"", command->name);
    for (size_t i = 0; i < option_count; i++)
        if (offers(command, &option_specs[i]))
            printf(" --%s", option_specs[i].name);
    fputs("\"\n        words=\"", stdout);
    print_words(command);
    printf("\" syncs=%s files=%s ;;\n", names_syncs(command) ? "1" : "",
           names_files(command) ? "1" : "");
}

static void print_bash(void)
{
    puts("# lockstep completion for bash:  source <(lockstep completion bash)\n"
         "_lockstep() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]}\n"
         "    local command= config= options= words= syncs= files= given i\n"
         "    COMPREPLY=()\n"
         "    # bash splits --option=value into three words\n"
         "    [[ $word == = ]] && word=\n"
         "    [[ $last == = ]] && last=${COMP_WORDS[COMP_CWORD - 2]}\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        given=${COMP_WORDS[i]}\n"
         "        case $given in");
    fputs("        ", stdout);
    print_patterns(true);
    fputs(" | ", stdout);
    print_patterns(false);
    puts(")\n"
         "            ((i++))\n"
         "            [[ ${COMP_WORDS[i]} == = ]] && ((i++))\n"
         "            [[ $given == -c || $given == --config ]] && config=${COMP_WORDS[i]} ;;\n"
         "        =) ((i++)) ;;\n"
         "        -*) ;;\n"
         "        *) command=${command:-$given} ;;\n"
         "        esac\n"
         "    done\n"
         "    case $last in");
    fputs("    ", stdout);
    print_patterns(true);
    puts(") command=- files=1 ;;");
    fputs("    ", stdout);
    print_patterns(false);
    puts(") return 0 ;;\n"
         "    esac\n"
         "    case $command in");
    fputs("    '') words=\"", stdout);
    for (size_t i = 0; i < command_count; i++)
        printf("%s%s", i ? " " : "", commands[i].name);
    fputs("\" options=\"", stdout);
    for (size_t i = 0; i < option_count; i++)
        if (option_specs[i].takes == TAKES_ALWAYS)
            printf(" --%s", option_specs[i].name);
    puts("\" ;;");
    for (size_t i = 0; i < command_count; i++)
        print_bash_command(&commands[i]);
    puts("    esac\n"
         "    [[ $word == -* ]] && words=$options syncs= files=\n"
         "    while IFS= read -r given; do\n"
         "        if [[ -n $given && $given == \"$word\"* ]]; then COMPREPLY+=(\"$given\"); fi\n"
         "    done < <(\n"
         "        printf '%s\\n' $words\n"
         "        [[ -z $syncs ]] || lockstep ${config:+\"--config=$config\"} completion syncs "
         "2>/dev/null\n"
         "        [[ -z $files ]] || compgen -f -- \"$word\"\n"
         "    )\n"
         "}\n"
         "complete -o filenames -F _lockstep lockstep");
}

/* ---- zsh ---- */

/* 'name:what it means', as _describe takes it */
static void print_zsh_item(const char *prefix, const char *name, const char *meaning)
{
    char text[300];

    snprintf(text, sizeof text, "%s%s:%s", prefix, name, meaning);
    putchar(' ');
    print_quoted(text);
}

static void print_zsh_command(const struct command *command)
{
    printf("    (%s)\n        options+=(", command->name);
    for (size_t i = 0; i < option_count; i++)
        if (option_specs[i].takes != TAKES_ALWAYS && offers(command, &option_specs[i]))
            print_zsh_item("--", option_specs[i].name, option_specs[i].help);
    fputs(" )\n        items=( ", stdout);
    print_words(command);
    printf(" ) syncs=%s files=%s ;;\n", names_syncs(command) ? "1" : "",
           names_files(command) ? "1" : "");
}

static void print_zsh(void)
{
    puts("# lockstep completion for zsh:  source <(lockstep completion zsh)\n"
         "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
         "_lockstep() {\n"
         "    local command= config= syncs= files= given i\n"
         "    local -a commands options items\n"
         "    for ((i = 2; i < CURRENT; i++)); do\n"
         "        given=${words[i]}\n"
         "        case $given in");
    fputs("        (", stdout);
    print_patterns(true);
    fputs(" | ", stdout);
    print_patterns(false);
    puts(")\n"
         "            ((i++))\n"
         "            [[ $given == (-c|--config) ]] && config=${(Q)words[i]} ;;\n"
         "        (--config=*) config=${(Q)given#--config=} ;;\n"
         "        (-*) ;;\n"
         "        (*) command=${command:-$given} ;;\n"
         "        esac\n"
         "    done\n"
         "    case ${words[CURRENT - 1]} in");
    fputs("    (", stdout);
    print_patterns(true);
    puts(") _files; return ;;");
    fputs("    (", stdout);
    print_patterns(false);
    fputs(") return ;;\n    esac\n    options=(", stdout);
    for (size_t i = 0; i < option_count; i++)
        if (option_specs[i].takes == TAKES_ALWAYS)
            print_zsh_item("--", option_specs[i].name, option_specs[i].help);
    puts(" )\n    case $command in");
    fputs("    ('')\n        commands=(", stdout);
    for (size_t i = 0; i < command_count; i++)
        print_zsh_item("", commands[i].name, commands[i].summary);
    puts(" ) ;;");
    for (size_t i = 0; i < command_count; i++)
        print_zsh_command(&commands[i]);
    puts("    esac\n"
         "    if [[ ${words[CURRENT]} == -* ]]; then\n"
         "        _describe -o option options\n"
         "        return\n"
         "    fi\n"
         "    [[ -z $syncs ]] || items+=(${(f)\"$(lockstep ${config:+\"--config=$config\"} "
         "completion "
         "syncs 2>/dev/null)\"})\n"
         "    (( ! $#commands )) || _describe command commands\n"
         "    (( ! $#items )) || compadd -a items\n"
         "    if [[ -n $files ]]; then\n"
         "        compset -P '(sqlite|file):'\n"
         "        _files\n"
         "    fi\n"
         "}\n"
         "compdef _lockstep lockstep");
}

/* ---- fish ---- */

/* " -s c -l config -r -d '...'" */
static void print_fish_option(const struct option_spec *option)
{
    if (option->letter)
        printf(" -s %c", option->letter);
    printf(" -l %s", option->name);
    if (needs_value(option))
        fputs(takes_file(option) ? " -r -F" : " -x", stdout);
    fputs(" -d ", stdout);
    print_quoted(option->help);
    putchar('\n');
}

static void print_fish_command(const struct command *command)
{
    const char *name = command->name;

    printf("complete -c lockstep -n '__lockstep_is \"\"' -a %s -d ", name);
    print_quoted(command->summary);
    printf("\ncomplete -c lockstep -n '__lockstep_is %s' -a '", name);
    print_words(command);
    puts("'");
    if (names_syncs(command))
        printf("complete -c lockstep -n '__lockstep_is %s' -a '(__lockstep_syncs)' -d sync\n",
               name);
    if (names_files(command))
        printf("complete -c lockstep -n '__lockstep_is %s' -F\n", name);
    for (size_t i = 0; i < option_count; i++)
        if (option_specs[i].takes != TAKES_ALWAYS && offers(command, &option_specs[i])) {
            printf("complete -c lockstep -n '__lockstep_is %s'", name);
            print_fish_option(&option_specs[i]);
        }
}

static void print_fish(void)
{
    puts("# lockstep completion for fish:  lockstep completion fish | source\n"
         "# The command in the line, and the configuration that it names.\n"
         "function __lockstep_line\n"
         "    set -l given (commandline -opc)\n"
         "    set -g __lockstep_command\n"
         "    set -g __lockstep_config\n"
         "    set -e given[1]\n"
         "    while set -q given[1]\n"
         "        switch $given[1]\n"
         "            case -c --config\n"
         "                set __lockstep_config -c $given[2]\n"
         "                set -e given[1]\n"
         "            case '--config=*'\n"
         "                set __lockstep_config $given[1]");
    fputs("            case", stdout);
    for (size_t i = 0; i < option_count; i++)
        if (needs_value(&option_specs[i]) && strcmp(option_specs[i].name, "config") != 0) {
            if (option_specs[i].letter)
                printf(" -%c", option_specs[i].letter);
            printf(" --%s", option_specs[i].name);
        }
    puts("\n"
         "                set -e given[1]\n"
         "            case '-*'\n"
         "            case '*'\n"
         "                set -q __lockstep_command[1]; or set __lockstep_command $given[1]\n"
         "        end\n"
         "        set -e given[1]\n"
         "    end\n"
         "end\n"
         "function __lockstep_is\n"
         "    __lockstep_line\n"
         "    test \"$__lockstep_command\" = \"$argv\"\n"
         "end\n"
         "function __lockstep_syncs\n"
         "    __lockstep_line\n"
         "    lockstep $__lockstep_config completion syncs 2>/dev/null\n"
         "end\n"
         "complete -c lockstep -f");
    for (size_t i = 0; i < command_count; i++)
        print_fish_command(&commands[i]);
    for (size_t i = 0; i < option_count; i++)
        if (option_specs[i].takes == TAKES_ALWAYS) {
            fputs("complete -c lockstep", stdout);
            print_fish_option(&option_specs[i]);
        }
}

/* ---- the command ---- */

/* The names of the configured syncs, one a line: for the scripts. */
static int print_syncs(struct cli *cli)
{
    const struct lockstep_options options = {.config_path = configuration(&cli->set)};
    struct lockstep_error error = {0};
    const char *const *names = NULL;
    size_t count;
    const int status = lockstep_open(&options, &cli->ls, &error);

    if (status != LOCKSTEP_OK)
        return fail(cli, &error);
    count = lockstep_syncs(cli->ls, &names);
    for (size_t i = 0; i < count; i++)
        puts(names[i]);
    lockstep_close(cli->ls);
    return LOCKSTEP_OK;
}

int run_completion(struct cli *cli)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

    if (strcmp(cli->set.args[0], "syncs") == 0)
        return print_syncs(cli);
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(cli->set.args[0], shells[i].shell) == 0) {
            shells[i].print();
            return LOCKSTEP_OK;
        }
    return misuse(cli, "there is completion for bash, zsh and fish, not for \"%s\"",
                  cli->set.args[0]);
}
