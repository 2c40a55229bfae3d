/* SPDX-License-Identifier: Apache-2.0 */
/* jsonload.c - jansson's allocations pass through here once and for all, to whatever functions were set before. */
#include "model/jsonload.h"

#include <pthread.h>
#include <stdbool.h>

static json_malloc_t allocate_before;
static json_free_t free_before;
static _Thread_local bool was_short;

static void *allocate(size_t size)
{
    void *memory = allocate_before(size);

    was_short = was_short || !memory;
    return memory;
}

static void watch(void)
{
    json_get_alloc_funcs(&allocate_before, &free_before);
    json_set_alloc_funcs(allocate, free_before);
}

enum ls_code ls_json_load(const char *text, size_t size, size_t flags, json_t **ret,
                          struct ls_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch);
    was_short = false;
    *ret = json_loadb(text, size, flags, NULL);
    if (!was_short)
        return LS_OK;
    json_decref(*ret);
    *ret = NULL;
    return ls_error_nomem(err);
}

const char *ls_json_why(const json_error_t *why)
{
    static const struct {
        enum json_error_code code;
        const char *text;
    } ours[] = {
        {json_error_null_character, "a text holds \\u0000, which is not taken"},
        {json_error_null_byte_in_key, "a name holds \\u0000, which is not taken"},
        {json_error_premature_end_of_input, "it ends too early"},
        {json_error_stack_overflow, "it has too many levels"},
    };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (json_error_code(why) == ours[i].code)
            return ours[i].text;
    return why->text;
}
