/* SPDX-License-Identifier: Apache-2.0 */
/* sign.h - signatures of webhooks: made on what goes out, held against what comes in.
 *
 * What a scheme is called, where its signature stands and how it is read is one table, in verify.c. All of it works on
 * the bytes that were sent, never on what a parser made of them. Pure: the time is an argument. Any thread. */
#ifndef LS_EVENT_SIGN_H
#define LS_EVENT_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define LS_SIGN_WINDOW_S INT64_C(300) /* how far a timestamp may be off, both ways */
#define LS_SIGN_MAC_BYTES 32          /* of HMAC-SHA256 */

/*    name, word in configurations, who signs like that */
#define LS_SIGN_SCHEMES(X)                                           \
    X(DOCUMENTED, "documented", "lockstep's own: hex over the body") \
    X(STANDARD, "standard", "Standard Webhooks, Svix and others")    \
    X(GITHUB, "github", "GitHub")                                    \
    X(STRIPE, "stripe", "Stripe")                                    \
    X(SHOPIFY, "shopify", "Shopify")                                 \
    X(SUPABASE, "supabase", "Supabase Auth hooks")                   \
    X(HEADER, "header", "a secret in a header, without a signature") \
    X(QSTASH, "qstash", "QStash: a JWT over address and body")
#define X(name, word, who) LS_SIGN_##name,
enum ls_sign_scheme { LS_SIGN_SCHEMES(X) LS_SIGN_SCHEME_COUNT };
#undef X

/* How a secret was written down. It matters for the schemes that keep the key in base64 (Standard Webhooks): */
enum ls_secret_form {
    LS_SECRET_RAW,     /* the bytes of the text itself */
    LS_SECRET_WHSEC,   /* whsec_ and the key in base64 */
    LS_SECRET_V1WHSEC, /* v1,whsec_ and the key in base64, as Supabase Auth keeps it */
};
struct ls_secret {
    enum ls_secret_form form;
    const char *text; /* whole, as it was given: the key of most schemes */
    size_t text_size;
    const unsigned char *key; /* decoded, the key of Standard Webhooks; for RAW the text itself */
    size_t key_size;          /* 0 where it cannot be decoded, to schemes that do not */
};
/* Reads one secret of a scheme; what signs what goes out is read as LS_SIGN_STANDARD. LS_CONFIG when it is empty; and for schemes that
 * decode it, when what follows whsec_ is no base64, or when it is half of a key pair (whsk_, whpk_). The message never shows it. */
LS_MUST_CHECK enum ls_code ls_secret_read(const char *text, enum ls_sign_scheme scheme,
                                          struct ls_arena *mem, struct ls_secret *ret,
                                          struct ls_error *err);
const char *ls_secret_form_word(enum ls_secret_form form);

/* --- What goes out. A result is appended to `out`; out of memory is out's. */

/* The value of x-webhook-signature: HMAC-SHA256 over the body, 64 lower-case hex digits. */
void ls_sign_documented(struct ls_buf *out, const struct ls_secret *secret, const void *body,
                        size_t size);
/* The value of webhook-signature (Standard Webhooks 1.0.0): `v1,` and base64, one for each secret, separated by blanks.
 * id: without a dot, the same in every attempt. unix_s: of this attempt, the value of webhook-timestamp. */
void ls_sign_standard(struct ls_buf *out, const struct ls_secret *secrets, size_t count,
                      const char *id, int64_t unix_s, const void *body, size_t size);
/* The value of Upstash-Signature: a JWT (HS256) that QStash's receivers accept for this URL and body from a minute
 * before unix_s, since they allow their clock no lag at all, to five minutes after it. jti: unique for each attempt. */
void ls_sign_qstash(struct ls_buf *out, const struct ls_secret *secret, const char *url,
                    const char *jti, int64_t unix_s, const void *body, size_t size);

/* --- What comes in. */

/* The word and what it is, for help; LS_SIGN_SCHEME_COUNT when no scheme has that word. Static texts. */
const char *ls_sign_scheme_word(enum ls_sign_scheme scheme);
const char *ls_sign_scheme_who(enum ls_sign_scheme scheme);
enum ls_sign_scheme ls_sign_scheme_find(const char *word);
/* The header that carries the signature, as its makers write it; NULL for HEADER, where the configuration names it. */
const char *ls_sign_scheme_header(enum ls_sign_scheme scheme);

struct ls_header {
    const char *name, *value;
};
struct ls_sign_message {
    const struct ls_header *headers; /* as received; names in any case */
    size_t header_count;
    const void *body; /* as received */
    size_t size;
};
/* What is demanded of a message. */
struct ls_sign_rule {
    enum ls_sign_scheme scheme;
    const struct ls_secret *secrets; /* any of them may have signed; none: nothing is valid */
    size_t secret_count;
    const char *header; /* instead of the scheme's own (HEADER: needed) */
    const char *url;    /* QSTASH: what the token has to be made for; NULL: not looked at */
    int64_t
        window_s; /* 0: LS_SIGN_WINDOW_S. QSTASH has its own times and allows clocks LS_SIGN_JWT_LEEWAY_S */
};
#define LS_SIGN_JWT_LEEWAY_S INT64_C(10)

/*    name, text */
#define LS_SIGN_FAULTS(X)                                         \
    X(VALID, "valid")                                             \
    X(NO_SECRET, "no secret is configured")                       \
    X(NO_HEADER, "a header is missing")                           \
    X(REPEATED, "a header is there more than once")               \
    X(MALFORMED, "a header does not have the form it must have")  \
    X(TOO_OLD, "it was signed too long ago")                      \
    X(TOO_NEW, "it was signed in the future")                     \
    X(WRONG, "the signature is not made with any of the secrets") \
    X(CLAIM, "the token says something that is not accepted")     \
    X(BODY, "the token was made for another body")
#define X(name, text) LS_SIGN_##name,
enum ls_sign_fault { LS_SIGN_FAULTS(X) LS_SIGN_FAULT_COUNT };
#undef X
const char *ls_sign_fault_text(enum ls_sign_fault fault);

struct ls_sign_finding {
    enum ls_sign_fault fault;
    const char *header;  /* of NO_HEADER, REPEATED, MALFORMED: which; static, or the rule's */
    const char *detail;  /* of MALFORMED and CLAIM: what of it; static, or NULL */
    int64_t off_s;       /* of TOO_OLD and TOO_NEW: seconds between the timestamp and now */
    int64_t timestamp_s; /* what the message says; 0 where the scheme has none */
    size_t secret;       /* of VALID: which one fits */
    const char *
        id; /* tells a repetition; borrowed from the headers, NULL where the scheme has none. Only STANDARD
                             and SUPABASE sign it: who catches one of another scheme may send it again under another id */
};
/* Whether the message is valid; ret says why not. Compares in constant time; what is parsed is parsed after the signature fits, but
 * for the header that carries it. Anything that fails on the way (memory) is "no". */
bool ls_sign_verify(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                    int64_t now_s, struct ls_sign_finding *ret);
/* Appends why a message is not valid, in words for the person who has both secrets and message: it tries what senders and frameworks
 * commonly do wrong (a body that was written anew, a secret taken in another form). Costs some dozen signatures; never show it
 * to the sender. */
void ls_sign_explain(struct ls_buf *out, const struct ls_sign_rule *rule,
                     const struct ls_sign_message *message, int64_t now_s);

#endif
