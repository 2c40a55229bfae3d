/* SPDX-License-Identifier: Apache-2.0 */
/* test_hub.c - what listeners are told: in order, each by its number; what was missed, or that it is lost; and that nobody waits for one of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/hub.h"

#define MOST 3
#define KEPT 1000                 /* as in hub.c */
#define WAITING ((size_t)1 << 19) /* of one listener, as in hub.c */

static struct ls_hub *open_with(struct ls_hub_options options)
{
    struct ls_hub *hub = NULL;
    struct ls_error err = {0};

    options.most = MOST;
    assert_int_equal(ls_hub_open(&options, &hub, &err), LS_OK);
    return hub;
}

static struct ls_hub *open_hub(void)
{
    return open_with((struct ls_hub_options){0});
}

static void nothing(void *ctx)
{
    (void)ctx;
}

/* What waits, taken; in one buffer. *ret_over: the stream has ended. */
static const char *take(struct ls_stream *s, bool *ret_over)
{
    static char text[WAITING + 1];
    size_t size = 0;
    long n = 1;

    while (n > 0) {
        n = ls_stream_read(s, text + size, sizeof text - 1 - size, nothing, nothing, NULL);
        size += n > 0 ? (size_t)n : 0;
    }
    text[size] = '\0';
    *ret_over = n < 0;
    return text;
}

/* "event event ..." of what is in text, without the beginning of every stream. The numbers must grow, but for those of the first words, which are all the same; the last is
 * given. */
static const char *events_of(const char *text, int64_t *ret_last)
{
    static char words[30000];
    int64_t number = 0, before = 0;

    *words = '\0';
    *ret_last = 0;
    for (const char *at = text; (at = strstr(at, "id: ")); at++) {
        char event[40];
        const size_t length = strlen(words);

        assert_int_equal(sscanf(at, "id: %" SCNd64 "\nevent: %39s\n", &number, event), 2);
        assert_true(number > before || strcmp(event, "now") == 0);
        before = number;
        snprintf(words + length, sizeof words - length, "%s%s", length ? " " : "", event);
    }
    *ret_last = number;
    return words;
}

static struct ls_stream *join(struct ls_hub *hub, struct ls_hub_wish wish)
{
    bool full = false;
    struct ls_stream *s = ls_hub_join(hub, &wish, &full);

    assert_non_null(s);
    assert_false(full);
    return s;
}

/* Joins, looks, leaves: which events it is told, and the number of the last. */
static const char *told(struct ls_hub *hub, struct ls_hub_wish wish, int64_t *ret_last)
{
    struct ls_stream *s = join(hub, wish);
    bool over = false;
    const char *ret = events_of(take(s, &over), ret_last);

    ls_stream_leave(s);
    return ret;
}

static const char *over(struct ls_hub *hub, struct ls_hub_wish wish, int64_t *ret_last)
{
    struct ls_buf out;
    const char *ret = "heard";

    *ret_last = 0;
    ls_buf_init(&out, 0);
    if (ls_hub_over(hub, &wish, &out))
        ret = events_of(ls_buf_str(&out), ret_last);
    else
        assert_int_equal(out.size, 0);
    ls_buf_done(&out);
    return ret;
}

static const struct ls_hub_wish about_a = {.about = "a", .first = "now", .first_json = "{}"};

static struct ls_hub_wish behind(int64_t after)
{
    struct ls_hub_wish ret = about_a;

    ret.after = after;
    return ret;
}

/* ---- what is told ---- */

static void a_listener_hears_what_it_asked_for_in_order(void **state)
{
    struct ls_hub *hub = open_hub();
    struct ls_stream *all = join(hub, (struct ls_hub_wish){0});
    struct ls_stream *runs = join(hub, (struct ls_hub_wish){.prefix = "run."});
    struct ls_stream *a = join(hub, about_a);
    bool ended = true;
    int64_t last;
    (void)state;

    ls_hub_publish(hub, "run.started", "a", "{\"n\":1}", false);
    ls_hub_publish(hub, "user.validated", "u", "{\"n\":2}", false);
    ls_hub_publish(hub, "run.started", "b", "{\"n\":3}", false);
    ls_hub_publish(hub, "run.finished", "a", "{\"n\":4}", true);
    assert_string_equal(events_of(take(all, &ended), &last),
                        "run.started user.validated run.started run.finished");
    assert_false(ended);
    assert_string_equal(events_of(take(runs, &ended), &last),
                        "run.started run.started run.finished");
    assert_false(ended);
    assert_string_equal(events_of(take(a, &ended), &last), "now run.started run.finished");
    assert_true(ended); /* nothing more will be told of it */
    ls_stream_leave(all);
    ls_stream_leave(runs);
    ls_stream_leave(a);
    ls_hub_close(hub);
}

static void who_comes_back_is_told_what_was_missed(void **state)
{
    struct ls_hub *hub = open_hub();
    int64_t first, last, again;
    (void)state;

    assert_string_equal(told(hub, about_a, &first), "now");
    ls_hub_publish(hub, "one", "a", "{}", false);
    ls_hub_publish(hub, "other", "b", "{}", false);
    ls_hub_publish(hub, "two", "a", "{}", false);
    assert_string_equal(told(hub, behind(first), &last), "now one two");
    ls_hub_publish(hub, "three", "a", "{}", false);
    assert_string_equal(told(hub, behind(last), &again), "now three");
    assert_string_equal(told(hub, behind(again), &last), "now");
    assert_int_equal(again, last);
    assert_string_equal(told(hub, about_a, &last), "now"); /* heard of nothing: from now on */
    ls_hub_close(hub);
}

/* A number that is too old, too new, or none of ours. */
static void who_missed_more_than_is_kept_is_told_so(void **state)
{
    struct ls_hub *hub = open_hub();
    int64_t first, last;
    (void)state;

    assert_string_equal(told(hub, about_a, &first), "now");
    for (int i = 0; i < KEPT; i++)
        ls_hub_publish(hub, i ? "more" : "one", "b", "{}", false);
    assert_string_equal(told(hub, behind(first), &last), "now"); /* all of it is there */
    ls_hub_publish(hub, "two", "a", "{}", false);
    assert_string_equal(told(hub, behind(first), &last), "reset now two");
    assert_string_equal(told(hub, behind(1), &last), "reset now two");
    assert_string_equal(told(hub, behind(last + 1), &first), "reset now");
    assert_string_equal(told(hub, behind(INT64_MAX), &first), "reset now");
    assert_int_equal(first, last);
    ls_hub_close(hub);
}

/* ---- what is over ---- */

static void what_is_over_is_told_to_its_end(void **state)
{
    struct ls_hub *hub = open_hub();
    int64_t first, last, end;
    (void)state;

    assert_string_equal(told(hub, about_a, &first), "now");
    ls_hub_publish(hub, "one", "a", "{}", false);
    assert_string_equal(told(hub, behind(first), &last), "now one");
    ls_hub_publish(hub, "two", "a", "{}", false);
    ls_hub_publish(hub, "end", "b", "{}", true);
    ls_hub_publish(hub, "end", "a", "{}", true);
    ls_hub_publish(hub, "later", "b", "{}", false);
    assert_string_equal(over(hub, about_a, &end), "end");
    assert_string_equal(over(hub, behind(first), &end), "one two end");
    assert_string_equal(over(hub, behind(last), &end), "two end");
    assert_string_equal(over(hub, behind(end), &last), "heard");
    assert_string_equal(over(hub, behind(end + 1), &last), "heard");
    assert_string_equal(over(hub, behind(1), &last), "reset one two end");
    assert_string_equal(over(hub, behind(INT64_MAX), &last), "reset end");
    ls_hub_close(hub);
}

/* Its end was in an earlier life, or has been forgotten since: what the caller knows of it stands in. */
static void an_end_that_is_not_kept_is_told_by_what_is_known(void **state)
{
    struct ls_hub *hub = open_hub();
    int64_t last, again;
    (void)state;

    assert_string_equal(over(hub, about_a, &last), "now");
    assert_true(last > 0);
    assert_string_equal(over(hub, behind(last), &again), "now");
    assert_string_equal(over(hub, behind(1), &again), "reset now");
    ls_hub_publish(hub, "end", "a", "{}", true);
    for (int i = 0; i < KEPT; i++)
        ls_hub_publish(hub, "more", "b", "{}", false);
    assert_string_equal(over(hub, behind(last), &again), "reset now");
    ls_hub_close(hub);
}

/* ---- who may listen ---- */

/* What is answered of passes, by the number in their hash. */
struct gate {
    atomic_int answers[3]; /* a code; LS_PERMISSION: not any more */
    atomic_int asked;
};

static enum ls_code still(void *ctx, const struct ls_pass *pass, bool *ret_still,
                          struct ls_error *err)
{
    struct gate *gate = ctx;
    const int answer = atomic_load(&gate->answers[pass->hash[0]]);

    *ret_still = answer == LS_OK;
    atomic_fetch_add(&gate->asked, 1);
    return answer == LS_PERMISSION ? LS_OK : ls_error_set(err, (enum ls_code)answer, "x");
}

static struct ls_stream *join_as(struct ls_hub *hub, unsigned char who, int64_t expires_us)
{
    const struct ls_pass pass = {.kind = LS_PASS_TOKEN, .hash = {who}, .expires_us = expires_us};

    return join(hub, (struct ls_hub_wish){.pass = &pass});
}

static size_t withdrawn(struct ls_hub *hub)
{
    struct ls_hub_figures f;

    ls_hub_figures(hub, &f);
    return (size_t)f.withdrawn;
}

static bool has_ended(struct ls_stream *s)
{
    bool ended = false;

    (void)take(s, &ended);
    return ended;
}

static void a_stream_ends_when_its_pass_is_withdrawn(void **state)
{
    struct gate gate = {0};
    struct ls_hub *hub = open_with((struct ls_hub_options){.still = still, .ctx = &gate});
    struct ls_stream *one = join_as(hub, 1, 0), *two = join_as(hub, 2, 0);
    struct ls_stream *plain = join(hub, about_a);
    (void)state;

    ls_hub_look_again(hub);
    while (atomic_load(&gate.asked) < 2)
        sched_yield();
    atomic_store(&gate.answers[1], LS_PERMISSION);
    ls_hub_look_again(hub);
    while (withdrawn(hub) == 0)
        sched_yield();
    assert_true(has_ended(one));
    assert_false(has_ended(two));
    assert_false(has_ended(plain));
    ls_stream_leave(one);
    one = join_as(hub, 2, 0); /* its place is free */
    ls_stream_leave(one);
    ls_stream_leave(two);
    ls_stream_leave(plain);
    ls_hub_close(hub);
}

/* What another process withdrew is found before the next comment. */
static void passes_are_looked_at_with_each_comment(void **state)
{
    struct gate gate = {0};
    struct ls_hub *hub =
        open_with((struct ls_hub_options){.still = still, .ctx = &gate, .alive_us = 1000});
    struct ls_stream *one = join_as(hub, 1, 0), *two = join_as(hub, 2, 0);
    bool ended = false;
    (void)state;

    while (!strstr(take(two, &ended), ":\n\n"))
        assert_false(ended);
    assert_true(atomic_load(&gate.asked) >= 2);
    atomic_store(&gate.answers[1], LS_PERMISSION);
    while (!has_ended(one))
        sched_yield();
    assert_false(has_ended(two));
    ls_stream_leave(one);
    ls_stream_leave(two);
    ls_hub_close(hub);
}

static void one_of_whom_nothing_can_be_told_stays_for_a_while(void **state)
{
    struct gate gate = {.answers = {0, LS_CONNECT, LS_CONNECT}};
    struct ls_hub *hub = open_with((struct ls_hub_options){.still = still, .ctx = &gate});
    struct ls_stream *one = join_as(hub, 1, 0);
    (void)state;

    for (int n = 1; n <= 3; n++) {
        ls_hub_look_again(hub);
        while (atomic_load(&gate.asked) < n)
            sched_yield();
    }
    assert_false(has_ended(one));
    ls_stream_leave(one);
    ls_hub_close(hub);
    hub = open_with((struct ls_hub_options){.still = still, .ctx = &gate, .unknown_us = 1});
    one = join_as(hub, 1, 0);
    ls_hub_look_again(hub);
    while (!has_ended(one))
        sched_yield();
    assert_int_equal(withdrawn(hub), 1);
    ls_stream_leave(one);
    ls_hub_close(hub);
}

static void nothing_is_told_behind_an_expiry(void **state)
{
    struct ls_hub *hub = open_hub();
    const int64_t now_us = ls_clock_now_us();
    struct ls_stream *past = join_as(hub, 1, now_us - 1);
    struct ls_stream *later = join_as(hub, 1, now_us + INT64_C(3600000000));
    bool ended = false;
    int64_t last;
    (void)state;

    ls_hub_publish(hub, "one", "", "{}", false);
    assert_string_equal(events_of(take(past, &ended), &last), "");
    assert_true(ended);
    assert_string_equal(events_of(take(later, &ended), &last), "one");
    assert_false(ended);
    assert_int_equal(withdrawn(hub), 1);
    ls_stream_leave(past);
    ls_stream_leave(later);
    ls_hub_close(hub);
}

/* ---- nobody waits ---- */

static size_t listeners(struct ls_hub *hub, uint64_t *ret_dropped)
{
    struct ls_hub_figures f;

    ls_hub_figures(hub, &f);
    *ret_dropped = f.dropped;
    return f.listeners;
}

static void one_that_does_not_read_is_cut_off_and_holds_up_nobody(void **state)
{
    struct ls_hub *hub = open_hub();
    struct ls_stream *slow = join(hub, (struct ls_hub_wish){0});
    struct ls_stream *quick = join(hub, (struct ls_hub_wish){0});
    char json[10001] = "";
    size_t heard = 0;
    uint64_t dropped;
    int64_t last;
    bool ended = false;
    (void)state;

    memset(json, 'x', sizeof json - 1);
    for (int i = 0; i < 100; i++) {
        ls_hub_publish(hub, "much", "", json, false);
        heard += strcmp(events_of(take(quick, &ended), &last), "much") == 0;
        assert_false(ended);
    }
    assert_int_equal(heard, 100);
    assert_int_equal(listeners(hub, &dropped), 1);
    assert_int_equal(dropped, 1);
    (void)events_of(take(slow, &ended), &last); /* what it had is still there, then it ends */
    assert_true(ended);
    ls_stream_leave(slow);
    slow = join(hub, (struct ls_hub_wish){.after = last});
    assert_true(strlen(take(slow, &ended)) > 400000);
    assert_false(ended);
    ls_stream_leave(slow);
    ls_stream_leave(quick);
    ls_hub_close(hub);
}

static void the_place_of_one_that_left_is_free_at_once(void **state)
{
    struct ls_hub *hub = open_hub();
    uint64_t dropped;
    int64_t last;
    (void)state;

    for (int i = 0; i < 10 * MOST; i++)
        assert_string_equal(told(hub, about_a, &last), "now");
    assert_int_equal(listeners(hub, &dropped), 0);
    assert_int_equal(dropped, 0);
    ls_hub_close(hub);
}

static void no_more_listen_than_may(void **state)
{
    struct ls_hub *hub = open_hub();
    struct ls_stream *s[MOST];
    struct ls_hub_wish wish = {0};
    bool full = false, ended = false;
    (void)state;

    for (int i = 0; i < MOST; i++)
        s[i] = join(hub, wish);
    assert_null(ls_hub_join(hub, &wish, &full));
    assert_true(full);
    ls_hub_stop(hub);
    for (int i = 0; i < MOST; i++) {
        (void)take(s[i], &ended);
        assert_true(ended);
        ls_stream_leave(s[i]);
    }
    assert_null(ls_hub_join(hub, &wish, &full)); /* the end has begun */
    assert_true(full);
    ls_hub_close(hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_hears_what_it_asked_for_in_order),
        cmocka_unit_test(who_comes_back_is_told_what_was_missed),
        cmocka_unit_test(who_missed_more_than_is_kept_is_told_so),
        cmocka_unit_test(what_is_over_is_told_to_its_end),
        cmocka_unit_test(an_end_that_is_not_kept_is_told_by_what_is_known),
        cmocka_unit_test(a_stream_ends_when_its_pass_is_withdrawn),
        cmocka_unit_test(passes_are_looked_at_with_each_comment),
        cmocka_unit_test(one_of_whom_nothing_can_be_told_stays_for_a_while),
        cmocka_unit_test(nothing_is_told_behind_an_expiry),
        cmocka_unit_test(one_that_does_not_read_is_cut_off_and_holds_up_nobody),
        cmocka_unit_test(the_place_of_one_that_left_is_free_at_once),
        cmocka_unit_test(no_more_listen_than_may),
    };

    return cmocka_run_group_tests_name("server/hub", tests, NULL, NULL);
}
