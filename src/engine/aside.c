/* SPDX-License-Identifier: Apache-2.0 */
/* aside.c - steps that the target refused, in a temporary file.
 *
 * There may be as many as a plan has changes (a table whose every record takes the unique value of the next one), so
 * they are not kept in memory. The reason stays with the step: when nothing helps it is what is reported, without one more try. */
#include "engine/aside.h"

#include <string.h>

#include "model/json.h"

void ls_aside_init(struct ls_aside *aside, const struct ls_aside_shape *shape)
{
    *aside = (struct ls_aside){.shape = *shape};
    ls_buf_init(&aside->scratch, 0);
}

void ls_aside_done(struct ls_aside *aside)
{
    ls_spool_done(&aside->spool);
    ls_buf_done(&aside->scratch);
}

enum ls_code ls_aside_add(struct ls_aside *aside, const struct ls_step *step, enum ls_code code,
                          const char *why, struct ls_error *err)
{
    struct ls_buf *out = &aside->scratch;

    ls_buf_reset(out);
    ls_buf_u8(out, (uint8_t)code);
    ls_buf_bytes(out, why, strlen(why));
    ls_buf_u8(out, (uint8_t)step->kind);
    ls_buf_u8(out, (uint8_t)step->expect);
    ls_buf_u64(out, step->left.high);
    ls_buf_u64(out, step->left.low);
    ls_buf_u64(out, step->takes_back);
    ls_values_encode(out, step->key, aside->shape.key_count);
    if (step->expect == LS_EXPECT_VALUES)
        ls_values_encode(out, step->expected, aside->shape.expected_count);
    if (step->kind != LS_DELETE)
        ls_values_encode(out, step->record, aside->shape.record_count);
    return ls_spool_add(&aside->spool, out, err);
}

enum ls_code ls_aside_rewind(struct ls_aside *aside, bool backwards, struct ls_error *err)
{
    return backwards ? ls_spool_rewind_back(&aside->spool, err)
                     : ls_spool_rewind(&aside->spool, err);
}

static const struct ls_value *decode_values(struct ls_reader *rd, struct ls_arena *mem,
                                            size_t count)
{
    struct ls_value *values = ls_arena_array(mem, count, sizeof *values);

    if (!values || !ls_values_decode(rd, mem, values, count))
        rd->failed = true;
    return values;
}

static bool decode(const struct ls_aside_shape *shape, const void *blob, size_t size,
                   struct ls_arena *mem, struct ls_aside_step *ret)
{
    struct ls_step *step = &ret->step;
    struct ls_reader rd;
    const char *why;
    size_t why_size = 0;

    ls_reader_init(&rd, blob, size);
    *ret = (struct ls_aside_step){.code = (enum ls_code)ls_reader_u8(&rd), .bytes = size};
    why = ls_reader_bytes(&rd, &why_size);
    ret->why = ls_arena_text_n(mem, why, why_size);
    step->kind = (enum ls_change_kind)ls_reader_u8(&rd);
    step->expect = (enum ls_expect)ls_reader_u8(&rd);
    step->left.high = ls_reader_u64(&rd);
    step->left.low = ls_reader_u64(&rd);
    step->takes_back = ls_reader_u64(&rd);
    step->key = decode_values(&rd, mem, shape->key_count);
    if (step->expect == LS_EXPECT_VALUES)
        step->expected = decode_values(&rd, mem, shape->expected_count);
    if (step->kind != LS_DELETE)
        step->record = decode_values(&rd, mem, shape->record_count);
    return !rd.failed && ret->why;
}

enum ls_code ls_aside_next(struct ls_aside *aside, struct ls_arena *mem, struct ls_aside_step *ret,
                           bool *ret_any, struct ls_error *err)
{
    void *blob = NULL;
    size_t size = 0;
    enum ls_code rc = ls_spool_next(&aside->spool, mem, &blob, &size, err);

    *ret_any = rc == LS_OK && blob;
    if (*ret_any && !decode(&aside->shape, blob, size, mem, ret))
        return ls_error_set(err, LS_INTERNAL, "a change in a temporary file is damaged");
    return rc;
}
