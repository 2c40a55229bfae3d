/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - whether a webhook that came in is from who has the secret.
 *
 * A scheme is a line of the table: its header, how the header is read, and where the key is. Reading gives a claim: one or more
 * signatures, and what is signed before the body. What follows is the same for all: the time, the signatures against
 * every secret, and for a JWT what it says. Nothing of the body is parsed.
 *
 * The time is looked at before the signature, which saves hashing what is refused anyway; what is compared is always
 * 32 decoded bytes, in constant time. Which of several secrets fits may be told by the clock, and tells nothing.
 *
 * A header that is there twice is refused: who joins them, and how, differs from one program to the next. An id with a dot is
 * refused: id, time and body are joined by dots, so that a message with such an id could be read in two ways. Stripe's own
 * library lets stamps from the future pass; here the window holds both ways.
 *
 * What is not signed: the ids of GitHub and Shopify stand in headers of their own. They tell an honest repetition, no more. */
#include "event/sign.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "event/sign_priv.h"

static_assert(LS_SIGN_MAC_BYTES == crypto_auth_hmacsha256_BYTES, "HMAC-SHA256 has 32 bytes");
static_assert(LS_SIGN_MAC_BYTES == crypto_hash_sha256_BYTES, "and SHA-256 has as many");

#define STAMP_DIGITS 15 /* more is no time; and sums stay far from overflow */

typedef bool reader(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                    struct ls_sign_claim *claim, struct ls_sign_finding *finding);
static reader read_documented, read_standard, read_github, read_stripe, read_shopify, read_supabase,
    read_plain, read_qstash;

static const struct scheme {
    const char *header;
    const char *ids[3]; /* the headers that tell a repetition, the best first */
    reader *read;
    bool decoded; /* the key is what follows whsec_, decoded */
} schemes[LS_SIGN_SCHEME_COUNT] = {
    [LS_SIGN_DOCUMENTED] = {"x-webhook-signature", {NULL}, read_documented, false},
    [LS_SIGN_STANDARD] = {"webhook-signature", {"webhook-id", "svix-id"}, read_standard, true},
    [LS_SIGN_GITHUB] = {"X-Hub-Signature-256", {"X-GitHub-Delivery"}, read_github, false},
    [LS_SIGN_STRIPE] = {"Stripe-Signature", {NULL}, read_stripe, false},
    [LS_SIGN_SHOPIFY] = {"X-Shopify-Hmac-Sha256",
                         {"X-Shopify-Webhook-Id", "Shopify-Webhook-Id", "X-Shopify-Event-Id"},
                         read_shopify,
                         false},
    [LS_SIGN_SUPABASE] = {"webhook-signature", {"webhook-id"}, read_supabase, true},
    [LS_SIGN_HEADER] = {NULL, {NULL}, read_plain, false},
    [LS_SIGN_QSTASH] = {"Upstash-Signature", {"Upstash-Message-Id"}, read_qstash, false},
};

#define X(name, word, who) [LS_SIGN_##name] = {(word), (who)},
static const struct {
    const char *word, *who;
} words[LS_SIGN_SCHEME_COUNT] = {LS_SIGN_SCHEMES(X)};
#undef X

#define X(name, text) [LS_SIGN_##name] = (text),
static const char *const faults[LS_SIGN_FAULT_COUNT] = {LS_SIGN_FAULTS(X)};
#undef X

const char *ls_sign_scheme_word(enum ls_sign_scheme scheme)
{
    return scheme < LS_SIGN_SCHEME_COUNT ? words[scheme].word : "unknown";
}

const char *ls_sign_scheme_who(enum ls_sign_scheme scheme)
{
    return scheme < LS_SIGN_SCHEME_COUNT ? words[scheme].who : "unknown";
}

enum ls_sign_scheme ls_sign_scheme_find(const char *word)
{
    enum ls_sign_scheme scheme = 0;

    while (scheme < LS_SIGN_SCHEME_COUNT && strcmp(words[scheme].word, word) != 0)
        scheme++;
    return scheme;
}

const char *ls_sign_scheme_header(enum ls_sign_scheme scheme)
{
    return scheme < LS_SIGN_SCHEME_COUNT ? schemes[scheme].header : NULL;
}

const char *ls_sign_fault_text(enum ls_sign_fault fault)
{
    return fault < LS_SIGN_FAULT_COUNT ? faults[fault] : "unknown";
}

/* --- headers */

bool ls_sign_has_header(const struct ls_sign_message *message, const char *name)
{
    for (size_t i = 0; i < message->header_count; i++) {
        if (ls_text_equal_nocase(message->headers[i].name, name))
            return true;
    }
    return false;
}

static bool fail(struct ls_sign_finding *finding, enum ls_sign_fault fault, const char *header,
                 const char *detail)
{
    finding->fault = fault;
    finding->header = header;
    finding->detail = detail;
    return false;
}

const char *ls_sign_header(const struct ls_sign_message *message, const char *name,
                           struct ls_sign_finding *finding)
{
    const char *found = NULL;

    for (size_t i = 0; i < message->header_count; i++) {
        if (!ls_text_equal_nocase(message->headers[i].name, name))
            continue;
        if (found) {
            fail(finding, LS_SIGN_REPEATED, name, NULL);
            return NULL;
        }
        found = message->headers[i].value;
    }
    if (!found)
        fail(finding, LS_SIGN_NO_HEADER, name, NULL);
    return found;
}

static const char *header_name(const struct ls_sign_rule *rule)
{
    return rule->header ? rule->header : schemes[rule->scheme].header;
}

/* --- one signature */

/* Adds 64 hex digits. */
static bool add_hex(struct ls_sign_claim *claim, const char *text, size_t length)
{
    size_t size;

    if (claim->mac_count == LS_SIGN_MACS_MAX || length != 2 * LS_SIGN_MAC_BYTES ||
        sodium_hex2bin(claim->macs[claim->mac_count], LS_SIGN_MAC_BYTES, text, length, NULL, &size,
                       NULL) != 0 ||
        size != LS_SIGN_MAC_BYTES)
        return false;
    claim->mac_count++;
    return true;
}

/* Adds standard base64 with its padding. */
static bool add_base64(struct ls_sign_claim *claim, const char *text, size_t length)
{
    size_t size;

    if (claim->mac_count == LS_SIGN_MACS_MAX ||
        !ls_sign_base64(claim->macs[claim->mac_count], LS_SIGN_MAC_BYTES, text, length,
                        sodium_base64_VARIANT_ORIGINAL, &size) ||
        size != LS_SIGN_MAC_BYTES)
        return false;
    claim->mac_count++;
    return true;
}

/* Unix seconds, digits alone. */
static bool read_stamp(const char *text, size_t length, int64_t *ret)
{
    return length > 0 && length <= STAMP_DIGITS && text[0] >= '0' && text[0] <= '9' &&
           ls_text_to_i64(text, length, ret);
}

static void add_before(struct ls_sign_claim *claim, const void *data, size_t size)
{
    claim->before[claim->before_count++] = (struct ls_piece){data, size};
}

/* --- the schemes */

static bool read_documented(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                            struct ls_sign_claim *claim, struct ls_sign_finding *finding)
{
    const char *name = header_name(rule), *value = ls_sign_header(message, name, finding);

    if (!value)
        return false;
    if (ls_text_starts(value, "sha256="))
        value += strlen("sha256=");
    return add_hex(claim, value, strlen(value)) ||
           fail(finding, LS_SIGN_MALFORMED, name, "64 hexadecimal digits are expected");
}

static bool read_github(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                        struct ls_sign_claim *claim, struct ls_sign_finding *finding)
{
    const char *name = header_name(rule), *value = ls_sign_header(message, name, finding);

    if (!value)
        return false;
    if (!ls_text_starts(value, "sha256="))
        return fail(finding, LS_SIGN_MALFORMED, name, "it has to begin with sha256=");
    value += strlen("sha256=");
    return add_hex(claim, value, strlen(value)) ||
           fail(finding, LS_SIGN_MALFORMED, name,
                "64 hexadecimal digits are expected behind sha256=");
}

/* The newer kind of Shopify's events leaves out the X-. */
static bool read_shopify(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                         struct ls_sign_claim *claim, struct ls_sign_finding *finding)
{
    const char *name = header_name(rule), *value;

    if (!rule->header && !ls_sign_has_header(message, name) &&
        ls_sign_has_header(message, name + strlen("X-")))
        name += strlen("X-");
    value = ls_sign_header(message, name, finding);
    if (!value)
        return false;
    return add_base64(claim, value, strlen(value)) ||
           fail(finding, LS_SIGN_MALFORMED, name, "32 bytes in base64 are expected");
}

/* t=1700000000,v1=HEX,v1=HEX; what has another name is passed over (v0 is for tests). */
static bool read_stripe(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                        struct ls_sign_claim *claim, struct ls_sign_finding *finding)
{
    const char *name = header_name(rule), *at = ls_sign_header(message, name, finding);

    if (!at)
        return false;
    for (;;) {
        size_t length = strcspn(at, ",");

        if (ls_text_starts(at, "t=")) {
            if (claim->timed || !read_stamp(at + 2, length - 2, &finding->timestamp_s))
                return fail(finding, LS_SIGN_MALFORMED, name, "one t= with a time is expected");
            claim->timed = true;
            add_before(claim, at + 2, length - 2);
            add_before(claim, ".", 1);
        } else if (ls_text_starts(at, "v1=") && !add_hex(claim, at + 3, length - 3)) {
            return fail(finding, LS_SIGN_MALFORMED, name,
                        "64 hexadecimal digits are expected behind v1=");
        }
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    if (!claim->timed || !claim->mac_count)
        return fail(finding, LS_SIGN_MALFORMED, name,
                    "t=TIME,v1=SIGNATURE is expected, without blanks");
    return true;
}

/* Entries `v1,BASE64`, each ended by one of `ends`; those of another version are passed over. An entry that cannot be read
 * does not spoil the others. */
static bool read_entries(struct ls_sign_claim *claim, const char *at, const char *ends)
{
    while (*at) {
        size_t length;

        at += strspn(at, ends);
        if (ls_text_starts(at, "v1,")) {
            at += 3;
            length = strcspn(at, ends);
            if (claim->mac_count == LS_SIGN_MACS_MAX)
                return false;
            (void)add_base64(claim, at, length);
        } else {
            length = strcspn(at, " ");
        }
        at += length;
    }
    return claim->mac_count > 0;
}

static bool read_three(const struct ls_sign_message *message, const char *const names[3],
                       const char *ends, struct ls_sign_claim *claim,
                       struct ls_sign_finding *finding)
{
    const char *id = ls_sign_header(message, names[0], finding);
    const char *stamp = id ? ls_sign_header(message, names[1], finding) : NULL;
    const char *value = stamp ? ls_sign_header(message, names[2], finding) : NULL;

    if (!value)
        return false;
    if (*id == '\0' || strchr(id, '.'))
        return fail(finding, LS_SIGN_MALFORMED, names[0], "an id without dots is expected");
    if (!read_stamp(stamp, strlen(stamp), &finding->timestamp_s))
        return fail(finding, LS_SIGN_MALFORMED, names[1], "a time in Unix seconds is expected");
    if (!read_entries(claim, value, ends))
        return fail(finding, LS_SIGN_MALFORMED, names[2],
                    "v1, and 32 bytes in base64 are expected, several separated by blanks");
    claim->timed = true;
    add_before(claim, id, strlen(id));
    add_before(claim, ".", 1);
    add_before(claim, stamp, strlen(stamp));
    add_before(claim, ".", 1);
    return true;
}

static bool read_standard(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                          struct ls_sign_claim *claim, struct ls_sign_finding *finding)
{
    static const char *const names[][3] = {
        {"webhook-id", "webhook-timestamp", "webhook-signature"},
        {"svix-id", "svix-timestamp", "svix-signature"}, /* the older names */
    };
    bool older =
        !ls_sign_has_header(message, names[0][2]) && ls_sign_has_header(message, names[1][2]);

    (void)rule;
    return read_three(message, names[older], " ", claim, finding);
}

/* Supabase Auth joins several signatures with comma and blank. */
static bool read_supabase(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                          struct ls_sign_claim *claim, struct ls_sign_finding *finding)
{
    static const char *const names[3] = {"webhook-id", "webhook-timestamp", "webhook-signature"};

    (void)rule;
    return read_three(message, names, ", ", claim, finding);
}

/* What is compared are hashes: of one length, whatever the secret's. */
static bool read_plain(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                       struct ls_sign_claim *claim, struct ls_sign_finding *finding)
{
    const char *name = rule->header ? rule->header : "";
    const char *value = ls_sign_header(message, name, finding);

    if (!value)
        return false;
    if (ls_text_equal_nocase(name, "authorization") && strncasecmp(value, "Bearer ", 7) == 0)
        value += 7;
    (void)crypto_hash_sha256(claim->macs[claim->mac_count++], (const unsigned char *)value,
                             strlen(value));
    return true;
}

static bool read_qstash(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                        struct ls_sign_claim *claim, struct ls_sign_finding *finding)
{
    const char *name = header_name(rule), *value = ls_sign_header(message, name, finding);

    if (!value)
        return false;
    if (ls_sign_jwt_read(value, claim, finding))
        return true;
    finding->header = name;
    return false;
}

/* --- all of it */

bool ls_sign_read(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                  struct ls_sign_claim *claim, struct ls_sign_finding *finding)
{
    memset(claim, 0, sizeof(*claim));
    return schemes[rule->scheme].read(rule, message, claim, finding);
}

bool ls_sign_decodes(enum ls_sign_scheme scheme)
{
    return schemes[scheme].decoded;
}

struct ls_piece ls_sign_key(enum ls_sign_scheme scheme, const struct ls_secret *secret)
{
    if (schemes[scheme].decoded)
        return (struct ls_piece){secret->key, secret->key_size};
    return (struct ls_piece){secret->text, secret->text_size};
}

bool ls_sign_fits(enum ls_sign_scheme scheme, const struct ls_sign_claim *claim,
                  struct ls_piece key, struct ls_piece body)
{
    struct ls_piece pieces[LS_SIGN_BEFORE_MAX + 1];
    unsigned char mac[LS_SIGN_MAC_BYTES];
    size_t count = claim->before_count;
    bool fits = false;

    memcpy(pieces, claim->before, sizeof(claim->before));
    if (!claim->token)
        pieces[count++] = body;
    if (scheme == LS_SIGN_HEADER)
        (void)crypto_hash_sha256(mac, key.data, key.size);
    else
        ls_sign_mac(key.data, key.size, pieces, count, mac);
    for (size_t i = 0; i < claim->mac_count; i++)
        fits |= sodium_memcmp(mac, claim->macs[i], sizeof(mac)) == 0;
    sodium_memzero(mac, sizeof(mac)); /* what is right is nobody's to find in memory */
    return fits;
}

static bool in_time(const struct ls_sign_rule *rule, int64_t now_s, struct ls_sign_finding *finding)
{
    int64_t window_s = rule->window_s ? rule->window_s : LS_SIGN_WINDOW_S;
    int64_t age_s = now_s - finding->timestamp_s;

    if (age_s > window_s) {
        finding->off_s = age_s;
        return fail(finding, LS_SIGN_TOO_OLD, NULL, NULL);
    }
    if (age_s < -window_s) {
        finding->off_s = -age_s;
        return fail(finding, LS_SIGN_TOO_NEW, NULL, NULL);
    }
    return true;
}

static const char *id_of(enum ls_sign_scheme scheme, const struct ls_sign_message *message)
{
    const char *const *ids = schemes[scheme].ids;
    struct ls_sign_finding ignored;

    for (size_t i = 0; i < sizeof(schemes->ids) / sizeof(schemes->ids[0]) && ids[i]; i++) {
        const char *id = ls_sign_header(message, ids[i], &ignored);

        if (id && *id)
            return id;
    }
    return NULL;
}

bool ls_sign_verify(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                    int64_t now_s, struct ls_sign_finding *ret)
{
    const struct ls_piece body = {message->body, message->size};
    struct ls_sign_claim claim;
    size_t which = 0;

    *ret = (struct ls_sign_finding){.fault = LS_SIGN_WRONG};
    if (rule->secret_count == 0)
        return fail(ret, LS_SIGN_NO_SECRET, NULL, NULL);
    if (!ls_sign_read(rule, message, &claim, ret) || (claim.timed && !in_time(rule, now_s, ret)))
        return false;
    while (
        which < rule->secret_count &&
        !ls_sign_fits(rule->scheme, &claim, ls_sign_key(rule->scheme, &rule->secrets[which]), body))
        which++;
    if (which == rule->secret_count)
        return fail(ret, LS_SIGN_WRONG, NULL, NULL);
    if (claim.token && !ls_sign_jwt_check(rule, &claim, body, now_s, ret))
        return false;
    ret->id = id_of(rule->scheme, message);
    ret->secret = which;
    ret->fault = LS_SIGN_VALID;
    return true;
}
