/* SPDX-License-Identifier: Apache-2.0 */
#include "eval_help.h"

#include <math.h>

struct ls_arena mem;
struct ls_eval *eval;
const struct ls_field fields[] = {
    FIELD("id", INT, 0),
    FIELD("email", TEXT, 0),
    FIELD("price", DECIMAL, 0),
    FIELD("active", BOOL, 0),
    FIELD("score", DOUBLE, 0),
    FIELD("born", DATE, 0),
    FIELD("seen_at", TIMESTAMPTZ, 0),
    FIELD("local_at", TIMESTAMP, 0),
    FIELD("opens", TIME, 0),
    FIELD("ref", UUID, 0),
    FIELD("data", JSON, 0),
    FIELD("raw", BYTES, 0),
    FIELD("name", TEXT, 0),
    FIELD("huge", DECIMAL, 0),
    FIELD("big", INT, 0),
    FIELD("text_price", TEXT, 0),
    FIELD("dyn_price", DECIMAL, LS_FIELD_DYNAMIC),
    FIELD("dyn_at", TIMESTAMPTZ, LS_FIELD_DYNAMIC),
    FIELD("dyn_id", INT, LS_FIELD_DYNAMIC),
    FIELD("tags", NATIVE, 0),
    FIELD("nan", DOUBLE, 0),
    FIELD("dnan", DECIMAL, 0),
    FIELD("word", TEXT, 0),
};

const struct ls_schema schema = {
    .collection = "shop", .field_count = COUNT(fields), .fields = fields, .fingerprint = ""};
struct ls_value record[COUNT(fields)];

static struct ls_value read_value(enum ls_type type, const char *text)
{
    struct ls_value value;

    if (ls_value_from_text(type, text, strlen(text), &mem, &value, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    return value;
}

int eval_set_up(void **state)
{
    (void)state;
    ls_arena_init(&mem, 0);
    record[0] = ls_value_int(5);
    record[1] = ls_value_text("Ann@Example.org");
    record[2] = read_value(LS_T_DECIMAL, "10.50");
    record[3] = (struct ls_value){.type = LS_T_BOOL, .b = true};
    record[4] = (struct ls_value){.type = LS_T_DOUBLE, .d = 2.5};
    record[5] = read_value(LS_T_DATE, "2026-01-02");
    record[6] = read_value(LS_T_TIMESTAMPTZ, "2026-01-02 03:04:05.123456+00");
    record[7] = read_value(LS_T_TIMESTAMP, "2026-01-02 03:04:05");
    record[8] = read_value(LS_T_TIME, "08:30:00");
    record[9] = read_value(LS_T_UUID, "01234567-89ab-cdef-0123-456789abcdef");
    record[10] = ls_value_data(LS_T_JSON, "{\"a\":{\"b\":[1,2]},\"p\":\"12.5\"}", 29);
    record[11] = ls_value_data(LS_T_BYTES, "\0\xff", 2);
    record[12] = ls_value_null();
    record[13] = read_value(LS_T_DECIMAL, "123456789012345678901234567890.12");
    record[14] = ls_value_int(9007199254740993);
    record[15] = ls_value_text("10.5");
    record[16] = ls_value_text("n/a");
    record[17] = ls_value_text("never");
    record[18] = ls_value_text("five");
    record[19] = ls_value_data(LS_T_NATIVE, "{a,b}", 5);
    record[20] = (struct ls_value){.type = LS_T_DOUBLE, .d = NAN};
    record[21] = read_value(LS_T_DECIMAL, "NaN");
    record[22] = ls_value_text("now");
    return ls_eval_open(&eval, &err) == LS_OK ? 0 : -1;
}

int eval_tear_down(void **state)
{
    (void)state;
    ls_eval_close(eval);
    ls_arena_done(&mem);
    return 0;
}

const char *shown(const struct ls_value *value)
{
    struct ls_buf out;
    const char *text;

    ls_buf_init(&out, 0);
    ls_buf_printf(&out, "%s ", ls_type_word(value->type));
    ls_value_to_text(&out, value);
    text = ls_arena_text(&mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return text;
}
