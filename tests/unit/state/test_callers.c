/* SPDX-License-Identifier: Apache-2.0 */
/* test_callers.c - tokens, users, sessions, the link of the first start and throttles, on both kinds of state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "state/callers.h"
#include "state_fixture.h"

#define SECOND INT64_C(1000000)
#define NOW (INT64_C(1800000000) * SECOND)
#define ACTOR "cli:me@host"

/* A hash that is told by one byte. */
#define HASH(n) ((const unsigned char[LS_SECRET_HASH]){[0] = (n), [31] = 7})

static struct ls_token added(struct fixture *f, int n, const char *name, const char *owner,
                             int64_t expires_us)
{
    struct ls_token token = {
        .name = name, .role = "admin", .owner = owner, .expires_us = expires_us};

    assert_ok(f, ls_state_token_add(f->state, ACTOR, HASH((unsigned char)n), &token, &f->err));
    return token;
}

static bool lives(struct fixture *f, int n, int64_t now_us)
{
    struct ls_token token;
    bool found = true;

    assert_ok(f, ls_state_token_find(f->state, HASH((unsigned char)n), now_us, &f->mem, &token,
                                     &found, &f->err));
    return found;
}

static void user(struct fixture *f, const char *name)
{
    assert_ok(f, ls_state_user_add(f->state, ACTOR, name, "operator", "$argon2id$x", &f->err));
}

static const struct ls_audit *last_entry(struct fixture *f)
{
    struct ls_audit *list = NULL;
    size_t count = 0;

    assert_ok(f, ls_state_audit_list(f->state, 1, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 1);
    return list;
}

static void assert_entry(struct fixture *f, const char *action, const char *subject)
{
    const struct ls_audit *entry = last_entry(f);

    assert_string_equal(entry->action, action);
    assert_string_equal(entry->subject, subject);
    assert_string_equal(entry->actor, ACTOR);
}

/* ---- tokens ---- */

static void a_token_is_found_by_its_hash_alone(void **state)
{
    struct fixture *f = *state;
    struct ls_token token = added(f, 1, "ci", "", 0), found;
    bool there = false;

    assert_int_equal(strlen(token.id), 36);
    assert_ok(f, ls_state_token_find(f->state, HASH(1), NOW, &f->mem, &found, &there, &f->err));
    assert_true(there);
    assert_string_equal(found.id, token.id);
    assert_string_equal(found.name, "ci");
    assert_string_equal(found.role, "admin");
    assert_string_equal(found.owner, "");
    assert_string_equal(found.made_by, ACTOR);
    assert_true(found.created_us > 0 && found.created_us == token.created_us);
    assert_int_equal(found.expires_us, 0);
    assert_int_equal(found.used_us, 0);
    assert_false(lives(f, 2, NOW));
    assert_entry(f, "token create", "ci");
    assert_non_null(strstr(last_entry(f)->detail_json, token.id));
}

static void an_expired_token_is_not_found(void **state)
{
    struct fixture *f = *state;

    added(f, 1, "ci", "", NOW);
    assert_true(lives(f, 1, NOW - 1));
    assert_false(lives(f, 1, NOW));
    assert_false(lives(f, 1, NOW + SECOND));
}

static void a_revoked_token_is_not_found_and_its_name_is_free(void **state)
{
    struct fixture *f = *state;
    struct ls_token one = added(f, 1, "ci", "", 0), revoked,
                    two = {.name = "ci", .role = "x", .owner = ""};

    assert_code(f, LS_USAGE, ls_state_token_add(f->state, ACTOR, HASH(2), &two, &f->err));
    assert_said(f, "a token named \"ci\" already");
    assert_false(lives(f, 2, NOW));
    assert_ok(f, ls_state_token_revoke(f->state, ACTOR, "ci", &f->mem, &revoked, &f->err));
    assert_string_equal(revoked.id, one.id);
    assert_true(revoked.revoked_us > 0);
    assert_entry(f, "token revoke", "ci");
    assert_false(lives(f, 1, NOW));
    assert_code(f, LS_NOT_FOUND,
                ls_state_token_revoke(f->state, ACTOR, "ci", &f->mem, &revoked, &f->err));
    assert_ok(f, ls_state_token_add(f->state, ACTOR, HASH(2), &two, &f->err));
    assert_true(lives(f, 2, NOW));
    assert_ok(f, ls_state_token_revoke(f->state, ACTOR, two.id, &f->mem, &revoked, &f->err));
    assert_false(lives(f, 2, NOW));
}

/* The same random bits cannot be two tokens. */
static void a_hash_is_one_tokens(void **state)
{
    struct fixture *f = *state;
    struct ls_token two = {.name = "two", .role = "admin", .owner = ""};

    added(f, 1, "one", "", 0);
    assert_int_not_equal(ls_state_token_add(f->state, ACTOR, HASH(1), &two, &f->err), LS_OK);
}

static void the_last_use_never_goes_back(void **state)
{
    struct fixture *f = *state;
    struct ls_token token = added(f, 1, "ci", "", 0), *list = NULL;
    size_t count = 0;

    assert_ok(f, ls_state_token_used(f->state, token.id, NOW, &f->err));
    assert_ok(f, ls_state_token_used(f->state, token.id, NOW - SECOND, &f->err));
    assert_ok(f, ls_state_tokens(f->state, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 1);
    assert_true(list[0].used_us == NOW);
}

static void tokens_are_listed_living_ones_first(void **state)
{
    struct fixture *f = *state;
    struct ls_token *list = NULL, gone;
    size_t count = 9;
    char name[20];

    assert_ok(f, ls_state_tokens(f->state, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 0);
    added(f, 100, "a", "", 0);
    assert_ok(f, ls_state_token_revoke(f->state, ACTOR, "a", &f->mem, &gone, &f->err));
    for (int i = 0; i < 40; i++) { /* more than a list has room for at first */
        snprintf(name, sizeof name, "b%02d", 39 - i);
        added(f, i, name, "", 0);
    }
    assert_ok(f, ls_state_tokens(f->state, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 41);
    assert_string_equal(list[0].name, "b00");
    assert_string_equal(list[39].name, "b39");
    assert_string_equal(list[40].name, "a");
    assert_true(list[40].revoked_us > 0);
}

static void a_token_ends_with_its_owner(void **state)
{
    struct fixture *f = *state;
    const bool yes = true, no = false;

    user(f, "ann");
    user(f, "bob");
    added(f, 1, "anns", "ann", 0);
    added(f, 2, "bobs", "bob", 0);
    added(f, 3, "orphan", "nobody", 0);
    assert_true(lives(f, 1, NOW));
    assert_false(lives(f, 3, NOW));
    assert_ok(f, ls_state_user_change(f->state, ACTOR, "ann",
                                      &(struct ls_user_change){.disabled = &yes}, &f->err));
    assert_entry(f, "user disable", "ann");
    assert_false(lives(f, 1, NOW));
    assert_true(lives(f, 2, NOW));
    assert_ok(f, ls_state_user_change(f->state, ACTOR, "ann",
                                      &(struct ls_user_change){.disabled = &no}, &f->err));
    assert_entry(f, "user enable", "ann");
    assert_true(lives(f, 1, NOW));
    assert_ok(f, ls_state_user_remove(f->state, ACTOR, "ann", false, &f->err));
    assert_entry(f, "user remove", "ann");
    user(f, "ann"); /* another one of that name does not inherit it */
    assert_false(lives(f, 1, NOW));
    assert_ok(f, ls_state_user_change(f->state, ACTOR, "bob",
                                      &(struct ls_user_change){.role = "viewer"}, &f->err));
    assert_entry(f, "user role", "bob");
    assert_false(lives(f, 2, NOW)); /* it had the role of before */
}

static void no_secret_is_in_the_state(void **state)
{
    struct fixture *f = *state;
    char text[LS_SECRET_TEXT];
    unsigned char hash[LS_SECRET_HASH];
    struct ls_token token = {.name = "ci", .role = "admin", .owner = ""};
    const struct ls_audit *entry;

    ls_secret_new(LS_SECRET_API, text);
    ls_secret_hash(text, strlen(text), hash);
    assert_ok(f, ls_state_token_add(f->state, ACTOR, hash, &token, &f->err));
    entry = last_entry(f);
    assert_null(strstr(entry->detail_json, text));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}tokens WHERE name LIKE 'lst%' "
                                      "OR id LIKE 'lst%'"),
                     0);
    assert_int_equal(number_behind(f, "SELECT length(hash) FROM {schema}tokens"), 32);
}

/* ---- users ---- */

static void a_user_is_as_added(void **state)
{
    struct fixture *f = *state;
    struct ls_user found, *list = NULL;
    size_t count = 0;
    bool there = true;

    assert_ok(f, ls_state_user_find(f->state, "ann", &f->mem, &found, &there, &f->err));
    assert_false(there);
    user(f, "bob");
    user(f, "ann");
    assert_entry(f, "user add", "ann");
    assert_null(strstr(last_entry(f)->detail_json, "argon"));
    assert_code(f, LS_USAGE, ls_state_user_add(f->state, ACTOR, "ann", "admin", "x", &f->err));
    assert_said(f, "a user named \"ann\" already");
    assert_ok(f, ls_state_user_find(f->state, "ann", &f->mem, &found, &there, &f->err));
    assert_true(there);
    assert_string_equal(found.name, "ann");
    assert_string_equal(found.role, "operator");
    assert_string_equal(found.password, "$argon2id$x");
    assert_true(found.created_us > 0 && found.login_us == 0 && found.disabled_us == 0);
    assert_ok(f, ls_state_users(f->state, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 2);
    assert_string_equal(list[0].name, "ann");
    assert_string_equal(list[1].name, "bob");
}

static void one_thing_of_a_user_is_changed_and_no_other(void **state)
{
    struct fixture *f = *state;
    struct ls_user found;
    bool there = false;

    user(f, "ann");
    assert_ok(f, ls_state_user_change(f->state, ACTOR, "ann",
                                      &(struct ls_user_change){.password_hash = "new"}, &f->err));
    assert_entry(f, "user passwd", "ann");
    assert_ok(f, ls_state_user_find(f->state, "ann", &f->mem, &found, &there, &f->err));
    assert_string_equal(found.password, "new");
    assert_string_equal(found.role, "operator");
    assert_int_equal(found.disabled_us, 0);
    assert_ok(f, ls_state_user_change(f->state, ACTOR, "ann",
                                      &(struct ls_user_change){.role = "admin"}, &f->err));
    assert_ok(f, ls_state_user_find(f->state, "ann", &f->mem, &found, &there, &f->err));
    assert_string_equal(found.password, "new");
    assert_string_equal(found.role, "admin");
    assert_code(f, LS_NOT_FOUND,
                ls_state_user_change(f->state, ACTOR, "eve",
                                     &(struct ls_user_change){.role = "admin"}, &f->err));
    assert_code(f, LS_NOT_FOUND, ls_state_user_remove(f->state, ACTOR, "eve", false, &f->err));
}

/* ---- sessions ---- */

#define IDLE (30 * 60 * SECOND)
#define ABSOLUTE (12 * 3600 * SECOND)

static void session(struct fixture *f, int n, const char *name, int64_t now_us)
{
    assert_ok(f, ls_state_session_add(f->state, HASH((unsigned char)n), name, now_us, IDLE,
                                      ABSOLUTE, &f->err));
}

static bool goes_on(struct fixture *f, int n, int64_t now_us)
{
    struct ls_session found;
    bool there = true;

    assert_ok(f, ls_state_session_find(f->state, HASH((unsigned char)n), now_us, &f->mem, &found,
                                       &there, &f->err));
    return there;
}

static void a_session_ends_when_it_rests_and_after_its_time(void **state)
{
    struct fixture *f = *state;

    user(f, "ann");
    session(f, 1, "ann", NOW);
    assert_true(goes_on(f, 1, NOW));
    assert_true(goes_on(f, 1, NOW + IDLE - 1));
    assert_false(goes_on(f, 1, NOW + IDLE));
    for (int64_t at = 0; at < ABSOLUTE; at += IDLE / 2) {
        assert_true(goes_on(f, 1, NOW + at));
        assert_ok(f, ls_state_session_used(f->state, HASH(1), NOW + at, &f->err));
    }
    assert_false(goes_on(f, 1, NOW + ABSOLUTE));
}

static void a_session_has_the_role_that_its_user_has_now(void **state)
{
    struct fixture *f = *state;
    struct ls_session found;
    bool there = false;

    user(f, "ann");
    session(f, 1, "ann", NOW);
    assert_ok(f, ls_state_session_find(f->state, HASH(1), NOW, &f->mem, &found, &there, &f->err));
    assert_true(there);
    assert_string_equal(found.user, "ann");
    assert_string_equal(found.role, "operator");
    assert_true(found.created_us == NOW && found.expires_us == NOW + ABSOLUTE);
    behind(f, "UPDATE {schema}users SET role = 'viewer'");
    assert_ok(f, ls_state_session_find(f->state, HASH(1), NOW, &f->mem, &found, &there, &f->err));
    assert_string_equal(found.role, "viewer");
}

static void whatever_changes_a_user_ends_the_sessions(void **state)
{
    struct fixture *f = *state;
    const bool yes = true;
    const struct ls_user_change changes[] = {
        {.password_hash = "new"}, {.role = "admin"}, {.disabled = &yes}};

    user(f, "ann");
    user(f, "bob");
    session(f, 9, "bob", NOW);
    for (size_t i = 0; i < 3; i++) {
        session(f, (int)i, "ann", NOW);
        assert_true(goes_on(f, (int)i, NOW));
        assert_ok(f, ls_state_user_change(f->state, ACTOR, "ann", &changes[i], &f->err));
        assert_false(goes_on(f, (int)i, NOW));
    }
    assert_code(f, LS_NOT_FOUND,
                ls_state_session_add(f->state, HASH(4), "ann", NOW, IDLE, ABSOLUTE, &f->err));
    assert_code(f, LS_NOT_FOUND,
                ls_state_session_add(f->state, HASH(4), "eve", NOW, IDLE, ABSOLUTE, &f->err));
    assert_ok(f, ls_state_user_remove(f->state, ACTOR, "bob", false, &f->err));
    assert_false(goes_on(f, 9, NOW));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}sessions"), 0);
}

static void a_logout_ends_one_session(void **state)
{
    struct fixture *f = *state;

    user(f, "ann");
    session(f, 1, "ann", NOW);
    session(f, 2, "ann", NOW);
    assert_ok(f, ls_state_session_end(f->state, HASH(1), &f->err));
    assert_ok(f, ls_state_session_end(f->state, HASH(1), &f->err));
    assert_false(goes_on(f, 1, NOW));
    assert_true(goes_on(f, 2, NOW));
}

static void sessions_do_not_pile_up(void **state)
{
    struct fixture *f = *state;

    user(f, "ann");
    user(f, "bob");
    session(f, 200, "bob", NOW);
    for (int i = 0; i < LS_SESSIONS_OF_USER + 5; i++)
        session(f, i, "ann", NOW + i * SECOND);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}sessions"),
                     LS_SESSIONS_OF_USER + 1);
    assert_false(goes_on(f, 4, NOW + 60 * SECOND));
    assert_true(goes_on(f, 5, NOW + 60 * SECOND));
    assert_true(goes_on(f, 200, NOW + 60 * SECOND));
    session(f, 201, "bob", NOW + ABSOLUTE); /* expired ones go */
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}sessions"), 1);
}

/* ---- the first start ---- */

static bool begun_setup(struct fixture *f, int n)
{
    bool made = false;

    assert_ok(f, ls_state_setup_begin(f->state, HASH((unsigned char)n), NOW, NOW + 3600 * SECOND,
                                      &made, &f->err));
    return made;
}

static bool would_do(struct fixture *f, int n, int64_t now_us)
{
    bool valid = false;

    assert_ok(f, ls_state_setup_valid(f->state, HASH((unsigned char)n), now_us, &valid, &f->err));
    return valid;
}

static enum ls_code finished(struct fixture *f, int n, int64_t now_us)
{
    return ls_state_setup_finish(f->state, HASH((unsigned char)n), now_us, "root", "admin", "pw",
                                 &f->err);
}

static void the_link_makes_one_admin_once(void **state)
{
    struct fixture *f = *state;
    struct ls_user found;
    bool there = false;

    assert_true(begun_setup(f, 1));
    assert_true(begun_setup(f, 2)); /* the next start's is the one that counts */
    assert_false(would_do(f, 1, NOW));
    assert_true(would_do(f, 2, NOW));
    assert_false(would_do(f, 2, NOW + 3600 * SECOND));
    assert_code(f, LS_PERMISSION, finished(f, 1, NOW));
    assert_code(f, LS_PERMISSION, finished(f, 2, NOW + 3600 * SECOND));
    assert_ok(f, finished(f, 2, NOW));
    assert_ok(f, ls_state_user_find(f->state, "root", &f->mem, &found, &there, &f->err));
    assert_true(there);
    assert_string_equal(found.role, "admin");
    assert_string_equal(last_entry(f)->actor, "setup");
    assert_false(would_do(f, 2, NOW));
    assert_code(f, LS_PERMISSION, finished(f, 2, NOW));
    assert_false(begun_setup(f, 3));
    assert_ok(f, ls_state_user_remove(f->state, ACTOR, "root", false, &f->err));
    assert_code(f, LS_PERMISSION, finished(f, 2, NOW)); /* used up */
    assert_true(begun_setup(f, 3));
}

static void the_link_ends_with_the_first_user_and_is_not_made_beside_a_token(void **state)
{
    struct fixture *f = *state;
    struct ls_token gone;

    assert_true(begun_setup(f, 1));
    user(f, "ann");
    assert_false(would_do(f, 1, NOW));
    assert_code(f, LS_PERMISSION, finished(f, 1, NOW));
    assert_ok(f, ls_state_user_remove(f->state, ACTOR, "ann", false, &f->err));
    added(f, 7, "ci", "", 0);
    assert_false(begun_setup(f, 2));
    assert_ok(f, ls_state_token_revoke(f->state, ACTOR, "ci", &f->mem, &gone, &f->err));
    assert_true(begun_setup(f, 2));
}

struct racer {
    struct ls_state *state;
    struct ls_thread thread;
    char name[10];
    enum ls_code rc;
};

static void race_setup(void *arg)
{
    struct racer *r = arg;
    struct ls_error err;

    r->rc = ls_state_setup_finish(r->state, HASH(1), NOW, r->name, "admin", "pw", &err);
}

static void of_many_who_use_the_link_at_once_one_is_admin(void **state)
{
    struct fixture *f = *state;
    struct racer racers[6];
    int winners = 0;

    assert_true(begun_setup(f, 1));
    for (int i = 0; i < 6; i++) {
        racers[i] = (struct racer){.state = another(f)};
        snprintf(racers[i].name, sizeof racers[i].name, "r%d", i);
    }
    for (int i = 0; i < 6; i++)
        assert_ok(f, ls_thread_start(&racers[i].thread, race_setup, &racers[i], &f->err));
    for (int i = 0; i < 6; i++) {
        ls_thread_join(&racers[i].thread);
        winners += racers[i].rc == LS_OK;
        assert_true(racers[i].rc == LS_OK || racers[i].rc == LS_PERMISSION);
        ls_state_close(racers[i].state);
    }
    assert_int_equal(winners, 1);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}users"), 1);
}

/* ---- the last admin ---- */

static void admin(struct fixture *f, const char *name)
{
    assert_ok(f, ls_state_user_add(f->state, ACTOR, name, "admin", "$argon2id$x", &f->err));
}

/* Whether it is refused to make them one no more, in each of three ways. */
static void assert_kept(struct fixture *f, const char *name, bool kept)
{
    const bool yes = true;
    const struct ls_user_change changes[] = {{.role = "operator", .keep_admin = true},
                                             {.disabled = &yes, .keep_admin = true}};

    if (kept) {
        for (size_t i = 0; i < 2; i++)
            assert_code(f, LS_CONFLICT,
                        ls_state_user_change(f->state, ACTOR, name, &changes[i], &f->err));
        assert_code(f, LS_CONFLICT, ls_state_user_remove(f->state, ACTOR, name, true, &f->err));
        assert_said(f, name);
        assert_said(f, "last admin");
        assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}users WHERE role = 'admin' "
                                          "AND disabled_us = 0"),
                         1);
    } else {
        assert_ok(f, ls_state_user_change(f->state, ACTOR, name, &changes[0], &f->err));
        assert_ok(f, ls_state_user_change(
                         f->state, ACTOR, name,
                         &(struct ls_user_change){.role = "admin", .keep_admin = true}, &f->err));
    }
}

static void the_last_admin_stays_one(void **state)
{
    const bool yes = true, no = false;
    struct fixture *f = *state;
    struct ls_token gone;

    admin(f, "ann");
    user(f, "bob");
    assert_kept(f, "ann", true);
    added(f, 1, "hers", "ann", 0); /* would end with her */
    assert_kept(f, "ann", true);
    added(f, 2, "expired", "", 1);
    assert_kept(f, "ann", true);
    added(f, 3, "ci", "", 0);
    assert_kept(f, "ann", false);
    assert_ok(f, ls_state_token_revoke(f->state, ACTOR, "ci", &f->mem, &gone, &f->err));
    assert_kept(f, "ann", true);
    admin(f, "eve");
    assert_kept(f, "ann", false);
    assert_ok(f, ls_state_user_change(
                     f->state, ACTOR, "eve",
                     &(struct ls_user_change){.disabled = &yes, .keep_admin = true}, &f->err));
    assert_kept(f, "ann", true);
    assert_ok(f, ls_state_user_change(f->state, ACTOR, "eve",
                                      &(struct ls_user_change){.disabled = &no, .keep_admin = true},
                                      &f->err));
    assert_ok(f, ls_state_user_remove(f->state, ACTOR, "ann", true, &f->err));
    /* Others are nobody's matter, also where there is no admin at all. */
    assert_ok(f, ls_state_user_change(f->state, ACTOR, "eve",
                                      &(struct ls_user_change){.role = "viewer"}, &f->err));
    assert_ok(f, ls_state_user_remove(f->state, ACTOR, "bob", true, &f->err));
}

static void race_remove(void *arg)
{
    struct racer *r = arg;
    struct ls_error err;

    r->rc = ls_state_user_remove(r->state, ACTOR, r->name, true, &err);
}

static void of_admins_who_are_removed_at_once_one_stays(void **state)
{
    struct fixture *f = *state;
    struct racer racers[6];
    int removed = 0;

    for (int i = 0; i < 6; i++) {
        racers[i] = (struct racer){.state = another(f)};
        snprintf(racers[i].name, sizeof racers[i].name, "r%d", i);
        admin(f, racers[i].name);
    }
    for (int i = 0; i < 6; i++)
        assert_ok(f, ls_thread_start(&racers[i].thread, race_remove, &racers[i], &f->err));
    for (int i = 0; i < 6; i++) {
        ls_thread_join(&racers[i].thread);
        removed += racers[i].rc == LS_OK;
        assert_true(racers[i].rc == LS_OK || racers[i].rc == LS_CONFLICT);
        ls_state_close(racers[i].state);
    }
    assert_int_equal(removed, 5);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}users"), 1);
}

/* ---- throttles ---- */

#define RULE(n)                                                                             \
    {                                                                                       \
        .subject = {[0] = (n)}, .free_tries = 3, .first_us = SECOND, .most_us = 8 * SECOND, \
        .keep_us = 3600 * SECOND                                                            \
    }

static void the_wait_doubles_up_to_a_bound(void **state)
{
    const struct ls_throttle_rule rule = RULE(1);
    (void)state;

    for (int64_t failures = 0; failures < 3; failures++)
        assert_true(ls_throttle_wait(&rule, failures, NOW, NOW) == 0);
    assert_true(ls_throttle_wait(&rule, 3, NOW, NOW) == SECOND);
    assert_true(ls_throttle_wait(&rule, 4, NOW, NOW) == 2 * SECOND);
    assert_true(ls_throttle_wait(&rule, 5, NOW, NOW) == 4 * SECOND);
    assert_true(ls_throttle_wait(&rule, 6, NOW, NOW) == 8 * SECOND);
    assert_true(ls_throttle_wait(&rule, 7, NOW, NOW) == 8 * SECOND);
    assert_true(ls_throttle_wait(&rule, INT64_MAX, NOW, NOW) == 8 * SECOND);
    assert_true(ls_throttle_wait(&rule, 4, NOW, NOW + SECOND) == SECOND);
    assert_true(ls_throttle_wait(&rule, 4, NOW, NOW + 2 * SECOND) == 0);
    assert_true(ls_throttle_wait(&rule, 4, NOW, NOW - SECOND) == 2 * SECOND);
    assert_true(ls_throttle_wait(&rule, 4, NOW, NOW - 3600 * SECOND) == 0);
}

static int64_t taken(struct fixture *f, const struct ls_throttle_rule *rules, size_t count,
                     int64_t now_us)
{
    int64_t wait = -1;

    assert_ok(f, ls_state_throttle_take(f->state, rules, count, now_us, &wait, &f->err));
    return wait;
}

static void failures_make_wait_and_success_forgives(void **state)
{
    struct fixture *f = *state;
    const struct ls_throttle_rule rules[] = {RULE(1), RULE(2)}, other[] = {RULE(3), RULE(2)};

    for (int i = 0; i < 3; i++)
        assert_true(taken(f, rules, 2, NOW) == 0);
    assert_true(taken(f, rules, 2, NOW) == SECOND);
    assert_true(taken(f, rules, 2, NOW) == SECOND); /* a try that was not had is not counted */
    reopen(f);                                      /* and a restart forgets nothing */
    assert_true(taken(f, rules, 2, NOW + SECOND - 1) == 1);
    assert_true(taken(f, other, 2, NOW) == SECOND); /* the second subject is the same */
    assert_true(taken(f, other, 1, NOW) == 0);
    assert_true(taken(f, rules, 2, NOW + SECOND) == 0);
    assert_true(taken(f, rules, 2, NOW + SECOND) == 2 * SECOND);
    assert_ok(f, ls_state_throttle_forgive(f->state, rules, 2, &f->err));
    assert_true(taken(f, rules, 1, NOW + SECOND) == 0);        /* the first is clean */
    assert_true(taken(f, rules, 2, NOW + SECOND) == SECOND);   /* the second has one less */
    assert_true(taken(f, rules, 2, NOW + 4000 * SECOND) == 0); /* forgotten */
    assert_true(taken(f, rules, 2, NOW + 4000 * SECOND) == 0);
}

static void race_throttle(void *arg)
{
    struct racer *r = arg;
    const struct ls_throttle_rule rule = RULE(1);
    struct ls_error err;
    int64_t wait = -1;

    r->rc = ls_state_throttle_take(r->state, &rule, 1, NOW, &wait, &err);
    r->name[0] = wait == 0;
}

static void tries_at_once_are_counted_each(void **state)
{
    struct fixture *f = *state;
    struct racer racers[8];
    int got = 0;

    for (int i = 0; i < 8; i++)
        racers[i] = (struct racer){.state = another(f)};
    for (int i = 0; i < 8; i++)
        assert_ok(f, ls_thread_start(&racers[i].thread, race_throttle, &racers[i], &f->err));
    for (int i = 0; i < 8; i++) {
        ls_thread_join(&racers[i].thread);
        assert_int_equal(racers[i].rc, LS_OK);
        got += racers[i].name[0];
        ls_state_close(racers[i].state);
    }
    assert_int_equal(got, 3);
}

static void a_known_subject_is_known_until_its_time(void **state)
{
    struct fixture *f = *state;
    const struct ls_throttle_rule rule = RULE(1);
    bool known = true;

    assert_ok(f, ls_state_throttle_known(f->state, HASH(1), NOW, &known, &f->err));
    assert_false(known);
    assert_ok(f, ls_state_throttle_know(f->state, HASH(1), NOW, NOW + SECOND, &f->err));
    assert_ok(f, ls_state_throttle_known(f->state, HASH(1), NOW, &known, &f->err));
    assert_true(known);
    assert_ok(f, ls_state_throttle_known(f->state, HASH(1), NOW + SECOND, &known, &f->err));
    assert_false(known);
    assert_true(taken(f, &rule, 1, NOW) == 0); /* failures are not knowledge */
    assert_ok(f, ls_state_throttle_known(f->state, rule.subject, NOW, &known, &f->err));
    assert_false(known);
}

/* Who has many addresses cannot make the table grow, nor drive out those who failed often. */
static void throttles_are_bounded_and_keep_the_worst(void **state)
{
    struct fixture *f = *state;
    const struct ls_throttle_rule worst = RULE(1), fresh = RULE(2);

    for (int i = 0; i < 3; i++)
        assert_true(taken(f, &worst, 1, NOW) == 0);
    assert_ok(f, ls_state_throttle_know(f->state, HASH(9), NOW, NOW + 7200 * SECOND, &f->err));
    behind(f, f->postgres
                  ? "INSERT INTO {schema}throttles SELECT decode(md5(i::text), 'hex'), 1, 1, "
                    "9000000000000000 FROM generate_series(1, 12000) i"
                  : "WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < "
                    "12000) INSERT INTO throttles SELECT CAST('k' || x AS BLOB), 1, 1, "
                    "9000000000000000 FROM i");
    assert_true(taken(f, &fresh, 1, NOW) == 0);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}throttles"), LS_THROTTLES);
    assert_true(taken(f, &worst, 1, NOW) == SECOND);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}throttles WHERE failures < 0"),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_token_is_found_by_its_hash_alone),
        ON_BOTH(an_expired_token_is_not_found),
        ON_BOTH(a_revoked_token_is_not_found_and_its_name_is_free),
        ON_BOTH(a_hash_is_one_tokens),
        ON_BOTH(the_last_use_never_goes_back),
        ON_BOTH(tokens_are_listed_living_ones_first),
        ON_BOTH(a_token_ends_with_its_owner),
        ON_BOTH(no_secret_is_in_the_state),
        ON_BOTH(a_user_is_as_added),
        ON_BOTH(one_thing_of_a_user_is_changed_and_no_other),
        ON_BOTH(a_session_ends_when_it_rests_and_after_its_time),
        ON_BOTH(a_session_has_the_role_that_its_user_has_now),
        ON_BOTH(whatever_changes_a_user_ends_the_sessions),
        ON_BOTH(a_logout_ends_one_session),
        ON_BOTH(sessions_do_not_pile_up),
        ON_BOTH(the_link_makes_one_admin_once),
        ON_BOTH(the_link_ends_with_the_first_user_and_is_not_made_beside_a_token),
        ON_BOTH(of_many_who_use_the_link_at_once_one_is_admin),
        ON_BOTH(the_last_admin_stays_one),
        ON_BOTH(of_admins_who_are_removed_at_once_one_stays),
        cmocka_unit_test(the_wait_doubles_up_to_a_bound),
        ON_BOTH(failures_make_wait_and_success_forgives),
        ON_BOTH(tries_at_once_are_counted_each),
        ON_BOTH(a_known_subject_is_known_until_its_time),
        ON_BOTH(throttles_are_bounded_and_keep_the_worst),
    };

    return cmocka_run_group_tests_name("state/callers", tests, NULL, NULL);
}
