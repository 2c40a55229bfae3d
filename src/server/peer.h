/* SPDX-License-Identifier: Apache-2.0 */
/* peer.h - addresses of callers: as text, against lists of networks, and behind proxies. Pure. */
#ifndef LS_SERVER_PEER_H
#define LS_SERVER_PEER_H

#include <sys/socket.h>

#include "base/error.h"
#include "server/request.h"

#define LS_PEER_TEXT 64

/* An IPv6 address; IPv4 as ::ffff:a.b.c.d. */
struct ls_address {
    unsigned char bytes[16];
};
struct ls_network {
    struct ls_address address;
    unsigned bits; /* 0..128 */
};

/* "203.0.113.7", "2001:db8::1"; false when text is none. */
bool ls_address_parse(const char *text, struct ls_address *ret);
/* false for other families (a local socket). */
bool ls_address_of(const struct sockaddr *socket_address, struct ls_address *ret);
/* Text of an address, IPv4 in its own form. */
void ls_address_text(const struct ls_address *address, char out[LS_PEER_TEXT]);
bool ls_address_loopback(const struct ls_address *address);
/* "10.0.0.0/8", "::1", "192.0.2.1". */
bool ls_network_parse(const char *text, struct ls_network *ret);
bool ls_network_has(const struct ls_network *networks, size_t count,
                    const struct ls_address *address);

/* Who is behind the proxies: the last address of X-Forwarded-For (a list from client to us) that is not one of ours. peer when
 * it is no proxy, or when the header is not there or not a list of addresses. */
struct ls_address ls_peer_behind(const struct ls_address *peer, const char *forwarded_for,
                                 const struct ls_network *proxies, size_t proxy_count);

#endif
