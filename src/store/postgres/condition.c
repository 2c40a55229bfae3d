/* SPDX-License-Identifier: Apache-2.0 */
/* condition.c - `field op literal` as the server is asked it, and which of them it may be asked.
 *
 * A filter's conditions mean exactly what the model's do: a plain column is compared as it is, and its index serves; what
 * folds (citext, a collation that is not deterministic) or pads (char(n)), and every type of which we only know the text, is compared by its
 * text in the collation "C". Beside that, what folds or pads is asked by its own equality too, for the sake of the index:
 * equal texts are equal to every collation.
 *
 * What is sought is the same condition, asked only where the server can be handed the literal without failing the query
 * and answers at least what the model does: the caller looks again. A text that the encoding of the database has no
 * place for, an infinite number (which came with version 14) and JSON, which the server compares only as jsonb and
 * reads less of than we do, are not asked. */
#include "store/postgres/postgres.h"

#include "base/text.h"
#include "model/decimal.h"

#include <string.h>

#define MOST_DIGITS 1000 /* of a number that is looked for */
#define REAL 700
#define BPCHAR 1042 /* char(n) */

static const char *op_text(enum ls_op op)
{
    static const char *const texts[] = {
        [LS_OP_EQ] = " = ",      [LS_OP_NE] = " <> ",          [LS_OP_LT] = " < ",
        [LS_OP_LE] = " <= ",     [LS_OP_GT] = " > ",           [LS_OP_GE] = " >= ",
        [LS_OP_IN] = " = ANY (", [LS_OP_IS_NULL] = " IS NULL", [LS_OP_NOT_NULL] = " IS NOT NULL",
    };

    return texts[op];
}

/* `= literal` and its like; type: what the literal is cast to. */
static enum ls_code against(struct ls_buf *sql, const struct ls_condition *c, const char *type,
                            struct ls_error *err)
{
    enum ls_code rc;

    ls_buf_text(sql, op_text(c->op));
    if (c->op != LS_OP_IN)
        return ls_pgs_literal(sql, c->values, type, err);
    rc = ls_pgs_array(sql, c->values, c->value_count, 1, type, err);
    ls_buf_char(sql, ')');
    return rc;
}

/* What the column's own equality is asked with, for the sake of its index, where the texts decide behind it: what folds
 * takes equal texts for equal too. NULL: nothing. (citext has its operators in a schema of its own.) */
static const char *own_literal(const struct ls_pgs_column *col, enum ls_op op)
{
    if (op != LS_OP_EQ && op != LS_OP_IN)
        return NULL;
    if (col->type->oid == BPCHAR)
        return "bpchar";
    return col->folds && col->type->oid ? col->type->literal : NULL;
}

enum ls_code ls_pgs_condition(struct ls_buf *sql, const struct ls_pgs_table *table,
                              const struct ls_condition *c, struct ls_error *err)
{
    const struct ls_pgs_column *col = &table->columns[c->field];
    const bool test = c->op == LS_OP_IS_NULL || c->op == LS_OP_NOT_NULL;
    /* A plain column keeps its index; what folds or pads is compared by its text. */
    const bool by_text =
        !test && (!col->type->literal || col->folds || strcmp(col->type->read, "@") != 0);
    const char *own = by_text ? own_literal(col, c->op) : NULL, *form = "@", *column;
    enum ls_code rc = LS_OK;
    struct ls_buf name;

    if (by_text)
        form = "(@)::text COLLATE \"C\"";
    else if (!test && col->type->oid == REAL) /* real: the number that it is written as, as read */
        form = "(@)::text::float8";
    ls_buf_init(&name, 0);
    ls_pgs_column_ref(&name, table, c->field);
    column = name.failed ? "" : ls_buf_str(&name);
    if (own) {
        ls_buf_text(sql, column);
        rc = against(sql, c, own, err);
        ls_buf_text(sql, " AND ");
    }
    ls_pgs_expand(sql, form, column, "");
    if (test) /* of one element: a composite of nothing but NULLs is not NULL to us */
        ls_buf_text(sql, c->op == LS_OP_IS_NULL ? " IS NOT DISTINCT FROM NULL"
                                                : " IS DISTINCT FROM NULL");
    else if (rc == LS_OK)
        rc = against(sql, c, by_text ? "text" : col->type->literal, err);
    sql->failed |= name.failed;
    ls_buf_done(&name);
    return rc;
}

/* Whether the server can be handed this text at all: a literal that its encoding has no place for fails the query. */
static bool takes_text(const struct ls_pgs *pg, const struct ls_value *v)
{
    if (memchr(v->data, '\0', v->size))
        return false;
    if (strcmp(pg->encoding, "UTF8") == 0)
        return ls_utf8_check(v->data, v->size) == v->size;
    for (size_t i = 0; i < v->size; i++)
        if ((unsigned char)v->data[i] >= 0x80)
            return false;
    return true;
}

/* Whether the literal is one to the server, too, and its answer the model's or more than that. */
static bool seeks_value(const struct ls_pgs *pg, const struct ls_pgs_column *col,
                        const struct ls_value *v)
{
    int64_t high, low;

    if (v->type != col->type->type)
        return false;
    switch (v->type) {
    case LS_T_BOOL:
    case LS_T_INT:
    case LS_T_DOUBLE:
    case LS_T_BYTES:
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
    case LS_T_UUID:
        return true;
    case LS_T_DECIMAL: /* infinities came with version 14; numeric ends far behind this */
        return v->size <= MOST_DIGITS && ls_decimal_span(v->data, v->size, &high, &low);
    case LS_T_TEXT:
    case LS_T_NATIVE:
        return takes_text(pg, v);
    case LS_T_NULL:
    case LS_T_JSON:
    case LS_TYPE_COUNT:
        break;
    }
    return false;
}

bool ls_pgs_can_seek(const struct ls_pgs *pg, const struct ls_pgs_table *table,
                     const struct ls_sought *sought)
{
    const struct ls_condition *c = &sought->condition;

    for (size_t i = 0; i < c->value_count; i++)
        if (!seeks_value(pg, &table->columns[c->field], &c->values[i]))
            return false;
    return !sought->converts && c->value_count > 0;
}

bool ls_pgs_seeks(struct ls_store *store, const struct ls_schema *schema,
                  const struct ls_sought *sought)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const struct ls_pgs_table *table;
    struct ls_error ignored;

    return ls_pgs_table(pg, schema, &table, &ignored) == LS_OK &&
           ls_pgs_can_seek(pg, table, sought);
}
