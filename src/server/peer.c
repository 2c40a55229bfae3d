/* SPDX-License-Identifier: Apache-2.0 */
/* peer.c - addresses of callers.
 *
 * Limits by address and the audit log need to know who calls. Anybody can send X-Forwarded-For, so it is read only when the connection comes from a
 * configured proxy, and from its end: what stands before the last address that is not ours was said by the caller. */
#include "server/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void from_v4(const void *bytes, struct ls_address *ret)
{
    memcpy(ret->bytes, mapped, sizeof mapped);
    memcpy(ret->bytes + sizeof mapped, bytes, 4);
}

static bool is_v4(const struct ls_address *address)
{
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

bool ls_address_parse(const char *text, struct ls_address *ret)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, text, &v4) == 1)
        from_v4(&v4, ret);
    else if (inet_pton(AF_INET6, text, &v6) == 1)
        memcpy(ret->bytes, &v6, sizeof ret->bytes);
    else
        return false;
    return true;
}

bool ls_address_of(const struct sockaddr *socket_address, struct ls_address *ret)
{
    if (socket_address->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, socket_address, sizeof v4);
        from_v4(&v4.sin_addr, ret);
        return true;
    }
    if (socket_address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, socket_address, sizeof v6);
        memcpy(ret->bytes, &v6.sin6_addr, sizeof ret->bytes);
        return true;
    }
    return false;
}

void ls_address_text(const struct ls_address *address, char out[LS_PEER_TEXT])
{
    const bool v4 = is_v4(address);

    if (!inet_ntop(v4 ? AF_INET : AF_INET6, address->bytes + (v4 ? sizeof mapped : 0), out,
                   LS_PEER_TEXT))
        snprintf(out, LS_PEER_TEXT, "?");
}

bool ls_address_loopback(const struct ls_address *address)
{
    static const unsigned char one[16] = {[15] = 1};

    return is_v4(address) ? address->bytes[12] == 127
                          : memcmp(address->bytes, one, sizeof one) == 0;
}

bool ls_network_parse(const char *text, struct ls_network *ret)
{
    const size_t length = strcspn(text, "/");
    uint64_t bits = 0;
    char host[LS_PEER_TEXT];
    unsigned most;

    if (length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    if (!ls_address_parse(host, &ret->address))
        return false;
    most = is_v4(&ret->address) ? 32 : 128;
    if (!text[length])
        bits = most;
    else if (!ls_text_to_u64(text + length + 1, strlen(text + length + 1), &bits) || bits > most)
        return false;
    ret->bits = (unsigned)bits + (128 - most);
    return true;
}

static bool in_network(const struct ls_network *network, const struct ls_address *address)
{
    const unsigned whole = network->bits / 8, rest = network->bits % 8;
    const unsigned char mask = (unsigned char)(0xff00u >> rest);

    return memcmp(network->address.bytes, address->bytes, whole) == 0 &&
           (rest == 0 || (network->address.bytes[whole] & mask) == (address->bytes[whole] & mask));
}

bool ls_network_has(const struct ls_network *networks, size_t count,
                    const struct ls_address *address)
{
    for (size_t i = 0; i < count; i++)
        if (in_network(&networks[i], address))
            return true;
    return false;
}

/* Cuts off what some proxies write around an address: its port, and of IPv6 the brackets. */
static char *bare_address(char *text)
{
    char *colon = strchr(text, ':'), *end;

    if (*text == '[' && (end = strchr(text, ']')) && (!end[1] || end[1] == ':')) {
        *end = '\0';
        return text + 1;
    }
    if (colon && strchr(text, '.') && !strchr(colon + 1, ':'))
        *colon = '\0';
    return text;
}

/* The last item of a list that is `size` bytes long; *ret_size what stands before it. */
static bool last_address(const char *list, size_t size, struct ls_address *ret, size_t *ret_size)
{
    size_t from = size;
    char text[LS_PEER_TEXT + sizeof "[]:65535"];

    while (from > 0 && list[from - 1] != ',')
        from--;
    *ret_size = from ? from - 1 : 0;
    while (from < size && (list[from] == ' ' || list[from] == '\t'))
        from++;
    while (size > from && (list[size - 1] == ' ' || list[size - 1] == '\t'))
        size--;
    if (size - from >= sizeof text)
        return false;
    memcpy(text, list + from, size - from);
    text[size - from] = '\0';
    return ls_address_parse(bare_address(text), ret);
}

struct ls_address ls_peer_behind(const struct ls_address *peer, const char *forwarded_for,
                                 const struct ls_network *proxies, size_t proxy_count)
{
    struct ls_address at = *peer;
    size_t size = forwarded_for ? strlen(forwarded_for) : 0;

    while (size > 0 && ls_network_has(proxies, proxy_count, &at)) {
        struct ls_address before;

        if (!last_address(forwarded_for, size, &before, &size))
            return *peer;
        at = before;
    }
    return at;
}
