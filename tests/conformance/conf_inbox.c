/* SPDX-License-Identifier: Apache-2.0 */
/* conf_inbox.c - messages that are noted in the transaction of what they change. */
#include "conf.h"

#include <string.h>

/* Of a receiver and about records of this test's own: a database may be that of other tests too. */
static struct ls_note note_of(struct place *place, const char *id, int64_t at_us,
                              size_t record_count)
{
    const char **records = ls_arena_array(&place->conf->mem, 2, sizeof *records);
    const char *name = place->schema->collection;

    records[0] = ls_arena_printf(&place->conf->mem, "a record of %s", name);
    records[1] = ls_arena_printf(&place->conf->mem, "another of %s", name);
    return (struct ls_note){name, id, at_us, record_count, records};
}

/* Notes it and commits; what was known of it, or NULL. */
static const char *take(struct place *place, const struct ls_note *note, const char *outcome,
                        bool *stale)
{
    struct ls_error err = {0};
    const char *known = NULL;

    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_note(place->store, note, &place->conf->mem, &known, stale, &err));
    if (!known)
        assert_ls(ls_store_outcome(place->store, note, outcome, &err));
    assert_ls(ls_store_commit(place->store, &err));
    return known;
}

static void a_message_is_noted_once(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_note first = note_of(place, "m1", 5, 1), second = note_of(place, "m2", 5, 1);
    struct ls_note elsewhere = first;
    bool stale[2] = {true, true};

    elsewhere.receiver = "another";
    assert_null(take(place, &first, "done", stale));
    assert_false(stale[0]);
    assert_string_equal(take(place, &first, "again", stale), "done");
    assert_null(take(place, &second, "done", stale));
    assert_null(take(place, &elsewhere, "done", stale));
}

static void what_is_rolled_back_was_never_noted(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_note late = note_of(place, "m1", 9, 1), early = note_of(place, "m2", 5, 1);
    const struct ls_write_op op = insert_op(place, (const char *const[]){"1", "a", "10"});
    const struct ls_write write = write_of(place, &op, 1);
    const char *known = NULL;
    bool stale[1];
    struct ls_error err = {0};

    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_note(place->store, &late, &place->conf->mem, &known, stale, &err));
    assert_ls(ls_store_write(place->store, &write, &err));
    ls_store_rollback(place->store);
    assert_contents(place, "");
    assert_null(take(place, &early, "done", stale));
    assert_false(stale[0]);
    assert_null(take(place, &late, "done", stale));
}

static void it_is_noted_with_what_it_writes(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_note note = note_of(place, "m1", 9, 1);
    const struct ls_write_op op = insert_op(place, (const char *const[]){"1", "a", "10"});
    const struct ls_write write = write_of(place, &op, 1);
    const char *known = NULL;
    bool stale[1];
    struct ls_error err = {0};

    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_note(place->store, &note, &place->conf->mem, &known, stale, &err));
    assert_ls(ls_store_write(place->store, &write, &err));
    assert_ls(ls_store_outcome(place->store, &note, "created", &err));
    assert_ls(ls_store_commit(place->store, &err));
    assert_contents(place, "1|a|10");
    assert_string_equal(take(place, &note, "", stale), "created");
}

static void an_older_message_finds_its_record_taken(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_note late = note_of(place, "m1", 9, 1), early = note_of(place, "m2", 5, 2),
                         same = note_of(place, "m3", 9, 1), later = note_of(place, "m4", 10, 2);
    bool stale[2];

    assert_null(take(place, &late, "", stale));
    assert_null(take(place, &early, "", stale));
    assert_true(stale[0]);
    assert_false(stale[1]); /* nobody was there before */
    assert_null(take(place, &same, "", stale));
    assert_false(stale[0]);
    assert_null(take(place, &later, "", stale));
    assert_false(stale[0]);
    assert_false(stale[1]);
}

static void old_notes_are_forgotten_and_records_stay_guarded(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_note late = note_of(place, "m1", 9, 1), early = note_of(place, "m2", 5, 1);
    bool stale[1];
    struct ls_error err = {0};

    assert_ls(ls_store_forget_notes(place->store, INT64_MAX, &err)); /* there are none yet */
    assert_null(take(place, &late, "x", stale));
    assert_ls(ls_store_forget_notes(place->store, 1, &err));
    assert_string_equal(take(place, &late, "x", stale), "x");
    assert_ls(ls_store_forget_notes(place->store, INT64_MAX, &err));
    assert_null(take(place, &early, "x", stale));
    assert_true(stale[0]);
}

static void notes_need_a_transaction(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_note note = note_of(place, "m1", 9, 1);
    const char *known = NULL;
    bool stale[1];
    struct ls_error err = {0};

    assert_code(LS_INTERNAL,
                ls_store_note(place->store, &note, &place->conf->mem, &known, stale, &err));
    assert_ls(ls_store_begin(place->store, &err));
    assert_code(LS_INTERNAL, ls_store_forget_notes(place->store, 1, &err));
    ls_store_rollback(place->store);
}

#define T(name) #name, name

const struct conf_test conf_inbox_tests[] = {
    {T(a_message_is_noted_once), LS_CAP_INBOX, false, false},
    {T(what_is_rolled_back_was_never_noted), LS_CAP_INBOX, false, false},
    {T(it_is_noted_with_what_it_writes), LS_CAP_INBOX, false, false},
    {T(an_older_message_finds_its_record_taken), LS_CAP_INBOX, false, false},
    {T(old_notes_are_forgotten_and_records_stay_guarded), LS_CAP_INBOX, false, false},
    {T(notes_need_a_transaction), LS_CAP_INBOX, false, false},
    {NULL, NULL, 0, false, false},
};
