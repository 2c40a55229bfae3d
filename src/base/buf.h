/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - a growing run of bytes with a maximum.
 *
 * Failure sticks: after an append that found no memory, or would pass the
 * maximum, `failed` is set and later appends do nothing. So a writer appends
 * freely and checks once at the end. data always ends in a NUL that size does
 * not count. */
#ifndef LS_BASE_BUF_H
#define LS_BASE_BUF_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ls_buf {
    char *data; /* NULL while nothing was appended */
    size_t size, capacity, max_bytes;
    bool failed;
};

void ls_buf_init(struct ls_buf *buf, size_t max_bytes); /* 0: 1 GiB */
void ls_buf_done(
    struct ls_buf *buf); /* frees; a zeroed or NULL buf is fine; it may be used again */
void ls_buf_reset(struct ls_buf *buf); /* empty, not failed; keeps the memory */
/* Makes room for `more` bytes and the NUL; false, and failed, when that cannot be. */
bool ls_buf_grow(struct ls_buf *buf, size_t more);
static inline bool ls_buf_reserve(struct ls_buf *buf, size_t more)
{
    return (!buf->failed && more < buf->capacity - buf->size) || ls_buf_grow(buf, more);
}
void ls_buf_add(struct ls_buf *buf, const void *data, size_t size);
static inline void ls_buf_char(struct ls_buf *buf, char c)
{
    if (!ls_buf_reserve(buf, 1))
        return;
    buf->data[buf->size++] = c;
    buf->data[buf->size] = '\0';
}
void ls_buf_text(struct ls_buf *buf, const char *text);
void ls_buf_i64(struct ls_buf *buf, int64_t v); /* in decimal digits */
void ls_buf_printf(struct ls_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Big-endian integers, and a length-prefixed (u32) run of bytes. */
static inline void ls_buf_u8(struct ls_buf *buf, uint8_t v)
{
    ls_buf_char(buf, (char)v);
}
void ls_buf_u16(struct ls_buf *buf, uint16_t v);
static inline void ls_buf_u32(struct ls_buf *buf, uint32_t v)
{
    const uint32_t big = htobe32(v);

    if (!ls_buf_reserve(buf, sizeof big))
        return;
    memcpy(buf->data + buf->size, &big, sizeof big);
    buf->size += sizeof big;
    buf->data[buf->size] = '\0';
}
static inline void ls_buf_u64(struct ls_buf *buf, uint64_t v)
{
    const uint64_t big = htobe64(v);

    if (!ls_buf_reserve(buf, sizeof big))
        return;
    memcpy(buf->data + buf->size, &big, sizeof big);
    buf->size += sizeof big;
    buf->data[buf->size] = '\0';
}
void ls_buf_bytes(struct ls_buf *buf, const void *data, size_t size);
/* Cuts back to `size` bytes, to take back what was appended since; no effect when shorter. */
void ls_buf_cut(struct ls_buf *buf, size_t size);
/* The text so far ("" when empty), or NULL after a failure. Borrowed. */
const char *ls_buf_str(const struct ls_buf *buf);

/* Reads what the functions above wrote. Failure sticks: past the end, reads give
 * 0 and empty and `failed` is set. */
struct ls_reader {
    const uint8_t *data;
    size_t size, at;
    bool failed;
};
void ls_reader_init(struct ls_reader *rd, const void *data, size_t size);
uint8_t ls_reader_u8(struct ls_reader *rd);
uint16_t ls_reader_u16(struct ls_reader *rd);
uint32_t ls_reader_u32(struct ls_reader *rd);
uint64_t ls_reader_u64(struct ls_reader *rd);
/* Borrowed from the data read, not NUL-ended; never NULL. */
const void *ls_reader_bytes(struct ls_reader *rd, size_t *ret_size);

#endif
