/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - why a webhook is not valid, in words.
 *
 * A signature that does not fit says nothing by itself. But the mistakes that are made are few: a framework parsed the body and
 * wrote it anew, an editor put an end of line behind it, a secret was decoded or was not, or belongs to another sender. Whoever
 * has message and secrets can try them all. So each is a line in one of two tables, of what the body and what the key may have
 * been, and the first that fits is named.
 *
 * This is for a person at a terminal. Nothing here makes a message valid, and the sender never sees it: it would tell a stranger how
 * near he is. */
#include "event/sign.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "event/sign_priv.h"

#define MILLISECONDS INT64_C(100000000000) /* as seconds this is the year 5138 */

/* --- what the body may have been */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void without_tail(struct ls_buf *out, const char *body, size_t size)
{
    while (size && blank(body[size - 1]))
        size--;
    ls_buf_add(out, body, size);
}

static void without_lead(struct ls_buf *out, const char *body, size_t size)
{
    size_t start = size >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

    while (start < size && blank(body[start]))
        start++;
    without_tail(out, body + start, size - start);
}

static void with_newline(struct ls_buf *out, const char *body, size_t size)
{
    ls_buf_add(out, body, size);
    ls_buf_char(out, '\n');
}

static void with_crlf_end(struct ls_buf *out, const char *body, size_t size)
{
    ls_buf_add(out, body, size);
    ls_buf_text(out, "\r\n");
}

static void with_lf(struct ls_buf *out, const char *body, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (body[i] != '\r' || i + 1 == size || body[i + 1] != '\n')
            ls_buf_char(out, body[i]);
    }
}

static void with_crlf(struct ls_buf *out, const char *body, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (body[i] == '\n' && (i == 0 || body[i - 1] != '\r'))
            ls_buf_char(out, '\r');
        ls_buf_char(out, body[i]);
    }
}

static void empty(struct ls_buf *out, const char *body, size_t size)
{
    (void)body, (void)size;
    ls_buf_add(out, "", 0);
}

/* Where a string that begins at `at` ends: behind its quote. */
static size_t string_end(const char *body, size_t size, size_t at)
{
    for (at++; at < size && body[at] != '"'; at++)
        at += body[at] == '\\';
    return at < size ? at + 1 : size;
}

static void indent(struct ls_buf *out, unsigned step, unsigned depth)
{
    ls_buf_char(out, '\n');
    for (unsigned i = 0; i < step * (depth < 64 ? depth : 64); i++)
        ls_buf_char(out, ' ');
}

/* JSON with other blanks between its tokens: `comma` and `colon` as separators, and lines when step is not 0. Strings and numbers
 * stay as they are. */
static void spaced(struct ls_buf *out, const char *body, size_t size, const char *comma,
                   const char *colon, unsigned step)
{
    unsigned depth = 0;

    for (size_t at = 0; at < size && !out->failed;) {
        const char c = body[at];
        size_t end = c == '"' ? string_end(body, size, at) : at + 1;

        if (c == ',') {
            ls_buf_text(out, comma);
        } else if (c == ':') {
            ls_buf_text(out, colon);
        } else if (!blank(c)) {
            bool hollow =
                out->size && (out->data[out->size - 1] == '{' || out->data[out->size - 1] == '[');
            bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';

            depth -= closes && depth;
            if (step && closes && !hollow)
                indent(out, step, depth);
            else if (step && !closes && (hollow || (out->size && out->data[out->size - 1] == ',')))
                indent(out, step, depth);
            ls_buf_add(out, body + at, end - at);
            depth += opens;
        }
        at = end;
    }
}

static void squeezed(struct ls_buf *out, const char *body, size_t size)
{
    spaced(out, body, size, ",", ":", 0);
}

static void loose(struct ls_buf *out, const char *body, size_t size)
{
    spaced(out, body, size, ", ", ": ", 0);
}

static void in_lines(struct ls_buf *out, const char *body, size_t size)
{
    spaced(out, body, size, ",", ": ", 2);
}

static void in_wide_lines(struct ls_buf *out, const char *body, size_t size)
{
    spaced(out, body, size, ",", ": ", 4);
}

static const struct {
    void (*make)(struct ls_buf *out, const char *body, size_t size);
    const char *words;
} bodies[] = {
    {without_tail, "without the end of line or blanks at its end: something added them on the way"},
    {without_lead, "without what stands before its first character: something added it on the way"},
    {with_newline, "with an end of line behind it: something cut it off on the way"},
    {with_crlf_end, "with CR LF behind it: something cut it off on the way"},
    {with_lf, "with LF for each CR LF: something changed the ends of lines on the way"},
    {with_crlf, "with CR LF for each LF: something changed the ends of lines on the way"},
    {squeezed, "as JSON without blanks: something parsed it and wrote it anew on the way"},
    {loose, "as JSON with a blank behind each comma and colon: something parsed it and wrote it "
            "anew on the way"},
    {in_lines, "as JSON indented by two blanks: something parsed it and wrote it anew on the way"},
    {in_wide_lines,
     "as JSON indented by four blanks: something parsed it and wrote it anew on the way"},
    {empty, "of no bytes: the sender signed before it had a body"},
};

/* --- what the key may have been */

static void key_trimmed(struct ls_buf *out, const struct ls_secret *s)
{
    without_lead(out, s->text, s->text_size);
}

static void key_newline(struct ls_buf *out, const struct ls_secret *s)
{
    ls_buf_add(out, s->text, s->text_size);
    ls_buf_char(out, '\n');
}

static void key_text(struct ls_buf *out, const struct ls_secret *s)
{
    ls_buf_add(out, s->text, s->text_size);
}

static void key_tail(struct ls_buf *out, const struct ls_secret *s)
{
    static const size_t prefix[] = {
        [LS_SECRET_RAW] = 0, [LS_SECRET_WHSEC] = 6, [LS_SECRET_V1WHSEC] = 9};

    ls_buf_add(out, s->text + prefix[s->form], s->text_size - prefix[s->form]);
}

static void key_from_v1(struct ls_buf *out, const struct ls_secret *s)
{
    size_t skip = s->form == LS_SECRET_V1WHSEC ? strlen("v1,") : 0;

    ls_buf_add(out, s->text + skip, s->text_size - skip);
}

static void key_decoded(struct ls_buf *out, const struct ls_secret *s)
{
    size_t size;

    if (s->form != LS_SECRET_RAW)
        ls_buf_add(out, s->key, s->key_size);
    else if (ls_buf_reserve(out, s->text_size) &&
             (ls_sign_unbase64((unsigned char *)out->data, s->text_size, s->text, s->text_size,
                               sodium_base64_VARIANT_ORIGINAL, &size) ||
              ls_sign_unbase64((unsigned char *)out->data, s->text_size, s->text, s->text_size,
                               sodium_base64_VARIANT_URLSAFE, &size)))
        out->size = size;
}

static void key_unhexed(struct ls_buf *out, const struct ls_secret *s)
{
    (void)ls_text_unhex(out, s->text, s->text_size);
}

static const struct {
    void (*make)(struct ls_buf *out, const struct ls_secret *s);
    const char *words;
} keys[] = {
    {key_trimmed, "without the blanks or end of line around it: take them off here"},
    {key_newline, "with an end of line behind it: the sender read it from a file"},
    {key_text,
     "as the text that it is, not decoded: the sender does not decode what follows whsec_"},
    {key_tail, "as the text behind whsec_, not decoded: write only that here"},
    {key_from_v1, "without v1, before it: write it like that here"},
    {key_decoded, "decoded from base64: the sender decodes it, write it as whsec_... for a scheme "
                  "of Standard Webhooks"},
    {key_unhexed, "decoded from hexadecimal digits: the sender decodes it"},
};

/* --- trying */

struct trial {
    const struct ls_sign_rule *rule;
    const struct ls_sign_message *message;
    struct ls_sign_claim claim;
};

static bool any_fits(const struct trial *t, struct ls_piece body)
{
    for (size_t i = 0; i < t->rule->secret_count; i++) {
        if (ls_sign_fits(t->rule->scheme, &t->claim,
                         ls_sign_key(t->rule->scheme, &t->rule->secrets[i]), body))
            return true;
    }
    return false;
}

/* A token names its body by a hash: then it is that which has to fit. */
static bool body_fits(const struct trial *t, struct ls_piece body, int64_t now_s)
{
    struct ls_sign_finding ignored = {0};

    if (t->rule->scheme == LS_SIGN_HEADER)
        return false;
    if (t->claim.token)
        return ls_sign_jwt_check(t->rule, &t->claim, body, now_s, &ignored);
    return any_fits(t, body);
}

/* The words for the body that was signed, or NULL. */
static const char *other_body(const struct trial *t, int64_t now_s)
{
    const char *words = NULL;
    struct ls_buf made;

    ls_buf_init(&made, 0);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]) && !words; i++) {
        ls_buf_reset(&made);
        bodies[i].make(&made, t->message->body, t->message->size);
        if (!made.failed && body_fits(t, (struct ls_piece){made.data, made.size}, now_s))
            words = bodies[i].words;
    }
    ls_buf_done(&made);
    return words;
}

/* The words for the key that was taken, or NULL. */
static const char *other_key(const struct trial *t, size_t *ret_secret)
{
    const struct ls_piece body = {t->message->body, t->message->size};
    const size_t key_count = sizeof(keys) / sizeof(keys[0]);
    const char *words = NULL;
    struct ls_buf made;

    ls_buf_init(&made, 0);
    for (size_t i = 0; i < t->rule->secret_count * key_count && !words; i++) {
        ls_buf_reset(&made);
        keys[i % key_count].make(&made, &t->rule->secrets[i / key_count]);
        if (!made.failed && made.size &&
            ls_sign_fits(t->rule->scheme, &t->claim, (struct ls_piece){made.data, made.size},
                         body)) {
            words = keys[i % key_count].words;
            *ret_secret = i / key_count;
        }
    }
    if (made.data)
        sodium_memzero(made.data, made.size);
    ls_buf_done(&made);
    return words;
}

/* The scheme whose header the message has; LS_SIGN_SCHEME_COUNT when there is none. */
static enum ls_sign_scheme other_scheme(const struct trial *t)
{
    for (enum ls_sign_scheme s = 0; s < LS_SIGN_SCHEME_COUNT; s++) {
        const char *header = ls_sign_scheme_header(s);

        if (s != t->rule->scheme && header && ls_sign_has_header(t->message, header))
            return s;
    }
    return LS_SIGN_SCHEME_COUNT;
}

/* --- telling */

static void tell_wrong(struct ls_buf *out, const struct trial *t, int64_t now_s)
{
    const char *words;
    size_t secret = 0;

    if (t->rule->scheme == LS_SIGN_HEADER)
        ls_buf_text(out, ls_sign_fault_text(LS_SIGN_WRONG));
    else if (!t->claim.token && (words = other_body(t, now_s)) != NULL)
        ls_buf_printf(out, "the secret is right, but the signature is of the body %s", words);
    else if ((words = other_key(t, &secret)) != NULL)
        ls_buf_printf(out, "the signature is made with secret %zu %s", secret + 1, words);
    else
        ls_buf_printf(out,
                      "the signature is made with none of the %zu secrets, or over another body "
                      "(%zu bytes came)",
                      t->rule->secret_count, t->message->size);
    if (t->claim.token) {
        ls_buf_text(out, "; the token says alg ");
        ls_sign_jwt_show(out, t->claim.token, 0, "alg");
    }
}

static void tell_time(struct ls_buf *out, const struct trial *t, const struct ls_sign_finding *f)
{
    const struct ls_piece body = {t->message->body, t->message->size};
    int64_t window_s = t->rule->window_s ? t->rule->window_s : LS_SIGN_WINDOW_S;

    if (t->claim.token)
        ls_buf_printf(out,
                      f->fault == LS_SIGN_TOO_OLD ? "the token expired %" PRId64 " s ago"
                                                  : "the token is valid only in %" PRId64
                                                    " s: look at both clocks",
                      f->off_s);
    else if (f->timestamp_s >= MILLISECONDS)
        ls_buf_printf(out, "the timestamp %" PRId64 " is in milliseconds; seconds are expected",
                      f->timestamp_s);
    else
        ls_buf_printf(out, "it was signed %" PRId64 " s %s; %" PRId64 " s are allowed", f->off_s,
                      f->fault == LS_SIGN_TOO_OLD ? "ago" : "in the future: look at both clocks",
                      window_s);
    if (!t->claim.token)
        ls_buf_printf(out, "; the signature itself is %s", any_fits(t, body) ? "right" : "wrong");
}

static void tell_missing(struct ls_buf *out, const struct trial *t, const struct ls_sign_finding *f)
{
    enum ls_sign_scheme other = other_scheme(t);

    ls_buf_printf(out, "the header %s is missing", f->header);
    if (other != LS_SIGN_SCHEME_COUNT)
        ls_buf_printf(out, "; there is %s, which the scheme `%s` has", ls_sign_scheme_header(other),
                      ls_sign_scheme_word(other));
}

/* Hexadecimal where base64 is expected, and the like, are seen at once. */
static const char *looks_like(const char *value)
{
    unsigned char mac[LS_SIGN_MAC_BYTES];
    size_t length = strlen(value), size;

    if (ls_text_starts(value, "v1,"))
        return "it looks like Standard Webhooks: scheme `standard`";
    if (ls_text_starts(value, "t=") && strstr(value, "v1="))
        return "it looks like Stripe's: scheme `stripe`";
    if (ls_text_starts(value, "sha1="))
        return "it is SHA-1, which is not accepted";
    if (length == 64 && strspn(value, "0123456789abcdefABCDEF") == 64)
        return "it is 64 hexadecimal digits";
    if (ls_sign_unbase64(mac, sizeof(mac), value, length, sodium_base64_VARIANT_ORIGINAL, &size) &&
        size == sizeof(mac))
        return "it is 32 bytes in base64";
    return NULL;
}

static void tell_malformed(struct ls_buf *out, const struct trial *t,
                           const struct ls_sign_finding *f)
{
    struct ls_sign_finding ignored;
    const char *value = ls_sign_header(t->message, f->header, &ignored);
    const char *like = value ? looks_like(value) : NULL;

    ls_buf_printf(out, "the header %s cannot be read: %s", f->header, f->detail);
    if (value && strstr(f->header, "signature") && strstr(value, ",v1,"))
        ls_buf_text(out, "; several are joined by commas, which the scheme `supabase` takes");
    else if (like)
        ls_buf_printf(out, "; %s", like);
}

static void tell_claim(struct ls_buf *out, const struct trial *t, const struct ls_sign_finding *f)
{
    ls_buf_printf(out, "the token is signed with the right key, but %s", f->detail);
    if (t->rule->url && strstr(f->detail, "(sub)")) {
        ls_buf_text(out, ": it was made for ");
        ls_sign_jwt_show(out, t->claim.token, 1, "sub");
        ls_buf_printf(out, ", and %s is expected", t->rule->url);
    }
}

static void tell_body(struct ls_buf *out, const struct trial *t, int64_t now_s)
{
    const char *words = other_body(t, now_s);

    ls_buf_text(out, "the token is right, but it was made for ");
    if (words)
        ls_buf_printf(out, "the body %s", words);
    else
        ls_buf_printf(out, "another body (%zu bytes came)", t->message->size);
}

void ls_sign_explain(struct ls_buf *out, const struct ls_sign_rule *rule,
                     const struct ls_sign_message *message, int64_t now_s)
{
    struct trial t = {.rule = rule, .message = message};
    struct ls_sign_finding finding, ignored;

    if (ls_sign_verify(rule, message, now_s, &finding)) {
        ls_buf_printf(out, "valid, with secret %zu of %zu", finding.secret + 1, rule->secret_count);
        return;
    }
    (void)ls_sign_read(rule, message, &t.claim, &ignored);
    switch (finding.fault) {
    case LS_SIGN_NO_HEADER:
        tell_missing(out, &t, &finding);
        break;
    case LS_SIGN_MALFORMED:
        tell_malformed(out, &t, &finding);
        break;
    case LS_SIGN_TOO_OLD:
    case LS_SIGN_TOO_NEW:
        tell_time(out, &t, &finding);
        break;
    case LS_SIGN_WRONG:
        tell_wrong(out, &t, now_s);
        break;
    case LS_SIGN_CLAIM:
        tell_claim(out, &t, &finding);
        break;
    case LS_SIGN_BODY:
        tell_body(out, &t, now_s);
        break;
    case LS_SIGN_REPEATED:
        ls_buf_printf(out, "the header %s is there more than once", finding.header);
        break;
    case LS_SIGN_VALID:
    case LS_SIGN_NO_SECRET:
    case LS_SIGN_FAULT_COUNT:
        ls_buf_text(out, ls_sign_fault_text(finding.fault));
        break;
    }
}
