/* SPDX-License-Identifier: Apache-2.0 */
/* guard.c - where requests may go.
 *
 * Addresses are looked up in a table of ranges that are not the public internet: the special-purpose registries of IANA for IPv4
 * and IPv6, and the addresses at which clouds answer with credentials. All of IPv6 outside of 2000::/3 is closed, so that what is
 * assigned later is closed too. An address that carries another one leads where that one leads: IPv4-mapped and
 * NAT64 (64:ff9b::/96, which networks without IPv4 use for all of it) are looked up as the IPv4 address inside; what is not in use any
 * more (IPv4-compatible, 6to4, Teredo, ISATAP) is closed altogether, for whatever it embeds would have to be trusted.
 *
 * URLs are taken apart by libcurl's own parser, because two parsers that disagree are how such checks are passed: it knows what
 * 0x7f.1 and 2130706433 are. What stands in the host afterwards is an address or a name; a name of digits that is neither is
 * refused, and so is anything beyond letters, digits, dots, hyphens and underscores, since a resolver may fold it (fullwidth digits
 * become 127.0.0.1 on the way through IDN).
 *
 * Not done: names are not resolved here; an answer would be out of date when the connection is made. Ports are not looked at.
 *
 * Invariant: what ls_guard_url() refuses for its address, ls_guard_address() refuses too. */
#include "event/guard.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define V4 0xff, 0xff /* bytes 10 and 11 of ::ffff:0:0/96, where IPv4 addresses stand here */
#define V4_BITS 96

#define X(name, word, open) [LS_GUARD_##name] = (word),
static const char *const kind_words[LS_GUARD_KIND_COUNT] = {LS_GUARD_KINDS(X)};
#undef X
#define X(name, word, open) [LS_GUARD_##name] = (open),
static const bool kind_open[LS_GUARD_KIND_COUNT] = {LS_GUARD_KINDS(X)};
#undef X

const char *ls_guard_kind_word(enum ls_guard_kind kind)
{
    return kind < LS_GUARD_KIND_COUNT ? kind_words[kind] : "unknown";
}

/* The first range that holds an address decides. IPv4 as ::ffff:a.b.c.d, so 96 bits more than people write. */
static const struct kind_range {
    const char *address;
    unsigned bits;
    enum ls_guard_kind kind;
} kind_ranges[] = {
    {"169.254.169.254", 128, LS_GUARD_METADATA},    /* AWS, Azure, Google, OpenStack, ... */
    {"169.254.169.253", 128, LS_GUARD_METADATA},    /* AWS: names */
    {"169.254.170.2", 128, LS_GUARD_METADATA},      /* AWS ECS: credentials of tasks */
    {"169.254.170.23", 128, LS_GUARD_METADATA},     /* AWS EKS: credentials of pods */
    {"100.100.100.200", 128, LS_GUARD_METADATA},    /* Alibaba */
    {"192.0.0.192", 128, LS_GUARD_METADATA},        /* Oracle, older */
    {"168.63.129.16", 128, LS_GUARD_METADATA},      /* Azure: the wire server, which looks public */
    {"fd00:ec2::254", 128, LS_GUARD_METADATA},      /* AWS */
    {"fd00:ec2::253", 128, LS_GUARD_METADATA},      /* AWS: names */
    {"fd00:ec2::23", 128, LS_GUARD_METADATA},       /* AWS EKS */
    {"fd20:ce::254", 128, LS_GUARD_METADATA},       /* Google */
    {"fd00:c1::a9fe:a9fe", 128, LS_GUARD_METADATA}, /* Oracle */

    {"0.0.0.0", V4_BITS + 8, LS_GUARD_UNSPECIFIED}, /* RFC 791; Linux connects to itself */
    {"10.0.0.0", V4_BITS + 8, LS_GUARD_PRIVATE},    /* RFC 1918 */
    {"100.64.0.0", V4_BITS + 10, LS_GUARD_SHARED},  /* RFC 6598 */
    {"127.0.0.0", V4_BITS + 8, LS_GUARD_LOOPBACK},
    {"169.254.0.0", V4_BITS + 16, LS_GUARD_LINK_LOCAL},
    {"172.16.0.0", V4_BITS + 12, LS_GUARD_PRIVATE},
    {"192.0.0.0", V4_BITS + 24, LS_GUARD_RESERVED}, /* RFC 6890 */
    {"192.0.2.0", V4_BITS + 24, LS_GUARD_DOCUMENTATION},
    {"192.88.99.0", V4_BITS + 24, LS_GUARD_TRANSITION}, /* relays of 6to4 */
    {"192.168.0.0", V4_BITS + 16, LS_GUARD_PRIVATE},
    {"198.18.0.0", V4_BITS + 15, LS_GUARD_BENCHMARK}, /* RFC 2544 */
    {"198.51.100.0", V4_BITS + 24, LS_GUARD_DOCUMENTATION},
    {"203.0.113.0", V4_BITS + 24, LS_GUARD_DOCUMENTATION},
    {"224.0.0.0", V4_BITS + 4, LS_GUARD_MULTICAST},
    {"240.0.0.0", V4_BITS + 4, LS_GUARD_RESERVED}, /* 255.255.255.255 too */
    {"::ffff:0:0", V4_BITS, LS_GUARD_PUBLIC},

    {"::", 128, LS_GUARD_UNSPECIFIED},
    {"::1", 128, LS_GUARD_LOOPBACK},
    {"::", 96, LS_GUARD_TRANSITION},            /* IPv4-compatible, RFC 4291: obsolete */
    {"::ffff:0:0:0", 96, LS_GUARD_TRANSITION},  /* IPv4-translated, RFC 2765 */
    {"64:ff9b:1::", 48, LS_GUARD_PRIVATE},      /* NAT64 of one network, RFC 8215 */
    {"100::", 64, LS_GUARD_RESERVED},           /* discards, RFC 6666 */
    {"2001::", 32, LS_GUARD_TRANSITION},        /* Teredo, RFC 4380 */
    {"2001:2::", 48, LS_GUARD_BENCHMARK},       /* RFC 5180 */
    {"2001:db8::", 32, LS_GUARD_DOCUMENTATION}, /* RFC 3849 */
    {"2001::", 23, LS_GUARD_RESERVED},          /* protocols, RFC 2928: ORCHID and others */
    {"2002::", 16, LS_GUARD_TRANSITION},        /* 6to4, RFC 3056 */
    {"3fff::", 20, LS_GUARD_DOCUMENTATION},     /* RFC 9637 */
    {"2000::", 3, LS_GUARD_PUBLIC},
    {"fc00::", 7, LS_GUARD_PRIVATE}, /* unique local, RFC 4193 */
    {"fe80::", 10, LS_GUARD_LINK_LOCAL},
    {"fec0::", 10, LS_GUARD_PRIVATE}, /* site-local, RFC 3879: obsolete */
    {"ff00::", 8, LS_GUARD_MULTICAST},
    {"::", 0, LS_GUARD_RESERVED},
};

/* --- addresses as 16 bytes */

static void from_v4(const void *four, unsigned char out[16])
{
    static const unsigned char prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, V4};

    memcpy(out, prefix, sizeof(prefix));
    memcpy(out + sizeof(prefix), four, 4);
}

static bool from_text(const char *text, unsigned char out[16])
{
    unsigned char four[4];

    if (inet_pton(AF_INET, text, four) == 1) {
        from_v4(four, out);
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

static bool inside(const unsigned char address[16], const unsigned char range[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(address, range, whole) == 0 &&
           (rest == 0 || (address[whole] ^ range[whole]) >> (8 - rest) == 0);
}

/* NAT64 by the well-known prefix reaches the IPv4 address inside. */
static void unwrap(unsigned char address[16])
{
    static const unsigned char nat64[16] = {0, 0x64, 0xff, 0x9b};

    if (inside(address, nat64, 96))
        from_v4(address + 12, address);
}

/* An interface of ISATAP (RFC 5214) has its IPv4 address behind 00-00-5E-FE, or 02-00-5E-FE. */
static bool is_isatap(const unsigned char address[16])
{
    static const unsigned char mark[3] = {0, 0x5e, 0xfe};

    return (address[8] & 0xfd) == 0 && memcmp(address + 9, mark, sizeof(mark)) == 0;
}

static enum ls_guard_kind kind_of(const unsigned char address[16])
{
    const struct kind_range *r = kind_ranges;
    unsigned char range[16];

    while (!from_text(r->address, range) || !inside(address, range, r->bits))
        r++; /* the last one holds everything */
    return r->kind == LS_GUARD_PUBLIC && is_isatap(address) ? LS_GUARD_TRANSITION : r->kind;
}

static bool from_sockaddr(const struct sockaddr *address, unsigned char out[16])
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof(v4));
        from_v4(&v4.sin_addr, out);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof(v6));
        memcpy(out, &v6.sin6_addr, 16);
        unwrap(out);
        return true;
    }
    return false;
}

enum ls_guard_kind ls_guard_kind(const struct sockaddr *address)
{
    unsigned char bytes[16];

    return from_sockaddr(address, bytes) ? kind_of(bytes) : LS_GUARD_FOREIGN;
}

/* --- what is allowed beyond */

/* A range that opens everything must not open what hands out credentials: this takes the address itself. */
static bool in_ranges(const struct ls_guard *guard, const unsigned char address[16],
                      enum ls_guard_kind kind)
{
    for (size_t i = 0; i < guard->range_count; i++) {
        const struct ls_guard_range *r = &guard->ranges[i];

        if (inside(address, r->address, r->bits) && (kind != LS_GUARD_METADATA || r->bits == 128))
            return true;
    }
    return false;
}

static bool may(const struct ls_guard *guard, bool named, const unsigned char address[16],
                enum ls_guard_kind *ret)
{
    *ret = kind_of(address);
    return kind_open[*ret] || (named && *ret != LS_GUARD_METADATA) ||
           in_ranges(guard, address, *ret);
}

bool ls_guard_address(const struct ls_guard *guard, bool named, const struct sockaddr *address,
                      enum ls_guard_kind *ret)
{
    unsigned char bytes[16];

    if (!from_sockaddr(address, bytes)) {
        *ret = LS_GUARD_FOREIGN;
        return false;
    }
    return may(guard, named, bytes, ret);
}

static bool is_named(const struct ls_guard *guard, const char *host)
{
    for (size_t i = 0; i < guard->name_count; i++) {
        const char *name = guard->names[i];
        size_t length = strlen(host), end = strlen(name);

        if (strcmp(name, host) == 0)
            return true;
        if (name[0] == '*' && length > end - 1 && strcmp(host + length - (end - 1), name + 1) == 0)
            return true;
    }
    return false;
}

/* --- reading the list */

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

/* A copy in lower case without the dot at its end. */
static char *lowered(const char *text, struct ls_arena *mem)
{
    char *copy = ls_arena_text(mem, text);
    size_t length = copy ? strlen(copy) : 0;

    for (char *at = copy; at && *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at | 0x20);
    }
    if (length > 1 && copy[length - 1] == '.')
        copy[length - 1] = '\0';
    return copy;
}

/* Labels of letters; the last one is no number, or it is an address that is none. */
static bool is_name(const char *host)
{
    const char *last = strrchr(host, '.');

    last = last ? last + 1 : host;
    return *last && host[0] != '.' && !strstr(host, "..") &&
           strspn(host, letters) == strlen(host) && strspn(last, "0123456789") != strlen(last) &&
           !(last[0] == '0' && last[1] == 'x' &&
             strspn(last + 2, "0123456789abcdef") == strlen(last + 2));
}

/* ADDRESS or ADDRESS/BITS. What stands behind the bits has to be zero: 10.1.2.3/8 means something that is not what it says. */
static bool read_range(const char *entry, struct ls_arena *mem, struct ls_guard_range *ret)
{
    const char *slash = strchr(entry, '/');
    size_t length = slash ? (size_t)(slash - entry) : strlen(entry);
    char *address = ls_arena_text_n(mem, entry, length);
    uint64_t bits;
    unsigned base;

    if (!address || !from_text(address, ret->address))
        return false;
    base = strchr(address, ':') ? 0 : V4_BITS;
    if (slash && (slash[1] == '+' || !ls_text_to_u64(slash + 1, strlen(slash + 1), &bits)))
        return false;
    if (!slash)
        bits = 128 - base;
    if (bits > 128 - base)
        return false;
    ret->bits = base + (unsigned)bits;
    for (unsigned bit = ret->bits; bit < 128; bit++) {
        if (ret->address[bit / 8] & 0x80u >> bit % 8)
            return false;
    }
    return true;
}

enum ls_code ls_guard_read(const char *const *entries, size_t count, struct ls_arena *mem,
                           struct ls_guard *ret, struct ls_error *err)
{
    struct ls_guard_range *ranges = ls_arena_array(mem, count, sizeof(*ranges));
    const char **names = ls_arena_array(mem, count, sizeof(*names));
    struct ls_guard guard = {.ranges = ranges, .names = names};

    if (!ranges || !names)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        char *name = lowered(entries[i], mem);

        if (!name)
            return ls_error_nomem(err);
        if (read_range(name, mem, &ranges[guard.range_count]))
            guard.range_count++;
        else if (is_name(ls_text_starts(name, "*.") ? name + 2 : name))
            names[guard.name_count++] = name;
        else
            return ls_error_set(err, LS_CONFIG,
                                "'%s' in the list of allowed hosts is no address, range or name. "
                                "Write 10.1.2.3, 10.0.0.0/8, fd00::/8, crm.internal or "
                                "*.corp.example; behind the bits of a range all is zero",
                                entries[i]);
    }
    *ret = guard;
    return LS_OK;
}

/* --- URLs */

/* What libcurl's parser made of it; the strings are its own. */
struct parts {
    CURLU *url;
    char *scheme, *host, *port, *zone;
};

static void parts_done(struct parts *p)
{
    curl_free(p->zone);
    curl_free(p->port);
    curl_free(p->host);
    curl_free(p->scheme);
    curl_url_cleanup(p->url);
}

/* Blanks, control characters and backslashes are where parsers part ways. */
static bool has_odd_bytes(const char *url)
{
    for (; *url; url++) {
        if ((unsigned char)*url <= ' ' || *url == 0x7f || *url == '\\')
            return true;
    }
    return false;
}

static enum ls_code take_apart(const char *url, struct parts *p, struct ls_error *err)
{
    CURLUcode rc;

    if (has_odd_bytes(url))
        return ls_error_set(err, LS_USAGE, "a URL with blanks, control characters or backslashes");
    p->url = curl_url();
    if (!p->url)
        return ls_error_nomem(err);
    rc = curl_url_set(p->url, CURLUPART_URL, url, 0);
    if (rc == CURLUE_OK)
        rc = curl_url_get(p->url, CURLUPART_SCHEME, &p->scheme, 0);
    if (rc == CURLUE_OK)
        rc = curl_url_get(p->url, CURLUPART_HOST, &p->host, 0);
    if (rc == CURLUE_OK)
        rc = curl_url_get(p->url, CURLUPART_PORT, &p->port, CURLU_DEFAULT_PORT);
    if (rc == CURLUE_OUT_OF_MEMORY)
        return ls_error_nomem(err);
    if (rc == CURLUE_UNSUPPORTED_SCHEME ||
        (rc == CURLUE_OK && strcmp(p->scheme, "https") != 0 && strcmp(p->scheme, "http") != 0))
        return ls_error_set(err, LS_USAGE, "a URL that begins with neither https:// nor http://");
    if (rc != CURLUE_OK)
        return ls_error_set(err, LS_USAGE, "a URL that cannot be read: %s", curl_url_strerror(rc));
    if (curl_url_get(p->url, CURLUPART_ZONEID, &p->zone, 0) == CURLUE_OK)
        return ls_error_set(err, LS_USAGE, "a URL with a zone: which network it is would be open");
    return LS_OK;
}

static bool has_part(const struct parts *p, CURLUPart which)
{
    char *text = NULL;
    const bool has = curl_url_get(p->url, which, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

/* A URL is shown, logged and kept as it stands. */
static enum ls_code refuse_user(const struct parts *p, struct ls_error *err)
{
    if (!has_part(p, CURLUPART_USER) && !has_part(p, CURLUPART_PASSWORD))
        return LS_OK;
    return ls_error_set(err, LS_USAGE,
                        "a URL with a credential in it (before the @), which would be shown and "
                        "kept in the open. Put it into a header (Authorization) instead");
}

/* The address that the host is, in whatever way it is written. */
static bool host_address(const char *host, unsigned char out[16])
{
    struct in_addr four;

    if (inet_aton(host, &four)) { /* 127.1, 0x7f000001, 017700000001: as resolvers read it */
        from_v4(&four, out);
        return true;
    }
    if (inet_pton(AF_INET6, host, out) != 1)
        return false;
    unwrap(out);
    return true;
}

static bool is_localhost(const char *host)
{
    size_t length = strlen(host), tail = strlen(".localhost");

    return strcmp(host, "localhost") == 0 ||
           (length > tail && strcmp(host + length - tail, ".localhost") == 0);
}

static enum ls_code refuse(const char *host, enum ls_guard_kind kind, struct ls_error *err)
{
    return ls_error_set(err, LS_PERMISSION,
                        "%s is %s: requests go to public addresses only. Put it on the list of "
                        "allowed hosts (events.allow) if they shall go there",
                        host, ls_guard_kind_word(kind));
}

/* *ret_listed: it is allowed by the list, not because it is public. */
static enum ls_code judge(const struct ls_guard *guard, struct ls_guard_target *target,
                          bool *ret_listed, struct ls_error *err)
{
    static const unsigned char loopback[][16] = {{[10] = V4, 127, 0, 0, 1}, {[15] = 1}};
    enum ls_guard_kind kind;
    unsigned char address[16];

    *ret_listed = target->named;
    if (host_address(target->host, address)) {
        if (!may(guard, false, address, &kind))
            return refuse(target->host, kind, err);
        *ret_listed = in_ranges(guard, address, kind);
        return LS_OK;
    }
    if (!is_name(target->host))
        return ls_error_set(
            err, LS_USAGE,
            "a URL whose host is neither a name nor an address (a name beyond ASCII "
            "is written as xn--...)");
    if (is_localhost(target->host) && !target->named) {
        *ret_listed =
            may(guard, false, loopback[0], &kind) || may(guard, false, loopback[1], &kind);
        if (!*ret_listed)
            return refuse(target->host, LS_GUARD_LOOPBACK, err);
    }
    return LS_OK;
}

/* libcurl leaves the brackets of IPv6 in place. */
static char *bare_host(const char *host, struct ls_arena *mem)
{
    size_t length = strlen(host);

    if (length >= 2 && host[0] == '[' && host[length - 1] == ']')
        return ls_arena_text_n(mem, host + 1, length - 2);
    return lowered(host, mem);
}

static enum ls_code fill(const struct ls_guard *guard, const struct parts *p, struct ls_arena *mem,
                         struct ls_guard_target *target, struct ls_error *err)
{
    const char *host = bare_host(p->host, mem);
    uint64_t port = 0;

    if (!host)
        return ls_error_nomem(err);
    if (strlen(host) > LS_GUARD_HOST_MAX)
        return ls_error_set(err, LS_USAGE, "a URL whose host has more than %d bytes",
                            LS_GUARD_HOST_MAX);
    memcpy(target->host, host, strlen(host) + 1);
    if (!ls_text_to_u64(p->port, strlen(p->port), &port) || port == 0 || port > 65535)
        return ls_error_set(err, LS_USAGE, "a URL with a port that is none");
    target->port = (unsigned)port;
    target->https = strcmp(p->scheme, "https") == 0;
    target->named = is_named(guard, target->host);
    return LS_OK;
}

/* guard NULL: there is no list that could allow it. */
static enum ls_code refuse_plain(const struct ls_guard *guard, const char *host,
                                 struct ls_error *err)
{
    if (!guard)
        return ls_error_set(err, LS_PERMISSION,
                            "http:// to %s: a credential would travel in the open. Write https:// "
                            "(http:// is for this machine alone)",
                            host);
    return ls_error_set(err, LS_PERMISSION,
                        "http:// to %s: data would travel in the open. Write https://, or put the "
                        "host on the list of allowed hosts (events.allow)",
                        host);
}

enum ls_code ls_guard_url(const struct ls_guard *guard, const char *url, struct ls_arena *mem,
                          struct ls_guard_target *ret, struct ls_error *err)
{
    struct ls_guard_target target = {0};
    struct parts p = {0};
    bool listed = false;
    enum ls_code rc = take_apart(url, &p, err);

    if (rc == LS_OK)
        rc = fill(guard, &p, mem, &target, err);
    if (rc == LS_OK)
        rc = judge(guard, &target, &listed, err);
    if (rc == LS_OK && !target.https && !listed && !guard->plain_http)
        rc = refuse_plain(guard, target.host, err);
    if (rc == LS_OK)
        rc = refuse_user(&p, err);
    parts_done(&p);
    if (rc == LS_OK)
        *ret = target;
    return rc;
}

enum ls_code ls_guard_text(const char *url, struct ls_error *err)
{
    struct parts p = {0};
    enum ls_code rc = take_apart(url, &p, err);

    if (rc == LS_OK)
        rc = refuse_user(&p, err);
    parts_done(&p);
    return rc;
}

static bool is_this_machine(const struct ls_guard_target *target)
{
    unsigned char address[16];

    return host_address(target->host, address) ? kind_of(address) == LS_GUARD_LOOPBACK
                                               : is_localhost(target->host);
}

static bool is_listed(const struct ls_guard *guard, const struct ls_guard_target *target)
{
    unsigned char address[16];

    return target->named ||
           (host_address(target->host, address) && in_ranges(guard, address, kind_of(address)));
}

enum ls_code ls_guard_own(const struct ls_guard *guard, const char *url, bool user,
                          struct ls_arena *mem, struct ls_error *err)
{
    static const struct ls_guard nothing;
    const struct ls_guard *list = guard ? guard : &nothing;
    struct ls_guard_target target = {0};
    struct parts p = {0};
    enum ls_code rc = take_apart(url, &p, err);

    if (rc == LS_OK && !user)
        rc = refuse_user(&p, err);
    if (rc == LS_OK)
        rc = fill(list, &p, mem, &target, err);
    if (rc == LS_OK && !target.https && !is_this_machine(&target) && !is_listed(list, &target))
        rc = refuse_plain(guard, target.host, err);
    parts_done(&p);
    return rc;
}
