/* SPDX-License-Identifier: Apache-2.0 */
/* listen.c - the socket that the server listens on.
 *
 * A name is resolved and its first address taken. Without a host it is every address (":7380") or, for a bare port, loopback: whoever wants to be reached
 * from elsewhere has to say so. Port 0 is a free one; the URL that is given back has the real one. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "server/http.h"

#define HOST_SIZE 256

/* HOST:PORT, [HOST]:PORT, :PORT, PORT. */
static bool split(const char *where, char host[HOST_SIZE], char port[8])
{
    const char *colon = strrchr(where, ':');
    size_t length = colon ? (size_t)(colon - where) : 0;
    const char *from = where;
    uint64_t number = 0;

    if (!colon) {
        snprintf(host, HOST_SIZE, "127.0.0.1");
        colon = where - 1;
    } else {
        if (length >= 2 && from[0] == '[' && from[length - 1] == ']') {
            from++;
            length -= 2;
        } else if (memchr(from, ':', length)) {
            return false; /* an IPv6 address without brackets */
        }
        if (length >= HOST_SIZE)
            return false;
        memcpy(host, from, length);
        host[length] = '\0';
    }
    if (!ls_text_to_u64(colon + 1, strlen(colon + 1), &number) || number > 65535)
        return false;
    snprintf(port, 8, "%u", (unsigned)number);
    return true;
}

static enum ls_code bind_one(const struct addrinfo *to, const char *where, int *ret_fd,
                             struct ls_error *err)
{
    const int on = 1, off = 0;
    const int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return ls_error_errno(err, errno, "cannot make a socket for %s", where);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (to->ai_family == AF_INET6) /* [::] serves IPv4 too */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, to->ai_addr, to->ai_addrlen) == 0 && listen(fd, 1024) == 0) {
        *ret_fd = fd;
        return LS_OK;
    }
    if (errno == EADDRINUSE)
        ls_error_set(err, LS_BUSY,
                     "somebody listens at %s already. Choose another address with --listen", where);
    else
        ls_error_errno(err, errno, "cannot listen at %s", where);
    (void)close(fd);
    return err ? err->code : LS_IO;
}

void ls_http_describe(int fd, bool tls, bool *ret_loopback, char url[LS_LISTEN_URL])
{
    struct sockaddr_storage at = {0};
    socklen_t size = sizeof at;
    struct ls_address address;
    char text[LS_PEER_TEXT] = "?";
    unsigned port = 0;

    *ret_loopback = false;
    if (getsockname(fd, (struct sockaddr *)&at, &size) == 0 &&
        ls_address_of((struct sockaddr *)&at, &address)) {
        struct sockaddr_in v4;

        memcpy(&v4, &at, sizeof v4); /* the port stands at the same place in both families */
        port = ntohs(v4.sin_port);
        ls_address_text(&address, text);
        *ret_loopback = ls_address_loopback(&address);
    }
    snprintf(url, LS_LISTEN_URL, strchr(text, ':') ? "%s://[%s]:%u" : "%s://%s:%u",
             tls ? "https" : "http", text, port);
}

enum ls_code ls_http_listen(const char *where, bool tls, int *ret_fd, bool *ret_loopback,
                            char ret_url[LS_LISTEN_URL], struct ls_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[HOST_SIZE], port[8];
    enum ls_code rc;
    int failed;

    if (!split(where, host, port))
        return ls_error_set(err, LS_CONFIG,
                            "\"%s\" is no address to listen at. Write HOST:PORT, such as "
                            "127.0.0.1:7380 or [::1]:7380",
                            where);
    failed = getaddrinfo(*host ? host : "::", port, &hints, &found);
    if (failed && !*host)
        failed = getaddrinfo("0.0.0.0", port, &hints, &found);
    if (failed)
        return ls_error_set(err, LS_CONFIG, "cannot find the address of %s: %s", where,
                            gai_strerror(failed));
    rc = bind_one(found, where, ret_fd, err);
    if (rc != LS_OK && !*host && found->ai_family == AF_INET6) { /* a machine without IPv6 */
        freeaddrinfo(found);
        if (getaddrinfo("0.0.0.0", port, &hints, &found) != 0)
            return rc;
        rc = bind_one(found, where, ret_fd, err);
    }
    freeaddrinfo(found);
    if (rc == LS_OK)
        ls_http_describe(*ret_fd, tls, ret_loopback, ret_url);
    return rc;
}
