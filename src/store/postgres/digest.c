/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - checksums computed by the server.
 *
 * A record's hash is hash_record_extended(ROW(fields), SEED), where SEED is a hash of the record's own key, itself seeded. The
 * key in the seed matters: hash_record_extended() is linear in its fields' hashes, so with one seed for all, two
 * records that swap a value would leave the sum of their hashes as it was. (Mixing the result once more with
 * hashint8extended() helps too, but folds it to 32 bits, and so misses one changed record in 4 billion.) What goes into the
 * record, and why not simply the fields, is in types.c.
 *
 * A segment's digest is its count and the sum of its hashes modulo 2^64. sum(bigint) adds up in 128 bits inside the server and
 * gives a numeric at the end; only that is brought to 64 bits, here.
 *
 * The fields of the key that may be NULL are counted beside the records: a segment that has fewer of them has a NULL in a key.
 *
 * Segments are grouped by HashAggregate: a sort of all records costs as much again as hashing them, so
 * sorting is switched off for the query, and jit, which costs more than it saves.
 *
 * Two servers are trusted to hash alike when a probe, the hash of a fixed record with fixed
 * seeds, comes out the same on both: it is part of the family, with the encoding (text is hashed in it). Servers before 14 have no
 * hash_record_extended(): 64 bits of md5 over the fields' texts, each behind its length. */
#include "store/postgres/postgres.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Every native hash function that types.c names, over values with all their bits in use. */
#define PROBE_RECORD                                                                             \
    "SELECT hash_record_extended(ROW(int8send(-1234567890123), 12345.678, -0.5::float8, true,"   \
    " 'Vien\\303\\240'::bytea, 'lockstep'::text COLLATE \"C\", date '2024-02-29', "              \
    "time_send('12:34:56.789'),"                                                                 \
    " '00112233-4455-6677-8899-aabbccddeeff'::uuid, NULL::int4), 1234567890123456789)::text || " \
    "'/' || "
#define PROBE_KEY                                                                               \
    "(hashint8extended(-1234567890123, 987654321) # hashtextextended('lockstep'::text COLLATE " \
    "\"C\", 987654321)"                                                                         \
    " # uuid_hash_extended('00112233-4455-6677-8899-aabbccddeeff', 987654321))::text"

/* A field's text behind its length; long ones by their own md5, so that a record of many stays below 1 GB. */
#define MD5_FIELD                                                  \
    "coalesce(CASE WHEN octet_length(@) > 4096 THEN 'M' || md5(@)" \
    " ELSE octet_length(@) || ':' || (@) END, 'N')"

static enum ls_code probe(struct ls_pgs *pg, struct ls_error *err)
{
    if (pg->probe)
        return LS_OK;
    return ls_pgs_ask(pg, pg->md5 ? "SELECT " PROBE_KEY : PROBE_RECORD PROBE_KEY, NULL, 0, &pg->mem,
                      &pg->probe, err);
}

static const struct ls_as *as_of(const struct ls_scan *scan, size_t position)
{
    return scan->as ? &scan->as[position] : NULL;
}

static enum ls_code cannot(const struct ls_scan *scan, size_t position, struct ls_error *err)
{
    const struct ls_field *field = &scan->schema->fields[scan->fields[position]];
    const struct ls_as *as = as_of(scan, position);

    return ls_error_set(
        err, LS_UNSUPPORTED,
        "%s is not digested on the server: its field \"%s\" (%s) is compared as %s there is no "
        "hash for",
        scan->schema->collection, field->name, field->native,
        as ? ls_type_word(as->type) : "a value");
}

const char *ls_pgs_digest_family(struct ls_store *store, const struct ls_scan *scan,
                                 struct ls_arena *mem, struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const struct ls_pgs_table *table;
    const char *ret = NULL, *around;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    if (ls_pgs_table(pg, scan->schema, &table, err) != LS_OK || probe(pg, err) != LS_OK)
        goto done;
    ls_buf_printf(&out, "postgres-%s/1 %s %s", pg->md5 ? "md5" : "record", pg->encoding, pg->probe);
    for (size_t i = 0; i < scan->field_count; i++) {
        const struct ls_field *field = &scan->schema->fields[scan->fields[i]];
        const struct ls_pgs_column *col = &table->columns[scan->fields[i]];
        const struct ls_pgs_type *type = ls_pgs_hashed_as(col, field, as_of(scan, i), &around);

        if (!type) {
            (void)cannot(scan, i, err);
            goto done;
        }
        ls_buf_printf(&out, " %s", type->family ? type->family : col->base);
    }
    ls_buf_text(&out, " key");
    for (size_t i = 0; i < scan->key_count; i++)
        ls_buf_printf(&out, " %zu", scan->key[i]);
    ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    if (!ret)
        (void)ls_error_nomem(err);
done:
    ls_buf_done(&out);
    return ret;
}

/* The column inside the template that brings it to the type it is hashed as; *ret_type is that type. */
static enum ls_code hashed_column(struct ls_buf *out, const struct ls_pgs_table *table,
                                  const struct ls_scan *scan, size_t position,
                                  const struct ls_pgs_type **ret_type, struct ls_error *err)
{
    size_t field = scan->fields[position];
    const char *around;
    struct ls_buf name;

    *ret_type = ls_pgs_hashed_as(&table->columns[field], &scan->schema->fields[field],
                                 as_of(scan, position), &around);
    if (!*ret_type)
        return cannot(scan, position, err);
    ls_buf_init(&name, 0);
    ls_pgs_column_ref(&name, table, field);
    ls_buf_reset(out);
    ls_pgs_expand(out, around, name.failed ? "" : ls_buf_str(&name), "");
    out->failed |= name.failed;
    ls_buf_done(&name);
    return ls_pgs_built(out, err);
}

static enum ls_code record_hash(struct ls_buf *sql, const struct ls_pgs_table *table,
                                const struct ls_scan *scan, const uint64_t seeds[2],
                                struct ls_error *err)
{
    const struct ls_pgs_type *type;
    struct ls_buf column;
    enum ls_code rc = LS_OK;

    ls_buf_init(&column, 0);
    ls_buf_text(sql, "hash_record_extended(ROW(");
    for (size_t i = 0; i < scan->field_count && rc == LS_OK; i++) {
        rc = hashed_column(&column, table, scan, i, &type, err);
        if (rc != LS_OK)
            break;
        ls_buf_text(sql, i ? ", " : "");
        ls_pgs_expand(sql, type->element, ls_buf_str(&column), "");
    }
    ls_buf_text(sql, "), ");
    ls_pgs_key_hash(sql, table, scan, seeds[1]);
    ls_buf_text(sql, " # ");
    ls_pgs_i64(sql, seeds[0]);
    ls_buf_char(sql, ')');
    ls_buf_done(&column);
    return rc;
}

static enum ls_code md5_hash(struct ls_buf *sql, const struct ls_pgs_table *table,
                             const struct ls_scan *scan, const uint64_t seeds[2],
                             struct ls_error *err)
{
    const struct ls_pgs_type *type;
    struct ls_buf column, text;
    enum ls_code rc = LS_OK;

    ls_buf_init(&column, 0);
    ls_buf_init(&text, 0);
    ls_buf_printf(sql, "('x' || left(md5('%016" PRIx64 "%016" PRIx64 "'", seeds[0], seeds[1]);
    for (size_t i = 0; i < scan->field_count && rc == LS_OK; i++) {
        rc = hashed_column(&column, table, scan, i, &type, err);
        if (rc != LS_OK)
            break;
        ls_buf_reset(&text);
        ls_pgs_expand(&text, type->text, ls_buf_str(&column), "");
        ls_buf_text(sql, " || ");
        ls_pgs_expand(sql, MD5_FIELD, text.failed ? "" : ls_buf_str(&text), "");
        sql->failed |= text.failed;
    }
    ls_buf_text(sql, "), 16))::bit(64)::int8");
    ls_buf_done(&text);
    ls_buf_done(&column);
    return rc;
}

static const struct ls_field *key_field(const struct ls_scan *scan, size_t i)
{
    return &scan->schema->fields[scan->fields[scan->key[i]]];
}

static bool may_be_null(const struct ls_scan *scan, size_t i)
{
    return !(key_field(scan, i)->flags & LS_FIELD_NOT_NULL);
}

enum ls_code ls_pgs_digest_query(struct ls_pgs *pg, const struct ls_scan *scan,
                                 const uint64_t seeds[2], struct ls_buf *sql, struct ls_error *err)
{
    bool grouped = scan->partition && scan->partition->count > 1;
    const struct ls_pgs_table *table;
    enum ls_code rc = ls_pgs_table(pg, scan->schema, &table, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_text(sql, "SELECT ");
    rc = ls_pgs_segment(sql, table, scan, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_text(sql, " AS segment, count(*), coalesce(sum(");
    rc = pg->md5 ? md5_hash(sql, table, scan, seeds, err)
                 : record_hash(sql, table, scan, seeds, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_text(sql, "), 0)");
    for (size_t i = 0; i < scan->key_count; i++) {
        if (!may_be_null(scan, i))
            continue;
        ls_buf_text(sql, ", count(");
        ls_pgs_column_ref(sql, table, scan->fields[scan->key[i]]);
        ls_buf_char(sql, ')');
    }
    ls_buf_printf(sql, " FROM %s AS t", table->ident);
    rc = ls_pgs_where(sql, pg, table, scan, err);
    if (rc == LS_OK && grouped)
        ls_buf_text(sql, " GROUP BY 1");
    return rc == LS_OK ? ls_pgs_built(sql, err) : rc;
}

/* A whole number of any length, modulo 2^64. */
static uint64_t modulo(const char *text)
{
    bool negative = *text == '-';
    uint64_t ret = 0;

    for (text += negative; *text >= '0' && *text <= '9'; text++)
        ret = ret * 10 + (uint64_t)(*text - '0');
    return negative ? 0 - ret : ret;
}

/* LS_DATA when a key field has fewer values than the segment has records. */
static enum ls_code check_keys(struct ls_sql_stmt *stmt, const struct ls_scan *scan,
                               uint64_t records, struct ls_error *err)
{
    int column = 3;

    for (size_t i = 0; i < scan->key_count; i++)
        if (may_be_null(scan, i) && (uint64_t)ls_sql_i64(stmt, column++) != records)
            return ls_store_null_key(scan->schema->collection, key_field(scan, i)->name, err);
    return LS_OK;
}

static enum ls_code run(struct ls_pgs *pg, const char *sql, const struct ls_scan *scan,
                        struct ls_segment *ret, struct ls_error *err)
{
    const size_t count = scan->partition ? scan->partition->count : 1;
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = ls_sql_prepare(pg->db, sql, &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_run(stmt, NULL, 0, true, err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row) {
        uint64_t at = (uint64_t)ls_sql_i64(stmt, 0);

        if (at >= count) {
            rc = ls_error_set(err, LS_DATA,
                              "the server gave a segment that is none (segment=%" PRIu64 ")", at);
            break;
        }
        ret[at].count = (uint64_t)ls_sql_i64(stmt, 1);
        ret[at].sum = modulo(ls_sql_text(stmt, 2, NULL));
        rc = check_keys(stmt, scan, ret[at].count, err);
        if (rc != LS_OK)
            break;
    }
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_pgs_digest(struct ls_store *store, const struct ls_scan *scan,
                           const uint64_t seeds[2], struct ls_segment *ret, struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const size_t count = scan->partition ? scan->partition->count : 1;
    const bool inside = ls_sql_in_transaction(pg->db);
    struct ls_buf sql;
    enum ls_code rc;

    memset(ret, 0, count * sizeof(*ret));
    ls_buf_init(&sql, 0);
    rc = ls_pgs_digest_query(pg, scan, seeds, &sql, err);
    if (rc != LS_OK)
        goto done;
    /* The settings go with what they were made in. */
    rc = inside ? ls_sql_exec(pg->db, "SAVEPOINT lockstep_digest", err)
                : ls_sql_begin(pg->db, false, err);
    if (rc != LS_OK)
        goto done;
    rc = ls_sql_exec(pg->db, LS_PGS_DIGEST_SETTINGS, err);
    if (rc == LS_OK)
        rc = run(pg, ls_buf_str(&sql), scan, ret, err);
    if (!inside)
        ls_sql_rollback(pg->db);
    else if (rc == LS_OK)
        rc = ls_sql_exec(pg->db, "ROLLBACK TO lockstep_digest; RELEASE lockstep_digest", err);
done:
    ls_buf_done(&sql);
    return rc;
}
