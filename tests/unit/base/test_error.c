/* SPDX-License-Identifier: Apache-2.0 */
/* test_error.c - texts, codes and contexts of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static void an_error_holds_code_and_text_and_no_old_native(void **state)
{
    struct ls_error err = {.native = "23505"};
    (void)state;

    assert_int_equal(ls_error_set(&err, LS_DATA, "row %d: %s", 7, "bad"), LS_DATA);
    assert_int_equal(err.code, LS_DATA);
    assert_string_equal(err.text, "row 7: bad");
    assert_string_equal(err.native, "");
}

static void no_error_struct_still_gives_the_code(void **state)
{
    (void)state;
    assert_int_equal(ls_error_set(NULL, LS_BRAKE, "x"), LS_BRAKE);
    assert_int_equal(ls_error_errno(NULL, ENOENT, "x"), LS_NOT_FOUND);
    assert_int_equal(ls_error_wrap(NULL, "x"), LS_INTERNAL);
    assert_int_equal(ls_error_nomem(NULL), LS_NOMEM);
}

static void a_long_text_is_cut_between_two_characters(void **state)
{
    struct ls_error err;
    (void)state;

    for (int shift = 0; shift < 3; shift++) { /* the cut meets each byte of the character */
        char long_text[1600];
        size_t at = (size_t)shift;

        memset(long_text, 'x', at);
        for (; at + 3 < sizeof(long_text); at += 3)
            memcpy(long_text + at, "\xe2\x82\xac", 3); /* euro sign */
        long_text[at] = '\0';
        ls_error_set(&err, LS_DATA, "%s", long_text);
        assert_in_range(strlen(err.text), sizeof(err.text) - 3, sizeof(err.text) - 1);
        assert_int_equal(ls_utf8_check(err.text, strlen(err.text)), strlen(err.text));
    }
}

static void a_text_that_just_fits_is_not_cut(void **state)
{
    struct ls_error err;
    char fits[sizeof(err.text)];
    (void)state;

    memset(fits, 'a', sizeof(fits) - 1);
    fits[sizeof(fits) - 1] = '\0';
    ls_error_set(&err, LS_DATA, "%s", fits);
    assert_string_equal(err.text, fits);
}

static void arguments_may_point_into_the_error(void **state)
{
    struct ls_error err;
    (void)state;

    ls_error_set(&err, LS_IO, "disk");
    ls_error_set(&err, LS_CORRUPT, "journal %s, again %s", err.text, err.text);
    assert_string_equal(err.text, "journal disk, again disk");
    ls_error_errno(&err, EIO, "<%s>", err.text);
    assert_string_equal(err.text, "<journal disk, again disk>: Input/output error");
    ls_error_wrap(&err, "%.3s", err.text);
    assert_string_equal(err.text, "<jo: <journal disk, again disk>: Input/output error");
}

static void errno_decides_the_code(void **state)
{
    static const struct {
        int errnum;
        enum ls_code code;
        const char *name;
    } cases[] = {
        {EACCES, LS_PERMISSION, "EACCES"},
        {EPERM, LS_PERMISSION, "EPERM"},
        {EROFS, LS_PERMISSION, "EROFS"},
        {ENOENT, LS_NOT_FOUND, "ENOENT"},
        {ENOSPC, LS_FULL, "ENOSPC"},
        {EDQUOT, LS_FULL, "EDQUOT"},
        {EFBIG, LS_FULL, "EFBIG"},
        {ENOMEM, LS_NOMEM, "ENOMEM"},
        {EMFILE, LS_BUSY, "EMFILE"},
        {ENFILE, LS_BUSY, "ENFILE"},
        {EIO, LS_IO, "EIO"},
        {ENOTRECOVERABLE, LS_IO, "ENOTRECOVERABLE"},
    };
    struct ls_error err;
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ls_error_errno(&err, cases[i].errnum, "f"), cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.native, cases[i].name);
    }
}

static void an_unknown_errno_is_told_as_a_number(void **state)
{
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_error_errno(&err, 99999, "f"), LS_IO);
    assert_string_equal(err.native, "99999");
}

static void the_reason_survives_a_text_that_is_too_long(void **state)
{
    const char *reason = ": No space left on device";
    struct ls_error err;
    char path[2000];
    (void)state;

    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    ls_error_errno(&err, ENOSPC, "cannot write %s", path);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_string_equal(err.text + strlen(err.text) - strlen(reason), reason);
}

static void wrapping_puts_context_before_and_keeps_the_rest(void **state)
{
    struct ls_error err;
    (void)state;

    ls_error_errno(&err, ENOENT, "cannot open %s", "a.csv");
    assert_int_equal(ls_error_wrap(&err, "source %s", "crm"), LS_NOT_FOUND);
    assert_string_equal(err.text, "source crm: cannot open a.csv: No such file or directory");
    assert_string_equal(err.native, "ENOENT");
}

static void wrapping_a_full_text_cuts_its_end(void **state)
{
    struct ls_error err;
    char text[sizeof(err.text)];
    (void)state;

    memset(text, 'e', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ls_error_set(&err, LS_IO, "%s", text);
    ls_error_wrap(&err, "outer");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "outer: eee", 10);
    ls_error_wrap(&err, "%s", text);
    assert_string_equal(err.text, text);
}

static void a_wrapped_text_is_cut_between_two_characters(void **state)
{
    struct ls_error err;
    char text[sizeof(err.text)];
    (void)state;

    memset(text, 'e', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(text + sizeof(text) - 4, "\xe2\x82\xac", 3);
    for (size_t n = 1; n <= 3; n++) {
        ls_error_set(&err, LS_IO, "%s", text + 2);
        ls_error_wrap(&err, "%.*s", (int)n, "abc");
        assert_int_equal(ls_utf8_check(err.text, strlen(err.text)), strlen(err.text));
    }
}

static void every_code_has_a_name_in_lower_case_and_a_text(void **state)
{
    static const char *const names[] = {
#define X(name, lower, text, retry, status) #name,
        LS_CODES(X)
#undef X
    };
    (void)state;

    for (int code = 0; code < LS_CODE_COUNT; code++) {
        const char *name = ls_code_name((enum ls_code)code);

        assert_int_equal(strlen(name), strlen(names[code]));
        for (size_t i = 0; name[i]; i++)
            assert_int_equal(name[i], tolower((unsigned char)names[code][i]));
        assert_true(ls_code_text((enum ls_code)code)[0] != '\0');
    }
}

static void the_exit_status_and_the_retry_follow_from_the_code(void **state)
{
    (void)state;
    assert_int_equal(ls_code_exit_status(LS_OK), 0);
    for (enum ls_code code = LS_OK; code < LS_CODE_COUNT; code++)
        assert_int_not_equal(ls_code_exit_status(code), 1); /* differences are no error */
    assert_int_equal(ls_code_exit_status(LS_USAGE), 2);
    assert_int_equal(ls_code_exit_status(LS_CONNECT), 3);
    assert_int_equal(ls_code_exit_status(LS_BRAKE), 4);
    assert_int_equal(ls_code_exit_status(LS_CANCELLED), 130);
    assert_true(ls_code_retryable(LS_BUSY));
    assert_true(ls_code_retryable(LS_CONNECT));
    assert_false(ls_code_retryable(LS_OK));
    assert_false(ls_code_retryable(LS_DATA));
    assert_true(ls_code_refusal(LS_CONSTRAINT) && ls_code_refusal(LS_TYPE));
    assert_true(ls_code_refusal(LS_HELD) && !ls_code_refusal(LS_BUSY));
    assert_false(ls_code_refusal(LS_DATA) || ls_code_refusal(LS_OK));
}

static void a_number_that_is_no_code_is_an_internal_error(void **state)
{
    (void)state;
    assert_string_equal(ls_code_name(LS_CODE_COUNT), "internal");
    assert_int_equal(ls_code_exit_status((enum ls_code)1000), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_holds_code_and_text_and_no_old_native),
        cmocka_unit_test(no_error_struct_still_gives_the_code),
        cmocka_unit_test(a_long_text_is_cut_between_two_characters),
        cmocka_unit_test(a_text_that_just_fits_is_not_cut),
        cmocka_unit_test(arguments_may_point_into_the_error),
        cmocka_unit_test(errno_decides_the_code),
        cmocka_unit_test(an_unknown_errno_is_told_as_a_number),
        cmocka_unit_test(the_reason_survives_a_text_that_is_too_long),
        cmocka_unit_test(wrapping_puts_context_before_and_keeps_the_rest),
        cmocka_unit_test(wrapping_a_full_text_cuts_its_end),
        cmocka_unit_test(a_wrapped_text_is_cut_between_two_characters),
        cmocka_unit_test(every_code_has_a_name_in_lower_case_and_a_text),
        cmocka_unit_test(the_exit_status_and_the_retry_follow_from_the_code),
        cmocka_unit_test(a_number_that_is_no_code_is_an_internal_error),
    };
    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
