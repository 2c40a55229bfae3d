/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c - a growing run of bytes, and a reader of what was written.
 *
 * Memory doubles from 64 bytes, so that appending byte by byte stays linear, but never
 * past max_bytes and its NUL. An append is all or nothing: after a failure data still
 * holds what was there before.
 *
 * Integers are big-endian so that files are the same on every machine and encoded keys
 * compare byte by byte. The reader never trusts a length: each is checked against what
 * is left before anything is touched, so that a damaged file gives `failed` and no more.
 *
 * A buffer belongs to one thread. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX ((size_t)1 << 30)
#define FIRST_CAPACITY ((size_t)64)

void ls_buf_init(struct ls_buf *buf, size_t max_bytes)
{
    *buf = (struct ls_buf){.max_bytes = max_bytes};
}

void ls_buf_done(struct ls_buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    ls_buf_init(buf, buf->max_bytes);
}

void ls_buf_reset(struct ls_buf *buf)
{
    buf->failed = false;
    ls_buf_cut(buf, 0);
}

void ls_buf_cut(struct ls_buf *buf, size_t size)
{
    if (size >= buf->size)
        return;
    buf->size = size;
    buf->data[size] = '\0';
}

/* The largest size without the NUL. 0 stands for the default, so that a zeroed buffer
 * is a usable one. */
static size_t limit(const struct ls_buf *buf)
{
    size_t max = buf->max_bytes ? buf->max_bytes : DEFAULT_MAX;

    return max < SIZE_MAX ? max : SIZE_MAX - 1;
}

bool ls_buf_grow(struct ls_buf *buf, size_t more)
{
    size_t max = limit(buf), need, capacity;
    char *data;

    if (buf->failed)
        return false;
    if (buf->size > max || more > max - buf->size) {
        buf->failed = true;
        return false;
    }
    need = buf->size + more + 1;
    if (need <= buf->capacity)
        return true;
    capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY / 2;
    capacity =
        capacity <= max / 2 ? capacity * 2 : max + 1; /* never past the maximum and its NUL */
    if (capacity < need)
        capacity = need;
    data = realloc(buf->data, capacity);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void ls_buf_add(struct ls_buf *buf, const void *data, size_t size)
{
    if (!ls_buf_reserve(buf, size))
        return;
    if (size) /* data may be NULL then, which memcpy() must not see */
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void ls_buf_text(struct ls_buf *buf, const char *text)
{
    ls_buf_add(buf, text, strlen(text));
}

void ls_buf_i64(struct ls_buf *buf, int64_t v)
{
    char digits[20], *at = digits + sizeof digits;
    uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (v < 0)
        *--at = '-';
    ls_buf_add(buf, at, (size_t)(digits + sizeof digits - at));
}

/* Formats into the room there is; where that is too little, makes room and formats again. */
void ls_buf_printf(struct ls_buf *buf, const char *fmt, ...)
{
    size_t room;
    va_list args;
    int n;

    if (!ls_buf_reserve(buf, 0))
        return;
    room = buf->capacity - buf->size;
    va_start(args, fmt);
    n = vsnprintf(buf->data + buf->size, room, fmt, args);
    va_end(args);
    if (n >= 0 && ls_buf_reserve(buf, (size_t)n) && (size_t)n >= room) {
        va_start(args, fmt);
        n = vsnprintf(buf->data + buf->size, (size_t)n + 1, fmt, args);
        va_end(args);
    }
    if (n < 0)
        buf->failed = true;
    if (!buf->failed)
        buf->size += (size_t)n;
    buf->data[buf->size] = '\0';
}

void ls_buf_u16(struct ls_buf *buf, uint16_t v)
{
    const uint16_t big = htobe16(v);

    ls_buf_add(buf, &big, sizeof big);
}

void ls_buf_bytes(struct ls_buf *buf, const void *data, size_t size)
{
    if (size > UINT32_MAX || size > SIZE_MAX - 4 || !ls_buf_reserve(buf, size + 4)) {
        buf->failed = true;
        return;
    }
    ls_buf_u32(buf, (uint32_t)size);
    ls_buf_add(buf, data, size);
}

const char *ls_buf_str(const struct ls_buf *buf)
{
    if (buf->failed)
        return NULL;
    return buf->data ? buf->data : "";
}

void ls_reader_init(struct ls_reader *rd, const void *data, size_t size)
{
    *rd = (struct ls_reader){.data = data, .size = size};
}

/* The next `size` bytes, or NULL, and failed, when fewer are left. */
static const uint8_t *next(struct ls_reader *rd, size_t size)
{
    const uint8_t *at;

    if (rd->failed || size > rd->size - rd->at) {
        rd->failed = true;
        return NULL;
    }
    at = rd->data + rd->at;
    rd->at += size;
    return at;
}

static uint64_t read_integer(struct ls_reader *rd, size_t width)
{
    const uint8_t *at = next(rd, width);
    uint64_t v = 0;

    if (!at)
        return 0;
    for (size_t i = 0; i < width; i++)
        v = v << 8 | at[i];
    return v;
}

uint8_t ls_reader_u8(struct ls_reader *rd)
{
    return (uint8_t)read_integer(rd, 1);
}

uint16_t ls_reader_u16(struct ls_reader *rd)
{
    return (uint16_t)read_integer(rd, 2);
}

uint32_t ls_reader_u32(struct ls_reader *rd)
{
    return (uint32_t)read_integer(rd, 4);
}

uint64_t ls_reader_u64(struct ls_reader *rd)
{
    return read_integer(rd, 8);
}

const void *ls_reader_bytes(struct ls_reader *rd, size_t *ret_size)
{
    size_t size = ls_reader_u32(rd);
    const uint8_t *at = next(rd, size);

    *ret_size = at ? size : 0;
    return at ? (const void *)at : "";
}
