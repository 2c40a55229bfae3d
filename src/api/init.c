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

#include "api/api.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/sync_config.h"

struct writer {
    struct ls_arena mem;
    struct ls_buf out;
    struct ls_url url[2]; /* source, target */
    const char *full[2];  /* URLs with variables replaced */
    const char *shown[2]; /* URLs as given, without password */
    struct ls_error why;  /* of the last pair that could not be synced */
    struct ls_store *store[2];
    size_t syncs;
};

/* A YAML scalar in double quotes: valid for any text. */
static void quoted(struct ls_buf *out, const char *text)
{
    ls_text_json(out, text, strlen(text));
}

/* The name of a collection without its schema, for matching `public.customers` with `customers`. */
static const char *bare_name(struct writer *w, const char *collection)
{
    const char *schema = NULL, *table = NULL;
    struct ls_error ignored;

    if (ls_collection_split(collection, &w->mem, &schema, &table, &ignored) != LS_OK)
        return collection;
    return table;
}

static const char *match(struct writer *w, const char *name, const char *const *others,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(others[i], name) == 0)
            return others[i];
    for (size_t i = 0; i < count; i++)
        if (strcmp(bare_name(w, others[i]), bare_name(w, name)) == 0)
            return others[i];
    return NULL;
}

static void write_key(struct writer *w, const struct ls_job *job)
{
    ls_buf_text(&w->out, "    key: ");
    for (size_t i = 0; i < job->layout.key_count; i++) {
        ls_buf_text(&w->out, i ? ", " : job->layout.key_count > 1 ? "[" : "");
        quoted(&w->out, job->layout.fields[job->layout.key[i]].name);
    }
    ls_buf_text(&w->out, job->layout.key_count > 1 ? "]\n" : "\n");
}

static void write_fields(struct writer *w, const struct ls_job *job)
{
    ls_buf_text(&w->out, "    # all fields of the same name; to rename, compute or leave out some, "
                         "list them:\n    # fields:\n");
    for (size_t i = 0; i < job->layout.field_count; i++) {
        ls_buf_text(&w->out, "    #   ");
        quoted(&w->out, job->layout.fields[i].name);
        ls_buf_text(&w->out, ": ");
        quoted(&w->out, job->layout.fields[i].name);
        ls_buf_printf(&w->out, "    # %s\n", job->layout.fields[i].native);
    }
}

static void write_comment(struct writer *w, const char *text)
{
    ls_buf_text(&w->out, "    # ");
    for (; *text; text++)
        ls_buf_text(&w->out, *text == '\n' ? "\n    # " : (char[]){*text, '\0'});
    ls_buf_char(&w->out, '\n');
}

/* STORE.COLLECTION, quoted as YAML. */
static void write_side(struct writer *w, const char *role, const char *collection)
{
    ls_buf_printf(&w->out, "    %s: ", role);
    quoted(&w->out, collection ? ls_arena_printf(&w->mem, "%s.%s", role, collection) : role);
    ls_buf_char(&w->out, '\n');
}

static void write_sync(struct writer *w, const char *source, const char *target)
{
    const struct ls_sync_config config = {
        .source = {w->full[0], source, NULL},
        .target = {w->full[1], target, NULL},
    };
    const char *name = source ? bare_name(w, source) : target ? bare_name(w, target) : "records";
    struct ls_job *job = NULL;
    struct ls_error err = {0};

    if (ls_job_open(&config, false, &job, &err) != LS_OK) {
        ls_buf_text(&w->out, "\n  # ");
        quoted(&w->out, name);
        ls_buf_text(&w->out, " cannot be synced as it is:\n");
        write_comment(w, err.text);
        w->why = err;
        return;
    }
    ls_buf_text(&w->out, "\n  ");
    quoted(&w->out, name);
    ls_buf_text(&w->out, ":\n");
    write_side(w, "source", source);
    write_side(w, "target", target);
    write_key(w, job);
    write_fields(w, job);
    ls_buf_text(
        &w->out,
        "    # where: \"status = 'active'\"        # only these records of the source\n"
        "    deletes: remove                    # remove | keep | soft: { deleted_at: now }\n"
        "    # brakes: { deletes: 20%, changes: 50% }\n");
    w->syncs++;
    ls_job_close(job);
}

static enum ls_code write_syncs(struct writer *w, struct ls_error *err)
{
    const char *const *names[2] = {NULL, NULL};
    size_t counts[2] = {0, 0};
    enum ls_code rc = LS_OK;

    if (w->url[0].collection || w->url[1].collection) {
        write_sync(w, w->url[0].collection, w->url[1].collection);
        return LS_OK;
    }
    for (size_t i = 0; i < 2 && rc == LS_OK; i++)
        rc = ls_store_list(w->store[i], &w->mem, &counts[i], &names[i], err);
    for (size_t i = 0; i < counts[0] && rc == LS_OK; i++) {
        const char *target = match(w, names[0][i], names[1], counts[1]);

        if (target)
            write_sync(w, names[0][i], target);
    }
    return rc;
}

static enum ls_code open_sides(struct writer *w, const char *const urls[2], struct ls_error *err)
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
        if (rc == LS_OK && !(w->shown[i] = ls_url_without_password(urls[i], &w->mem)))
            rc = ls_error_nomem(err);
    }
    return rc;
}

static void write_head(struct writer *w)
{
    static const char *const roles[] = {"source", "target"};

    ls_buf_text(&w->out, "# lockstep.yaml - which places lockstep keeps in step. "
                         "docs/configuration.md has every setting.\n"
                         "# Passwords do not belong here: write ${VAR} for one from the "
                         "environment, or use PGPASSWORD or a pass file.\n\n"
                         "# state: sqlite:lockstep.db             # where runs are remembered "
                         "(default: the user's state folder)\n\n"
                         "stores:\n");
    for (size_t i = 0; i < 2; i++) {
        const size_t length = strcspn(w->shown[i], "#");

        ls_buf_printf(&w->out, "  %s: ", roles[i]);
        ls_text_json(&w->out, w->shown[i], length);
        ls_buf_char(&w->out, '\n');
    }
    ls_buf_text(&w->out, "\nsyncs:");
}

static enum ls_code save(struct writer *w, const char *path, struct ls_error *err)
{
    struct ls_file_swap swap = {0};
    enum ls_code rc =
        w->out.failed ? ls_error_nomem(err) : ls_file_swap_open(&swap, path, "init", 0600, err);

    if (rc != LS_OK)
        return rc;
    if (fwrite(w->out.data, w->out.size, 1, swap.f) != 1) {
        rc = ls_error_errno(err, errno, "write %s", path);
        ls_file_swap_abort(&swap);
        return rc;
    }
    return ls_file_swap_commit(&swap, err);
}

int lockstep_init(const char *source_url, const char *target_url, const char *path, bool replace,
                  size_t *ret_syncs, struct lockstep_error *error)
{
    const char *const urls[2] = {source_url, target_url};
    struct writer w = {0};
    struct ls_error err = {0};
    enum ls_code rc = LS_OK;

    ls_arena_init(&w.mem, 0);
    ls_buf_init(&w.out, 0);
    if (!replace && access(path, F_OK) == 0)
        rc =
            ls_error_set(&err, LS_USAGE,
                         "%s is there already. Give another name with -c FILE, or --replace", path);
    if (rc == LS_OK)
        rc = open_sides(&w, urls, &err);
    if (rc == LS_OK) {
        write_head(&w);
        rc = write_syncs(&w, &err);
    }
    if (rc == LS_OK && w.syncs == 0 && w.why.code != LS_OK)
        rc = ls_error_set(&err, w.why.code, "%s", w.why.text);
    else if (rc == LS_OK && w.syncs == 0)
        rc = ls_error_set(&err, LS_NOT_FOUND,
                          "%s and %s have no table of the same name. Name a pair with #: "
                          "SOURCE#table TARGET#table",
                          w.url[0].shown, w.url[1].shown);
    if (rc == LS_OK)
        rc = save(&w, path, &err);
    for (size_t i = 0; i < 2; i++)
        ls_store_close(w.store[i]);
    ls_buf_done(&w.out);
    ls_arena_done(&w.mem);
    if (rc != LS_OK)
        return ls_api_fail(&err, error);
    *ret_syncs = w.syncs;
    return LOCKSTEP_OK;
}
