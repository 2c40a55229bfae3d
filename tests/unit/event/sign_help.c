/* SPDX-License-Identifier: Apache-2.0 */
#include "sign_help.h"

#include <sodium.h>
#include <string.h>

#include "base/text.h"

void sign_case_done(struct sign_case *c)
{
    ls_arena_done(&c->mem);
    *c = (struct sign_case){0};
}

/* A zeroed arena takes nothing; and a case that was copied points into the one before it. */
static void settle(struct sign_case *c)
{
    if (!c->mem.max_bytes)
        ls_arena_init(&c->mem, 0);
    c->rule.secrets = c->secrets;
    c->message.headers = c->headers;
}

void sign_case_secret(struct sign_case *c, const char *text)
{
    struct ls_error err = {0};

    settle(c);
    assert_true(c->rule.secret_count < 4);
    if (ls_secret_read(text, c->rule.scheme, &c->mem, &c->secrets[c->rule.secret_count], &err) !=
        LS_OK)
        fail_msg("%s", err.text);
    c->rule.secret_count++;
}

void sign_case_header(struct sign_case *c, const char *name, const char *value)
{
    size_t at = 0;

    settle(c);
    while (at < c->message.header_count && strcmp(c->headers[at].name, name) != 0)
        at++;
    assert_true(at < 8);
    c->headers[at] =
        (struct ls_header){ls_arena_text(&c->mem, name), ls_arena_text(&c->mem, value)};
    if (at == c->message.header_count)
        c->message.header_count++;
}

void sign_case_body(struct sign_case *c, const char *body)
{
    c->message.body = body;
    c->message.size = strlen(body);
}

struct ls_sign_finding sign_case_verify(struct sign_case *c, int64_t now_s)
{
    struct ls_sign_finding finding;
    bool valid;

    settle(c);
    valid = ls_sign_verify(&c->rule, &c->message, now_s, &finding);
    assert_int_equal(valid, finding.fault == LS_SIGN_VALID);
    return finding;
}

enum ls_sign_fault sign_case_fault(struct sign_case *c, int64_t now_s)
{
    return sign_case_verify(c, now_s).fault;
}

void sign_case_says(struct sign_case *c, int64_t now_s, const char *words)
{
    struct ls_buf out;

    settle(c);
    ls_buf_init(&out, 0);
    ls_sign_explain(&out, &c->rule, &c->message, now_s);
    assert_false(out.failed);
    if (!strstr(ls_buf_str(&out), words))
        fail_msg("`%s` does not contain `%s`", ls_buf_str(&out), words);
    ls_buf_done(&out);
}

static void part(struct ls_buf *out, const void *data, size_t size)
{
    char text[4096];

    assert_true(size < 3000);
    sodium_bin2base64(text, sizeof(text), data, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    ls_buf_text(out, text);
}

const char *sign_case_token(struct sign_case *c, const char *header, const char *claims,
                            const char *key)
{
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state h;
    struct ls_buf token;
    const char *ret;

    settle(c);
    ls_buf_init(&token, 0);
    part(&token, header, strlen(header));
    ls_buf_char(&token, '.');
    part(&token, claims, strlen(claims));
    if (key) {
        crypto_auth_hmacsha256_init(&h, (const unsigned char *)key, strlen(key));
        crypto_auth_hmacsha256_update(&h, (const unsigned char *)token.data, token.size);
        crypto_auth_hmacsha256_final(&h, mac);
    }
    ls_buf_char(&token, '.');
    if (key)
        part(&token, mac, sizeof(mac));
    ret = ls_arena_text(&c->mem, ls_buf_str(&token));
    ls_buf_done(&token);
    return ret;
}
