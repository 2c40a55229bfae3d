/* SPDX-License-Identifier: Apache-2.0 */
/* fields.c - the fields of a JSON Lines file.
 *
 * An empty JSON Lines file has no fields, and a file with records does not say whether "2024-02-29" is a date. So a file that
 * lockstep makes gets a small file beside it, `.NAME.lockstep-fields`:
 *
 *     {"lockstep_fields":1,"fields":[{"name":"id","type":"int"},{"name":"at","type":"timestamptz"}]}
 *
 * It is advice: a field whose values are not all of the declared type is what its values are, members that are not declared are added, and
 * whoever removes the file loses types and nothing else. Native types of a database are declared as text, which is what stands in the file. */
#include "store/file/fields.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "model/jsonload.h"
#include "store/file/format.h"
#include "store/file/jsonl_value.h"

#define TAG "fields"
#define FIELDS_FILE_MAX ((size_t)16 << 20)

/* The file beside path, in mem. path has a slash. */
static char *beside(const char *path, struct ls_arena *mem)
{
    const char *slash = strrchr(path, '/');

    return ls_arena_printf(mem, "%.*s/.%s.lockstep-" TAG, (int)(slash - path), path, slash + 1);
}

static struct field_seen *find(struct fields *fs, const char *name)
{
    if (fs->next < fs->count && strcmp(fs->list[fs->next].field.name, name) == 0)
        return &fs->list[fs->next++];
    for (size_t i = 0; i < fs->count; i++)
        if (strcmp(fs->list[i].field.name, name) == 0) {
            fs->next = i + 1;
            return &fs->list[i];
        }
    return NULL;
}

static struct field_seen *add(struct fields *fs, const char *name, enum ls_type declared)
{
    struct field_seen *more = fs->list;

    if (fs->count == FILE_FIELDS_MAX)
        return NULL;
    if ((fs->count & (fs->count - 1)) == 0) { /* 0, 1, 2, 4...: twice the room */
        more = ls_arena_array(fs->mem, fs->count ? fs->count * 2 : 1, sizeof *more);
        if (more && fs->count)
            memcpy(more, fs->list, fs->count * sizeof *more);
    }
    if (!more)
        return NULL;
    fs->list = more;
    more += fs->count;
    *more = (struct field_seen){.field = {.name = ls_arena_text(fs->mem, name),
                                          .type = LS_T_NULL,
                                          .engine = "",
                                          .precision = -1,
                                          .scale = -1},
                                .declared = declared};
    fs->count += more->field.name != NULL;
    return more->field.name ? more : NULL;
}

/* ---- what is declared ---- */

static bool take_list(struct fields *fs, const json_t *root)
{
    const json_t *list = json_object_get(root, "fields"), *one;
    size_t i;

    if (json_integer_value(json_object_get(root, "lockstep_fields")) != 1 || !json_is_array(list))
        return false;
    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        const char *word = json_string_value(json_object_get(one, "type"));
        enum ls_type type = LS_T_NULL;

        if (!name || !word || !ls_type_from_word(word, &type) || type == LS_T_NATIVE)
            return false;
        if (find(fs, name) || !add(fs, name, type))
            return false;
    }
    return true;
}

enum ls_code fields_load(struct fields *fs, const char *path, struct ls_error *err)
{
    char *name = beside(path, fs->mem), *text = NULL;
    size_t size = 0;
    json_t *root = NULL;
    bool ok;
    enum ls_code rc;

    if (!name)
        return ls_error_nomem(err);
    if (access(name, F_OK) != 0 && errno == ENOENT)
        return LS_OK;
    rc = ls_file_read(name, FIELDS_FILE_MAX, fs->mem, &text, &size, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_json_load(text, size, JSON_REJECT_DUPLICATES, &root, err);
    if (rc != LS_OK)
        return rc;
    ok = root && take_list(fs, root);
    json_decref(root);
    return ok ? LS_OK
              : ls_error_set(err, LS_DATA,
                             "%s is no list of fields. Remove it: then the types are taken from "
                             "the records",
                             name);
}

static void write_list(struct ls_buf *out, const struct ls_schema *schema)
{
    ls_buf_text(out, "{\"lockstep_fields\":1,\"fields\":[");
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct ls_field *f = &schema->fields[i];
        const bool plain = f->type != LS_T_NATIVE && f->type != LS_T_NULL;

        ls_buf_text(out, i ? "," : "");
        ls_buf_text(out, "\n{\"name\":");
        ls_text_json(out, f->name, strlen(f->name));
        ls_buf_printf(out, ",\"type\":\"%s\"}", ls_type_word(plain ? f->type : LS_T_TEXT));
    }
    ls_buf_text(out, "]}\n");
}

enum ls_code fields_save(const char *path, const struct ls_schema *schema, struct ls_error *err)
{
    struct ls_file_swap swap = {0};
    struct ls_arena mem;
    struct ls_buf text;
    char *name;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_buf_init(&text, 0);
    write_list(&text, schema);
    name = beside(path, &mem);
    rc = name && !text.failed ? LS_OK : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_file_swap_open(&swap, name, "new", 0600, err);
    if (rc == LS_OK && fwrite(text.data, text.size, 1, swap.f) != 1)
        rc = ls_error_errno(err, errno, "cannot write %s", name);
    if (rc == LS_OK)
        rc = ls_file_swap_commit(&swap, err);
    ls_file_swap_abort(&swap);
    ls_buf_done(&text);
    ls_arena_done(&mem);
    return rc;
}

void fields_remove(const char *path)
{
    struct ls_arena mem;
    char *name;

    ls_arena_init(&mem, 0);
    name = beside(path, &mem);
    if (name)
        (void)unlink(name);
    ls_arena_done(&mem);
}

/* ---- what the records show ---- */

/* The type that holds both: INT in DECIMAL, everything else mixed is dynamic text. */
static void widen(struct ls_field *f, enum ls_type type)
{
    const bool numbers = (f->type == LS_T_INT || f->type == LS_T_DECIMAL) &&
                         (type == LS_T_INT || type == LS_T_DECIMAL);

    if (type == LS_T_NULL || type == f->type)
        return;
    if (f->type == LS_T_NULL) {
        f->type = type;
    } else if (numbers) {
        f->type = LS_T_DECIMAL;
    } else {
        f->type = LS_T_TEXT;
        f->flags |= LS_FIELD_DYNAMIC;
    }
}

bool fields_note(struct fields *fs, const char *name, const struct ls_value *value,
                 struct ls_arena *scratch)
{
    struct field_seen *seen = find(fs, name);
    bool fits = true, ok = true;

    if (!seen)
        seen = add(fs, name, LS_T_NULL);
    if (!seen)
        return false;
    widen(&seen->field, value->type);
    if (seen->declared != LS_T_NULL) {
        const struct ls_field declared = {.type = seen->declared};
        struct ls_value ignored;

        ok = jsonl_value_read(value, &declared, scratch, &ignored, &fits);
        if (!fits)
            seen->declared = LS_T_NULL;
    }
    return ok;
}

enum ls_code fields_settle(struct fields *fs, size_t *ret_count, struct ls_field **ret,
                           struct ls_error *err)
{
    struct ls_field *fields = ls_arena_array(fs->mem, fs->count, sizeof *fields);

    if (!fields)
        return ls_error_nomem(err);
    for (size_t i = 0; i < fs->count; i++) {
        fields[i] = fs->list[i].field;
        if (fs->list[i].declared != LS_T_NULL) {
            fields[i].type = fs->list[i].declared;
            fields[i].flags = 0;
        } else if (fields[i].type == LS_T_NULL) {
            fields[i].type = LS_T_TEXT;
        }
        fields[i].native = ls_type_word(fields[i].type);
    }
    *ret_count = fs->count;
    *ret = fields;
    return LS_OK;
}
