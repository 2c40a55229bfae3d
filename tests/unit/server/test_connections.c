/* SPDX-License-Identifier: Apache-2.0 */
/* test_connections.c - connections on their way, and how many there may be of one address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/connections.h"

#define MOST 3
#define LATER INT64_MAX

static int open_them(void **state)
{
    static struct ls_network proxy;
    struct ls_connections *all = NULL;
    struct ls_error err = {0};

    assert_true(ls_network_parse("10.0.0.9", &proxy));
    assert_int_equal(ls_connections_open(MOST, &proxy, 1, &all, &err), LS_OK);
    *state = all;
    return 0;
}

static int close_them(void **state)
{
    ls_connections_close(*state);
    return 0;
}

static struct ls_address address(const char *text)
{
    struct ls_address ret;

    assert_true(ls_address_parse(text, &ret));
    return ret;
}

static void those_on_their_way_count(void **state)
{
    struct ls_connections *all = *state;
    const struct ls_address a = address("10.0.0.1"), b = address("10.0.0.2");

    for (int fd = 1000; fd < 1000 + MOST; fd++)
        assert_true(ls_connections_admit(all, fd, &a));
    assert_false(ls_connections_admit(all, 1000 + MOST, &a));
    assert_int_equal(ls_connections_count(all), MOST);
    assert_int_equal(ls_connections_refused(all), 1);
    assert_true(ls_connections_admit(all, 1000 + MOST, &b));
    ls_connections_drop(all, 1001);
    assert_true(ls_connections_admit(all, 1001, &a));
    assert_false(ls_connections_admit(all, 1009, &a));
}

static void one_that_begins_is_counted_once_and_until_it_ends(void **state)
{
    struct ls_connections *all = *state;
    const struct ls_address a = address("10.0.0.1");
    struct ls_connection *c[MOST];

    for (int i = 0; i < MOST; i++) {
        assert_true(ls_connections_admit(all, 1000 + i, &a));
        c[i] = ls_connections_add(all, 1000 + i, &a, LATER);
        assert_non_null(c[i]);
    }
    assert_int_equal(ls_connections_count(all), MOST);
    assert_false(ls_connections_admit(all, 1009, &a));
    ls_connections_remove(c[1]);
    assert_true(ls_connections_admit(all, 1009, &a));
    assert_false(ls_connections_admit(all, 1010, &a));
    ls_connections_remove(c[0]);
    ls_connections_remove(c[2]);
    assert_int_equal(ls_connections_count(all), 1);
}

/* The library closed it without a word: its descriptor comes again. */
static void a_descriptor_that_comes_again_ends_the_one_before(void **state)
{
    struct ls_connections *all = *state;
    const struct ls_address a = address("10.0.0.1");

    for (int i = 0; i < 10 * MOST; i++)
        assert_true(ls_connections_admit(all, 1000, &a));
    assert_int_equal(ls_connections_count(all), 1);
    assert_int_equal(ls_connections_refused(all), 0);
}

static void proxies_have_no_limit_of_their_own(void **state)
{
    struct ls_connections *all = *state;
    const struct ls_address proxy = address("10.0.0.9");

    for (int fd = 1000; fd < 1000 + 10 * MOST; fd++)
        assert_true(ls_connections_admit(all, fd, &proxy));
    assert_int_equal(ls_connections_count(all), 10 * MOST);
    ls_connections_drop(all, 1000);
    assert_int_equal(ls_connections_count(all), 10 * MOST - 1);
}

static void what_is_held_for_an_address_has_a_bound(void **state)
{
    struct ls_connections *all = *state;
    const struct ls_address a = address("10.0.0.1"), b = address("10.0.0.2");
    const struct ls_address proxy = address("10.0.0.9");
    struct ls_connection *c;

    assert_true(ls_connections_admit(all, 1000, &a));
    c = ls_connections_add(all, 1000, &a, LATER);
    assert_non_null(c);
    assert_true(ls_connections_hold(all, &a, 60, 100));
    assert_true(ls_connections_hold(all, &a, 40, 100));
    assert_false(ls_connections_hold(all, &a, 1, 100));
    assert_false(ls_connections_hold(all, &a, SIZE_MAX, 100));
    assert_true(ls_connections_hold(all, &b, 100, 100));
    ls_connections_let_go(all, &a, 40);
    ls_connections_remove(c);
    assert_false(ls_connections_hold(all, &a, 41, 100)); /* what it sent outlives the connection */
    assert_true(ls_connections_hold(all, &a, 40, 100));
    ls_connections_let_go(all, &a, 100);
    ls_connections_let_go(all, &b, 100);
    assert_true(ls_connections_hold(all, &proxy, 1000, 100));
    ls_connections_let_go(all, &proxy, 1000);
    assert_false(ls_connections_hold(all, &a, 101, 100)); /* and leaves nothing behind */
}

/* ---- the other side ---- */

static void note(void *ctx)
{
    sem_post(ctx);
}

static int waiting(sem_t *s)
{
    int n = 0;

    assert_int_equal(sem_getvalue(s, &n), 0);
    return n;
}

struct pair {
    int fds[2]; /* ours, theirs */
    struct ls_connection *c;
    sem_t gone;
};

static void begin_pair(struct ls_connections *all, struct pair *p)
{
    const struct ls_address a = address("10.0.0.1");

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p->fds), 0);
    assert_true(ls_connections_admit(all, p->fds[0], &a));
    p->c = ls_connections_add(all, p->fds[0], &a, LATER);
    assert_non_null(p->c);
    sem_init(&p->gone, 0, 0);
}

static void end_pair(struct pair *p)
{
    ls_connections_remove(p->c);
    close(p->fds[0]);
    close(p->fds[1]);
    sem_destroy(&p->gone);
}

static void who_asks_is_told_that_the_other_side_has_closed(void **state)
{
    struct pair one, two, three;

    begin_pair(*state, &one);
    begin_pair(*state, &two);
    begin_pair(*state, &three);
    ls_connection_watch(one.c, note, &one.gone);
    ls_connection_watch(two.c, note, &two.gone);
    ls_connection_watch(three.c, note, &three.gone);
    ls_connection_unwatch(three.c);
    shutdown(three.fds[1], SHUT_WR);
    shutdown(one.fds[1], SHUT_WR); /* half of it is enough */
    sem_wait(&one.gone);
    shutdown(two.fds[1], SHUT_RDWR);
    sem_wait(&two.gone);
    assert_int_equal(waiting(&one.gone), 0); /* once */
    assert_int_equal(waiting(&three.gone), 0);
    ls_connection_unwatch(one.c);
    ls_connection_watch(one.c, note, &one.gone); /* and it is told that it has been */
    sem_wait(&one.gone);
    end_pair(&one);
    end_pair(&two);
    end_pair(&three);
}

static void one_that_sends_is_still_there(void **state)
{
    struct pair one, two;

    begin_pair(*state, &one);
    begin_pair(*state, &two);
    ls_connection_watch(one.c, note, &one.gone);
    ls_connection_watch(two.c, note, &two.gone);
    assert_int_equal(send(one.fds[1], "x", 1, 0), 1);
    shutdown(two.fds[1], SHUT_WR);
    sem_wait(&two.gone);
    assert_int_equal(waiting(&one.gone), 0);
    end_pair(&one);
    end_pair(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(those_on_their_way_count, open_them, close_them),
        cmocka_unit_test_setup_teardown(one_that_begins_is_counted_once_and_until_it_ends,
                                        open_them, close_them),
        cmocka_unit_test_setup_teardown(a_descriptor_that_comes_again_ends_the_one_before,
                                        open_them, close_them),
        cmocka_unit_test_setup_teardown(what_is_held_for_an_address_has_a_bound, open_them,
                                        close_them),
        cmocka_unit_test_setup_teardown(proxies_have_no_limit_of_their_own, open_them, close_them),
        cmocka_unit_test_setup_teardown(who_asks_is_told_that_the_other_side_has_closed, open_them,
                                        close_them),
        cmocka_unit_test_setup_teardown(one_that_sends_is_still_there, open_them, close_them),
    };

    return cmocka_run_group_tests_name("server/connections", tests, NULL, NULL);
}
