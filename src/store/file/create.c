/* SPDX-License-Identifier: Apache-2.0 */
/* create.c - makes a file that is not there yet, with the fields of another collection.
 *
 * It is written beside its place and renamed there only if nothing has come in between: a file is never replaced. What
 * its format cannot say of the fields is left beside it first (fields.c), since a file without that would be read as
 * another collection; it goes again when no file came of it. */
#include "store/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The fields that a new file gets. In mem. */
static struct ls_schema *writable_fields(const struct ls_schema *like, struct ls_arena *mem)
{
    struct ls_schema *schema = ls_arena_copy(mem, like, sizeof *like);
    struct ls_field *fields = ls_arena_array(mem, like->field_count, sizeof *fields);

    if (!schema || !fields)
        return NULL;
    schema->fields = fields;
    schema->field_count = 0;
    for (size_t i = 0; i < like->field_count; i++)
        if (!(like->fields[i].flags & LS_FIELD_GENERATED))
            fields[schema->field_count++] = like->fields[i];
    return schema;
}

/* A rename that replaces nothing, where the file system knows one. */
static enum ls_code publish(struct file_store *s, const struct ls_file_swap *swap,
                            struct ls_error *err)
{
    int rc = renameat2(AT_FDCWD, swap->temp_path, AT_FDCWD, s->path, RENAME_NOREPLACE);

    if (rc != 0 && (errno == EINVAL || errno == ENOSYS))
        rc = rename(swap->temp_path, s->path);
    if (rc != 0 && errno == EEXIST)
        return ls_error_set(err, LS_CONFLICT, "%s is there already", s->path);
    return rc == 0 ? ls_file_sync_parent(s->path, err)
                   : ls_error_errno(err, errno, "make %s", s->path);
}

enum ls_code file_create(struct ls_store *store, const char *collection,
                         const struct ls_schema *like, size_t key_count, const size_t *key,
                         struct ls_error *err)
{
    static const struct file_style style = {0};
    struct file_store *s = file_of(store);
    const struct ls_schema *schema = writable_fields(like, &s->mem);
    struct ls_file_swap swap = {0};
    struct ls_buf head;
    enum ls_code rc = schema ? LS_OK : ls_error_nomem(err);

    (void)collection;
    (void)key_count;
    (void)key;
    if (access(s->path, F_OK) == 0)
        return ls_error_set(err, LS_CONFLICT, "%s is there already", s->path);
    ls_buf_init(&head, 0);
    if (rc == LS_OK)
        s->format->write_head(&head, schema, &style);
    if (head.failed)
        rc = ls_error_nomem(err);
    if (rc == LS_OK && s->format->note)
        rc = s->format->note(s->path, schema, err);
    if (rc == LS_OK)
        rc = ls_file_swap_open(&swap, s->path, "create", 0600, err);
    if (rc == LS_OK && head.size && fwrite(head.data, head.size, 1, swap.f) != 1)
        rc = ls_error_errno(err, errno, "write %s", s->path);
    if (rc == LS_OK)
        rc = ls_file_swap_sync(&swap, err);
    if (rc == LS_OK)
        rc = publish(s, &swap, err);
    ls_file_swap_abort(&swap);
    ls_buf_done(&head);
    if (rc != LS_OK && rc != LS_CONFLICT && s->format->unnote)
        s->format->unnote(s->path);
    return rc;
}
