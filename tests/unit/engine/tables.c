/* SPDX-License-Identifier: Apache-2.0 */
/* tables.c - tables written as text. */
#include "tables.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "runs.h"

static void wrong(const char *where, const char *what, const char *text)
{
    print_error("%s: %s: %s\n", where, what, text);
    fail();
}

/* Cuts blanks at both ends, in place. */
static char *trim(char *text)
{
    size_t n;

    text += strspn(text, " \t\r");
    n = strlen(text);
    while (n && strchr(" \t\r", text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

/* The next line that counts, trimmed; NULL at the end. */
static char *next_line(char **at)
{
    while (*at) {
        char *line = strsep(at, "\n");

        line = trim(line);
        if (*line && *line != '#')
            return line;
    }
    return NULL;
}

/* ---- fields ---- */

static void parse_type(char *text, struct ls_field *field, const char *where)
{
    char *bracket = strchr(text, '(');
    int first = -1, second = -1;
    enum ls_type type;

    if (bracket) {
        sscanf(bracket, "(%d,%d)", &first, &second);
        *bracket = '\0';
    }
    if (!ls_type_from_word(text, &type))
        wrong(where, "no such type", text);
    *field = fixture_field(field->name, type);
    if (first < 0)
        return;
    if (type == LS_T_TIME || type == LS_T_TIMESTAMP || type == LS_T_TIMESTAMPTZ) {
        field->scale = first;
        return;
    }
    field->precision = first;
    field->scale = type == LS_T_DECIMAL ? (second < 0 ? 0 : second) : field->scale;
}

/* name:type*! at *at, which moves on. */
static bool parse_field(char **at, struct table *table, const char *where, struct ls_arena *mem)
{
    struct ls_field *field = &table->fields[table->field_count];
    char *text = *at + strspn(*at, " \t"), *name = text, *type;
    size_t n;

    if (!*text)
        return false;
    if (*text == '"') {
        name = ++text;
        text += strcspn(text, "\"");
        *text++ = '\0';
    } else {
        text += strcspn(text, ":");
    }
    if (*text != ':' || table->field_count == TABLE_FIELDS)
        wrong(where, "a field is name:type", name);
    *text++ = '\0';
    n = strcspn(text, " \t");
    type = text;
    *at = text[n] ? text + n + 1 : text + n;
    text[n] = '\0';
    for (; n && strchr("*!", type[n - 1]); type[--n] = '\0') {
        if (type[n - 1] == '*')
            table->key[table->key_count++] = table->field_count;
        else
            table->unique[table->field_count] = true;
    }
    field->name = ls_arena_text(mem, name);
    parse_type(type, field, where);
    table->field_count++;
    return true;
}

/* ---- records ---- */

struct ls_value table_value(const char *text, const struct ls_field *field, const char *where,
                            struct ls_arena *mem)
{
    struct ls_value v = ls_value_null();
    struct ls_error err = {0};
    json_t *json = NULL;
    const char *read = text;
    size_t size = strlen(text);

    if (strcmp(text, "NULL") == 0)
        return v;
    if (*text == '"') {
        json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (!json_is_string(json))
            wrong(where, "no JSON string", text);
        read = json_string_value(json);
        size = json_string_length(json);
    }
    if (ls_value_from_text(field->type, read, size, mem, &v, &err) != LS_OK)
        wrong(where, err.text, text);
    if (ls_type_has_data(v.type))
        assert_true(ls_value_copy(mem, &v, &v));
    json_decref(json);
    return v;
}

/* Where a value ends: at a | that is not in double quotes. */
static char *value_end(char *text)
{
    bool quoted = false;

    for (; *text && (quoted || *text != '|'); text++) {
        if (quoted && *text == '\\' && text[1])
            text++;
        else if (*text == '"')
            quoted = !quoted;
    }
    return text;
}

static void parse_record(char *line, const struct table *table, struct ls_value *record,
                         const char *where, struct ls_arena *mem)
{
    for (size_t i = 0; i < table->field_count; i++) {
        char *end = value_end(line);
        const bool last = *end == '\0';

        if (last != (i + 1 == table->field_count))
            wrong(where, "a record has not as many values as there are fields", line);
        *end = '\0';
        record[i] = table_value(trim(line), &table->fields[i], where, mem);
        line = end + 1;
    }
}

void table_parse(const char *text, const char *where, struct ls_arena *mem, struct table *ret)
{
    char *copy = ls_arena_text(mem, text), *header, *line;
    size_t lines = 0;

    *ret = (struct table){0};
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    header = next_line(&copy);
    if (!header)
        wrong(where, "there are no fields", text);
    while (parse_field(&header, ret, where, mem))
        continue;
    if (!ret->key_count)
        wrong(where, "no field is marked as key with *", text);
    ret->records = ls_arena_array(mem, (lines + 1) * ret->field_count, sizeof *ret->records);
    while ((line = next_line(&copy)) != NULL)
        parse_record(line, ret, ret->records + ret->count++ * ret->field_count, where, mem);
}

/* ---- making ---- */

bool table_has_unique(const struct table *table)
{
    for (size_t i = 0; i < table->field_count; i++)
        if (table->unique[i])
            return true;
    return false;
}

void table_make(const struct table *table, const char *store, const char *collection)
{
    fixture_create(store, collection, table->field_count, table->fields, table->key_count,
                   table->key);
    for (size_t i = 0; i < table->field_count; i++)
        if (table->unique[i]) {
            char sql[300];

            snprintf(sql, sizeof sql, "CREATE UNIQUE INDEX \"%s_%s\" ON %s\"%s\" (\"%s\")",
                     collection, table->fields[i].name,
                     ls_text_starts(store, "postgres") ? "public." : "", collection,
                     table->fields[i].name);
            runs_sql(store, sql);
        }
    fixture_insert(store, collection, table->count, table->records);
}

const char *table_in(const char *store, const char *collection, const char *text)
{
    struct ls_arena mem;
    struct table table;

    ls_arena_init(&mem, 0);
    table_parse(text, collection, &mem, &table);
    table_make(&table, store, collection);
    ls_arena_done(&mem);
    return fixture_url(store, collection);
}
