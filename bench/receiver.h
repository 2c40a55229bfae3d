/* SPDX-License-Identifier: Apache-2.0 */
/* receiver.h - a web server that only takes: one thread, epoll, requests with a length, kept connections. For measuring. */
#ifndef LS_BENCH_RECEIVER_H
#define LS_BENCH_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>

/* Looks at a whole request's body, which ends with a 0 byte. False: it is never answered. */
typedef bool receiver_fn(void *ctx, const char *body, size_t size);

/* Listens on a port of loopback (0: a free one), which is given back; -1: it cannot. */
int receiver_listen(unsigned port, unsigned *ret_port);
/* Answers everything with 200 (fn NULL: without looking), until *stop becomes true; NULL: for ever. */
void receiver_run(int listener, receiver_fn *fn, void *ctx, const volatile bool *stop);

#endif
