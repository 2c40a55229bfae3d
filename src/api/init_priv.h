/* SPDX-License-Identifier: Apache-2.0 */
/* init_priv.h - what the files of `lockstep init` share. */
#ifndef LS_API_INIT_PRIV_H
#define LS_API_INIT_PRIV_H

#include "api/api.h"

struct ls_init;

/* What a preset writes otherwise than init without one. */
struct ls_init_form {
    const char *about;     /* comment lines behind the first one */
    const char *stores[2]; /* what source and target are called; NULL: there are no stores */
    const char *deletes;   /* of every sync: lines */
    const char *rest;      /* behind the syncs; may be "" */
    const char *surface;   /* that is about all syncs; NULL: none */
    /* Writes the syncs; NULL: all collections of the same name. */
    enum ls_code (*syncs)(struct ls_init *w, struct ls_error *err);
};

/* A file being written. */
struct ls_init {
    const struct ls_init_form *form;
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

/* Writes path by a form; urls as they shall stand in the file, NULL where it has no stores. The file is loaded before it takes its place.
 * As lockstep_init() otherwise. */
LS_MUST_CHECK enum ls_code ls_init_write(const struct ls_init_form *form, const char *const urls[2],
                                         const char *path, bool replace, size_t *ret_syncs,
                                         struct ls_error *err);
/* One sync of that name, with these fields (0: all of the same name). What cannot be synced is a comment, and w->why. */
void ls_init_sync(struct ls_init *w, const char *name, const char *source, const char *target,
                  const struct ls_field_config *fields, size_t field_count);

/* init_yaml.c: a text in double quotes; a scalar as it is where it can be; blanks up to a column of the line that began at `from`. */
void ls_init_quoted(struct ls_buf *out, const char *text);
void ls_init_scalar(struct ls_buf *out, const char *text);
void ls_init_pad(struct ls_buf *out, size_t from, size_t column);
/* Words as comment lines; each begins with `lead`. */
void ls_init_comment(struct ls_buf *out, const char *lead, const char *text);
/* The expression that is a field. */
void ls_init_expression(struct ls_buf *out, const char *name);

#endif
