/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.c - outboxes in the stores of an application: made, taken away, looked at. */
#include "event/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "api/events.h"
#include "base/text.h"
#include "store/store.h"

/* Which table of which store. */
struct place {
    const char *store; /* as named */
    const char *text;  /* its URL */
    struct ls_url url;
    const char *collection; /* NULL: none was named */
};

static enum ls_code find_place(struct lockstep *ls, const char *where, struct ls_arena *mem,
                               struct place *ret, struct ls_error *err)
{
    const size_t length = strcspn(where, ".");
    enum ls_code rc;

    ret->text = ls_config_store(ls->config, where, length);
    ret->store = ret->text ? ls_arena_text_n(mem, where, length) : "";
    if (ret->text)
        ret->collection = where[length] ? where + length + 1 : NULL;
    else if (ls_url_looks_like(where))
        ret->text = where;
    else
        return ls_error_set(
            err, LS_NOT_FOUND,
            "there is no store named \"%.*s\" in the configuration. Name a table as "
            "STORE.TABLE, or by a URL: postgres://user@host/database#schema.table",
            (int)length, where);
    rc = ls_url_parse(ret->text, mem, &ret->url, err);
    if (rc != LS_OK)
        return rc;
    if (!ret->collection)
        ret->collection = ret->url.collection;
    if (!*ret->store)
        ret->store = ret->url.shown;
    if (strcmp(ret->url.scheme, "postgres") != 0 && strcmp(ret->url.scheme, "sqlite") != 0)
        return ls_error_set(err, LS_UNSUPPORTED,
                            "%s: an outbox can be in a PostgreSQL or SQLite database",
                            ret->url.shown);
    return LS_OK;
}

/* ---- the table ---- */

static const char *resource_of(const char *table, struct ls_arena *mem)
{
    const size_t n = strlen(table);

    if (n > 3 && strcmp(table + n - 3, "ies") == 0)
        return ls_arena_printf(mem, "%.*sy", (int)(n - 3), table);
    if (n > 2 && table[n - 1] == 's' && table[n - 2] != 's')
        return ls_arena_text_n(mem, table, n - 1);
    return table;
}

/* What the surface `events` calls the records of a collection it serves; NULL: it does not serve this one. */
static const char *served_as(const struct lockstep *ls, const struct place *p)
{
    for (size_t i = 0; ls->config && i < LS_RESOURCE_COUNT; i++) {
        const struct ls_resource *r = &ls->config->surfaces.resources[i];

        if (r->store && strcmp(r->store, p->store) == 0 &&
            strcmp(r->side.collection, p->collection) == 0)
            return ls_resource_words(r->kind)->type;
    }
    return NULL;
}

/* The documents have one type for these. */
static bool is_updated_only(const char *resource)
{
    return strcmp(resource, "profile") == 0 || strcmp(resource, "user") == 0 ||
           strcmp(resource, "progress") == 0;
}

static enum ls_code choose_types(struct lockstep *ls, struct ls_outbox_table *t,
                                 struct ls_arena *mem, struct ls_error *err)
{
    static const char *const words[3] = {"created", "updated", "deleted"};
    const struct ls_event_rules rules = ls_api_event_rules(ls);
    const bool one = is_updated_only(t->resource);
    bool known = rules.any;

    for (size_t i = 0; i < 3; i++)
        t->types[i] = one && i == 2
                          ? ""
                          : ls_arena_printf(mem, "%s.%s", t->resource, one ? "updated" : words[i]);
    if (!t->types[0] || !t->types[1] || !t->types[2])
        return ls_error_nomem(err);
    for (size_t i = 0; i < ls_event_type_count; i++)
        known = known || strcmp(ls_event_types[i], t->types[1]) == 0;
    for (size_t i = 0; i < rules.type_count; i++)
        known = known || ls_event_type_fits(t->types[1], rules.types[i]);
    return known
               ? LS_OK
               : ls_error_set(err, LS_CONFIG,
                              "events of the type %s are not accepted. Add \"%s.*\" to types: of "
                              "events: in lockstep.yaml, or name another resource: TABLE=RESOURCE",
                              t->types[1], t->resource);
}

static const struct ls_key *primary_of(const struct ls_schema *schema)
{
    for (size_t i = 0; i < schema->key_count; i++)
        if (schema->keys[i].primary)
            return &schema->keys[i];
    return NULL;
}

static enum ls_code describe(const struct place *p, struct ls_arena *mem, struct ls_outbox_table *t,
                             struct ls_error *err)
{
    struct ls_store *store = NULL;
    struct ls_schema *schema = NULL;
    const struct ls_key *key = NULL;
    const char **keys, **fields;
    enum ls_code rc;

    if (!p->collection)
        return ls_error_set(err, LS_USAGE, "which table of %s? STORE.TABLE", p->store);
    rc = ls_store_open(&p->url, NULL, &store, err);
    if (rc == LS_OK)
        rc = ls_store_describe(store, p->collection, mem, &schema, err);
    ls_store_close(store);
    if (rc == LS_OK)
        rc = ls_collection_split(schema->collection, mem, &t->schema, &t->table, err);
    if (rc != LS_OK)
        return rc;
    key = primary_of(schema);
    if (!key)
        return ls_error_set(err, LS_NO_KEY,
                            "%s has no primary key, which would name the record of "
                            "an event",
                            p->collection);
    keys = ls_arena_array(mem, key->field_count, sizeof *keys);
    fields = ls_arena_array(mem, schema->field_count, sizeof *fields);
    if (!keys || !fields)
        return ls_error_nomem(err);
    for (size_t i = 0; i < key->field_count; i++)
        keys[i] = schema->fields[key->fields[i]].name;
    for (size_t i = 0; i < schema->field_count; i++)
        fields[i] = schema->fields[i].name;
    t->key = keys;
    t->key_count = key->field_count;
    t->fields = fields;
    t->field_count = schema->field_count;
    return LS_OK;
}

/* ---- what is told ---- */

static bool is_drained(const struct lockstep *ls, const char *store)
{
    for (size_t i = 0; ls->config && i < ls->config->events.outbox_count; i++)
        if (strcmp(ls->config->events.outboxes[i], store) == 0)
            return true;
    return false;
}

static enum ls_code tell(struct lockstep *ls, struct ls_sql *db, const struct place *p,
                         struct ls_arena *mem, lockstep_outbox_fn *fn, void *ctx,
                         struct ls_error *err)
{
    struct ls_outbox_status s;
    struct lockstep_outbox o;
    struct ls_buf json;
    enum ls_code rc = ls_outbox_status(db, mem, &s, err);

    if (rc != LS_OK || !fn)
        return rc;
    o = (struct lockstep_outbox){.store = p->store,
                                 .waiting = s.waiting,
                                 .refused = s.refused,
                                 .oldest = s.oldest,
                                 .table_count = s.table_count,
                                 .tables = s.tables,
                                 .outdated = s.outdated,
                                 .drained = is_drained(ls, p->store)};
    ls_buf_init(&json, 0);
    ls_buf_text(&json, "{\"store\":");
    ls_text_json(&json, o.store, strlen(o.store));
    ls_buf_printf(&json, ",\"waiting\":%lld,\"refused\":%lld,\"drained\":%s,\"tables\":[",
                  (long long)o.waiting, (long long)o.refused, o.drained ? "true" : "false");
    for (size_t i = 0; i < o.table_count; i++) {
        ls_buf_text(&json, i ? "," : "");
        ls_text_json(&json, o.tables[i], strlen(o.tables[i]));
    }
    ls_buf_printf(&json, "],\"outdated\":%zu}", o.outdated);
    o.json = json.failed ? NULL : ls_buf_str(&json);
    if (o.json)
        fn(ctx, &o);
    else
        rc = ls_error_nomem(err);
    ls_buf_done(&json);
    return rc;
}

static enum ls_code open_place(struct lockstep *ls, const char *where, struct ls_arena *mem,
                               struct place *p, struct ls_sql **ret, struct ls_error *err)
{
    enum ls_code rc = find_place(ls, where, mem, p, err);

    return rc == LS_OK ? ls_sql_open(&p->url, NULL, ret, err) : rc;
}

/* ---- the calls ---- */

int lockstep_outbox_install(struct lockstep *ls, const char *where, const char *resource,
                            lockstep_outbox_fn *fn, void *ctx, struct lockstep_error *error)
{
    struct ls_outbox_table t = {.resource = resource};
    struct place p = {0};
    struct ls_sql *db = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = open_place(ls, where, &mem, &p, &db, &err);
    if (rc == LS_OK)
        rc = describe(&p, &mem, &t, &err);
    if (rc == LS_OK && !resource)
        t.resource = served_as(ls, &p);
    if (rc == LS_OK && !t.resource)
        t.resource = resource_of(t.table, &mem);
    if (rc == LS_OK)
        rc = t.resource ? choose_types(ls, &t, &mem, &err) : ls_error_nomem(&err);
    if (rc == LS_OK)
        rc = ls_api_state(ls, true, &err);
    if (rc == LS_OK)
        rc = ls_api_audit(ls, "outbox install", p.collection, "{}", &err);
    if (rc == LS_OK)
        rc = ls_outbox_install(db, &t, &err);
    if (rc == LS_OK)
        rc = tell(ls, db, &p, &mem, fn, ctx, &err);
    ls_sql_close(db);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_outbox_remove(struct lockstep *ls, const char *where, lockstep_outbox_fn *fn,
                           void *ctx, struct lockstep_error *error)
{
    struct ls_outbox_table t = {0};
    struct place p = {0};
    struct ls_sql *db = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    bool gone = false;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = open_place(ls, where, &mem, &p, &db, &err);
    if (rc == LS_OK)
        rc = describe(&p, &mem, &t, &err);
    if (rc == LS_OK)
        rc = ls_api_state(ls, true, &err);
    if (rc == LS_OK)
        rc = ls_api_audit(ls, "outbox remove", p.collection, "{}", &err);
    if (rc == LS_OK)
        rc = ls_outbox_remove(db, t.schema, t.table, &gone, &err);
    if (rc == LS_OK)
        rc = tell(ls, db, &p, &mem, fn, ctx, &err);
    ls_sql_close(db);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

static enum ls_code status_of(struct lockstep *ls, const char *store, lockstep_outbox_fn *fn,
                              void *ctx, struct ls_error *err)
{
    struct place p = {0};
    struct ls_sql *db = NULL;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = open_place(ls, store, &mem, &p, &db, err);
    if (rc == LS_OK)
        rc = tell(ls, db, &p, &mem, fn, ctx, err);
    ls_sql_close(db);
    ls_arena_done(&mem);
    return rc;
}

int lockstep_outbox_status(struct lockstep *ls, const char *store, lockstep_outbox_fn *fn,
                           void *ctx, struct lockstep_error *error)
{
    const struct ls_events_config *events = ls->config ? &ls->config->events : NULL;
    struct ls_error err = {0};
    enum ls_code rc = store ? status_of(ls, store, fn, ctx, &err) : LS_OK;

    for (size_t i = 0; !store && events && i < events->outbox_count && rc == LS_OK; i++)
        rc = status_of(ls, events->outboxes[i], fn, ctx, &err);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}
