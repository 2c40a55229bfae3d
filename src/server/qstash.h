/* SPDX-License-Identifier: Apache-2.0 */
/* qstash.h - what the handlers under /v2 share. What is compatible and what differs stands in docs/qstash.md. */
#ifndef LS_SERVER_QSTASH_H
#define LS_SERVER_QSTASH_H

#include "event/publish.h"
#include "server/handler.h"

/* Where messages are taken; LS_UNSUPPORTED: they are not. */
LS_MUST_CHECK enum ls_code ls_qstash_queue(const struct ls_call *call, struct ls_queue **ret,
                                           struct ls_response *response, struct ls_error *err);
/* Where messages may go, by the configuration of now. In mem. */
LS_MUST_CHECK enum ls_code ls_qstash_guard(const struct ls_call *call, struct ls_guard *ret,
                                           struct ls_error *err);
/* The message that a request is: destination, headers (and what stands for them in the query), body. In the call's arena. */
LS_MUST_CHECK enum ls_code ls_qstash_letter(const struct ls_call *call, struct ls_letter *ret,
                                            struct ls_error *err);
/* Hands messages in and puts the request off; it is answered when they are on disk. list: the answer is an array, an item for each. */
LS_MUST_CHECK enum ls_code ls_qstash_post(struct ls_call *call, const struct ls_mail *mail,
                                          size_t count, bool list, struct ls_response *ret,
                                          struct ls_error *err);

#endif
