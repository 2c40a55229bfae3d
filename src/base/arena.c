/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - memory that is given back all at once.
 *
 * A list of chunks. The head is the one that is filled; chunks double from 4 KiB to
 * 1 MiB, so that a small arena costs a page and a large one few calls. What needs more
 * than half of the next chunk gets a chunk of its own, put behind the head, so that
 * the room left in the head goes on being used.
 *
 * Reset keeps one ordinary chunk, the largest: a loop over batches then allocates
 * nothing after the first rounds, and a batch that was unusually large does not pin
 * its memory for the rest of the run.
 *
 * Under AddressSanitizer all that is not given out is poisoned, the padding behind each
 * piece too, so that reading past a piece or using it after a reset is reported as it
 * would be with malloc().
 *
 * Invariants: used_bytes <= max_bytes; what is given out never moves. An arena belongs
 * to one thread. Not done: freeing a single piece, and destructors. */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define POISON(at, size) ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#define ALIGN _Alignof(max_align_t)
#define CHUNK_MIN ((size_t)4 << 10)
#define CHUNK_MAX ((size_t)1 << 20)

struct ls_arena_chunk {
    struct ls_arena_chunk *next;
    size_t size, used; /* of data; size + header is what was allocated */
    bool own;          /* made for one large piece: full, and not kept at reset */
    _Alignas(max_align_t) unsigned char data[];
};

#define CHUNK_HEADER sizeof(struct ls_arena_chunk)

void ls_arena_init(struct ls_arena *mem, size_t max_bytes)
{
    *mem = (struct ls_arena){.max_bytes = max_bytes ? max_bytes : LS_ARENA_DEFAULT_MAX};
}

void ls_memory_trim(void)
{
#if defined(__GLIBC__)
    (void)malloc_trim(0);
#endif
}

void ls_memory_hold(void)
{
#if defined(__GLIBC__)
    (void)mallopt(M_TRIM_THRESHOLD, 2 << 20);
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

static void chunk_free(struct ls_arena_chunk *chunk)
{
    UNPOISON(chunk->data, chunk->size);
    free(chunk);
}

/* Frees all chunks but `keep`, which may be NULL. */
static void free_chunks(struct ls_arena *mem, const struct ls_arena_chunk *keep)
{
    while (mem->head) {
        struct ls_arena_chunk *chunk = mem->head;

        mem->head = chunk->next;
        if (chunk != keep)
            chunk_free(chunk);
    }
    mem->used_bytes = 0;
}

void ls_arena_reset(struct ls_arena *mem)
{
    struct ls_arena_chunk *keep = NULL;

    for (struct ls_arena_chunk *chunk = mem->head; chunk; chunk = chunk->next) {
        if (!chunk->own && (!keep || chunk->size > keep->size))
            keep = chunk;
    }
    free_chunks(mem, keep);
    if (!keep)
        return;
    POISON(keep->data, keep->size);
    keep->next = NULL;
    keep->used = 0;
    mem->head = keep;
}

void ls_arena_done(struct ls_arena *mem)
{
    if (mem)
        free_chunks(mem, NULL);
}

static struct ls_arena_chunk *chunk_new(size_t size, bool own)
{
    struct ls_arena_chunk *chunk = malloc(CHUNK_HEADER + size);

    if (!chunk)
        return NULL;
    *chunk = (struct ls_arena_chunk){.size = size, .own = own};
    POISON(chunk->data, size);
    return chunk;
}

/* How much memory the next ordinary chunk takes, its header included. */
static size_t next_chunk_bytes(const struct ls_arena *mem)
{
    size_t last = mem->head && !mem->head->own ? mem->head->size + CHUNK_HEADER : 0;

    if (last == 0)
        return CHUNK_MIN;
    return last * 2 < CHUNK_MAX ? last * 2 : CHUNK_MAX;
}

/* A chunk with room for `size`: the head, a new head, or one of its own behind it. */
static struct ls_arena_chunk *chunk_for(struct ls_arena *mem, size_t size)
{
    struct ls_arena_chunk *chunk = mem->head;
    size_t bytes;

    if (chunk && chunk->size - chunk->used >= size)
        return chunk;
    bytes = next_chunk_bytes(mem);
    if (size > bytes / 2) {
        chunk = chunk_new(size, true);
        if (chunk && mem->head) {
            chunk->next = mem->head->next;
            mem->head->next = chunk;
        } else if (chunk) {
            mem->head = chunk;
        }
        return chunk;
    }
    chunk = chunk_new(bytes - CHUNK_HEADER, false);
    if (chunk) {
        chunk->next = mem->head;
        mem->head = chunk;
    }
    return chunk;
}

void *ls_arena_room(struct ls_arena *mem, size_t size)
{
    struct ls_arena_chunk *chunk;
    size_t padded;
    unsigned char *at;

    padded = size ? (size + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    if (padded < size /* wrapped round */ || padded > mem->max_bytes - mem->used_bytes)
        return NULL;
    chunk = chunk_for(mem, padded);
    if (!chunk)
        return NULL;
    at = chunk->data + chunk->used;
    chunk->used += padded;
    mem->used_bytes += padded;
    UNPOISON(at, size);
    return at;
}

void *ls_arena_alloc(struct ls_arena *mem, size_t size)
{
    void *at = ls_arena_room(mem, size);

    return at ? memset(at, 0, size) : NULL;
}

void *ls_arena_array(struct ls_arena *mem, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    return ls_arena_alloc(mem, count * size);
}

void *ls_arena_copy(struct ls_arena *mem, const void *data, size_t size)
{
    void *at = data ? ls_arena_room(mem, size) : NULL;

    return at ? memcpy(at, data, size) : NULL;
}

char *ls_arena_text(struct ls_arena *mem, const char *text)
{
    return text ? ls_arena_copy(mem, text, strlen(text) + 1) : NULL;
}

char *ls_arena_text_n(struct ls_arena *mem, const char *text, size_t length)
{
    char *at;

    if (!text || length == SIZE_MAX)
        return NULL;
    at = ls_arena_room(mem, length + 1);
    if (!at)
        return NULL;
    memcpy(at, text, length);
    at[length] = '\0';
    return at;
}

char *ls_arena_printf(struct ls_arena *mem, const char *fmt, ...)
{
    va_list args;
    char *at;

    va_start(args, fmt);
    at = ls_arena_vprintf(mem, fmt, args);
    va_end(args);
    return at;
}

char *ls_arena_vprintf(struct ls_arena *mem, const char *fmt, va_list args)
{
    char small[256]; /* most texts fit, and then are formatted once */
    va_list again;
    char *at;
    int n;

    va_copy(again, args);
    n = vsnprintf(small, sizeof(small), fmt, args);
    if (n < 0)
        at = NULL;
    else if ((size_t)n < sizeof(small))
        at = ls_arena_copy(mem, small, (size_t)n + 1);
    else if ((at = ls_arena_room(mem, (size_t)n + 1)))
        vsnprintf(at, (size_t)n + 1, fmt, again);
    va_end(again);
    return at;
}
