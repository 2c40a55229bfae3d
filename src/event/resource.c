/* SPDX-License-Identifier: Apache-2.0 */
/* resource.c - records of an application's collection: opened, listed, looked up.
 *
 * A record is read as the JSON that the outbox would put into its event, column by column in one expression, so that an answer and the event about it say
 * the same in the same words, and numbers keep their digits. The times that all these records carry are read beside it, and written
 * in one form, whatever the collection calls them: last_updated_at is updated_at in most.
 *
 * Lists go by the key: a page begins behind the last key of the page before, and costs the same wherever it is. Whoever counts pages instead is given
 * them, at the price of reading what is skipped.
 *
 * A session is opened for each request, as for a message that is received. Names are quoted and values bound. */
#include "event/resource.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "event/outbox.h"
#include "event/resource_priv.h"
#include "store/store.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BIT(kind) (1u << LS_RESOURCE_##kind)
#define ALL (BIT(ENROLLMENTS) | BIT(PROFILE) | BIT(PROGRESS) | BIT(STUDENTS))

const struct ls_resource_words *ls_resource_words(enum ls_resource_kind kind)
{
#define X(name, setting, one, several, type) {setting, one, several, type},
    static const struct ls_resource_words words[] = {LS_RESOURCES(X)};
#undef X

    return &words[kind];
}

/* What records carry, in answers and by the names of columns that have it; of which resources. */
static const struct {
    const char *member;
    const char *columns[3];
    unsigned of;
} stamps[LS_STAMP_COUNT] = {
    [LS_STAMP_UPDATED] = {"last_updated_at", {"last_updated_at", "updated_at"}, ALL},
    [LS_STAMP_SYNCED] = {"last_synced_at", {"last_synced_at", "synced_at"}, ALL},
    [LS_STAMP_ENROLLED] = {"enrolled_at", {"enrolled_at", "created_at"}, BIT(ENROLLMENTS)},
    [LS_STAMP_ACCESSED] = {"last_accessed_at",
                           {"last_accessed_at", "accessed_at"},
                           BIT(ENROLLMENTS) | BIT(PROGRESS)},
};

/* ---- opening ---- */

static enum ls_code describe(struct ls_records *r, const struct ls_url *url, struct ls_error *err)
{
    const struct ls_store_options options = {.lock_timeout_ms = r->resource->side.lock_timeout_ms};
    struct ls_store *store = NULL;
    enum ls_code rc = ls_store_open(url, &options, &store, err);

    if (rc == LS_OK)
        rc = ls_store_describe(store, r->resource->side.collection, r->mem, &r->schema, err);
    ls_store_close(store);
    return rc;
}

/* The configuration's field by its exact name; the caller can do nothing about one that is not there. */
static enum ls_code configured_field(const struct ls_records *r, const char *name, size_t *ret,
                                     struct ls_error *err)
{
    return ls_schema_need(r->schema, name, ret, err) == LS_OK
               ? LS_OK
               : ls_error_set(err, LS_CONFIG, "%s of surfaces.events: %s has no field \"%s\"",
                              ls_resource_words(r->resource->kind)->setting,
                              r->resource->side.collection, name);
}

static enum ls_code choose_key(struct ls_records *r, struct ls_error *err)
{
    const struct ls_resource *c = r->resource;
    size_t *key = ls_arena_array(r->mem, c->key_count + 1, sizeof *key);
    enum ls_code rc = LS_OK;

    if (!key)
        return ls_error_nomem(err);
    r->primary = r->schema->key_count && r->schema->keys[0].primary ? r->schema->keys : NULL;
    if (!r->primary)
        return ls_error_set(err, LS_NO_KEY,
                            "%s has no primary key, which would name the record of an event",
                            c->side.collection);
    r->key_count = c->key_count ? c->key_count : r->primary->field_count;
    r->key = c->key_count ? key : r->primary->fields;
    for (size_t i = 0; i < c->key_count && rc == LS_OK; i++)
        rc = configured_field(r, c->key[i], &key[i], err);
    if (rc != LS_OK || !c->key_count)
        return rc;
    for (size_t k = 0; k < r->schema->key_count; k++) {
        const struct ls_key *own = &r->schema->keys[k];
        size_t found = 0;

        for (size_t i = 0; i < c->key_count; i++)
            for (size_t f = 0; f < own->field_count; f++)
                found += own->fields[f] == key[i];
        if (own->not_null && found == c->key_count && own->field_count == found)
            return LS_OK;
    }
    return ls_error_set(err, LS_CONFIG,
                        "%s of surfaces.events: the fields of key: are no unique key of %s "
                        "without NULLs",
                        ls_resource_words(c->kind)->setting, c->side.collection);
}

static enum ls_code choose_fields(struct ls_records *r, struct ls_error *err)
{
    const struct ls_resource *c = r->resource;
    size_t ignored = 0;
    enum ls_code rc = LS_OK;

    r->user = ls_records_field(r, "user_id");
    if (c->user)
        rc = configured_field(r, c->user, &r->user, err);
    for (size_t i = 0; i < c->write_count && rc == LS_OK; i++)
        rc = configured_field(r, c->writes[i], &ignored, err);
    for (size_t s = 0; s < LS_STAMP_COUNT; s++) {
        r->stamps[s] = LS_NO_FIELD;
        for (const char *const *name = stamps[s].columns; *name && r->stamps[s] == LS_NO_FIELD;
             name++)
            if (stamps[s].of & 1u << c->kind)
                r->stamps[s] = ls_records_field(r, *name);
    }
    return rc;
}

enum ls_code ls_records_open(const struct ls_resource *resource, struct ls_arena *mem,
                             struct ls_records **ret, struct ls_error *err)
{
    const struct ls_sql_options options = {.lock_timeout_ms = resource->side.lock_timeout_ms};
    struct ls_records *r = ls_arena_alloc(mem, sizeof *r);
    struct ls_url url;
    enum ls_code rc;

    if (!r)
        return ls_error_nomem(err);
    *r = (struct ls_records){.resource = resource, .mem = mem};
    rc = ls_url_parse(resource->side.url, mem, &url, err);
    if (rc == LS_OK)
        rc = describe(r, &url, err);
    if (rc == LS_OK)
        rc = choose_key(r, err);
    if (rc == LS_OK)
        rc = choose_fields(r, err);
    if (rc == LS_OK)
        rc = ls_collection_quote(r->schema->collection, r->mem, &r->table, err);
    if (rc == LS_OK && resource->side.zone)
        rc = ls_zone_open(resource->side.zone, &r->zone, err);
    if (rc == LS_OK)
        rc = ls_sql_open(&url, &options, &r->db, err);
    if (rc == LS_OK)
        *ret = r;
    else
        ls_records_close(r);
    return rc;
}

void ls_records_close(struct ls_records *records)
{
    if (!records)
        return;
    ls_sql_close(records->db);
    ls_zone_close(records->zone);
    records->db = NULL;
    records->zone = NULL;
}

bool ls_records_have_user(const struct ls_records *records)
{
    return records->user != LS_NO_FIELD;
}

bool ls_records_have_synced(const struct ls_records *records)
{
    return records->stamps[LS_STAMP_SYNCED] != LS_NO_FIELD;
}

bool ls_records_have_sync_status(const struct ls_records *records)
{
    return ls_schema_find(records->schema, "sync_status") >= 0;
}

enum ls_code ls_records_wait(struct ls_records *records, size_t count, const struct ls_record *list,
                             bool *ret, struct ls_error *err)
{
    const char **ids = ls_arena_array(records->mem, count, sizeof *ids);

    if (!ids)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        ids[i] = list[i].event_id;
    return ls_outbox_waits(records->db, ls_resource_words(records->resource->kind)->type, count,
                           ids, records->mem, ret, err);
}

/* ---- statements ---- */

static bool on_postgres(const struct ls_records *r)
{
    return ls_sql_dialect(r->db) == LS_POSTGRES;
}

enum ls_code ls_statement_begin(struct ls_records *records, struct ls_statement *s,
                                struct ls_error *err)
{
    /* values, their comparisons, the key twice, a page */
    const size_t room = 4 * records->schema->field_count + 8;

    *s = (struct ls_statement){.params = ls_arena_array(records->mem, room, sizeof *s->params)};
    ls_buf_init(&s->sql, 0);
    return s->params ? LS_OK : ls_error_nomem(err);
}

void ls_statement_done(struct ls_statement *statement)
{
    ls_buf_done(&statement->sql);
}

void ls_statement_bind(struct ls_statement *s, const struct ls_value *value)
{
    s->params[s->count++] = *value;
}

static void add_name(const struct ls_records *r, struct ls_buf *sql, const char *row, size_t field)
{
    ls_buf_text(sql, row);
    ls_text_ident(sql, r->schema->fields[field].name);
}

void ls_statement_field(struct ls_records *records, struct ls_statement *s, size_t field)
{
    add_name(records, &s->sql, "t.", field);
}

void ls_statement_where(struct ls_records *records, struct ls_statement *s,
                        const struct ls_terms *where)
{
    for (size_t i = 0; i < where->count; i++) {
        const struct ls_term *term = &where->terms[i];

        ls_buf_text(&s->sql, i ? " AND " : " WHERE ");
        ls_statement_field(records, s, term->field);
        ls_buf_text(&s->sql, " = ?");
        /* 'A' never stands for 'a' */
        if (records->schema->fields[term->field].flags & LS_FIELD_FOLDS && !on_postgres(records))
            ls_buf_text(&s->sql, " COLLATE BINARY");
        ls_statement_bind(s, &term->value);
    }
}

/* ---- what is read of a record ---- */

/* Columns: JSON, resourceId, the stamps, then the key. */
enum { COLUMN_JSON, COLUMN_ID, COLUMN_STAMPS, COLUMN_KEY = COLUMN_STAMPS + LS_STAMP_COUNT };

static bool is_stamp(const struct ls_records *r, size_t field)
{
    for (size_t s = 0; s < LS_STAMP_COUNT; s++)
        if (r->stamps[s] == field && strcmp(r->schema->fields[field].name, stamps[s].member) == 0)
            return true;
    return false;
}

static void add_json(const struct ls_records *r, struct ls_buf *sql)
{
    bool first = true;

    ls_buf_text(sql, "'{'");
    for (size_t i = 0; i < r->schema->field_count; i++) {
        const char *name = r->schema->fields[i].name;
        struct ls_buf member;

        if (is_stamp(r, i))
            continue;
        ls_buf_init(&member, 0);
        ls_buf_text(&member, first ? "" : ",");
        ls_text_json(&member, name, strlen(name));
        ls_buf_char(&member, ':');
        ls_buf_text(sql, " || ");
        ls_text_literal(sql, ls_buf_str(&member));
        ls_buf_done(&member);
        ls_buf_text(sql, " || ");
        if (on_postgres(r)) {
            ls_buf_text(sql, "coalesce(to_json(");
            add_name(r, sql, "t.", i);
            ls_buf_text(sql, ")::text, 'null')");
        } else {
            ls_outbox_sqlite_value(sql, "t", name);
        }
        first = false;
    }
    ls_buf_text(sql, " || '}'");
}

static void add_text_of(const struct ls_records *r, struct ls_buf *sql, const char *row,
                        size_t field)
{
    if (on_postgres(r)) {
        add_name(r, sql, row, field);
        ls_buf_text(sql, "::text");
        return;
    }
    ls_buf_text(sql, "CASE typeof(");
    add_name(r, sql, row, field);
    ls_buf_text(sql, ") WHEN 'blob' THEN hex(");
    add_name(r, sql, row, field);
    ls_buf_text(sql, ") ELSE CAST(");
    add_name(r, sql, row, field);
    ls_buf_text(sql, " AS TEXT) END");
}

/* As the triggers of the outbox have it. */
static void add_resource_id(const struct ls_records *r, struct ls_buf *sql)
{
    for (size_t i = 0; i < r->primary->field_count; i++) {
        ls_buf_text(sql, i ? " || ',' || " : "");
        if (on_postgres(r)) {
            ls_buf_text(sql, "coalesce(to_jsonb(");
            add_name(r, sql, "t.", r->primary->fields[i]);
            ls_buf_text(sql, ") #>> '{}', '')");
        } else {
            add_text_of(r, sql, "t.", r->primary->fields[i]);
        }
    }
}

void ls_records_key_texts(struct ls_records *records, struct ls_buf *sql, const char *row)
{
    for (size_t i = 0; i < records->key_count; i++) {
        ls_buf_text(sql, i ? ", " : "");
        add_text_of(records, sql, row, records->key[i]);
    }
}

static void add_select(struct ls_records *r, struct ls_buf *sql)
{
    ls_buf_text(sql, "SELECT ");
    add_json(r, sql);
    ls_buf_text(sql, ", ");
    add_resource_id(r, sql);
    for (size_t s = 0; s < LS_STAMP_COUNT; s++) {
        ls_buf_text(sql, ", ");
        if (r->stamps[s] == LS_NO_FIELD)
            ls_buf_text(sql, "NULL");
        else
            add_text_of(r, sql, "t.", r->stamps[s]);
    }
    ls_buf_text(sql, ", ");
    ls_records_key_texts(r, sql, "t.");
    ls_buf_printf(sql, " FROM %s AS t", r->table);
}

/* ---- a record, as it is answered ---- */

/* RFC 3339 in UTC with milliseconds; what is no time stays as it is. */
static void add_time(struct ls_buf *out, const char *text, size_t size)
{
    char iso[25];
    struct ls_arena mem;
    struct ls_value v;
    struct ls_error err = {0};
    bool ok;

    ls_arena_init(&mem, 0);
    ok = ls_value_from_text(LS_T_TIMESTAMPTZ, text, size, &mem, &v, &err) == LS_OK ||
         ls_value_from_text(LS_T_TIMESTAMP, text, size, &mem, &v, &err) == LS_OK;
    if (ok && v.i != LS_TIME_INFINITY && v.i != LS_TIME_MINUS_INFINITY) {
        ls_clock_iso(v.i, iso);
        ls_buf_printf(out, "\"%s\"", iso);
    } else {
        ls_text_json(out, text, size);
    }
    ls_arena_done(&mem);
}

static void add_stamps(const struct ls_records *r, struct ls_sql_stmt *stmt, struct ls_buf *out)
{
    for (size_t s = 0; s < LS_STAMP_COUNT; s++) {
        size_t size = 0;
        const char *text = ls_sql_text(stmt, COLUMN_STAMPS + (int)s, &size);

        if (!(stamps[s].of & 1u << r->resource->kind) ||
            (s == LS_STAMP_SYNCED && !ls_records_have_synced(r)))
            continue;
        ls_buf_printf(out, "%s\"%s\":", out->size > 1 ? "," : "", stamps[s].member);
        if (text)
            add_time(out, text, size);
        else
            ls_buf_text(out, "null");
    }
}

static const char *id_of(const struct ls_records *r, struct ls_sql_stmt *stmt)
{
    const char *id = NULL;

    for (size_t i = 0; i < r->key_count; i++) {
        const char *text = ls_sql_text(stmt, COLUMN_KEY + (int)i, NULL);

        id = i ? ls_arena_printf(r->mem, "%s,%s", id, text ? text : "")
               : ls_arena_text(r->mem, text ? text : "");
        if (!id)
            return NULL;
    }
    return id;
}

static enum ls_code read_record(struct ls_records *r, struct ls_sql_stmt *stmt,
                                struct ls_record *ret, struct ls_error *err)
{
    size_t size = 0;
    const char *json = ls_sql_text(stmt, COLUMN_JSON, &size);
    const char *event_id = ls_sql_text(stmt, COLUMN_ID, NULL);
    struct ls_buf out;

    if (!json || !size)
        return ls_error_set(err, LS_DATA, "a record of %s cannot be told as JSON",
                            r->resource->side.collection);
    ls_buf_init(&out, 0);
    ls_buf_add(&out, json, size - 1); /* without the } */
    add_stamps(r, stmt, &out);
    ls_buf_char(&out, '}');
    ret->json = out.failed ? NULL : ls_arena_text(r->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    ret->event_id = ls_arena_text(r->mem, event_id ? event_id : "");
    ret->id = id_of(r, stmt);
    return ret->json && ret->event_id && ret->id ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_records_read_key(struct ls_records *records, struct ls_sql_stmt *stmt, int column,
                                 struct ls_terms *ret, struct ls_error *err)
{
    enum ls_code rc = ls_terms_new(records, ret, err);

    for (size_t i = 0; i < records->key_count && rc == LS_OK; i++) {
        size_t size = 0;
        const char *text = ls_sql_text(stmt, column + (int)i, &size);
        struct ls_term *term = &ret->terms[ret->count++];

        text = ls_arena_text_n(records->mem, text ? text : "", size);
        if (!text)
            return ls_error_nomem(err);
        term->field = records->key[i];
        rc = ls_records_value(records, term->field, text, size, &term->value, err);
    }
    return rc;
}

/* ---- reading ---- */

/* Runs what selects records. */
static enum ls_code collect(struct ls_records *r, const struct ls_statement *s, size_t max,
                            struct ls_found *ret, size_t *ret_count, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row = true;
    enum ls_code rc;

    *ret_count = 0;
    if (s->sql.failed)
        return ls_error_nomem(err);
    rc = ls_sql_prepare(r->db, ls_buf_str(&s->sql), &stmt, err);
    if (rc == LS_OK)
        rc = ls_sql_run(stmt, s->params, s->count, false, err);
    while (rc == LS_OK && *ret_count < max && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row) {
        rc = read_record(r, stmt, &ret[*ret_count].record, err);
        if (rc == LS_OK)
            rc = ls_records_read_key(r, stmt, COLUMN_KEY, &ret[*ret_count].key, err);
        ++*ret_count;
    }
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_records_find(struct ls_records *records, const struct ls_terms *where,
                             bool for_update, size_t max, struct ls_found *ret, size_t *ret_count,
                             struct ls_error *err)
{
    struct ls_statement s;
    enum ls_code rc = ls_statement_begin(records, &s, err);

    if (rc != LS_OK)
        return rc;
    add_select(records, &s.sql);
    ls_statement_where(records, &s, where);
    ls_buf_printf(&s.sql, " LIMIT %zu%s", max,
                  for_update && on_postgres(records) ? " FOR UPDATE" : "");
    rc = collect(records, &s, max, ret, ret_count, err);
    ls_statement_done(&s);
    return rc;
}

enum ls_code ls_records_get(struct ls_records *records, const struct ls_terms *where,
                            struct ls_record *ret, struct ls_error *err)
{
    struct ls_found found[2];
    size_t count = 0;
    enum ls_code rc = ls_records_find(records, where, false, 2, found, &count, err);

    if (rc == LS_OK && count != 1)
        rc = count ? ls_error_set(err, LS_CONFLICT, "there are several: name one by its key")
                   : ls_error_set(err, LS_NOT_FOUND, "there is no such %s",
                                  ls_resource_words(records->resource->kind)->one);
    if (rc == LS_OK)
        *ret = found[0].record;
    return rc;
}

enum ls_code ls_records_count(struct ls_records *records, const struct ls_terms *where,
                              int64_t *ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_statement s;
    bool row = false;
    enum ls_code rc = ls_statement_begin(records, &s, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_printf(&s.sql, "SELECT count(*) FROM %s AS t", records->table);
    ls_statement_where(records, &s, where);
    rc = s.sql.failed
             ? ls_error_nomem(err)
             : ls_sql_one(records->db, ls_buf_str(&s.sql), s.params, s.count, &stmt, &row, err);
    *ret = rc == LS_OK && row ? ls_sql_i64(stmt, 0) : 0;
    ls_sql_finish(stmt);
    ls_statement_done(&s);
    return rc;
}

/* ---- pages ---- */

/* A cursor is the key of the record that the page ended with, as base64url of a list of texts. */
static const char *make_cursor(const struct ls_records *r, const struct ls_terms *key)
{
    struct ls_buf list, out;
    const char *cursor;

    ls_buf_init(&list, 0);
    ls_buf_init(&out, 0);
    for (size_t i = 0; i < key->count; i++) {
        struct ls_buf text;

        ls_buf_init(&text, 0);
        if (key->terms[i].value.type == LS_T_BYTES)
            ls_text_hex(&text, key->terms[i].value.data, key->terms[i].value.size);
        else
            ls_value_to_text(&text, &key->terms[i].value);
        ls_buf_char(&list, i ? ',' : '[');
        ls_text_json(&list, ls_buf_str(&text), text.size);
        list.failed |= text.failed;
        ls_buf_done(&text);
    }
    ls_buf_char(&list, ']');
    ls_text_base64url(&out, list.data, list.size);
    cursor = list.failed || out.failed ? NULL : ls_arena_text(r->mem, ls_buf_str(&out));
    ls_buf_done(&list);
    ls_buf_done(&out);
    return cursor;
}

static enum ls_code read_cursor(struct ls_records *r, const char *cursor, struct ls_terms *ret,
                                struct ls_error *err)
{
    struct ls_buf text;
    json_t *list = NULL;
    enum ls_code rc = ls_terms_new(r, ret, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&text, 0);
    if (ls_text_unbase64url(&text, cursor, strlen(cursor)) && text.size < 65536)
        list = json_loadb(text.data, text.size, 0, NULL);
    ls_buf_done(&text);
    if (json_array_size(list) != r->key_count)
        rc = LS_USAGE;
    for (size_t i = 0; i < r->key_count && rc == LS_OK; i++) {
        const char *value = json_string_value(json_array_get(list, i));
        const char *copy = value ? ls_arena_text(r->mem, value) : NULL;
        struct ls_term *term = &ret->terms[ret->count++];

        term->field = r->key[i];
        rc = copy ? ls_records_value(r, term->field, copy, strlen(copy), &term->value, err)
                  : LS_USAGE;
    }
    json_decref(list);
    return rc == LS_USAGE
               ? ls_error_set(err, LS_USAGE,
                              "cursor is what an earlier page gave as `next`, and nothing else")
               : rc;
}

static void add_page(struct ls_records *r, struct ls_statement *s,
                     const struct ls_records_query *query, const struct ls_terms *after)
{
    ls_statement_where(r, s, query->where);
    for (size_t i = 0; i < after->count; i++) {
        ls_buf_text(&s->sql, i ? ", " : query->where->count ? " AND (" : " WHERE (");
        ls_statement_field(r, s, r->key[i]);
    }
    for (size_t i = 0; i < after->count; i++) {
        ls_buf_text(&s->sql, i ? ", ?" : ") > (?");
        ls_statement_bind(s, &after->terms[i].value);
    }
    ls_buf_text(&s->sql, after->count ? ") ORDER BY " : " ORDER BY ");
    for (size_t i = 0; i < r->key_count; i++) {
        ls_buf_text(&s->sql, i ? ", " : "");
        ls_statement_field(r, s, r->key[i]);
    }
    ls_buf_printf(&s->sql, " LIMIT %zu OFFSET %zu", query->limit + 1, query->skip);
}

enum ls_code ls_records_list(struct ls_records *records, const struct ls_records_query *query,
                             size_t *ret_count, struct ls_record **ret, const char **ret_next,
                             struct ls_error *err)
{
    struct ls_found *found = ls_arena_array(records->mem, query->limit + 1, sizeof *found);
    struct ls_record *list = ls_arena_array(records->mem, query->limit, sizeof *list);
    struct ls_terms after = {0};
    struct ls_statement s;
    size_t count = 0;
    enum ls_code rc = found && list ? LS_OK : ls_error_nomem(err);

    if (rc == LS_OK && query->after)
        rc = read_cursor(records, query->after, &after, err);
    if (rc == LS_OK)
        rc = ls_statement_begin(records, &s, err);
    if (rc != LS_OK)
        return rc;
    add_select(records, &s.sql);
    add_page(records, &s, query, &after);
    rc = collect(records, &s, query->limit + 1, found, &count, err);
    ls_statement_done(&s);
    if (rc != LS_OK)
        return rc;
    *ret_next = NULL;
    *ret_count = count < query->limit ? count : query->limit;
    for (size_t i = 0; i < *ret_count; i++)
        list[i] = found[i].record;
    *ret = list;
    if (count > query->limit && !(*ret_next = make_cursor(records, &found[*ret_count - 1].key)))
        rc = ls_error_nomem(err);
    return rc;
}
