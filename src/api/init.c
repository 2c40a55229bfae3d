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
    size_t count[2]; /* collections of each store */
    const char *const *names[2];
    const char **
        taken; /* of each collection of the target: the one of the source that it goes with, or NULL */
    size_t syncs;
    const char **sync_names; /* so far; room for one for each collection of the source */
};

/* ---- YAML ---- */

/* Bytes of a character that libyaml would refuse or take for a line break: C1 controls, U+2028, U+2029, U+FEFF, U+FFFE and
 * U+FFFF; *ret_code is its number. 0: it is none. */
static size_t awkward(const unsigned char *c, unsigned *ret_code)
{
    if (c[0] == 0xc2 && c[1] < 0xa1)
        *ret_code = c[1];
    else if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9))
        *ret_code = 0x2028u + c[2] - 0xa8u;
    else if (c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf)
        *ret_code = 0xfeff;
    else if (c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe)
        *ret_code = 0xff00u + c[2] + 0x40u;
    else
        return 0;
    return c[0] == 0xc2 ? 2 : 3;
}

static void quoted(struct ls_buf *out, const char *text)
{
    ls_buf_char(out, '"');
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        unsigned code = *c;
        const size_t size = awkward(c, &code);

        if (size > 0 || *c < 0x20 || *c == 0x7f)
            ls_buf_printf(out, "\\u%04x", code);
        else if (c[0] == '$' && c[1] == '{')
            ls_buf_text(out, "$$"); /* or it would name a variable */
        else if (*c == '"' || *c == '\\')
            ls_buf_printf(out, "\\%c", *c);
        else
            ls_buf_char(out, (char)*c);
        c += size ? size : 1;
    }
    ls_buf_char(out, '"');
}

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ls_text_equal_nocase(words[i], text))
            return true;
    return false;
}

/* Letters, digits and _, not a digit first; `more` may stand in it too. */
static bool is_word(const char *text, char more)
{
    for (const char *c = text; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_' ||
              (c > text && ((*c >= '0' && *c <= '9') || *c == more))))
            return false;
    return *text != '\0';
}

/* Names such as a, a_1 and a.b, which are the same text in every YAML. */
static bool is_plain(const char *text)
{
    static const char *const words[] = {"y",   "n",    "yes",   "no",  "on",
                                        "off", "true", "false", "null"};

    return is_word(text, '.') && !is_one_of(text, words, sizeof words / sizeof *words);
}

/* A scalar: as it is where it can be, in double quotes otherwise. */
static void scalar(struct ls_buf *out, const char *text)
{
    if (is_plain(text))
        ls_buf_text(out, text);
    else
        quoted(out, text);
}

/* Blanks up to a column of the line being written. */
static void pad(struct ls_buf *out, size_t from, size_t column)
{
    while (out->size < from + column)
        ls_buf_char(out, ' ');
}

#define COMMENT_WIDTH 100

/* Words as comment lines; each begins with `lead`. */
static void write_comment(struct writer *w, const char *lead, const char *text)
{
    size_t at = 0;

    while (*text) {
        const size_t length = strcspn(text, " \n");

        if (at == 0 || at + 1 + length > COMMENT_WIDTH) {
            ls_buf_printf(&w->out, "%s%s", at ? "\n" : "", lead);
            at = strlen(lead);
        }
        ls_buf_char(&w->out, ' ');
        ls_buf_add(&w->out, text, length);
        at += 1 + length;
        text += length + (text[length] != '\0');
    }
    ls_buf_char(&w->out, '\n');
}

/* ---- pairs ---- */

/* The name of a collection without its schema, for matching `public.customers` with `customers`. */
static const char *bare_name(struct writer *w, const char *collection)
{
    const char *schema = NULL, *table = NULL;
    struct ls_error ignored;

    if (ls_collection_split(collection, &w->mem, &schema, &table, &ignored) != LS_OK)
        return collection;
    return table;
}

/* Pairs collections of the same name: with their schema first, then without it, where one is still free. */
static enum ls_code pair_up(struct writer *w, struct ls_error *err)
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
static const char *sync_name(struct writer *w, const char *collection)
{
    const char *name = collection ? bare_name(w, collection) : "records";

    for (size_t i = 0; i < w->syncs; i++)
        if (strcmp(w->sync_names[i], name) == 0)
            name = collection; /* with its schema */
    return ls_url_looks_like(name) ? ls_arena_printf(&w->mem, "_%s", name) : name;
}

/* ---- a sync ---- */

static void write_key(struct writer *w, const struct ls_job *job)
{
    ls_buf_text(&w->out, "    key: ");
    for (size_t i = 0; i < job->layout.key_count; i++) {
        ls_buf_text(&w->out, i ? ", " : job->layout.key_count > 1 ? "[" : "");
        scalar(&w->out, job->layout.fields[job->layout.key[i]].name);
    }
    ls_buf_text(&w->out, job->layout.key_count > 1 ? "]\n" : "\n");
}

/* The expression that is a field: in double quotes where the bare word would mean something else. */
static void field_expression(struct ls_buf *out, const char *name)
{
    static const char *const words[] = {
        "and",    "as",      "between", "case", "cast",   "collate", "distinct", "else", "end",
        "escape", "false",   "from",    "glob", "in",     "is",      "isnull",   "like", "match",
        "not",    "notnull", "null",    "or",   "regexp", "then",    "true",     "when",
    };
    struct ls_buf text;

    ls_buf_init(&text, 0);
    if (is_word(name, '_') && !is_one_of(name, words, sizeof words / sizeof *words))
        ls_buf_text(&text, name);
    else
        ls_text_ident(&text, name);
    scalar(out, ls_buf_str(&text));
    ls_buf_done(&text);
}

static void write_fields(struct writer *w, const struct ls_job *job)
{
    ls_buf_text(&w->out, "    # All fields of the same name. To rename, compute or leave out some, "
                         "list them:\n    # fields:\n");
    for (size_t i = 0; i < job->layout.field_count; i++) {
        const size_t from = w->out.size;

        ls_buf_text(&w->out, "    #   ");
        scalar(&w->out, job->layout.fields[i].name);
        ls_buf_text(&w->out, ": ");
        field_expression(&w->out, job->layout.fields[i].name);
        if (*job->layout.fields[i].native) {
            pad(&w->out, from, 38);
            ls_buf_printf(&w->out, " # %s", job->layout.fields[i].native);
        }
        ls_buf_char(&w->out, '\n');
    }
}

/* STORE.COLLECTION */
static void write_side(struct writer *w, const char *role, const char *collection)
{
    ls_buf_printf(&w->out, "    %s: ", role);
    scalar(&w->out, collection ? ls_arena_printf(&w->mem, "%s.%s", role, collection) : role);
    ls_buf_char(&w->out, '\n');
}

static void write_sync(struct writer *w, const char *source, const char *target)
{
    const struct ls_sync_config config = {
        .source = {w->full[0], source, NULL},
        .target = {w->full[1], target, NULL},
    };
    const char *name = sync_name(w, source ? source : target);
    struct ls_job *job = NULL;
    struct ls_error err = {0};

    if (ls_job_open(&config, false, &job, &err) != LS_OK) {
        ls_buf_text(&w->out, "\n  # ");
        quoted(&w->out, name);
        ls_buf_text(&w->out, " cannot be synced as it is:\n");
        write_comment(w, "  #  ", err.text);
        w->why = err;
        return;
    }
    ls_buf_text(&w->out, "\n  ");
    scalar(&w->out, name);
    ls_buf_text(&w->out, ":\n");
    write_side(w, "source", source);
    write_side(w, "target", target);
    write_key(w, job);
    write_fields(w, job);
    ls_buf_text(&w->out,
                "    # where: status = 'active'           # only these records of the source\n"
                "    deletes: remove          # remove | keep | { soft: { deleted_at: now } }\n"
                "    # brakes: { deletes: 20%, changes: 50% }\n");
    w->sync_names[w->syncs++] = name;
    ls_job_close(job);
}

/* Whether a collection of the source goes with one of the target. */
static size_t partner(const struct writer *w, const char *name)
{
    for (size_t k = 0; k < w->count[1]; k++)
        if (w->taken[k] == name)
            return k;
    return w->count[1];
}

/* What only one side has, so that nobody wonders where it went. */
static void write_lonely(struct writer *w, size_t side)
{
    static const char *const roles[] = {"source", "target"};
    struct ls_buf line;
    size_t count = 0;

    ls_buf_init(&line, 0);
    ls_buf_printf(&line, "Only in the %s:", roles[side]);
    for (size_t i = 0; i < w->count[side]; i++)
        if (side ? !w->taken[i] : partner(w, w->names[0][i]) == w->count[1]) {
            ls_buf_text(&line, count++ ? ", " : " ");
            ls_text_printable(&line, w->names[side][i], strlen(w->names[side][i]));
        }
    if (count) {
        ls_buf_char(&w->out, '\n');
        write_comment(w, "  #", ls_buf_str(&line));
    }
    ls_buf_done(&line);
}

static enum ls_code write_syncs(struct writer *w, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (w->url[0].collection || w->url[1].collection) {
        rc = pair_up(w, err); /* no lists: no pairs */
        if (rc == LS_OK)
            write_sync(w, w->url[0].collection, w->url[1].collection);
        return rc;
    }
    for (size_t i = 0; i < 2 && rc == LS_OK; i++)
        rc = ls_store_list(w->store[i], &w->mem, &w->count[i], &w->names[i], err);
    if (rc == LS_OK)
        rc = pair_up(w, err);
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
static const char *without_password(struct writer *w, const char *url)
{
    return is_variable_password(url) && !strstr(url, "password=")
               ? ls_arena_text(&w->mem, url)
               : ls_url_without_password(url, &w->mem);
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
        if (rc == LS_OK && !(w->shown[i] = without_password(w, urls[i])))
            rc = ls_error_nomem(err);
    }
    return rc;
}

static void write_head(struct writer *w)
{
    static const char *const roles[] = {"source", "target"};

    ls_buf_text(&w->out,
                "# lockstep.yaml - which places lockstep keeps in step. docs/configuration.md has "
                "every setting.\n"
                "# Passwords do not belong here: write ${VAR} for one from the environment, or use "
                "PGPASSWORD\n# or a pass file.\n\n"
                "# Where runs are remembered; without this line in the user's state folder.\n"
                "# state: sqlite:lockstep.db\n\n"
                "stores:\n");
    for (size_t i = 0; i < 2; i++) {
        ls_buf_printf(&w->out, "  %s: ", roles[i]);
        ls_text_json(&w->out, w->shown[i], strcspn(w->shown[i], "#"));
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
        rc = ls_error_errno(err, errno, "cannot write %s", path);
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
