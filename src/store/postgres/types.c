/* SPDX-License-Identifier: Apache-2.0 */
/* types.c - what each PostgreSQL type is to lockstep: one table, and the rules of comparing on the server.
 *
 * What a digest hashes. hash_record_extended() is fast, but the hash functions of several types are coarser than
 * equality, whatever the seed: bigint, time and timestamps are folded to 32 bits first (0 and 4294967297 hash alike),
 * numeric leaves out the sign (5 and -5), and takes NaN and the infinities for one. A digest may be finer than equality - then records
 * are compared that turn out equal - but never coarser. So those types go in as the bytes of their send function (measured: 6 to
 * 12 ns a value), and numeric with a second element that tells what the first leaves out (40 ns). Text, bytea, uuid,
 * float8 (which makes -0 and 0, and all NaNs, the same) and 32-bit integers are hashed whole.
 * Types that are not listed go in as their text: natively, arrays of different shape hash alike, and so do
 * differently nested documents and renamed enum labels.
 *
 * Integers of all widths use one form, numbers of all scales another, so that an int column here and a bigint column there
 * still have the same family. */
#include "store/postgres/postgres.h"

#include <string.h>

#define TEXT_FORM "(@)::text COLLATE \"C\""
#define TEXT_HASH "hashtextextended((@)::text COLLATE \"C\", $)"
#define FLOAT_TEXT "((@)::float8 + 0)::text" /* -0 + 0 is 0 */
#define NUMERIC_TEXT \
    "CASE WHEN scale(@) > 0 THEN rtrim(rtrim((@)::text, '0'), '.') ELSE (@)::text END"
#define NUMERIC_REST                                                                 \
    "CASE WHEN @ >= 0 AND @ < 'Infinity'::numeric THEN NULL::int4"                   \
    " WHEN @ < 0 AND @ > '-Infinity'::numeric THEN 1 WHEN @ = 'NaN'::numeric THEN 2" \
    " WHEN @ > 0 THEN 3 ELSE 4 END"
#define INT_HASH \
    "(hashint8extended((@)::int8, $) # (@)::int8)" /* the fold of the first is undone by the second */

enum { INT4, INT8, INT2, NUMERIC };
static const struct ls_pgs_type types[] = {
    /* oid, type, literal, read, family, element, text, key_hash */
    [INT4] = {23, LS_T_INT, "int8", "@", "int", "int8send((@)::int8)", "(@)::text", INT_HASH},
    [INT8] = {20, LS_T_INT, "int8", "@", "int", "int8send((@)::int8)", "(@)::text", INT_HASH},
    [INT2] = {21, LS_T_INT, "int8", "@", "int", "int8send((@)::int8)", "(@)::text", INT_HASH},
    [NUMERIC] = {1700, LS_T_DECIMAL, "numeric", "@", "decimal", "@, " NUMERIC_REST, NUMERIC_TEXT,
                 "hashtextextended(" NUMERIC_TEXT ", $)"},
    {16, LS_T_BOOL, "bool", "@", "bool", "@", "(@)::text", TEXT_HASH},
    {700, LS_T_DOUBLE, "float8", "@", "float", "(@)::float8", FLOAT_TEXT,
     "hashtextextended(" FLOAT_TEXT ", $)"},
    {701, LS_T_DOUBLE, "float8", "@", "float", "(@)::float8", FLOAT_TEXT,
     "hashtextextended(" FLOAT_TEXT ", $)"},
    {25, LS_T_TEXT, "text", "@", "text", TEXT_FORM, "(@)::text", TEXT_HASH},
    {1043, LS_T_TEXT, "text", "@", "text", TEXT_FORM, "(@)::text", TEXT_HASH},
    /* The cast drops the padding, which PostgreSQL itself takes for no part of the value. */
    {1042, LS_T_TEXT, "text", "(@)::text", "text", TEXT_FORM, "(@)::text", TEXT_HASH},
    {17, LS_T_BYTES, "bytea", "@", "bytes", "@", "encode(@, 'hex')",
     "hashtextextended(encode(@, 'hex'), $)"},
    {1082, LS_T_DATE, "date", "@", "date", "@", "(@)::text", TEXT_HASH},
    {1083, LS_T_TIME, "time", "@", "time", "time_send(@)", "(@)::text", TEXT_HASH},
    {1114, LS_T_TIMESTAMP, "timestamp", "@", "timestamp", "timestamp_send(@)", "(@)::text",
     TEXT_HASH},
    {1184, LS_T_TIMESTAMPTZ, "timestamptz", "@", "timestamptz", "timestamptz_send(@)", "(@)::text",
     TEXT_HASH},
    {2950, LS_T_UUID, "uuid", "@", "uuid", "@", "(@)::text", "uuid_hash_extended(@, $)"},
    {114, LS_T_JSON, NULL, "(@)::text", "json", TEXT_FORM, "(@)::text", TEXT_HASH},
    {3802, LS_T_JSON, NULL, "(@)::text", "jsonb", TEXT_FORM, "(@)::text", TEXT_HASH},
    {0, LS_T_NATIVE, NULL, "(@)::text", NULL, TEXT_FORM, "(@)::text", TEXT_HASH},
};
#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

/* An extension's type has an OID of its own in each database. */
static const struct ls_pgs_type citext = {0,      LS_T_TEXT, "text",      "(@)::text",
                                          "text", TEXT_FORM, "(@)::text", TEXT_HASH};

const struct ls_pgs_type *ls_pgs_type_find(unsigned oid, const char *name)
{
    if (strcmp(name, "citext") == 0)
        return &citext;
    for (size_t i = 0; i + 1 < TYPE_COUNT; i++)
        if (types[i].oid == oid)
            return &types[i];
    return &types[TYPE_COUNT - 1];
}

void ls_pgs_expand(struct ls_buf *out, const char *form, const char *column, const char *seed)
{
    for (;;) {
        size_t plain = strcspn(form, "@$");

        ls_buf_add(out, form, plain);
        if (!form[plain])
            return;
        ls_buf_text(out, form[plain] == '@' ? column : seed);
        form += plain + 1;
    }
}

static bool is_number(enum ls_type type)
{
    return type == LS_T_INT || type == LS_T_DECIMAL || type == LS_T_DOUBLE;
}

bool ls_pgs_order(const struct ls_pgs_column *col, const struct ls_as *as, const char **ret_form,
                  const char **ret_literal)
{
    enum ls_type type = col->type->type, want = as ? as->type : type;

    *ret_form = "@";
    *ret_literal = col->type->literal;
    if (want == LS_T_JSON)
        return false;
    /* Bytes decide in text, whatever the column's collation says. */
    if ((want == LS_T_TEXT || want == LS_T_NATIVE) &&
        (type == LS_T_TEXT || type == LS_T_NATIVE || type == LS_T_INT || type == LS_T_UUID)) {
        *ret_form = TEXT_FORM;
        *ret_literal = "text";
        return true;
    }
    if (want == type)
        return true; /* coarser times and doubles too: cutting and rounding keep the order */
    if (is_number(type) && is_number(want))
        return want != LS_T_INT; /* 1.5 is no integer and comes after all that are */
    return type == LS_T_DATE && want == LS_T_TIMESTAMP;
}

const struct ls_pgs_type *ls_pgs_hashed_as(const struct ls_pgs_column *col,
                                           const struct ls_field *field, const struct ls_as *as,
                                           const char **ret_around)
{
    enum ls_type type = col->type->type, want = as ? as->type : type;

    *ret_around = "@";
    if (type == LS_T_INT && want == LS_T_DECIMAL) {
        *ret_around = "(@)::numeric";
        return &types[NUMERIC];
    }
    if (type == LS_T_NATIVE && want == LS_T_TEXT)
        return ls_pgs_type_find(25, "text");
    if (type != want)
        return NULL;
    if (!as)
        return col->type;
    if (type == LS_T_TIME || type == LS_T_TIMESTAMP || type == LS_T_TIMESTAMPTZ)
        return field->scale >= 0 && field->scale <= as->fraction ? col->type : NULL;
    if (type == LS_T_DOUBLE)
        return field->precision <= as->bits ? col->type : NULL;
    return col->type;
}
