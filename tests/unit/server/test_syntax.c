/* SPDX-License-Identifier: Apache-2.0 */
/* test_syntax.c - which request heads are let in, and how a target is taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/syntax.h"

static int judge(const char *method, const char *version, const struct ls_raw_header *h,
                 size_t count)
{
    int status = 0;

    return ls_syntax_head(method, version, h, count, &status) ? status : 200;
}

static struct ls_raw_header line(const char *name, const char *value)
{
    return (struct ls_raw_header){name, value, strlen(name), strlen(value)};
}

static void an_honest_head_is_let_in(void **state)
{
    const struct ls_raw_header h[] = {line("Host", "127.0.0.1:7380"), line("Content-Length", "12"),
                                      line("X-Name", "M\xc3\xbcller\t1")};
    (void)state;

    assert_int_equal(judge("POST", "HTTP/1.1", h, 3), 200);
    assert_int_equal(judge("POST", "HTTP/1.0", h + 1, 2), 200); /* needs no Host */
}

static void a_head_that_two_could_read_differently_is_refused(void **state)
{
    const struct ls_raw_header host = line("Host", "x");
    const struct {
        struct ls_raw_header a, b;
    } cases[] = {
        {line("Content-Length", "5"), line("content-length", "5")},
        {line("Content-Length", "5"), line("Transfer-Encoding", "chunked")},
        {line("Transfer-Encoding", "chunked"), line("Transfer-Encoding", "chunked")},
        {line("Transfer-Encoding", "gzip, chunked"), line("A", "b")},
        {line("Authorization", "Bearer a"), line("authorization", "Bearer b")},
        {line("Content-Length", "+5"), line("A", "b")},
        {line("Content-Length", "5, 5"), line("A", "b")},
        {line("Content-Length", ""), line("A", "b")},
        {line("Host", "x"), line("A", "b")},
        {line("A b", "c"), line("A", "b")},
        {line("A ", "c"), line("A", "b")},
        {line("", "c"), line("A", "b")},
        {line("A", "c\x01"), line("A", "b")},
        {line("A", "c\x7f"), line("A", "b")},
        {{"A", "c\0d", 1, 3}, line("A", "b")},
        {{"A\0b", "c", 3, 1}, line("A", "b")},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ls_raw_header h[] = {host, cases[i].a, cases[i].b};

        if (judge("GET", "HTTP/1.1", h, 3) != 400)
            fail_msg("case %zu was let in", i);
    }
    assert_int_equal(judge("GET", "HTTP/1.1", NULL, 0), 400); /* no Host */
}

static void hosts_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {"",    "a b", "a/b",  "a@b",  "a?b", "a#b",
                                      "a,b", "a;b", "a\\b", "a\"b", "<a>", "a\tb"};
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct ls_raw_header h = line("Host", bad[i]);

        assert_int_equal(judge("GET", "HTTP/1.1", &h, 1), 400);
    }
}

static void other_versions_and_methods_are_refused(void **state)
{
    const struct ls_raw_header h = line("Host", "x");
    (void)state;

    assert_int_equal(judge("GET", "HTTP/2.0", &h, 1), 505);
    assert_int_equal(judge("GET", "HTTP/0.9", &h, 1), 505);
    assert_int_equal(judge("GET", "", &h, 1), 505);
    assert_int_equal(judge("G ET", "HTTP/1.1", &h, 1), 400);
    assert_int_equal(judge("", "HTTP/1.1", &h, 1), 400);
    assert_int_equal(judge("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "HTTP/1.1", &h, 1), 400);
}

static void long_heads_are_refused(void **state)
{
    struct ls_raw_header many[LS_HEADERS_MAX + 1];
    char value[LS_HEAD_BYTES];
    struct ls_raw_header big = {"A", value, 1, sizeof value};
    (void)state;

    for (size_t i = 0; i <= LS_HEADERS_MAX; i++)
        many[i] = line(i ? "A" : "Host", "x");
    assert_int_equal(judge("GET", "HTTP/1.1", many, LS_HEADERS_MAX), 200);
    assert_int_equal(judge("GET", "HTTP/1.1", many, LS_HEADERS_MAX + 1), 431);
    memset(value, 'x', sizeof value);
    assert_int_equal(judge("GET", "HTTP/1.1", &big, 1), 431);
}

/* PATH or "why", then the segments, then the query. */
static void assert_target(const char *target, const char *expected)
{
    struct ls_arena mem;
    struct ls_request request = {.mem = &mem, .method = "GET", .target = target};
    char got[500] = "";
    size_t n = 0;
    const char *why;

    ls_arena_init(&mem, 0);
    why = ls_syntax_target(&request);
    if (why) {
        snprintf(got, sizeof got, "refused");
    } else {
        n = (size_t)snprintf(got, sizeof got, "%s", request.path);
        for (size_t i = 0; i < request.segment_count; i++)
            n += (size_t)snprintf(got + n, sizeof got - n, " <%s>", request.segments[i]);
        for (size_t i = 0; i < request.query_count; i++)
            n += (size_t)snprintf(got + n, sizeof got - n, " %s=%s", request.query[i].name,
                                  request.query[i].value);
        if (request.token)
            snprintf(got + n, sizeof got - n, " token %s%s", request.token,
                     request.token_twice ? " twice" : "");
    }
    ls_arena_done(&mem);
    assert_string_equal(got, expected);
}

static void a_target_is_taken_apart_before_it_is_decoded(void **state)
{
    (void)state;

    assert_target("/", "/");
    assert_target("/a/b", "/a/b <a> <b>");
    assert_target("/a%2Fb/c", "/a/b/c <a/b> <c>");
    assert_target("/a?x=1&y=a+b%26&z", "/a <a> x=1 y=a b& z=");
    assert_target("/a?", "/a <a>");
    assert_target("/a?&&x=1&", "/a <a> x=1");
    assert_target("/a?x=1=2", "/a <a> x=1=2");
    assert_target("/a+b", "/a+b <a+b>"); /* a plus is a plus in a path */
    assert_target("/%C3%BC", "/\xc3\xbc <\xc3\xbc>");
}

/* What follows the URL is the URL's, its query too; and the path, which is logged, does not repeat it. */
static void under_v2_a_url_is_one_segment_as_it_was_sent(void **state)
{
    (void)state;

    assert_target("/v2/publish/https://u:p@ex.com//a/../b%2F?x=%ff&&y",
                  "/v2/publish/URL <v2> <publish> <https://u:p@ex.com//a/../b%2F>");
    assert_target("/v2/enqueue/q/HTTP://[::1]:80",
                  "/v2/enqueue/q/URL <v2> <enqueue> <q> <HTTP://[::1]:80>");
    assert_target("/v2/publish/group?upstash-retries=1",
                  "/v2/publish/group <v2> <publish> <group> upstash-retries=1");
    assert_target("/v1/publish/https://ex.com", "refused");
    assert_target("/v2/https://ex.com", "refused");
    assert_target("/v2/publish/ftp://ex.com", "refused");
}

/* Wherever it stands, and so that nothing else takes it for a parameter. */
static void under_v2_a_token_may_stand_in_the_query(void **state)
{
    (void)state;

    assert_target("/v2/queues?qstash_token=a%20b&x=1", "/v2/queues <v2> <queues> x=1 token a b");
    assert_target("/v2/publish/https://ex.com/?x=1&qstash_token=a%2B&y",
                  "/v2/publish/URL <v2> <publish> <https://ex.com/> token a+");
    assert_target("/v2/queues?qstash_token=a&qstash_token=",
                  "/v2/queues <v2> <queues> token  twice");
    assert_target("/v2/publish/https://ex.com?qstash_token=%ff&qstash_token=a",
                  "/v2/publish/URL <v2> <publish> <https://ex.com> token a twice");
    assert_target("/v2/publish/https://ex.com?qstash_tokens=a&xqstash_token=b&qstash_token",
                  "/v2/publish/URL <v2> <publish> <https://ex.com>");
    assert_target("/v1/queues?qstash_token=a", "/v1/queues <v1> <queues> qstash_token=a");
}

static void targets_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {
        "",          "a",    "http://x/a", "/a b",     "/a\x01",      "/a\x80", "/a#b",
        "/a//b",     "/a/",  "//",         "//a",      "/./a",        "/../a",  "/a/..",
        "/%2e%2E/a", "/%2e", "/%",         "/%4",      "/%zz",        "/%00",   "/%0a",
        "/%c0%ae",   "/%ff", "/a?x=%",     "/a?%00=1", "/a?x=%c0%ae", "*",      "/a?x=%0d%0a"};
    char many[2000] = "/a?";
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_target(bad[i], "refused");
    for (size_t i = 0; i <= LS_QUERY_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "x=%zu&", i);
    assert_target(many, "refused");
    snprintf(many, sizeof many, "%s", "");
    for (size_t i = 0; i <= LS_SEGMENTS_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "/a");
    assert_target(many, "refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_head_is_let_in),
        cmocka_unit_test(a_head_that_two_could_read_differently_is_refused),
        cmocka_unit_test(hosts_that_are_none_are_refused),
        cmocka_unit_test(other_versions_and_methods_are_refused),
        cmocka_unit_test(long_heads_are_refused),
        cmocka_unit_test(a_target_is_taken_apart_before_it_is_decoded),
        cmocka_unit_test(under_v2_a_url_is_one_segment_as_it_was_sent),
        cmocka_unit_test(under_v2_a_token_may_stand_in_the_query),
        cmocka_unit_test(targets_that_are_none_are_refused),
    };

    return cmocka_run_group_tests_name("server/syntax", tests, NULL, NULL);
}
