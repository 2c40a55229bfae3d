/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - where requests may go: public addresses, and what the operator allows beyond.
 *
 * Whoever can make us send requests (an endpoint's URL, a message's destination) could otherwise reach what only we can reach:
 * our own machine, the network around it, the metadata service of a cloud. What decides is the address that is connected
 * to, so that no spelling and no answer of a name server gets past; a URL is looked at beforehand by the same rules, so that what
 * can never be delivered is not accepted. Pure: nothing is resolved here. Any thread. */
#ifndef LS_EVENT_GUARD_H
#define LS_EVENT_GUARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

/*    name, word, open to everybody */
#define LS_GUARD_KINDS(X)                                                          \
    X(PUBLIC, "a public address", 1)                                               \
    X(UNSPECIFIED, "an unspecified address, which means this machine", 0)          \
    X(LOOPBACK, "this machine", 0)                                                 \
    X(PRIVATE, "a private address", 0)                                             \
    X(SHARED, "an address shared behind a provider (CGNAT)", 0)                    \
    X(LINK_LOCAL, "a link-local address", 0)                                       \
    X(METADATA, "a metadata service", 0)                                           \
    X(DOCUMENTATION, "an address for documentation", 0)                            \
    X(BENCHMARK, "an address for benchmarks", 0)                                   \
    X(MULTICAST, "a multicast address", 0)                                         \
    X(TRANSITION, "an address that stands for another one (6to4, Teredo, ...)", 0) \
    X(RESERVED, "a reserved address", 0)                                           \
    X(FOREIGN, "no address of the internet", 0)
#define X(name, word, open) LS_GUARD_##name,
enum ls_guard_kind { LS_GUARD_KINDS(X) LS_GUARD_KIND_COUNT };
#undef X
const char *ls_guard_kind_word(enum ls_guard_kind kind);

struct ls_guard_range {
    unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;             /* of these 128 */
};
/* What is allowed beyond public addresses. A zeroed one allows nothing. */
struct ls_guard {
    const struct ls_guard_range *ranges;
    size_t range_count;
    const char *const *names; /* lower case; "*.corp.example" stands for every name that ends so */
    size_t name_count;
    bool plain_http; /* http:// to any host; without it, to what is on the list only */
};
/* Reads an allow list: addresses (10.1.2.3, ::1), ranges (10.0.0.0/8, fd00::/8), names (crm.internal, *.corp.example). A metadata
 * service is opened by its own address alone, never by a range around it or a name. In mem. LS_CONFIG names the entry. */
LS_MUST_CHECK enum ls_code ls_guard_read(const char *const *entries, size_t count,
                                         struct ls_arena *mem, struct ls_guard *ret,
                                         struct ls_error *err);

/* What kind of address it is, whatever is allowed. Addresses that carry an IPv4 one (::ffff:a.b.c.d, NAT64) are that one. */
enum ls_guard_kind ls_guard_kind(const struct sockaddr *address);
/* Whether it may be connected to; *ret says what it is. named: by a host that is on the list (struct ls_guard_target). */
bool ls_guard_address(const struct ls_guard *guard, bool named, const struct sockaddr *address,
                      enum ls_guard_kind *ret);

#define LS_GUARD_HOST_MAX 253 /* bytes; RFC 1035, section 2.3.4, in text form */

struct ls_guard_target {
    /* lower case, without brackets and final dot; an IPv4 address as four numbers */
    char host[LS_GUARD_HOST_MAX + 1];
    unsigned port;
    bool https;
    bool named; /* the host is on the list by name: whatever address it has will do */
};
/* Takes a URL apart as libcurl would. LS_USAGE: it is none (http and https only, no blanks, no characters beyond ASCII in the
 * host), or it has a user or password, which would be shown wherever the URL is. LS_PERMISSION: it leads where requests may not go; a name can still turn out to do so when it is connected. The
 * message says what to do, without user and password. In mem. */
LS_MUST_CHECK enum ls_code ls_guard_url(const struct ls_guard *guard, const char *url,
                                        struct ls_arena *mem, struct ls_guard_target *ret,
                                        struct ls_error *err);
/* A URL by itself, wherever it leads: LS_USAGE as above. */
LS_MUST_CHECK enum ls_code ls_guard_text(const char *url, struct ls_error *err);
/* A URL that the operator alone says, for which every address will do: LS_USAGE as above (user: it may have one, as the key of Sentry),
 * LS_PERMISSION for http:// to another machine than this one that is not on the list. guard NULL: there is none. */
LS_MUST_CHECK enum ls_code ls_guard_own(const struct ls_guard *guard, const char *url, bool user,
                                        struct ls_arena *mem, struct ls_error *err);

#endif
