/* SPDX-License-Identifier: Apache-2.0 */
/* init.c - writes a first lockstep.yaml from two stores.
 *
 * The file is meant to be read and edited: what is a default stands there as a comment, and what was
 * found but cannot be synced stands there with the reason. Passwords are not written; the URL says where they may come from. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/init_priv.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/sync_config.h"

/* ---- pairs ---- */

/* The name of a collection without its schema, for matching `public.customers` with `customers`. */
static const char *bare_name(struct ls_init *w, const char *collection)
{
    const char *schema = NULL, *table = NULL;
    struct ls_error ignored;

    if (ls_collection_split(collection, &w->mem, &schema, &table, &ignored) != LS_OK)
        return collection;
    return table;
}

/* Pairs collections of the same name: with their schema first, then without it, where one is still free. */
static enum ls_code pair_up(struct ls_init *w, struct ls_error *err)
{
    w->taken = ls_arena_array(&w->mem, w->count[1] + 1, sizeof *w->taken);
    w->sync_names = ls_arena_array(&w->mem, w->count[0] + 1, sizeof *w->sync_names);
    if (!w->taken || !w->sync_names)
        return ls_error_nomem(err);
    for (size_t bare = 0; bare < 2; bare++)
        for (size_t i = 0; i < w->count[0]; i++) {
            const char *name = w->names[0][i];
            size_t free = w->count[1];

            for (size_t k = 0; k < w->count[1] && name; k++) {
                const char *other = w->names[1][k];

                if (w->taken[k] == name)
                    name = NULL; /* has one */
                else if (!w->taken[k] && free == w->count[1] &&
                         (bare ? strcmp(bare_name(w, other), bare_name(w, name)) == 0
                               : strcmp(other, name) == 0))
                    free = k;
            }
            if (name && free < w->count[1])
                w->taken[free] = name;
        }
    return LS_OK;
}

/* A name for the sync that no other has and that is no URL. */
static const char *sync_name(struct ls_init *w, const char *collection)
{
    const char *name = collection ? bare_name(w, collection) : "records";

    for (size_t i = 0; i < w->syncs; i++)
        if (strcmp(w->sync_names[i], name) == 0)
            name = collection; /* with its schema */
    return ls_url_looks_like(name) ? ls_arena_printf(&w->mem, "_%s", name) : name;
}

/* ---- a sync ---- */

static void write_key(struct ls_init *w, const struct ls_job *job)
{
    ls_buf_text(&w->out, "    key: ");
    for (size_t i = 0; i < job->layout.key_count; i++) {
        ls_buf_text(&w->out, i ? ", " : job->layout.key_count > 1 ? "[" : "");
        ls_init_scalar(&w->out, job->layout.fields[job->layout.key[i]].name);
    }
    ls_buf_text(&w->out, job->layout.key_count > 1 ? "]\n" : "\n");
}

static void write_fields(struct ls_init *w, const struct ls_job *job, bool listed)
{
    const char *lead = listed ? "      " : "    #   ";

    ls_buf_text(&w->out, listed ? "    fields:\n"
                                : "    # All fields of the same name. To rename, compute or leave "
                                  "out some, list them:\n    # fields:\n");
    for (size_t i = 0; i < job->layout.field_count; i++) {
        const size_t from = w->out.size;

        ls_buf_text(&w->out, lead);
        ls_init_scalar(&w->out, job->layout.fields[i].name);
        ls_buf_text(&w->out, ": ");
        ls_init_expression(&w->out, job->layout.fields[i].name);
        if (*job->layout.fields[i].native) {
            ls_init_pad(&w->out, from, 38);
            ls_buf_printf(&w->out, " # %s", job->layout.fields[i].native);
        }
        ls_buf_char(&w->out, '\n');
    }
}

/* STORE.COLLECTION */
static void write_side(struct ls_init *w, size_t side, const char *collection)
{
    static const char *const roles[] = {"source", "target"};
    const char *store = w->form->stores[side];

    ls_buf_printf(&w->out, "    %s: ", roles[side]);
    ls_init_scalar(&w->out,
                   collection ? ls_arena_printf(&w->mem, "%s.%s", store, collection) : store);
    ls_buf_char(&w->out, '\n');
}

void ls_init_sync(struct ls_init *w, const char *name, const char *source, const char *target,
                  const struct ls_field_config *fields, size_t field_count)
{
    const struct ls_sync_config config = {
        .source = {.url = w->full[0], .collection = source},
        .target = {.url = w->full[1], .collection = target},
        .fields = fields,
        .field_count = field_count,
    };
    struct ls_job *job = NULL;
    struct ls_error err = {0};

    if (ls_job_open(&config, false, &job, &err) != LS_OK) {
        ls_buf_text(&w->out, "\n  # ");
        ls_init_quoted(&w->out, name);
        ls_buf_text(&w->out, " cannot be synced as it is:\n");
        ls_init_comment(&w->out, "  #  ", err.text);
        w->why = err;
        return;
    }
    ls_buf_text(&w->out, "\n  ");
    ls_init_scalar(&w->out, name);
    ls_buf_text(&w->out, ":\n");
    write_side(w, 0, source);
    write_side(w, 1, target);
    write_key(w, job);
    write_fields(w, job, field_count > 0);
    ls_buf_text(&w->out, w->form->deletes);
    w->sync_names[w->syncs++] = name;
    ls_job_close(job);
}

static void write_sync(struct ls_init *w, const char *source, const char *target)
{
    ls_init_sync(w, sync_name(w, source ? source : target), source, target, NULL, 0);
}

/* Whether a collection of the source goes with one of the target. */
static size_t partner(const struct ls_init *w, const char *name)
{
    for (size_t k = 0; k < w->count[1]; k++)
        if (w->taken[k] == name)
            return k;
    return w->count[1];
}

/* What only one side has, so that nobody wonders where it went. */
static void write_lonely(struct ls_init *w, size_t side)
{
    struct ls_buf line;
    size_t count = 0;

    ls_buf_init(&line, 0);
    ls_buf_printf(&line, "Only in the %s:", w->form->stores[side]);
    for (size_t i = 0; i < w->count[side]; i++)
        if (side ? !w->taken[i] : partner(w, w->names[0][i]) == w->count[1]) {
            ls_buf_text(&line, count++ ? ", " : " ");
            ls_text_printable(&line, w->names[side][i], strlen(w->names[side][i]));
        }
    if (count) {
        ls_buf_char(&w->out, '\n');
        ls_init_comment(&w->out, "  #", ls_buf_str(&line));
    }
    ls_buf_done(&line);
}

static enum ls_code write_syncs(struct ls_init *w, struct ls_error *err)
{
    const bool pair = w->url[0].collection || w->url[1].collection;
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < 2 && rc == LS_OK && !pair; i++)
        rc = ls_store_list(w->store[i], &w->mem, &w->count[i], &w->names[i], err);
    if (rc == LS_OK)
        rc = pair_up(w, err); /* no lists: no pairs */
    if (rc == LS_OK && w->form->syncs)
        return w->form->syncs(w, err);
    if (rc == LS_OK && pair)
        write_sync(w, w->url[0].collection, w->url[1].collection);
    for (size_t i = 0; i < w->count[0] && rc == LS_OK; i++) {
        const size_t k = partner(w, w->names[0][i]);

        if (k < w->count[1])
            write_sync(w, w->names[0][i], w->names[1][k]);
    }
    for (size_t side = 0; side < 2 && rc == LS_OK; side++)
        write_lonely(w, side);
    return rc;
}

/* ---- the file ---- */

/* user:${VAR}@host: a variable instead of a password may be written. */
static bool is_variable_password(const char *url)
{
    const char *host = strstr(url, "://"), *at = NULL, *colon = NULL;

    if (host)
        at = strchr(host, '@');
    if (at)
        colon = memchr(host + 3, ':', (size_t)(at - host - 3));
    return colon && colon[1] == '$' && colon[2] == '{' && at[-1] == '}' &&
           strcspn(colon + 3, "}:") == (size_t)(at - 1 - (colon + 3));
}

/* The URL as it was given, without a password that is written out. */
static const char *without_password(struct ls_init *w, const char *url)
{
    return is_variable_password(url) && !strstr(url, "password=")
               ? ls_arena_text(&w->mem, url)
               : ls_url_without_password(url, &w->mem);
}

static enum ls_code open_sides(struct ls_init *w, const char *const urls[2], struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < 2 && rc == LS_OK; i++) {
        const char *url = NULL;

        rc = ls_config_expand(urls[i], &w->mem, &url, err);
        if (rc == LS_OK)
            rc = ls_url_parse(url, &w->mem, &w->url[i], err);
        if (rc == LS_OK)
            rc = ls_store_open(&w->url[i], NULL, &w->store[i], err);
        w->full[i] = url;
        if (rc == LS_OK && !(w->shown[i] = without_password(w, urls[i])))
            rc = ls_error_nomem(err);
    }
    return rc;
}

static void write_head(struct ls_init *w)
{
    ls_buf_printf(
        &w->out,
        "# lockstep.yaml - which places lockstep keeps in step. docs/configuration.md has "
        "every setting.\n%s\n"
        "# Where runs are remembered; without this line in the user's state folder.\n"
        "# state: sqlite:lockstep.db\n",
        w->form->about);
    for (size_t i = 0; i < 2 && w->form->stores[i]; i++) {
        ls_buf_printf(&w->out, "%s  %s: ", i ? "" : "\nstores:\n", w->form->stores[i]);
        ls_text_json(&w->out, w->shown[i], strcspn(w->shown[i], "#"));
        ls_buf_char(&w->out, '\n');
    }
}

/* The syncs that the documented paths are about, in the order of the file. */
static void write_surface(struct ls_init *w)
{
    ls_buf_printf(&w->out, "\nsurfaces:\n  %s: [", w->form->surface);
    for (size_t i = 0; i < w->syncs; i++) {
        ls_buf_text(&w->out, i ? ", " : "");
        ls_init_scalar(&w->out, w->sync_names[i]);
    }
    ls_buf_text(&w->out, "]\n");
}

/* Reads what was written as any command would. */
static enum ls_code check_loads(const char *path, struct ls_error *err)
{
    struct ls_config *config = NULL;
    const enum ls_code rc = ls_config_read(path, &config, err);

    ls_config_free(config);
    return rc;
}

static enum ls_code save(struct ls_init *w, const char *path, struct ls_error *err)
{
    struct ls_file_swap swap = {0};
    enum ls_code rc =
        w->out.failed ? ls_error_nomem(err) : ls_file_swap_open(&swap, path, "init", 0600, err);

    if (rc != LS_OK)
        return rc;
    if (fwrite(w->out.data, w->out.size, 1, swap.f) != 1)
        rc = ls_error_errno(err, errno, "cannot write %s", path);
    if (rc == LS_OK)
        rc = ls_file_swap_sync(&swap, err);
    if (rc == LS_OK)
        rc = check_loads(swap.temp_path, err);
    if (rc != LS_OK) {
        ls_file_swap_abort(&swap);
        return rc;
    }
    return ls_file_swap_commit(&swap, err);
}

/* Why there is no sync in the file. */
static enum ls_code no_syncs(const struct ls_init *w, struct ls_error *err)
{
    if (w->why.code != LS_OK)
        return ls_error_set(err, w->why.code, "%s", w->why.text);
    return ls_error_set(err, LS_NOT_FOUND,
                        "%s and %s have no table of the same name. Name a pair with #: "
                        "SOURCE#table TARGET#table",
                        w->url[0].shown, w->url[1].shown);
}

enum ls_code ls_init_write(const struct ls_init_form *form, const char *const urls[2],
                           const char *path, bool replace, size_t *ret_syncs, struct ls_error *err)
{
    struct ls_init w = {.form = form};
    const bool stores = form->stores[0] != NULL;
    enum ls_code rc = LS_OK;

    ls_arena_init(&w.mem, 0);
    ls_buf_init(&w.out, 0);
    if (!replace && access(path, F_OK) == 0)
        rc =
            ls_error_set(err, LS_USAGE,
                         "%s is there already. Give another name with -c FILE, or --replace", path);
    if (rc == LS_OK && stores)
        rc = open_sides(&w, urls, err);
    if (rc == LS_OK)
        write_head(&w);
    if (rc == LS_OK && stores) {
        ls_buf_text(&w.out, "\nsyncs:");
        rc = write_syncs(&w, err);
    }
    if (rc == LS_OK && stores && w.syncs == 0)
        rc = no_syncs(&w, err);
    if (form->surface)
        write_surface(&w);
    ls_buf_text(&w.out, form->rest);
    if (rc == LS_OK)
        rc = save(&w, path, err);
    for (size_t i = 0; i < 2; i++)
        ls_store_close(w.store[i]);
    ls_buf_done(&w.out);
    ls_arena_done(&w.mem);
    if (rc == LS_OK)
        *ret_syncs = w.syncs;
    return rc;
}

int lockstep_init(const char *source_url, const char *target_url, const char *path, bool replace,
                  size_t *ret_syncs, struct lockstep_error *error)
{
    static const struct ls_init_form form = {
        .about =
            "# Passwords do not belong here: write ${VAR} for one from the environment, or use "
            "PGPASSWORD\n# or a pass file.\n",
        .stores = {"source", "target"},
        .deletes = "    # where: status = 'active'           # only these records of the source\n"
                   "    deletes: remove          # remove | keep | { soft: { deleted_at: now } }\n"
                   "    # brakes: { deletes: 20%, changes: 50% }\n",
        .rest = "",
    };
    const char *const urls[2] = {source_url, target_url};
    struct ls_error err = {0};

    return ls_init_write(&form, urls, path, replace, ret_syncs, &err) == LS_OK
               ? LOCKSTEP_OK
               : ls_api_fail(&err, error);
}
