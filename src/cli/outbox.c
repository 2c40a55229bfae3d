/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.c - `lockstep outbox`. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void show_outbox(void *ctx, const struct lockstep_outbox *o)
{
    struct cli *cli = ctx;

    cli->shown++;
    if (cli->set.json) {
        puts(o->json);
        return;
    }
    print_clean(stdout, o->store);
    if (o->table_count == 0 && o->waiting + o->refused == 0) {
        puts(": no outbox");
        return;
    }
    printf(": %" PRId64 " waiting", o->waiting);
    if (o->oldest)
        printf(" (since %s)", o->oldest);
    printf(", %" PRId64 " refused; of", o->refused);
    for (size_t i = 0; i < o->table_count; i++) {
        fputs(i ? ", " : " ", stdout);
        print_clean(stdout, o->tables[i]);
    }
    puts(o->table_count ? "" : " no table");
    if (o->outdated)
        printf("%zu of them with triggers of an earlier version, to which what lockstep itself "
               "writes is an "
               "event too: run lockstep outbox install again\n",
               o->outdated);
    if (!o->drained && o->table_count)
        puts(
            "Nothing empties it yet: name the store in lockstep.yaml, events: { outbox: [STORE] }, "
            "and run lockstep serve");
}

/* STORE.TABLE=RESOURCE; the text is cut at the equals sign that no table's name has. */
static int install(struct cli *cli, const char *argument, struct lockstep_error *error)
{
    const char *equals = strrchr(argument, '=');
    const bool named = equals && equals[1] && !strpbrk(equals, "#/\"");
    char *where = named ? strndup(argument, (size_t)(equals - argument)) : strdup(argument);
    int code = LOCKSTEP_FAILED;

    if (where)
        code = lockstep_outbox_install(cli->ls, where, named ? equals + 1 : NULL, show_outbox, cli,
                                       error);
    free(where);
    return code;
}

int run_outbox(struct cli *cli)
{
    static const char *const words[] = {"install", "remove", "status"};
    const char *const *args = cli->set.args;
    struct lockstep_error error = {0};
    size_t what = 0;
    int code = LOCKSTEP_OK;

    while (what < 3 && strcmp(args[0], words[what]) != 0)
        what++;
    if (what == 3)
        return misuse(cli, "outbox install, remove or status? See `lockstep help outbox`");
    if (what < 2 && cli->set.arg_count < 2)
        return misuse(cli, "which table? lockstep outbox %s STORE.TABLE", args[0]);
    if (what == 2 && cli->set.arg_count < 2)
        code = lockstep_outbox_status(cli->ls, NULL, show_outbox, cli, &error);
    for (size_t i = 1; i < cli->set.arg_count && code == LOCKSTEP_OK; i++)
        code = what == 0   ? install(cli, args[i], &error)
               : what == 1 ? lockstep_outbox_remove(cli->ls, args[i], show_outbox, cli, &error)
                           : lockstep_outbox_status(cli->ls, args[i], show_outbox, cli, &error);
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json && cli->shown == 0)
        puts("no store has an outbox: events: { outbox: [STORE] } in lockstep.yaml");
    return code;
}
