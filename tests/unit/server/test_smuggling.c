/* SPDX-License-Identifier: Apache-2.0 */
/* test_smuggling.c - requests that two readers could understand differently, each against a real server.
 *
 * A case is a head, or a piece of one put into a frame; behind it come bytes that are a whole second request, GET
 * /smuggled, for a reader who takes the first one for shorter than its sender says. Of a lying request the server may answer one thing only, a
 * refusal, and has to close the connection: neither the request itself nor what hides behind it is ever handed up. What is honest
 * is answered, so that the table cannot pass by refusing everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "server/http.h"
#include "server/syntax.h"

#define HIDDEN "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

struct fixture {
    struct ls_http *http;
    int listen_fd;
    char url[LS_LISTEN_URL];
    _Atomic unsigned handed_up, smuggled;
};

static bool on_head(void *ctx, struct ls_request *request, size_t *ret_body_max,
                    struct ls_response *early)
{
    struct fixture *f = ctx;

    (void)early;
    if (strstr(request->path, "smuggled"))
        atomic_fetch_add(&f->smuggled, 1);
    *ret_body_max = 100000;
    return true;
}

static void on_call(void *ctx, struct ls_request *request, struct ls_response *ret)
{
    struct fixture *f = ctx;

    (void)request;
    atomic_fetch_add(&f->handed_up, 1);
    ret->body = "ok";
    ret->body_size = 2;
}

static void on_done(void *ctx, const struct ls_request *request, int status)
{
    (void)ctx;
    (void)request;
    (void)status;
}

static void on_refuse(void *ctx, struct ls_request *request, int status, const char *why,
                      struct ls_response *ret)
{
    (void)ctx;
    (void)request;
    ret->status = status;
    ret->body = why;
    ret->body_size = strlen(why);
}

static int start(void **state)
{
    static struct fixture f;
    const struct ls_http_owner owner = {&f, on_head, on_call, on_done, on_refuse};
    struct ls_http_options options = {.times = {1, 1, 1, 1}};
    bool loopback;

    assert_int_equal(
        ls_http_listen("127.0.0.1:0", false, &options.listen_fd, &loopback, f.url, NULL), LS_OK);
    f.listen_fd = options.listen_fd;
    assert_int_equal(ls_http_open(&options, &owner, &f.http, NULL), LS_OK);
    *state = &f;
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    ls_http_close(f->http);
    close(f->listen_fd);
    return 0;
}

/* A piece with its size, for NULs inside. */
struct piece {
    const char *text;
    size_t size;
};
#define P(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }

/* ---- lies ---- */

/* Whole heads: what the server reads as one request, or refuses. */
static const struct piece heads[] = {
    /* two lengths, one hidden request long */
    P("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 38\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\nContent-Length: 0\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\nContent-Length: 38\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\ncontent-length: 38\r\nCONTENT-LENGTH: 0\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\nA: b\r\nContent-Length: 0\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\nContent-Length : 0\r\n\r\n"),
    P("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\nContent-Length: 0\r\n\r\n"),
    /* a length and chunks */
    P("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
      "0\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"
      "0\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\ntransfer-encoding: CHUNKED\r\ncontent-length: 38\r\n\r\n"
      "0\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
      "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n"
      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    P("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    P("POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    P("POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
      "0\r\n\r\n"),
    /* hosts */
    P("GET /a HTTP/1.1\r\n\r\n"),
    P("GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    P("GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"),
    P("GET /a HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n"),
    P("GET /a HTTP/1.1\r\nHost : x\r\n\r\n"),
    P("GET /a HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n"),
    /* request lines */
    P("GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET a HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a/ b HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a HTTP/2.0\r\nHost: x\r\n\r\n"),
    P("GET /a HTTP/0.9\r\nHost: x\r\n\r\n"),
    P("GET /a HTTP/1.10\r\nHost: x\r\n\r\n"),
    P("GET /a HTTP/11\r\nHost: x\r\n\r\n"),
    P("GET /a HTTP\r\nHost: x\r\n\r\n"),
    P("GET /a http/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a HTTPS/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a\r\nHost: x\r\n\r\n"),
    P("GET\r\nHost: x\r\n\r\n"),
    P("GET /a HTTP/1.1 x\r\nHost: x\r\n\r\n"),
    P("G\x01T /a HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("G(T /a HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("\"GET\" /a HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("CONNECT y:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    P("GET * HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a\x7f HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a\x80 HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET //a HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a/%2e%2e/b HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a%00 HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a%0d%0aX:y HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a%c0%ae%c0%ae HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
    P("GET /a%u0041 HTTP/1.1\r\nHost: x\r\n\r\n"),
};

/* Values of Transfer-Encoding that are not the word chunked, each alone and beside a length. */
static const struct piece codings[] = {
    P("identity"),
    P("gzip"),
    P("gzip, chunked"),
    P("chunked, gzip"),
    P("chunked, chunked"),
    P("chunked;q=1"),
    P("\"chunked\""),
    P("'chunked'"),
    P("chunked\x0b"),
    P("\x0b"
      "chunked"),
    P("chunked\0"),
    P("chunke"),
    P("xchunked"),
    P("chunked-"),
    P("chunked,"),
    P(",chunked"),
    P(""),
    P("chun ked"),
    P("chunked\x0c"),
    P("chunked\x7f"),
    P("chunked\x85"),
    P("\xa0"
      "chunked"),
    P("chunked identity"),
};

/* Values of Content-Length that are no number. */
static const struct piece lengths[] = {
    P("+38"),
    P("-38"),
    P("0x26"),
    P("38, 38"),
    P("38,0"),
    P("38;"),
    P("3 8"),
    P("38a"),
    P("a38"),
    P(""),
    P("38.0"),
    P("3e1"),
    P("\"38\""),
    P("38\x0b"),
    P("38\0"),
    P("\x0b"
      "38"),
    P("\xd9\xa3\xd9\xa8"),
    P("18446744073709551616"),
    P("18446744073709551615"),
    P("9223372036854775808"),
    P("-0"),
    P("0_0"),
    P("38\t0"),
};

/* Lines that are no header; a name that two readers may take for another. */
static const struct piece lines[] = {
    P("Transfer-Encoding : chunked"),
    P("Transfer-Encoding\t: chunked"),
    P("Transfer\0-Encoding: chunked"),
    P("Transfer-Encoding\x01: chunked"),
    P("Transfer-Encoding\x7f: chunked"),
    P("Transfer-Encoding\x80: chunked"),
    P("Transfer Encoding: chunked"),
    P("(Transfer-Encoding): chunked"),
    P("\"Transfer-Encoding\": chunked"),
    P("Transfer-Encoding/: chunked"),
    P("Transfer-Encoding;: chunked"),
    P("Transfer-Encoding,: chunked"),
    P("Content-Length : 38"),
    P("Content-Length\x0b: 38"),
    P("Content\0-Length: 38"),
    P("Content-Length\xa0: 38"),
    P(": chunked"),
    P("@: b"),
    P("A=b: c"),
    P("{A}: b"),
    P("A: b\x01"),
    P("A: \x08"),
    P("A: b\x7f"),
    P("A: b\0c"),
    P("A: \x1b[2J"),
    P("A: b\x0b"
      "c"),
    P("A: b\x0c"
      "c"),
};

/* Ends of lines, and lines that go on in the next one: put behind a header that is fine. */
static const struct piece ends[] = {
    P("\n"),
    P("\r\n \r\n"),
    P("\r\n b\r\n"),
    P("\r\n\tb\r\n"),
    P("\r\r\n"),
    P("\rA: b\r\n"),
    P("\nTransfer-Encoding: chunked\r\n"),
    P("\r\n Transfer-Encoding: chunked\r\n"),
    P("\r\n\tTransfer-Encoding: chunked\r\n"),
    P("\0\r\n"),
    P("\n\r\n"),
};

/* Hosts that are none. */
static const struct piece hosts[] = {
    P(""),    P("x y"),  P("x/y"),  P("u@x"),   P("x,y"), P("x?y"),
    P("x#y"), P("x\\y"), P("x\0y"), P("x\x01"), P("x;y"), P("<x>"),
};

/* What stands where a chunk's size should. */
static const struct piece chunks[] = {
    P("g\r\n"),
    P("-1\r\n"),
    P("\r\n"),
    P("FFFFFFFFFFFFFFFFFFFF\r\n"),
    P(" \r\n"),
    P("x5\r\n"),
    P("0x5\r\nabcde\r\n0\r\n\r\n"),
    P("5\r\nabcdef\r\n0\r\n\r\n"),
    P("5\r\nabcdeXX0\r\n\r\n"),
    P("+5\r\nabcde\r\n0\r\n\r\n"),
    P("5 5\r\nabcde\r\n0\r\n\r\n"),
};

/* ---- the run ---- */

/* Sends head and what hides behind it; what comes back has to be a refusal, or nothing, and then the end. */
static void assert_refused(struct fixture *f, const char *of, size_t i, const void *head,
                           size_t size)
{
    const unsigned before = atomic_load(&f->handed_up);
    const int fd = client_connect(f->url);
    char all[4096] = "";

    (void)client_send(fd, head, size);
    (void)client_say(fd, HIDDEN);
    client_read_all(fd, all, sizeof all); /* to the end: a connection that stays open fails here */
    close(fd);
    if (*all && strncmp(all, "HTTP/1.1 4", 10) != 0 && strncmp(all, "HTTP/1.1 5", 10) != 0)
        fail_msg("%s %zu was answered with %.12s", of, i, all);
    if (strstr(all, "HTTP/1.1 2") || strstr(all, "HTTP/1.1 3"))
        fail_msg("%s %zu was answered twice: %s", of, i, all);
    if (atomic_load(&f->smuggled) > 0)
        fail_msg("%s %zu smuggled a request in", of, i);
    if (atomic_load(&f->handed_up) != before)
        fail_msg("%s %zu was handed up", of, i);
}

struct builder {
    char data[1000];
    size_t size;
};

static void put(struct builder *b, const void *data, size_t size)
{
    assert_true(b->size + size < sizeof b->data);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void put_text(struct builder *b, const char *text)
{
    put(b, text, strlen(text));
}

/* before + piece + behind, for each piece. */
static size_t refuse_each(struct fixture *f, const char *of, const struct piece *pieces,
                          size_t count, const char *before, const char *behind)
{
    for (size_t i = 0; i < count; i++) {
        struct builder b = {.size = 0};

        put_text(&b, before);
        put(&b, pieces[i].text, pieces[i].size);
        put_text(&b, behind);
        assert_refused(f, of, i, b.data, b.size);
    }
    return count;
}
#define EACH(f, pieces, before, behind) \
    refuse_each(f, #pieces, pieces, sizeof(pieces) / sizeof *(pieces), before, behind)

#define POST "POST /a HTTP/1.1\r\nHost: x\r\n"

static void what_lies_is_refused_and_nothing_is_smuggled(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;

    n += EACH(f, heads, "", "");
    n += EACH(f, codings, POST "Transfer-Encoding: ", "\r\n\r\n0\r\n\r\n");
    n += EACH(f, codings, POST "Content-Length: 38\r\nTransfer-Encoding: ", "\r\n\r\n0\r\n\r\n");
    n += EACH(f, lengths, POST "Content-Length: ", "\r\n\r\n");
    n += EACH(f, lines, POST "Content-Length: 0\r\n", "\r\n\r\n");
    n += EACH(f, lines, POST, "\r\nContent-Length: 0\r\n\r\n");
    n += EACH(f, ends, POST "Content-Length: 0\r\nX: y", "\r\n");
    n += EACH(f, ends, POST "Content-Length: 0", "X: y\r\n\r\n");
    n += EACH(f, ends, "POST /a HTTP/1.1", "Host: x\r\nContent-Length: 0\r\n\r\n");
    n += EACH(f, hosts, "GET /a HTTP/1.1\r\nHost: ", "\r\n\r\n");
    n += EACH(f, chunks, POST "Transfer-Encoding: chunked\r\n\r\n", "");
    assert_true(n >= 150);
    print_message("%zu cases\n", n);
}

/* The library takes these for what one reading makes of them; the other reading is what they must not have. Nothing is
 * smuggled: the hidden request is what follows by either reading, or part of the body by both. */
static void what_is_honest_is_answered(void **state)
{
    static const char *const honest[] = {
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        "POST /a HTTP/1.1\r\nHost: x \t\r\nContent-Length:   3\r\n\r\nabc",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n003\r\nabc\r\n0\r\n"
        "Content-Length: 38\r\n\r\n", /* a trailer is no header */
        "GET /a HTTP/1.1\r\nHost: x:80\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: x\r\nA: b\tc \xc3\xbc\r\n\r\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof honest / sizeof *honest; i++) {
        struct client_answer a;

        client_ask(f->url, honest[i], &a);
        if (a.status != 200)
            fail_msg("honest %zu was answered with %d", i, a.status);
        client_free(&a);
    }
    assert_int_equal(f->smuggled, 0);
}

static unsigned draw(unsigned *seed, unsigned most)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 8) % most;
}

/* A head of up to as many lines and bytes as are let in, with a body, chosen by chance. */
static size_t random_request(unsigned *seed, char *out, size_t size)
{
    const unsigned lines_left = draw(seed, LS_HEADERS_MAX - 1), body = draw(seed, 3000);
    const size_t most =
        LS_HEAD_BYTES - LS_HEADERS_MAX - 20; /* a line counts with a blank after its colon */
    static const unsigned longest_of[] = {150, 310, 4000};
    const unsigned longest = longest_of[draw(seed, 3)];
    size_t n =
        (size_t)snprintf(out, size, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n", body);

    for (unsigned i = 0; i < lines_left && n < most; i++) {
        const unsigned room = (unsigned)(most + 10 - n), drawn = draw(seed, longest),
                       length = drawn < room ? drawn : room;

        n += (size_t)snprintf(out + n, size - n, "A%u:%s", i, draw(seed, 2) ? " " : "");
        memset(out + n, 'v', length);
        n += length;
        n += (size_t)snprintf(out + n, size - n, "%s\r\n", draw(seed, 5) ? "" : " ");
    }
    n += (size_t)snprintf(out + n, size - n, "\r\n");
    memset(out + n, 'b', body);
    return n + body;
}

static void honest_heads_of_every_size_and_cut_are_let_in(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    struct fixture *f = *state;

    print_message("seed %u\n", seed);
    for (int round = 0; round < 100; round++) {
        const int fd = client_connect(f->url);

        for (int i = 0; i < 5; i++) { /* on one connection */
            static char request[32000];
            const size_t size = random_request(&seed, request, sizeof request);
            struct client_answer a;

            for (size_t at = 0, piece; at < size; at += piece) {
                piece = 1 + draw(&seed, draw(&seed, 3) ? 200 : 6000);
                if (piece > size - at)
                    piece = size - at;
                assert_true(client_send(fd, request + at, piece));
            }
            client_read(fd, false, &a);
            if (a.status != 200)
                fail_msg("round %d, request %d: %s %s", round, i, a.head, a.body ? a.body : "");
            client_free(&a);
        }
        close(fd);
    }
}

/* Whoever refuses it, this program or the library that it stands on: the sender gets to read why. */
static void a_head_that_is_too_long_is_answered_with_431(void **state)
{
    struct fixture *f = *state;

    for (unsigned count = 1; count <= 200; count += count < 60 ? 7 : 1) {
        static char request[64 << 10];
        const unsigned length = count > LS_HEADERS_MAX ? 1 : LS_HEAD_BYTES / count;
        size_t n = (size_t)snprintf(request, sizeof request, "GET /a HTTP/1.1\r\nHost: x\r\n");
        struct client_answer a;

        for (unsigned i = 0; i < count; i++)
            n += (size_t)snprintf(request + n, sizeof request - n, "A%u: %0*u\r\n", i, (int)length,
                                  i);
        (void)snprintf(request + n, sizeof request - n, "\r\n");
        client_ask(f->url, request, &a);
        if (a.status != 431)
            fail_msg("%u lines of %u bytes were answered with %d", count, length, a.status);
        client_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_lies_is_refused_and_nothing_is_smuggled, start, stop),
        cmocka_unit_test_setup_teardown(what_is_honest_is_answered, start, stop),
        cmocka_unit_test_setup_teardown(honest_heads_of_every_size_and_cut_are_let_in, start, stop),
        cmocka_unit_test_setup_teardown(a_head_that_is_too_long_is_answered_with_431, start, stop),
    };

    return cmocka_run_group_tests_name("server/smuggling", tests, NULL, NULL);
}
