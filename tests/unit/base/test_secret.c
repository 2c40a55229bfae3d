/* SPDX-License-Identifier: Apache-2.0 */
/* test_secret.c - drawn secrets, comparisons, passwords. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/text.h"

static bool is_token(const char *text)
{
    return ls_secret_is(LS_SECRET_API, text, strlen(text));
}

static void a_token_says_what_it_is(void **state)
{
    char text[LS_SECRET_TEXT];
    (void)state;

    ls_secret_new(LS_SECRET_API, text);
    assert_int_equal(strlen(text), 52);
    assert_true(ls_text_starts(text, "lst_"));
    assert_int_equal(
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), 52);
    assert_true(is_token(text));
    assert_false(ls_secret_is(LS_SECRET_SESSION, text, strlen(text)));
}

static void tokens_are_not_drawn_twice(void **state)
{
    char text[200][LS_SECRET_TEXT];
    (void)state;

    for (size_t i = 0; i < 200; i++) {
        ls_secret_new(LS_SECRET_API, text[i]);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(text[i] + 4, text[k] + 4, 20);
    }
}

/* A checksum of 32 bits lets one in 2^32 pass: none of these. */
static void a_changed_token_is_known_by_its_checksum(void **state)
{
    char text[LS_SECRET_TEXT];
    (void)state;

    ls_secret_new(LS_SECRET_API, text);
    for (size_t i = 0; i < strlen(text); i++) {
        const char was = text[i];

        for (const char *c = "aZ0-_ .=\x80\xff"; *c; c++) {
            text[i] = *c;
            assert_int_equal(is_token(text), *c == was);
        }
        text[i] = was;
    }
    assert_true(is_token(text));
    assert_false(ls_secret_is(LS_SECRET_API, text, 51));
    assert_false(ls_secret_is(LS_SECRET_API, text, 0));
    assert_false(is_token("lst_"));
    assert_false(is_token("lst_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
}

/* The prefix is part of what the checksum is over: a session's text is no token with another beginning. */
static void a_secret_of_one_kind_is_none_of_another(void **state)
{
    char text[LS_SECRET_TEXT];
    (void)state;

    ls_secret_new(LS_SECRET_SESSION, text);
    memcpy(text, LS_SECRET_API, 4);
    assert_false(is_token(text));
}

static void what_is_kept_of_a_token_is_its_sha256(void **state)
{
    unsigned char hash[LS_SECRET_HASH];
    (void)state;

    ls_secret_hash("abc", 3, hash);
    assert_int_equal(hash[0], 0xba);
    assert_int_equal(hash[1], 0x78);
    assert_int_equal(hash[31], 0xad);
}

static void only_the_same_bytes_are_equal(void **state)
{
    char a[64], b[64];
    (void)state;

    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    assert_true(ls_secret_equal(a, sizeof a, b, sizeof b));
    for (size_t i = 0; i < sizeof a; i++) {
        b[i] ^= 1;
        assert_false(ls_secret_equal(a, sizeof a, b, sizeof b));
        b[i] ^= 1;
        assert_false(ls_secret_equal(a, i, b, sizeof b));
        assert_false(ls_secret_equal(a, sizeof a, b, i));
        assert_int_equal(ls_secret_equal(a, i, b, i), i > 0);
    }
}

static void nothing_equals_an_empty_secret(void **state)
{
    (void)state;

    assert_false(ls_secret_equal("", 0, "", 0));
    assert_false(ls_secret_equal(NULL, 0, NULL, 0));
    assert_false(ls_secret_equal("a", 1, NULL, 0));
}

typedef bool equal_fn(const void *a, size_t a_size, const void *b, size_t b_size);

/* How many instructions a process takes from one stop to the next, with the comparison in between. */
static unsigned long instructions(equal_fn *equal, const char *a, const char *b, size_t size)
{
    unsigned long count = 0;
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        (void)equal(a, size, b, size);
        raise(SIGSTOP);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    do {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSTOPPED(status));
        count++;
    } while (WSTOPSIG(status) != SIGSTOP);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    return count;
}

/* What the next test must be able to tell. */
static bool equal_up_to_the_first_difference(const void *a, size_t a_size, const void *b,
                                             size_t b_size)
{
    const volatile char *x = a, *y = b;
    size_t i = 0;

    while (i < a_size && x[i] == y[i])
        i++;
    return a_size == b_size && i == a_size;
}

/* S04: whoever measures how long a refusal takes learns nothing of how much of a guess was right. */
static void a_comparison_takes_as_long_wherever_they_differ(void **state)
{
    static const size_t places[] = {1, 16, 31};
    char right[32], guess[32];
    unsigned long first, early;
    (void)state;

    memset(right, 'x', sizeof right);
    memset(guess, 'x', sizeof guess);
    guess[0] = 'y';
    (void)ls_secret_equal(right, sizeof right, guess, sizeof guess); /* binds what is bound late */
    first = instructions(ls_secret_equal, right, guess, sizeof right);
    early = instructions(equal_up_to_the_first_difference, right, guess, sizeof right);
    guess[0] = 'x';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        guess[places[i]] = 'y';
        assert_int_equal(instructions(ls_secret_equal, right, guess, sizeof right), first);
        assert_true(instructions(equal_up_to_the_first_difference, right, guess, sizeof right) >
                    early);
        guess[places[i]] = 'x';
    }
}

static void a_password_is_kept_as_a_salted_argon2id(void **state)
{
    char one[LS_PASSWORD_HASH], two[LS_PASSWORD_HASH];
    const char *word = "correct horse battery";
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_password_hash(word, strlen(word), one, &err), LS_OK);
    assert_int_equal(ls_password_hash(word, strlen(word), two, &err), LS_OK);
    assert_true(ls_text_starts(one, "$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_string_not_equal(one, two);
    assert_true(ls_password_right(one, word, strlen(word)));
    assert_true(ls_password_right(two, word, strlen(word)));
    assert_false(ls_password_right(one, word, strlen(word) - 1));
    assert_false(ls_password_right(one, "Correct horse battery", strlen(word)));
    assert_false(ls_password_right(one, "", 0));
}

static void a_user_who_is_not_there_has_no_password(void **state)
{
    (void)state;

    assert_false(ls_password_right(NULL, "correct horse", 13));
    assert_false(ls_password_right("", "", 0));
    assert_false(ls_password_right("correct horse", "correct horse", 13));
    assert_false(ls_password_right("$argon2id$v=19$m=19456,t=2,p=1$", "correct horse", 13));
}

static void assert_unfit(const char *password, size_t length, const char *name, const char *why)
{
    struct ls_error err;

    assert_int_equal(ls_password_fit(password, length, name, &err), LS_USAGE);
    if (!strstr(err.text, why))
        fail_msg("\"%s\" is not in: %s", why, err.text);
}

static void passwords_that_do_no_good_are_refused(void **state)
{
    char *huge = calloc(1, LS_PASSWORD_MOST + 2);
    char hash[LS_PASSWORD_HASH];
    struct ls_error err;
    (void)state;

    assert_unfit("", 0, NULL, "too short");
    assert_unfit("elevenchars", 11, NULL, "too short");
    assert_unfit("ääääääääää", 20, NULL, "too short"); /* ten characters */
    assert_unfit("latin1\xe4\xe4\xe4\xe4\xe4\xe4\xe4", 13, NULL, "UTF-8");
    assert_unfit("a NUL\0 in the middle", 20, NULL, "UTF-8");
    assert_unfit("ann@example.org", 15, "ann@example.org", "name");
    memset(huge, 'x', LS_PASSWORD_MOST + 1);
    assert_unfit(huge, LS_PASSWORD_MOST + 1, NULL, "too long");
    assert_int_equal(ls_password_hash(huge, LS_PASSWORD_MOST + 1, hash, &err), LS_USAGE);
    assert_false(ls_password_right(hash, huge, LS_PASSWORD_MOST + 1));
    assert_int_equal(ls_password_fit(huge, LS_PASSWORD_MOST, NULL, &err), LS_OK);
    assert_int_equal(ls_password_fit("twelve chars", 12, "ann", &err), LS_OK);
    assert_int_equal(ls_password_fit("ääääääääääää", 24, NULL, &err), LS_OK);
    free(huge);
}

static void wiped_is_gone(void **state)
{
    char text[] = "secret";
    (void)state;

    ls_secret_wipe(text, sizeof text);
    for (size_t i = 0; i < sizeof text; i++)
        assert_int_equal(text[i], 0);
    ls_secret_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_says_what_it_is),
        cmocka_unit_test(tokens_are_not_drawn_twice),
        cmocka_unit_test(a_changed_token_is_known_by_its_checksum),
        cmocka_unit_test(a_secret_of_one_kind_is_none_of_another),
        cmocka_unit_test(what_is_kept_of_a_token_is_its_sha256),
        cmocka_unit_test(only_the_same_bytes_are_equal),
        cmocka_unit_test(nothing_equals_an_empty_secret),
        cmocka_unit_test(a_comparison_takes_as_long_wherever_they_differ),
        cmocka_unit_test(a_password_is_kept_as_a_salted_argon2id),
        cmocka_unit_test(a_user_who_is_not_there_has_no_password),
        cmocka_unit_test(passwords_that_do_no_good_are_refused),
        cmocka_unit_test(wiped_is_gone),
    };

    return cmocka_run_group_tests_name("base/secret", tests, NULL, NULL);
}
