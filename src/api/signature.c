/* SPDX-License-Identifier: Apache-2.0 */
/* signature.c - the signature of one message, for people: does it fit, and if not why. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/text.h"
#include "event/sign.h"

static enum ls_code read_scheme(const struct lockstep_message *m, struct ls_sign_rule *rule,
                                struct ls_error *err)
{
    const char *words[LS_SIGN_SCHEME_COUNT], *near;

    for (enum ls_sign_scheme s = 0; s < LS_SIGN_SCHEME_COUNT; s++)
        words[s] = ls_sign_scheme_word(s);
    rule->scheme = ls_sign_scheme_find(m->scheme);
    rule->header = m->header;
    if (rule->scheme == LS_SIGN_SCHEME_COUNT) {
        near = ls_text_nearest(m->scheme, words, LS_SIGN_SCHEME_COUNT);
        return ls_error_set(err, LS_USAGE,
                            "there is no signature scheme \"%.60s\"%s%s%s: documented, standard, "
                            "github, stripe, shopify, supabase, header or qstash",
                            m->scheme, near ? " (did you mean " : "", near ? near : "",
                            near ? "?)" : "");
    }
    if (rule->scheme == LS_SIGN_HEADER && !m->header)
        return ls_error_set(err, LS_USAGE,
                            "the scheme header needs the name of the header that carries the "
                            "secret");
    return LS_OK;
}

static enum ls_code read_secrets(const struct lockstep_message *m, struct ls_arena *mem,
                                 struct ls_sign_rule *rule, struct ls_error *err)
{
    struct ls_secret *secrets = ls_arena_array(mem, m->secret_count, sizeof *secrets);
    enum ls_code rc = secrets ? LS_OK : ls_error_nomem(err);

    for (size_t i = 0; i < m->secret_count && rc == LS_OK; i++)
        rc = ls_secret_read(m->secrets[i], rule->scheme, mem, &secrets[i], err);
    rule->secrets = secrets;
    rule->secret_count = m->secret_count;
    return rc;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* "Name: value", the value without the blanks around it, as an HTTP server hands it on. */
static enum ls_code read_header(const char *line, struct ls_arena *mem, struct ls_header *ret,
                                struct ls_error *err)
{
    const char *colon = strchr(line, ':'), *value = colon ? colon + 1 : line;
    size_t length;

    if (!colon || colon == line)
        return ls_error_set(err, LS_USAGE, "a header is written as NAME:VALUE");
    while (blank(*value))
        value++;
    length = strlen(value);
    while (length && blank(value[length - 1]))
        length--;
    ret->name = ls_arena_text_n(mem, line, (size_t)(colon - line));
    ret->value = ls_arena_text_n(mem, value, length);
    return ret->name && ret->value ? LS_OK : ls_error_nomem(err);
}

static enum ls_code read_headers(const struct lockstep_message *m, struct ls_arena *mem,
                                 struct ls_sign_message *ret, struct ls_error *err)
{
    struct ls_header *headers = ls_arena_array(mem, m->header_count, sizeof *headers);
    enum ls_code rc = headers ? LS_OK : ls_error_nomem(err);

    for (size_t i = 0; i < m->header_count && rc == LS_OK; i++)
        rc = read_header(m->headers[i], mem, &headers[i], err);
    *ret = (struct ls_sign_message){headers, m->header_count, m->body, m->size};
    return rc;
}

int lockstep_signature(const struct lockstep_message *m, char **ret_words,
                       struct lockstep_error *error)
{
    const int64_t now_s = ls_clock_now_us() / 1000000;
    struct ls_sign_rule rule = {0};
    struct ls_sign_message message;
    struct ls_sign_finding finding = {0};
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_buf words;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_buf_init(&words, 0);
    rc = read_scheme(m, &rule, &err);
    if (rc == LS_OK)
        rc = read_secrets(m, &mem, &rule, &err);
    if (rc == LS_OK)
        rc = read_headers(m, &mem, &message, &err);
    if (rc == LS_OK) {
        (void)ls_sign_verify(&rule, &message, now_s, &finding);
        ls_sign_explain(&words, &rule, &message, now_s);
        *ret_words = ls_buf_str(&words) ? strdup(ls_buf_str(&words)) : NULL;
        rc = *ret_words ? LS_OK : ls_error_nomem(&err);
    }
    ls_buf_done(&words);
    ls_arena_done(&mem);
    if (rc != LS_OK)
        return ls_api_fail(&err, error);
    return finding.fault == LS_SIGN_VALID ? LOCKSTEP_OK : LOCKSTEP_DIFFERENT;
}
