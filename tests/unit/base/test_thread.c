/* SPDX-License-Identifier: Apache-2.0 */
/* test_thread.c - threads that are joined, and the flag that cancels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "base/clock.h"
#include "base/thread.h"

static void count_up(void *arg)
{
    for (int i = 0; i < 1000; i++)
        ++*(int *)arg;
}

static void a_thread_has_done_its_work_when_joined(void **state)
{
    struct ls_thread t;
    int n = 0;
    (void)state;

    assert_int_equal(ls_thread_start(&t, count_up, &n, NULL), LS_OK);
    ls_thread_join(&t);
    assert_int_equal(n, 1000);
    ls_thread_join(&t); /* once more is fine */
}

static void joining_what_never_started_is_fine(void **state)
{
    struct ls_thread t = {0};
    (void)state;

    ls_thread_join(&t);
    assert_false(t.running);
}

static void get_mask(void *arg)
{
    (void)pthread_sigmask(SIG_SETMASK, NULL, arg);
}

static void signals_are_left_to_the_main_thread(void **state)
{
    sigset_t inside, none, after;
    struct ls_thread t;
    (void)state;

    sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
    assert_int_equal(ls_thread_start(&t, get_mask, &inside, NULL), LS_OK);
    ls_thread_join(&t);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&inside, SIGINT), 1);
    assert_int_equal(sigismember(&inside, SIGTERM), 1);
    assert_int_equal(sigismember(&inside, SIGSEGV), 0);
    for (int sig = 1; sig < 32; sig++)
        assert_int_equal(sigismember(&after, sig), 0);
}

static void spin_until_cancelled(void *arg)
{
    while (!ls_cancel_wanted(arg))
        ;
}

static void a_cancel_is_seen_by_another_thread(void **state)
{
    struct ls_cancel cancel = {0};
    struct ls_thread t;
    (void)state;

    assert_false(ls_cancel_wanted(NULL));
    assert_false(ls_cancel_wanted(&cancel));
    assert_int_equal(ls_thread_start(&t, spin_until_cancelled, &cancel, NULL), LS_OK);
    cancel.wanted = true;
    ls_thread_join(&t);
    assert_true(ls_cancel_wanted(&cancel));
}

static void a_wait_ends_when_its_time_is_over(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    const int64_t until = ls_clock_monotonic_us() + 2000;
    (void)state;

    pthread_mutex_lock(&lock);
    while (ls_cond_wait(&never, &lock, until))
        ; /* woken without a reason */
    pthread_mutex_unlock(&lock);
    assert_true(ls_clock_monotonic_us() >= until);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_done_its_work_when_joined),
        cmocka_unit_test(joining_what_never_started_is_fine),
        cmocka_unit_test(signals_are_left_to_the_main_thread),
        cmocka_unit_test(a_cancel_is_seen_by_another_thread),
        cmocka_unit_test(a_wait_ends_when_its_time_is_over),
    };
    return cmocka_run_group_tests_name("base/thread", tests, NULL, NULL);
}
