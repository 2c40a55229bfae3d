/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h - a few words to whoever started the daemon: systemd's protocol of datagrams, and its sockets. */
#ifndef LS_DAEMON_NOTIFY_H
#define LS_DAEMON_NOTIFY_H

#include <stdint.h>

/* Sends lines such as "READY=1" to $NOTIFY_SOCKET; nothing happens where there is none. */
void ls_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* How often systemd wants to hear "WATCHDOG=1", in milliseconds, halved as it advises; 0: not at all. */
int ls_notify_watchdog_ms(void);
/* A listening socket that was handed to this process ($LISTEN_FDS); -1: none. */
int ls_notify_socket(void);

#endif
