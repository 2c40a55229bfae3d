/* SPDX-License-Identifier: Apache-2.0 */
/* test_text.c - UTF-8, numbers, coding and quoting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* What fn appends for a text, compared and forgotten. */
#define ASSERT_APPENDS(call, expected)                   \
    do {                                                 \
        struct ls_buf out;                               \
        ls_buf_init(&out, 0);                            \
        call;                                            \
        assert_string_equal(ls_buf_str(&out), expected); \
        ls_buf_done(&out);                               \
    } while (0)

/* Decodes the code point without our code; -1 when invalid. Only for 1 to 4 whole bytes. */
static int32_t decode(const uint8_t *p, size_t n)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const uint8_t mark[] = {0, 0, 0xc0, 0xe0, 0xf0}, mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    int32_t c = p[0] & mask[n];

    if ((p[0] & (uint8_t)~mask[n]) != mark[n])
        return -1;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? -1 : c;
}

static void all_pairs_of_bytes_and_what_follows_are_judged_as_by_the_definition(void **state)
{
    static const uint8_t third[] = {0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    (void)state;

    for (uint32_t v = 0; v < 0x10000 * sizeof(third); v++) {
        uint32_t pair = v / sizeof(third);
        uint8_t three[] = {(uint8_t)(pair >> 8), (uint8_t)pair, third[v % sizeof(third)]};
        size_t at = 0;

        while (at < 3) {
            size_t n = 1;

            while (n <= 3 - at && decode(three + at, n) < 0)
                n++;
            if (n > 3 - at)
                break;
            at += n;
        }
        if (ls_utf8_check(three, 3) != at)
            fail_msg("%02x %02x %02x", three[0], three[1], three[2]);
    }
}

static void characters_of_four_bytes_end_at_the_last_code_point(void **state)
{
    (void)state;
    assert_int_equal(ls_utf8_check("\xf0\x90\x80\x80", 4), 4);
    assert_int_equal(ls_utf8_check("\xf0\x8f\xbf\xbf", 4), 0); /* overlong */
    assert_int_equal(ls_utf8_check("\xf4\x8f\xbf\xbf", 4), 4);
    assert_int_equal(ls_utf8_check("\xf4\x90\x80\x80", 4), 0);
    assert_int_equal(ls_utf8_check("\xf5\x80\x80\x80", 4), 0);
    assert_int_equal(ls_utf8_check("\xf0\x90\x80", 3), 0);
    assert_int_equal(ls_utf8_check("\xf0\x90\x80\xc0", 4), 0);
}

static void the_first_bad_byte_is_found_wherever_it_is(void **state)
{
    (void)state;
    assert_int_equal(ls_utf8_check(NULL, 0), 0);
    for (size_t bad = 0; bad < 40; bad++) {
        char text[40];

        memset(text, 'a', sizeof(text));
        assert_int_equal(ls_utf8_check(text, sizeof(text)), sizeof(text));
        text[bad] = (char)0xff;
        assert_int_equal(ls_utf8_check(text, sizeof(text)), bad);
    }
    assert_int_equal(ls_utf8_check("a\0b\xff", 4), 3);
}

static void a_cut_never_splits_a_character(void **state)
{
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1, 2, 3, 4, 1 bytes */
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    (void)state;

    for (size_t size = 0; size <= 11; size++)
        assert_int_equal(ls_utf8_cut(text, size), expected[size]);
}

static void a_cut_keeps_bytes_that_are_no_text(void **state)
{
    (void)state;
    assert_int_equal(ls_utf8_cut("\x80\x80\x80\x80\x80", 5), 5);
    assert_int_equal(ls_utf8_cut("ab\xff", 3), 3);
}

static void case_is_ignored_for_ascii_only(void **state)
{
    (void)state;
    assert_true(ls_text_equal_nocase("Limit_9[", "lIMIT_9["));
    assert_true(ls_text_equal_nocase("", ""));
    assert_false(ls_text_equal_nocase("a", "ab"));
    assert_false(ls_text_equal_nocase("ab", "a"));
    assert_false(ls_text_equal_nocase("[", "{")); /* as far apart as A and a */
    assert_false(ls_text_equal_nocase("\xc3\x89", "\xc3\xa9"));
}

static void a_prefix_is_found_at_the_start_only(void **state)
{
    (void)state;
    assert_true(ls_text_starts("sqlite:a.db", "sqlite:"));
    assert_true(ls_text_starts("a", ""));
    assert_false(ls_text_starts("sqlit", "sqlite"));
    assert_false(ls_text_starts("xsqlite", "sqlite"));
}

static void the_nearest_word_is_proposed_when_it_is_near(void **state)
{
    static const char *const words[] = {"status", "source", "target", "sync", "apply"};
    (void)state;

    assert_string_equal(ls_text_nearest("staus", words, 5), "status");
    assert_string_equal(ls_text_nearest("tagret", words, 5), "target");
    assert_string_equal(ls_text_nearest("snyc", words, 5), "sync"); /* a swap counts once */
    assert_string_equal(ls_text_nearest("apply", words, 5), "apply");
    assert_null(ls_text_nearest("undo", words, 5));
    assert_null(ls_text_nearest("", words, 5));
    assert_null(ls_text_nearest("status", words, 0));
}

static void a_third_of_the_length_may_be_wrong_and_no_more(void **state)
{
    static const char *const words[] = {"abcdef"};
    (void)state;

    assert_string_equal(ls_text_nearest("abcdxy", words, 1), "abcdef");
    assert_null(ls_text_nearest("abcxyz", words, 1));
}

static void of_equally_near_words_the_first_is_proposed(void **state)
{
    static const char *const words[] = {"where", "there", "here"};
    (void)state;

    assert_string_equal(ls_text_nearest("qhere", words, 2), "where");
    assert_string_equal(ls_text_nearest("here", words, 3), "here");
}

static void overlong_words_are_not_proposed(void **state)
{
    char word[66];
    const char *words[] = {word};
    (void)state;

    memset(word, 'a', 65);
    word[65] = '\0';
    assert_null(ls_text_nearest(word, words, 1));
    assert_null(ls_text_nearest("a", words, 1));
    word[64] = '\0';
    assert_ptr_equal(ls_text_nearest(word, words, 1), word);
}

static void integers_are_read_to_the_ends_of_their_range(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"+7", 7},
        {"007", 7},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775807", -INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    int64_t v;
    uint64_t u;
    (void)state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(ls_text_to_i64(good[i].text, strlen(good[i].text), &v));
        assert_true(v == good[i].value);
    }
    assert_true(ls_text_to_u64("18446744073709551615", 20, &u));
    assert_true(u == UINT64_MAX);
    assert_true(ls_text_to_u64("+0", 2, &u));
    assert_true(ls_text_to_i64("12345", 2, &v)); /* the length counts, not the NUL */
    assert_int_equal(v, 12);
}

static void anything_but_a_whole_integer_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      "--1",
                                      "+-1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x1",
                                      "a",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999",
                                      "\xd9\xa1"};
    int64_t v = 42;
    uint64_t u = 42;
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(ls_text_to_i64(bad[i], strlen(bad[i]), &v));
    assert_int_equal(v, 42);
    assert_false(ls_text_to_i64("1\0", 2, &v));
    assert_false(ls_text_to_u64("18446744073709551616", 20, &u));
    assert_false(ls_text_to_u64("-1", 2, &u));
    assert_false(ls_text_to_u64("-0", 2, &u));
    assert_int_equal(u, 42);
}

static void hex_and_base64_match_the_rfc(void **state)
{
    (void)state;
    ASSERT_APPENDS(ls_text_hex(&out, "\x00\xab\xff", 3), "00abff");
    ASSERT_APPENDS(ls_text_hex(&out, NULL, 0), "");
    ASSERT_APPENDS(ls_text_base64(&out, "", 0), "");
    ASSERT_APPENDS(ls_text_base64(&out, "f", 1), "Zg==");
    ASSERT_APPENDS(ls_text_base64(&out, "fo", 2), "Zm8=");
    ASSERT_APPENDS(ls_text_base64(&out, "foo", 3), "Zm9v");
    ASSERT_APPENDS(ls_text_base64(&out, "\xfb\xff", 2), "+/8=");
    ASSERT_APPENDS(assert_true(ls_text_unhex(&out, "4A4b", 4)), "JK");
    ASSERT_APPENDS(assert_true(ls_text_unbase64(&out, "Zm9vYg==", 8)), "foob");
    ASSERT_APPENDS(ls_text_base64url(&out, "\xfb\xff", 2), "-_8");
    ASSERT_APPENDS(ls_text_base64url(&out, "foo", 3), "Zm9v");
    ASSERT_APPENDS(assert_true(ls_text_unbase64url(&out, "Zm9vYg", 6)), "foob");
}

static void bytes_of_any_number_come_back_from_hex_and_base64(void **state)
{
    uint8_t data[600];
    struct ls_buf text, back;
    (void)state;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    ls_buf_init(&text, 0);
    ls_buf_init(&back, 0);
    for (size_t n = 0; n <= sizeof(data); n++) {
        ls_buf_reset(&text);
        ls_buf_reset(&back);
        ls_text_hex(&text, data, n);
        assert_int_equal(text.size, 2 * n);
        assert_true(ls_text_unhex(&back, text.data, text.size));
        assert_int_equal(back.size, n);
        ls_buf_reset(&text);
        ls_text_base64(&text, data, n);
        assert_int_equal(text.size, (n + 2) / 3 * 4);
        assert_true(ls_text_unbase64(&back, text.data, text.size));
        assert_int_equal(back.size, 2 * n);
        assert_true(n == 0 || memcmp(back.data, data, n) == 0);
        assert_true(n == 0 || memcmp(back.data + n, data, n) == 0);
        ls_buf_reset(&text);
        ls_text_base64url(&text, data, n);
        assert_int_equal(text.size, (n * 4 + 2) / 3);
        assert_true(ls_text_unbase64url(&back, text.data, text.size));
        assert_int_equal(back.size, 3 * n);
        assert_true(n == 0 || memcmp(back.data + 2 * n, data, n) == 0);
    }
    ls_buf_done(&text);
    ls_buf_done(&back);
}

static void bad_codes_are_refused_and_leave_the_buffer_as_it_was(void **state)
{
    static const char *const hex[] = {"a", "0g", "00 00", "0x00", "00\n"};
    static const char *const base64[] = {
        "Zg", "Zg=", "Zg===", "Z===", "=", "Zh==", "Zm9v ", "Zm9*", "Zg==Zg==", "-_8=", "Zm9vZ"};
    static const char *const base64url[] = {"Zg==", "Zg=",  "Z",    "Zh",    "Zm9", "Zm9v ",
                                            "+/8",  "Zm9*", "Zm.v", "Zm9vZ", "=",   "Zm\n9v"};
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char text[4] = "AAAA";
    struct ls_buf out;
    (void)state;

    ls_buf_init(&out, 0);
    ls_buf_text(&out, "kept");
    for (size_t i = 0; i < sizeof(base64url) / sizeof(base64url[0]); i++)
        assert_false(ls_text_unbase64url(&out, base64url[i], strlen(base64url[i])));
    for (int c = 1; c < 256; c++) { /* of all bytes 64 are a digit, in either alphabet */
        text[1] = (char)c;
        assert_int_equal(ls_text_unbase64(&out, text, 4), strchr(digits, c) || strchr("+/", c));
        assert_int_equal(ls_text_unbase64url(&out, text, 4), strchr(digits, c) || strchr("-_", c));
    }
    ls_buf_cut(&out, 4);
    for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++)
        assert_false(ls_text_unhex(&out, hex[i], strlen(hex[i])));
    for (size_t i = 0; i < sizeof(base64) / sizeof(base64[0]); i++)
        assert_false(ls_text_unbase64(&out, base64[i], strlen(base64[i])));
    assert_string_equal(ls_buf_str(&out), "kept");
    ls_buf_done(&out);
}

/* Longer than what is decoded at once: the error comes after the buffer has grown. */
static void an_error_late_in_a_long_code_takes_everything_back(void **state)
{
    char text[1024];
    struct ls_buf out;
    (void)state;

    ls_buf_init(&out, 0);
    ls_buf_text(&out, "kept");
    memset(text, 'A', sizeof(text));
    text[1000] = '!';
    assert_false(ls_text_unhex(&out, text, sizeof(text)));
    assert_false(ls_text_unbase64(&out, text, sizeof(text)));
    text[1000] = 'A';
    text[255] = '='; /* padding inside, where a piece ends */
    assert_false(ls_text_unbase64(&out, text, sizeof(text)));
    assert_string_equal(ls_buf_str(&out), "kept");
    ls_buf_done(&out);
}

static void json_strings_escape_what_they_must(void **state)
{
    (void)state;
    ASSERT_APPENDS(ls_text_json(&out, "", 0), "\"\"");
    ASSERT_APPENDS(ls_text_json(&out, "plain \xc3\xa9", 8), "\"plain \xc3\xa9\"");
    ASSERT_APPENDS(ls_text_json(&out, "a\"b\\c", 5), "\"a\\\"b\\\\c\"");
    ASSERT_APPENDS(ls_text_json(&out, "\b\f\n\r\t", 5), "\"\\b\\f\\n\\r\\t\"");
    ASSERT_APPENDS(ls_text_json(&out, "\0\x1f\x7f", 3), "\"\\u0000\\u001f\\u007f\"");
    ASSERT_APPENDS(ls_text_json(&out, "\xc2\x80\xc2\x9b\xc2\xa0", 6), "\"\\u0080\\u009b\xc2\xa0\"");
    ASSERT_APPENDS(ls_text_json(&out, "/", 1), "\"/\"");
}

static void bytes_that_are_no_utf8_become_the_replacement_in_json(void **state)
{
    (void)state;
    ASSERT_APPENDS(ls_text_json(&out,
                                "a\xff"
                                "b",
                                3),
                   "\"a\xef\xbf\xbd"
                   "b\"");
    ASSERT_APPENDS(ls_text_json(&out, "\xe2\x82", 2), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void identifiers_and_literals_double_their_quotes(void **state)
{
    (void)state;
    ASSERT_APPENDS(ls_text_ident(&out, "name"), "\"name\"");
    ASSERT_APPENDS(ls_text_ident(&out, "a\"; drop \"\"'"), "\"a\"\"; drop \"\"\"\"'\"");
    ASSERT_APPENDS(ls_text_ident(&out, ""), "\"\"");
    ASSERT_APPENDS(ls_text_literal(&out, "it's"), "'it''s'");
    ASSERT_APPENDS(ls_text_literal(&out, "'\"\\"), "'''\"\\'");
}

static void printable_text_shows_control_bytes_as_numbers(void **state)
{
    (void)state;
    ASSERT_APPENDS(ls_text_printable(&out, "a\nb\x1b[31m\x7f", 9), "a\\x0ab\\x1b[31m\\x7f");
    ASSERT_APPENDS(ls_text_printable(&out,
                                     "\xc2\x9b"
                                     "1",
                                     3),
                   "\\xc2\\x9b1");
    ASSERT_APPENDS(ls_text_printable(&out, "\xc3\xa9\xff\xe2\x82", 5), "\xc3\xa9\\xff\\xe2\\x82");
    ASSERT_APPENDS(ls_text_printable(&out, "a\0b", 3), "a\\x00b");
}

static void long_printable_text_is_whole_at_every_seam(void **state)
{
    char text[1001];
    (void)state;

    for (size_t shift = 0; shift < 3; shift++) {
        size_t at = shift;

        memset(text, 'x', shift);
        for (; at + 3 < sizeof(text); at += 3)
            memcpy(text + at, "\xe2\x82\xac", 3);
        text[at] = '\0';
        ASSERT_APPENDS(ls_text_printable(&out, text, at), text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pairs_of_bytes_and_what_follows_are_judged_as_by_the_definition),
        cmocka_unit_test(characters_of_four_bytes_end_at_the_last_code_point),
        cmocka_unit_test(the_first_bad_byte_is_found_wherever_it_is),
        cmocka_unit_test(a_cut_never_splits_a_character),
        cmocka_unit_test(a_cut_keeps_bytes_that_are_no_text),
        cmocka_unit_test(case_is_ignored_for_ascii_only),
        cmocka_unit_test(a_prefix_is_found_at_the_start_only),
        cmocka_unit_test(the_nearest_word_is_proposed_when_it_is_near),
        cmocka_unit_test(a_third_of_the_length_may_be_wrong_and_no_more),
        cmocka_unit_test(of_equally_near_words_the_first_is_proposed),
        cmocka_unit_test(overlong_words_are_not_proposed),
        cmocka_unit_test(integers_are_read_to_the_ends_of_their_range),
        cmocka_unit_test(anything_but_a_whole_integer_is_refused),
        cmocka_unit_test(hex_and_base64_match_the_rfc),
        cmocka_unit_test(bytes_of_any_number_come_back_from_hex_and_base64),
        cmocka_unit_test(bad_codes_are_refused_and_leave_the_buffer_as_it_was),
        cmocka_unit_test(an_error_late_in_a_long_code_takes_everything_back),
        cmocka_unit_test(json_strings_escape_what_they_must),
        cmocka_unit_test(bytes_that_are_no_utf8_become_the_replacement_in_json),
        cmocka_unit_test(identifiers_and_literals_double_their_quotes),
        cmocka_unit_test(printable_text_shows_control_bytes_as_numbers),
        cmocka_unit_test(long_printable_text_is_whole_at_every_seam),
    };
    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
