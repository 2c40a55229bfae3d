/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c - a few words to whoever started the daemon.
 *
 * The protocol is one datagram to a local socket, so no library is needed for it. A name that begins with @ is abstract. Nobody listening is
 * no error: the daemon serves all the same. */
#include "daemon/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

void ls_notify(const char *fmt, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char text[500];
    size_t length;
    va_list args;
    int fd;

    if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof to.sun_path)
        return;
    length = strlen(path);
    memcpy(to.sun_path, path, length);
    if (*path == '@')
        to.sun_path[0] = '\0';
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)close(fd);
}

/* A number in the environment that is meant for this process. */
static uint64_t number(const char *name, const char *pid_name)
{
    const char *text = getenv(name), *pid = getenv(pid_name);
    uint64_t value = 0, whose = 0;

    if (!text || !ls_text_to_u64(text, strlen(text), &value))
        return 0;
    if (pid && (!ls_text_to_u64(pid, strlen(pid), &whose) || whose != (uint64_t)getpid()))
        return 0;
    return value;
}

int ls_notify_watchdog_ms(void)
{
    const uint64_t us = number("WATCHDOG_USEC", "WATCHDOG_PID");

    return us / 2000 > 3600000 ? 3600000 : (int)(us / 2000);
}

int ls_notify_socket(void)
{
    return getenv("LISTEN_PID") && number("LISTEN_FDS", "LISTEN_PID") > 0 ? 3 : -1;
}
