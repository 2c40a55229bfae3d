/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h - an answer that is written while it is sent: lines of a diff, events as they happen.
 *
 * One writer and one reader (the HTTP layer), each on threads of its own; both hold it, and it goes with the last of them. */
#ifndef LS_SERVER_STREAM_H
#define LS_SERVER_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct ls_stream;

/* max_bytes: how much may wait to be sent. For the writer, who ends it with ls_stream_end(). NULL: out of memory. */
struct ls_stream *ls_stream_new(size_t max_bytes);

/* For a writer that can wait: until there is room. false: the reader has gone, and nothing more is needed. */
bool ls_stream_write(struct ls_stream *stream, const void *data, size_t size);
/* For one that cannot: false when the reader has gone, or is so slow that it would have to wait. */
bool ls_stream_offer(struct ls_stream *stream, const void *data, size_t size);
/* For a writer: the reader has gone, or will find that it has no use for more. */
bool ls_stream_left(struct ls_stream *stream);
/* The writer is done; what waits is still sent. NULL is fine. */
void ls_stream_end(struct ls_stream *stream);

/* The HTTP layer. Takes what waits, at most `size` bytes. 0: nothing now, and then `sleep(ctx)` was called while the writer was kept out, and
 * wake(ctx) follows once as soon as there is something. -1: the end. */
long ls_stream_read(struct ls_stream *stream, void *out, size_t size, void (*sleep)(void *ctx),
                    void (*wake)(void *ctx), void *ctx);
/* Whoever the reader reads for has gone: what waits is dropped, the writer learns it, and a reader that sleeps is woken to find the end. Any thread, before
 * ls_stream_leave(). */
void ls_stream_abandon(struct ls_stream *stream);
/* The reader has gone; wake is not called any more. NULL is fine. */
void ls_stream_leave(struct ls_stream *stream);

#endif
