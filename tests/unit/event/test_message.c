/* SPDX-License-Identifier: Apache-2.0 */
/* test_message.c - what a message may say of its own delivery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "event/message.h"

static void what_is_written_is_read_back(void **state)
{
    static const struct ls_header headers[] = {{"Content-Type", "text/plain;charset=UTF-8"},
                                               {"X-Quoted", "\"a\\b\" \xc3\xa4\tz"}};
    const struct ls_message m = {.url = "https://example.com/a?b=\"c\"",
                                 .method = "PUT",
                                 .header_count = 2,
                                 .headers = headers,
                                 .retries_said = true,
                                 .retries = 0,
                                 .retry_delay = "1000 * retried",
                                 .timeout_ms = 30000,
                                 .qstash = true};
    struct ls_message back;
    struct ls_error err;
    struct ls_arena mem;
    struct ls_buf text;
    (void)state;

    ls_arena_init(&mem, 0);
    ls_buf_init(&text, 0);
    ls_buf_char(&text, '{');
    ls_message_write(&text, &m);
    ls_buf_text(&text, ",\"callback\":\"of somebody else\"}");
    assert_int_equal(ls_message_read(ls_buf_str(&text), &mem, &back, &err), LS_OK);
    assert_string_equal(back.url, m.url);
    assert_string_equal(back.method, m.method);
    assert_int_equal(back.header_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(back.headers[i].name, headers[i].name);
        assert_string_equal(back.headers[i].value, headers[i].value);
    }
    assert_true(back.retries_said);
    assert_int_equal(back.retries, 0);
    assert_string_equal(back.retry_delay, m.retry_delay);
    assert_int_equal(back.timeout_ms, 30000);
    assert_true(back.qstash);

    assert_int_equal(ls_message_read("{\"url\":\"https://a.b/\"}", &mem, &back, &err), LS_OK);
    assert_string_equal(back.method, "POST");
    assert_false(back.retries_said || back.qstash || back.retry_delay);
    ls_buf_done(&text);
    ls_arena_done(&mem);
}

static void what_cannot_be_sent_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"url\":7}",
        "{\"url\":\"a\",\"url\":\"b\"}",
        "{\"url\":\"a\",\"method\":\"PO ST\"}",
        "{\"url\":\"a\",\"method\":\"\"}",
        "{\"url\":\"a\",\"method\":\"GET\\r\\nX: y\"}",
        "{\"url\":\"a\",\"method\":\"ABCDEFGHIJKLMNOPQ\"}",
        "{\"url\":\"a\",\"headers\":[[\"X\",\"a\\r\\nY: z\"]]}",
        "{\"url\":\"a\",\"headers\":[[\"X\",\"a\\u007f\"]]}",
        "{\"url\":\"a\",\"headers\":[[\"X: y\",\"a\"]]}",
        "{\"url\":\"a\",\"headers\":[[\"\",\"a\"]]}",
        "{\"url\":\"a\",\"headers\":[[\"X\"]]}",
        "{\"url\":\"a\",\"headers\":[\"X\"]}",
        "{\"url\":\"a\",\"headers\":{\"X\":\"y\"}}",
        "{\"url\":\"a\",\"headers\":[[\"Host\",\"internal\"]]}",
        "{\"url\":\"a\",\"headers\":[[\"content-LENGTH\",\"0\"]]}",
        "{\"url\":\"a\",\"headers\":[[\"Transfer-Encoding\",\"chunked\"]]}",
        "{\"url\":\"a\",\"headers\":[[\"Connection\",\"close\"]]}",
        "{\"url\":\"a\",\"retries\":-1}",
        "{\"url\":\"a\",\"retries\":1000}",
        "{\"url\":\"a\",\"retries\":\"3\"}",
        "{\"url\":\"a\",\"timeout_ms\":1e3}",
        "{\"url\":\"a\",\"timeout_ms\":43200001}",
        "{\"url\":\"a\",\"retry_delay\":\"log(2)\"}",
        "{\"url\":\"a\",\"retry_delay\":5}",
    };
    struct ls_message m;
    struct ls_error err;
    struct ls_arena mem;
    (void)state;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (ls_message_read(wrong[i], &mem, &m, &err) == LS_OK)
            fail_msg("%s was taken", wrong[i]);
        assert_true(err.code == LS_DATA || err.code == LS_USAGE);
    }
    ls_arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(what_cannot_be_sent_is_refused),
    };
    return cmocka_run_group_tests_name("event/message", tests, NULL, NULL);
}
