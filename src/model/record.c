/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - the words of changes and statuses, and the key of a record.
 *
 * The words are what plan files, --json and people read; they are part of the interface. */
#include "model/record.h"

const char *ls_change_word(enum ls_change_kind kind)
{
    static const char *const words[] = {
        [LS_INSERT] = "insert", [LS_UPDATE] = "update", [LS_DELETE] = "delete"};

    return (size_t)kind < sizeof words / sizeof *words ? words[kind] : "unknown";
}

const char *ls_status_word(enum ls_status status)
{
    static const char *const words[LS_STATUS_COUNT] = {
        [LS_IN_SYNC] = "in_sync",         [LS_SOURCE_ONLY] = "source_only",
        [LS_TARGET_ONLY] = "target_only", [LS_INCONSISTENT] = "inconsistent",
        [LS_MOVING] = "moving",           [LS_CONFLICTED] = "conflict"};

    return (size_t)status < LS_STATUS_COUNT ? words[status] : "unknown";
}

void ls_layout_key(const struct ls_layout *layout, const struct ls_value *record,
                   struct ls_value *out)
{
    for (size_t i = 0; i < layout->key_count; i++)
        out[i] = record[layout->key[i]];
}
