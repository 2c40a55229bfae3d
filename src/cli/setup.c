/* SPDX-License-Identifier: Apache-2.0 */
/* setup.c - `lockstep setup`. */
#include "cli.h"

static void show_finding(void *ctx, const struct lockstep_finding *f)
{
    struct cli *cli = ctx;

    progress_clear(cli->progress);
    render_finding(cli, f);
}

int run_setup(struct cli *cli)
{
    struct lockstep_error error = {0};
    const int code = lockstep_setup(cli->ls, cli->set.dry_run, show_finding, cli, &error);

    progress_clear(cli->progress);
    if (code != LOCKSTEP_OK)
        return fail(cli, &error);
    if (cli->set.json || cli->set.dry_run)
        return code;
    puts("\nThe schedule runs while `lockstep serve` does. To manage it:\n"
         "  lockstep schedule list\n"
         "  lockstep schedule pause slave-to-prod      (or resume, trigger, delete)\n"
         "  lockstep schedule history slave-to-prod\n"
         "  curl -X POST $URL/api/background/sync/schedule -H \"Authorization: Bearer $TOKEN\" \\\n"
         "    -H 'Content-Type: application/json' -d '{\"action\":\"trigger-manual\"}'");
    return code;
}
