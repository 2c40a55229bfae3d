/* SPDX-License-Identifier: Apache-2.0 */
/* resource_write.c - a record of an application's collection and its event, written together.
 *
 * The event is written by the triggers of the outbox (outbox.c), as for any other program that changes the record: there is one way to write events. Here it is made sure
 * that it was: behind the change, in the same transaction, its row has to be in the outbox. Where it is not, because the outbox was never installed, a trigger
 * is disabled, or the documents know no event of that kind, everything is rolled back and the caller is told.
 *
 * The record is locked before it is changed. An update that changes nothing writes nothing, also not the time of the last change, and has no
 * event. That time is set with every other change, where the collection has a field for it and the caller did not give it: whoever resolves conflicts goes by it. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "event/outbox.h"
#include "event/resource_priv.h"

/* ---- what is set besides ---- */

static bool now_for(const struct ls_records *r, size_t index, int64_t now_us, struct ls_value *ret,
                    struct ls_error *err)
{
    const struct ls_field *field = &r->schema->fields[index];
    char iso[25];
    const char *text;

    ls_clock_iso(now_us, iso);
    text = ls_arena_text(r->mem, iso);
    (void)err;
    if (field->flags & LS_FIELD_GENERATED || !text)
        return false;
    if (ls_sql_dialect(r->db) == LS_SQLITE || field->type == LS_T_TEXT)
        *ret = ls_value_text(text);
    else
        *ret = (struct ls_value){.type = field->type, .i = now_us};
    return field->type == LS_T_TEXT || field->type == LS_T_TIMESTAMP ||
           field->type == LS_T_TIMESTAMPTZ;
}

static void set_now(const struct ls_records *r, size_t field, int64_t now_us, struct ls_terms *set,
                    struct ls_error *err)
{
    struct ls_term *term = &set->terms[set->count];

    if (field == LS_NO_FIELD || ls_terms_find(set, field) ||
        !now_for(r, field, now_us, &term->value, err))
        return;
    term->field = field;
    set->count++;
}

/* Times of a new record that the database does not set by itself. */
static void set_birth(const struct ls_records *r, int64_t now_us, struct ls_terms *set,
                      struct ls_error *err)
{
    const size_t fields[] = {ls_records_field(r, "created_at"), r->stamps[LS_STAMP_ENROLLED],
                             r->stamps[LS_STAMP_UPDATED]};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i] != LS_NO_FIELD &&
            !(r->schema->fields[fields[i]].flags & (LS_FIELD_DEFAULT | LS_FIELD_IDENTITY)))
            set_now(r, fields[i], now_us, set, err);
}

/* ---- checks ---- */

static bool numbers_itself(const struct ls_records *r, size_t field)
{
    return r->schema->flags & LS_SCHEMA_ROWID_KEY && r->primary->field_count == 1 &&
           r->primary->fields[0] == field;
}

static enum ls_code check_needed(const struct ls_records *r, const struct ls_terms *set,
                                 struct ls_error *err)
{
    const unsigned by_itself = LS_FIELD_DEFAULT | LS_FIELD_IDENTITY | LS_FIELD_GENERATED;

    for (size_t i = 0; i < r->schema->field_count; i++) {
        const struct ls_field *field = &r->schema->fields[i];

        if (field->flags & LS_FIELD_NOT_NULL && !(field->flags & by_itself) &&
            !ls_terms_find(set, i) && !numbers_itself(r, i))
            return ls_error_set(err, LS_USAGE, "%s is missing", field->name);
    }
    return LS_OK;
}

static bool is_key(const struct ls_records *r, size_t field)
{
    for (size_t i = 0; i < r->key_count; i++)
        if (r->key[i] == field)
            return true;
    return false;
}

static bool equal(const struct ls_records *r, const struct ls_term *a, const struct ls_term *b)
{
    const struct ls_field *field = &r->schema->fields[a->field];
    const struct ls_as as = ls_as_of(field, field);

    return ls_value_equal(&a->value, &b->value, &as);
}

/* The values that an update sets: all but the key, which stays. */
static enum ls_code choose_set(struct ls_records *r, const struct ls_terms *values,
                               const struct ls_terms *key, struct ls_terms *set,
                               struct ls_error *err)
{
    enum ls_code rc = ls_terms_new(r, set, err);

    for (size_t i = 0; i < values->count && rc == LS_OK; i++) {
        const struct ls_term *term = &values->terms[i];

        if (!is_key(r, term->field))
            set->terms[set->count++] = *term;
        else if (!equal(r, term, ls_terms_find(key, term->field)))
            rc = ls_error_set(err, LS_USAGE,
                              "%s names the record and cannot be changed: delete it and create "
                              "another one",
                              r->schema->fields[term->field].name);
    }
    return rc;
}

/* ---- statements ---- */

static enum ls_code run(struct ls_records *r, const struct ls_statement *s, int64_t *ret_changes,
                        struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = s->sql.failed ? ls_error_nomem(err)
                                    : ls_sql_prepare(r->db, ls_buf_str(&s->sql), &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_change(stmt, s->params, s->count, ret_changes, err);
    ls_sql_finish(stmt);
    return rc;
}

/* Whether its values can be compared: PostgreSQL has types that cannot (json, point, xml). */
static bool compares(const struct ls_field *field)
{
    return field->type != LS_T_NATIVE && strcmp(field->native, "json") != 0;
}

static void add_differs(struct ls_records *r, struct ls_statement *s, const struct ls_terms *set)
{
    const char *differs =
        ls_sql_dialect(r->db) == LS_POSTGRES ? " IS DISTINCT FROM ?" : " IS NOT ?";

    for (size_t i = 0; i < set->count; i++)
        if (!compares(&r->schema->fields[set->terms[i].field]))
            return;
    for (size_t i = 0; i < set->count; i++) {
        ls_buf_text(&s->sql, i ? " OR " : " AND (");
        ls_statement_field(r, s, set->terms[i].field);
        ls_buf_text(&s->sql, differs);
        ls_statement_bind(s, &set->terms[i].value);
    }
    ls_buf_char(&s->sql, ')');
}

static enum ls_code update(struct ls_records *r, const struct ls_terms *values,
                           const struct ls_terms *key, int64_t *ret_changes, struct ls_error *err)
{
    struct ls_statement s;
    struct ls_terms set;
    size_t given;
    enum ls_code rc = choose_set(r, values, key, &set, err);

    *ret_changes = 0;
    if (rc != LS_OK || set.count == 0)
        return rc;
    given = set.count;
    set_now(r, r->stamps[LS_STAMP_UPDATED], ls_clock_now_us(), &set, err);
    rc = ls_statement_begin(r, &s, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_printf(&s.sql, "UPDATE %s AS t SET ", r->table);
    for (size_t i = 0; i < set.count; i++) {
        ls_buf_text(&s.sql, i ? ", " : "");
        ls_text_ident(&s.sql, r->schema->fields[set.terms[i].field].name);
        ls_buf_text(&s.sql, " = ?");
        ls_statement_bind(&s, &set.terms[i].value);
    }
    ls_statement_where(r, &s, key);
    set.count = given; /* that the time would change is no change */
    add_differs(r, &s, &set);
    rc = run(r, &s, ret_changes, err);
    ls_statement_done(&s);
    return rc;
}

/* *ret_key: of the new record. */
static enum ls_code insert(struct ls_records *r, const struct ls_terms *values,
                           struct ls_terms *ret_key, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_statement s;
    struct ls_terms set;
    bool row = false;
    enum ls_code rc = ls_terms_new(r, &set, err);

    if (rc != LS_OK)
        return rc;
    ls_terms_add(&set, values);
    set_birth(r, ls_clock_now_us(), &set, err);
    rc = check_needed(r, &set, err);
    if (rc == LS_OK)
        rc = ls_statement_begin(r, &s, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_printf(&s.sql, "INSERT INTO %s", r->table);
    for (size_t i = 0; i < set.count; i++) {
        ls_buf_text(&s.sql, i ? ", " : " (");
        ls_text_ident(&s.sql, r->schema->fields[set.terms[i].field].name);
        ls_statement_bind(&s, &set.terms[i].value);
    }
    for (size_t i = 0; i < set.count; i++)
        ls_buf_text(&s.sql, i ? ", ?" : ") VALUES (?");
    ls_buf_text(&s.sql, set.count ? ") RETURNING " : " DEFAULT VALUES RETURNING ");
    ls_records_key_texts(r, &s.sql, "");
    rc = s.sql.failed ? ls_error_nomem(err)
                      : ls_sql_one(r->db, ls_buf_str(&s.sql), s.params, s.count, &stmt, &row, err);
    if (rc == LS_OK && !row)
        rc = ls_error_set(err, LS_CONSTRAINT, "a trigger of %s did not let the record in",
                          r->resource->side.collection);
    if (rc == LS_OK)
        rc = ls_records_read_key(r, stmt, 0, ret_key, err);
    ls_sql_finish(stmt);
    ls_statement_done(&s);
    return rc;
}

static enum ls_code delete (struct ls_records *r, const struct ls_terms *key, int64_t *ret_changes,
                            struct ls_error *err) {
    struct ls_statement s; enum ls_code rc = ls_statement_begin(r, &s, err);

    if (rc != LS_OK) return rc;
    ls_buf_printf(&s.sql, "DELETE FROM %s AS t", r->table);
    ls_statement_where(r, &s, key);
    rc = run(r, &s, ret_changes, err);
    ls_statement_done(&s);
    return rc;
}

/* ---- the event ---- */

static enum ls_code no_outbox(const struct ls_records *r, struct ls_error *err)
{
    return ls_error_set(err, LS_CONFIG,
                        "nothing was written: changes of %s.%s write no events. Run `lockstep "
                        "outbox install %s.%s`",
                        r->resource->store, r->resource->side.collection, r->resource->store,
                        r->resource->side.collection);
}

static enum ls_code need_event(struct ls_records *r, int64_t mark, bool deletion,
                               struct ls_written *ret, struct ls_error *err)
{
    const char *word = ls_resource_words(r->resource->kind)->type;
    struct ls_outbox_event event;
    enum ls_code rc;

    if (r->resource->no_event)
        return LS_OK;
    rc = ls_outbox_written(r->db, mark, ret->record.event_id, r->mem, &event, err);
    if (rc != LS_OK)
        return rc;
    ret->event = event.id;
    ret->type = event.type;
    ret->resource = event.resource;
    if (event.id)
        return LS_OK;
    return deletion && r->resource->kind != LS_RESOURCE_ENROLLMENTS
               ? ls_error_set(err, LS_UNSUPPORTED,
                              "nothing was deleted: there is no event that says a %s was deleted. "
                              "Install the outbox with a resource of another name to have one",
                              word)
               : no_outbox(r, err);
}

/* ---- a write ---- */

static enum ls_code create(struct ls_records *r, const struct ls_terms *values, int64_t mark,
                           struct ls_written *ret, struct ls_error *err)
{
    struct ls_terms key;
    struct ls_found now;
    size_t count = 0;
    enum ls_code rc = insert(r, values, &key, err);

    if (rc == LS_OK)
        rc = ls_records_find(r, &key, false, 1, &now, &count, err);
    if (rc == LS_OK && count == 0)
        rc =
            ls_error_set(err, LS_CONSTRAINT, "the new record is not there: a trigger of %s took it",
                         r->resource->side.collection);
    if (rc != LS_OK)
        return rc;
    ret->record = now.record;
    ret->changed = true;
    return need_event(r, mark, false, ret, err);
}

static enum ls_code change(struct ls_records *r, const struct ls_terms *values,
                           const struct ls_found *before, int64_t mark, struct ls_written *ret,
                           struct ls_error *err)
{
    struct ls_found now = *before;
    int64_t changes = 0;
    size_t count = 1;
    enum ls_code rc = update(r, values, &before->key, &changes, err);

    if (rc == LS_OK && changes)
        rc = ls_records_find(r, &before->key, false, 1, &now, &count, err);
    if (rc == LS_OK && count == 0)
        rc = ls_error_set(err, LS_CONFLICT, "a trigger of %s moved the record away",
                          r->resource->side.collection);
    if (rc != LS_OK)
        return rc;
    ret->record = now.record;
    ret->changed = strcmp(now.record.json, before->record.json) != 0;
    return ret->changed ? need_event(r, mark, false, ret, err) : LS_OK;
}

static enum ls_code take_away(struct ls_records *r, const struct ls_found *before, int64_t mark,
                              struct ls_written *ret, struct ls_error *err)
{
    int64_t changes = 0;
    enum ls_code rc = delete (r, &before->key, &changes, err);

    if (rc == LS_OK && changes == 0)
        rc = ls_error_set(err, LS_CONSTRAINT, "a trigger of %s keeps the record",
                          r->resource->side.collection);
    if (rc != LS_OK)
        return rc;
    ret->record = before->record;
    ret->changed = true;
    return need_event(r, mark, true, ret, err);
}

static enum ls_code in_transaction(struct ls_records *r, const struct ls_records_write *w,
                                   struct ls_written *ret, struct ls_error *err)
{
    struct ls_found before[2];
    size_t count = 0;
    int64_t mark = 0;
    enum ls_code rc = r->resource->no_event ? LS_OK : ls_outbox_mark(r->db, &mark, err);

    if (rc == LS_CONFIG)
        return no_outbox(r, err);
    if (rc == LS_OK && w->verb != LS_RECORDS_CREATE)
        rc = ls_records_find(r, w->where, true, 2, before, &count, err);
    if (rc == LS_OK && count > 1)
        rc = ls_error_set(err, LS_CONFLICT, "there are several: name one by its key");
    if (rc != LS_OK)
        return rc;
    if (w->verb == LS_RECORDS_CREATE || (w->verb == LS_RECORDS_SAVE && count == 0))
        return create(r, w->values, mark, ret, err);
    if (count == 0)
        return ls_error_set(err, LS_NOT_FOUND, "there is no such %s",
                            ls_resource_words(r->resource->kind)->one);
    return w->verb == LS_RECORDS_DELETE ? take_away(r, &before[0], mark, ret, err)
                                        : change(r, w->values, &before[0], mark, ret, err);
}

enum ls_code ls_records_write(struct ls_records *records, const struct ls_records_write *write,
                              struct ls_written *ret, struct ls_error *err)
{
    enum ls_code rc = ls_sql_begin(records->db, true, err);

    *ret = (struct ls_written){0};
    if (rc == LS_OK)
        rc = in_transaction(records, write, ret, err);
    if (rc == LS_OK)
        rc = ls_sql_commit(records->db, err);
    else
        ls_sql_rollback(records->db);
    return rc;
}
