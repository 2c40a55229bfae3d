/* SPDX-License-Identifier: Apache-2.0 */
/* init_preset.c - the configurations of three systems that people write again and again, from the variables that these have.
 *
 * users    the users of a local database and of an auth service: the local ones are right, and only the fields are compared that both
 *          keep of a user. Until there is a store for the auth service itself, its table auth.users is reached as a table.
 * events   events and signed webhooks: everything comes from the environment, so that the file says little and explains much.
 * replica  a replica copied into production: new records and changed ones, nothing is deleted.
 *
 * URLs are written as the variables that they come from, so that the file holds no secrets and serves every environment. */
#include <stdlib.h>
#include <string.h>

#include "api/init_priv.h"

/* ---- users ---- */

/* A collection by the first of these names that a store has. */
static const char *collection_of(const struct ls_init *w, size_t side, const char *const names[2])
{
    if (w->url[side].collection)
        return w->url[side].collection;
    for (size_t n = 0; n < 2; n++)
        for (size_t i = 0; i < w->count[side]; i++)
            if (strcmp(w->names[side][i], names[n]) == 0)
                return w->names[side][i];
    return NULL;
}

static bool has_field(const struct ls_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return !(schema->fields[i].flags & LS_FIELD_GENERATED);
    return false;
}

/* What is checked of a user, where both sides have it. The auth service's own table has a `role` too, but that is the database role of its sessions; it is
 * told by the column `aud` beside it. */
static size_t checked_fields(const struct ls_schema *local, const struct ls_schema *auth,
                             struct ls_field_config ret[5])
{
    static const char *const checked[] = {"id", "email", "name", "email_verified", "role"};
    size_t count = 0;

    for (size_t i = 0; i < sizeof checked / sizeof *checked; i++)
        if (has_field(local, checked[i]) && has_field(auth, checked[i]) &&
            !(strcmp(checked[i], "role") == 0 && has_field(auth, "aud")))
            ret[count++] = (struct ls_field_config){checked[i], checked[i]};
    return count;
}

static enum ls_code write_users(struct ls_init *w, struct ls_error *err)
{
    static const char *const names[2][2] = {{"public.users", "users"}, {"auth.users", "users"}};
    const struct ls_schema *schema[2] = {NULL, NULL};
    struct ls_field_config fields[5];
    const char *collection[2];
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < 2 && rc == LS_OK; i++) {
        struct ls_schema *found = NULL;

        collection[i] = collection_of(w, i, names[i]);
        if (!collection[i])
            return ls_error_set(err, LS_NOT_FOUND,
                                "%s has no table %s. Name the table of the users with #: "
                                "LOCAL#table AUTH#table",
                                w->url[i].shown, names[i][0]);
        rc = ls_store_describe(w->store[i], collection[i], &w->mem, &found, err);
        schema[i] = found;
    }
    if (rc == LS_OK)
        ls_init_sync(w, "users", collection[0], collection[1], fields,
                     checked_fields(schema[0], schema[1], fields));
    return rc;
}

static const struct ls_init_form users_form = {
    .about =
        "# The users of the local database and those of the auth service.\n"
        "#\n"
        "# From the environment, or from .env.local and .env in the current folder:\n"
        "#   DATABASE_URL                 the local database\n"
        "#   SUPABASE_DB_URL              the database of the auth service; left out: the same\n"
        "#   NEXT_PUBLIC_SUPABASE_URL     the project whose users may call, by its tokens\n"
        "#   SUPABASE_SERVICE_ROLE_KEY    the key by which its programs call\n",
    .stores = {"local", "auth"},
    .deletes =
        "    # The local database is right: a user that only the auth service has is removed, one "
        "that it\n    # lacks is created, and what differs is overwritten. For the other way round "
        "exchange source\n    # and target.\n"
        "    deletes: remove          # remove | keep | { soft: { deleted_at: now } }\n"
        "    # brakes: { deletes: 20%, changes: 50% }\n",
    .rest = "\nschedules:\n"
            "  scheduled-sync: { cron: \"0 * * * *\", sync: users } # every hour\n"
            "\n# Served: /api/admin/sync, /api/admin/scheduled-sync, /api/debug/user-exists.\n"
            "surfaces:\n"
            "  users: { sync: users, local: source }\n",
    .syncs = write_users,
};

/* ---- events ---- */

static const struct ls_init_form events_form = {
    .about =
        "# Events and signed webhooks.\n"
        "#\n"
        "# From the environment, or from .env.local and .env in the current folder; nothing of it "
        "has to stand here:\n"
        "#   SYNC_WEBHOOK_URLS    where events are sent to, separated by commas: the endpoints "
        "webhook-1, webhook-2, ...\n"
        "#   WEBHOOK_SECRET       signs what is sent and verifies what comes in\n"
        "#   CRON_SECRET          lets a cron job call POST /api/sync/process\n"
        "#   NEXTAUTH_SECRET      lets the application's own admins call, by their session\n"
        "#   DATABASE_URL         the application's database, where its records are served "
        "(below)\n",
    .rest =
        "\nevents:\n"
        "  # types: [order.*]       # besides enrollment.*, profile.updated, user.updated and "
        "progress.updated\n"
        "  # allow: [10.0.0.0/8]    # private networks that webhooks may go to\n"
        "  keep: { days: 7, dead_days: 30 }\n"
        "\n"
        "# Further endpoints, with settings of their own:\n"
        "# endpoints:\n"
        "#   crm:\n"
        "#     url: https://crm.example/hook\n"
        "#     secret: ${CRM_SECRET}\n"
        "#     policy: standard     # documented: 3 tries, 1 s to 30 s | standard: 3 days | fast "
        "| long\n"
        "\n"
        "# Records of the application, each write with its event in one transaction: "
        "/api/enrollments, /api/profile,\n"
        "# /api/progress, /api/admin/students. Their tables need an outbox: lockstep outbox "
        "install "
        "app.public.enrollments ...\n"
        "# stores:\n"
        "#   app: ${DATABASE_URL}\n"
        "# surfaces:\n"
        "#   events:\n"
        "#     enrollments: { collection: app.public.enrollments, user_writes: [course_id] }\n"
        "#     profile: { collection: app.public.profiles, user: user_id, user_writes: [name] }\n"
        "#     progress: { collection: app.public.progress, key: [user_id, course_id], "
        "user_writes: [course_id, percent] }\n"
        "#     students: app.public.users\n",
};

/* ---- replica ---- */

static const struct ls_init_form replica_form = {
    .about = "# A replica, copied into production.\n"
             "#\n"
             "# From the environment, or from .env.local and .env in the current folder:\n"
             "#   REPLICA_DATABASE_URL           the replica (the source)\n"
             "#   DATABASE_URL                   production (the target)\n"
             "#   QSTASH_CURRENT_SIGNING_KEY,\n"
             "#   QSTASH_NEXT_SIGNING_KEY        verify calls of QStash\n"
             "#   NEXT_PUBLIC_APP_URL            the address that QStash calls, which it signs\n"
             "#   SUPABASE_SERVICE_ROLE_KEY      the key by which programs call\n",
    .stores = {"replica", "production"},
    .deletes = "    deletes: keep            # records that only production has stay\n"
               "    # brakes: { changes: 50% }\n",
    .rest = "",
    .surface = "replica",
};

/* ---- the presets ---- */

struct preset {
    const char *name;
    const struct ls_init_form *form;
    /* By side: variables with its URL, the first that is set. */
    const char *urls[2][3];
    const char *needed[4]; /* variables that have to be set */
};

static const struct preset presets[] = {
    {"users", &users_form, {{"DATABASE_URL"}, {"SUPABASE_DB_URL", "DATABASE_URL"}}, {NULL}},
    {"events", &events_form, {{NULL}, {NULL}}, {"SYNC_WEBHOOK_URLS", "WEBHOOK_SECRET"}},
    {"replica",
     &replica_form,
     {{"REPLICA_DATABASE_URL", "SLAVE_DATABASE_URL"}, {"DATABASE_URL", "SUPABASE_DB_URL"}},
     {NULL}},
};

static const struct preset *find_preset(const char *name, struct ls_error *err)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    (void)ls_error_set(err, LS_USAGE, "there is no preset \"%.100s\": users, events, replica",
                       name);
    return NULL;
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && *value;
}

static enum ls_code missing(const struct preset *preset, const char *variable, struct ls_error *err)
{
    return ls_error_set(err, LS_CONFIG,
                        "the preset %s needs the environment variable %s, which is not set; it may "
                        "stand in .env.local or .env as well%s",
                        preset->name, variable,
                        preset->form->stores[0] ? ". Or give both URLs: SOURCE TARGET" : "");
}

/* "${NAME}" of the first variable of a side that is set. */
static enum ls_code url_of(const struct preset *preset, size_t side, char ret[64],
                           struct ls_error *err)
{
    for (const char *const *name = preset->urls[side]; *name; name++)
        if (is_set(*name)) {
            snprintf(ret, 64, "${%s}", *name);
            return LS_OK;
        }
    return missing(preset, preset->urls[side][0], err);
}

/* What the file leaves to the environment. */
static enum ls_code check_environment(const struct preset *preset, struct ls_error *err)
{
    struct ls_endpoint *endpoints = NULL;
    struct ls_auth_config auth;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc = LS_OK;

    for (const char *const *name = preset->needed; *name && rc == LS_OK; name++)
        if (!is_set(*name))
            rc = missing(preset, *name, err);
    ls_arena_init(&mem, 0);
    if (rc == LS_OK)
        rc = ls_config_auth_with_environment(NULL, &mem, &auth, err);
    if (rc == LS_OK)
        rc = ls_config_environment_endpoints(&mem, &count, &endpoints, err);
    ls_arena_done(&mem);
    return rc;
}

int lockstep_init_preset(const char *name, const char *source_url, const char *target_url,
                         const char *path, bool replace, size_t *ret_syncs,
                         struct lockstep_error *error)
{
    const char *urls[2] = {source_url, target_url};
    char variables[2][64];
    struct ls_error err = {0};
    const struct preset *preset = find_preset(name, &err);
    enum ls_code rc = preset ? check_environment(preset, &err) : err.code;

    if (rc == LS_OK && source_url && !preset->form->stores[0])
        rc = ls_error_set(&err, LS_USAGE, "the preset %s takes no store", name);
    for (size_t i = 0; i < 2 && rc == LS_OK && !source_url && preset->form->stores[0]; i++) {
        rc = url_of(preset, i, variables[i], &err);
        urls[i] = variables[i];
    }
    if (rc == LS_OK)
        rc = ls_init_write(preset->form, urls, path, replace, ret_syncs, &err);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}
