/* SPDX-License-Identifier: Apache-2.0 */
/* callers.c - the commands about who may call the daemon: token, user.
 *
 * A token goes to standard output alone, so that TOKEN=$(lockstep token create ...) holds it and nothing else; what people should know
 * of it goes to standard error. A password comes from the terminal, unseen and twice, or as the first line of standard input; never
 * from an argument or the environment, which others can read. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

/* What stands behind the command: `token WHAT NAME`. */
struct action {
    const char *what;
    bool name, role; /* takes a name; needs --role */
    int (*run)(struct cli *cli, const char *name);
};

static const char *plural(const char *command)
{
    return strcmp(command, "token") == 0 ? "tokens" : "users";
}

static int unknown_action(struct cli *cli, const char *command, const char *word,
                          const struct action *actions, size_t count)
{
    const char *words[16], *near;
    char list[300] = "", text[SHOWN];
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        words[i] = actions[i].what;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", words[i]);
    }
    near = nearest_word(word, words, count);
    return misuse(cli, "%s has no \"%s\"%s%s%s. There are: %s", command, shown_argument(word, text),
                  near ? " (did you mean " : "", near ? near : "", near ? "?)" : "", list);
}

static int run_action(struct cli *cli, const char *command, const struct action *actions,
                      size_t count)
{
    const char *word = cli->set.arg_count ? cli->set.args[0] : "list";
    const char *name = cli->set.arg_count > 1 ? cli->set.args[1] : NULL;

    for (size_t i = 0; i < count; i++) {
        const struct action *a = &actions[i];

        if (strcmp(a->what, word) != 0)
            continue;
        if (a->name != (name != NULL))
            return misuse(cli,
                          a->name ? "which one? Say lockstep %s %s NAME. `lockstep %s list` shows "
                                    "the %s there are"
                                  : "lockstep %s %s goes without a name. See `lockstep help %s` "
                                    "about %s",
                          command, word, command, plural(command));
        if (a->role && !cli->set.role)
            return misuse(cli, "say the role: --role user, viewer, operator%s",
                          strcmp(command, "token") == 0 ? ", admin or service" : " or admin");
        if (!a->role && cli->set.role)
            return misuse(cli, "lockstep %s %s takes no --role", command, word);
        return a->run(cli, name);
    }
    return unknown_action(cli, command, word, actions, count);
}

/* ---- tokens ---- */

int64_t seconds_of(const char *text)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'h', 3600}, {'d', 86400}, {'w', 7 * 86400}, {'y', INT64_C(365) * 86400}};
    char *end = NULL;
    long long n;

    errno = 0;
    n = isdigit((unsigned char)*text) ? strtoll(text, &end, 10) : 0;
    for (size_t i = 0; n > 0 && n <= 100000 && i < sizeof units / sizeof *units; i++)
        if (end[0] == units[i].unit && end[1] == '\0')
            return n * units[i].seconds;
    return 0;
}

static void show_new_token(void *ctx, const struct lockstep_token *token)
{
    struct cli *cli = ctx;
    char time[32];

    if (cli->set.json) {
        puts(token->json);
        return;
    }
    puts(token->secret);
    fflush(stdout);
    fprintf(stderr,
            "This is the only time that it is shown: lockstep keeps a hash of it (token=%s, "
            "role=%s, expires=%s)\n",
            token->name, token->role,
            token->expires_us ? utc_time(token->expires_us, time) : "never");
}

static int token_create(struct cli *cli, const char *name)
{
    struct lockstep_error error = {0};
    int64_t expires_us = 0;
    int code;

    if (cli->set.expires) {
        const int64_t seconds = seconds_of(cli->set.expires);

        if (seconds == 0)
            return misuse(cli, "--expires takes a time such as 12h, 30d, 8w or 1y");
        expires_us = ((int64_t)time(NULL) + seconds) * 1000000;
    }
    code = lockstep_token_create(cli->ls, name, cli->set.role, expires_us, show_new_token, cli,
                                 &error);
    return code == LOCKSTEP_OK ? code : fail(cli, &error);
}

struct listing {
    struct cli *cli;
    struct libscols_table *table;
};

static void list_token(void *ctx, const struct lockstep_token *token)
{
    struct listing *list = ctx;

    if (list->cli->set.json)
        puts(token->json);
    else
        tokens_add(list->table, token);
}

static int token_list(struct cli *cli, const char *name)
{
    struct listing list = {cli, cli->set.json ? NULL : tokens_begin(cli)};
    struct lockstep_error error = {0};
    const int code = lockstep_tokens(cli->ls, list_token, &list, &error);

    (void)name;
    list_print(list.table, "tokens");
    return code == LOCKSTEP_OK ? code : fail(cli, &error);
}

static void show_revoked(void *ctx, const struct lockstep_token *token)
{
    struct cli *cli = ctx;

    if (cli->set.json)
        puts(token->json);
    else
        printf("revoked %s (role=%s)\n", token->name, token->role);
}

static int token_revoke(struct cli *cli, const char *name)
{
    struct lockstep_error error = {0};
    const int code = lockstep_token_revoke(cli->ls, name, show_revoked, cli, &error);

    return code == LOCKSTEP_OK ? code : fail(cli, &error);
}

int run_token(struct cli *cli)
{
    static const struct action actions[] = {
        {"create", true, true, token_create},
        {"list", false, false, token_list},
        {"revoke", true, false, token_revoke},
    };
    const char *word = cli->set.arg_count ? cli->set.args[0] : "";

    if (cli->set.expires && strcmp(word, "create") != 0)
        return misuse(cli, "--expires goes with lockstep token create alone");
    return run_action(cli, "token", actions, sizeof actions / sizeof *actions);
}

/* ---- users ---- */

#define PASSWORD_ROOM 1100 /* more than any that is taken */

static void wipe(char *text, size_t size)
{
    explicit_bzero(text, size);
}

/* One line without its end. false: there is none, or it is longer than any password. */
static bool read_line(char out[PASSWORD_ROOM])
{
    size_t length = 0;
    int c;

    while ((c = getchar()) != EOF && c != '\n')
        if (length + 1 < PASSWORD_ROOM)
            out[length++] = (char)c;
        else
            return false;
    out[length] = '\0';
    return length > 0 && strlen(out) == length;
}

static bool ask(const char *prompt, char out[PASSWORD_ROOM])
{
    struct termios was, quiet;
    bool ok;

    if (tcgetattr(STDIN_FILENO, &was) != 0)
        return false;
    quiet = was;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    fputs(prompt, stderr);
    fflush(stderr);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) != 0)
        return false;
    ok = read_line(out);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
    fputc('\n', stderr);
    return ok;
}

/* 0, or an exit status after a message. */
static int read_password(struct cli *cli, char out[PASSWORD_ROOM])
{
    char again[PASSWORD_ROOM];
    int status = 0;

    setvbuf(stdin, NULL, _IONBF, 0); /* or a copy of it stays in a buffer */
    if (!isatty(STDIN_FILENO)) {
        if (!read_line(out))
            return misuse(cli, "the password is read from standard input, one line, and there is "
                               "none: printf '%%s\\n' \"$PASSWORD\" | lockstep user ...");
        return 0;
    }
    if (!ask("Password: ", out) || !ask("Once more: ", again))
        status = misuse(cli, "no password was given");
    else if (strcmp(out, again) != 0)
        status = misuse(cli, "the two are not the same. Nothing was changed");
    wipe(again, sizeof again);
    return status;
}

static int changed(struct cli *cli, int code, const struct lockstep_error *error, const char *what,
                   const char *name)
{
    if (code != LOCKSTEP_OK)
        return fail(cli, error);
    if (cli->set.json) {
        fputs("{\"user\":", stdout);
        print_json_text(stdout, name);
        fputs(",\"done\":", stdout);
        print_json_text(stdout, what);
        puts("}");
    } else {
        printf("%s %s\n", what, name);
    }
    return code;
}

static int user_add(struct cli *cli, const char *name)
{
    char password[PASSWORD_ROOM];
    struct lockstep_error error = {0};
    int status = read_password(cli, password);

    if (status == 0)
        status = changed(cli, lockstep_user_add(cli->ls, name, cli->set.role, password, &error),
                         &error, "added", name);
    wipe(password, sizeof password);
    return status;
}

static int user_passwd(struct cli *cli, const char *name)
{
    char password[PASSWORD_ROOM];
    struct lockstep_error error = {0};
    int status = read_password(cli, password);

    if (status == 0)
        status = changed(cli, lockstep_user_password(cli->ls, name, password, &error), &error,
                         "changed the password of", name);
    wipe(password, sizeof password);
    return status;
}

static int user_role(struct cli *cli, const char *name)
{
    struct lockstep_error error = {0};
    const int code = lockstep_user_role(cli->ls, name, cli->set.role, &error);

    return changed(cli, code, &error, "changed the role of", name);
}

static int user_disable(struct cli *cli, const char *name)
{
    struct lockstep_error error = {0};
    const int code = lockstep_user_disable(cli->ls, name, true, &error);

    return changed(cli, code, &error, "disabled", name);
}

static int user_enable(struct cli *cli, const char *name)
{
    struct lockstep_error error = {0};
    const int code = lockstep_user_disable(cli->ls, name, false, &error);

    return changed(cli, code, &error, "enabled", name);
}

static int user_remove(struct cli *cli, const char *name)
{
    struct lockstep_error error = {0};
    const int code = lockstep_user_remove(cli->ls, name, &error);

    return changed(cli, code, &error, "removed", name);
}

static void list_user(void *ctx, const struct lockstep_user *user)
{
    struct listing *list = ctx;

    if (list->cli->set.json)
        puts(user->json);
    else
        users_add(list->table, user);
}

static int user_list(struct cli *cli, const char *name)
{
    struct listing list = {cli, cli->set.json ? NULL : users_begin(cli)};
    struct lockstep_error error = {0};
    const int code = lockstep_users(cli->ls, list_user, &list, &error);

    (void)name;
    list_print(list.table, "users");
    return code == LOCKSTEP_OK ? code : fail(cli, &error);
}

int run_user(struct cli *cli)
{
    static const struct action actions[] = {
        {"add", true, true, user_add},          {"list", false, false, user_list},
        {"passwd", true, false, user_passwd},   {"role", true, true, user_role},
        {"disable", true, false, user_disable}, {"enable", true, false, user_enable},
        {"remove", true, false, user_remove},
    };

    return run_action(cli, "user", actions, sizeof actions / sizeof *actions);
}
