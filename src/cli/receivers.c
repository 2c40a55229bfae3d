/* SPDX-License-Identifier: Apache-2.0 */
/* receivers.c - `lockstep receivers`. */
#include <inttypes.h>

#include "cli.h"

static void show_receiver(void *ctx, const struct lockstep_receiver *r)
{
    struct cli *cli = ctx;
    char n[32], at[32];

    if (cli->set.json) {
        puts(r->json);
        return;
    }
    if (cli->shown++ == 0)
        printf("%-20s %-10s %8s %6s %8s %8s %8s  %s\n", "RECEIVER", "SCHEME", "APPLIED", "STALE",
               "IGNORED", "REFUSED", "WAITING", "LAST");
    printf("%-20s %-10s %8s", r->name, r->scheme, grouped(r->applied, n));
    printf(" %6s", grouped(r->stale, n));
    printf(" %8s", grouped(r->ignored, n));
    printf(" %8s", grouped(r->refused, n));
    printf(" %8s  %s\n", grouped(r->waiting, n), r->last_us ? utc_time(r->last_us, at) : "never");
    printf("                     ");
    print_clean(stdout, r->to);
    putchar('\n');
}

static int run_list(struct cli *cli)
{
    struct lockstep_error error = {0};
    const int code = lockstep_receivers(cli->ls, show_receiver, cli, &error);

    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (!cli->set.json && cli->shown == 0)
        puts("no receivers: name some under receivers: in lockstep.yaml");
    return code;
}

int run_receivers(struct cli *cli)
{
    static const struct subcommand list[] = {{"list", run_list}};

    return run_subcommand(cli, list, sizeof list / sizeof *list);
}
