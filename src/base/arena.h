/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory that is given back all at once.
 *
 * One arena a batch, reset between batches. What a function with a
 * `struct ls_arena *mem` parameter returns lives in that arena. */
#ifndef LS_BASE_ARENA_H
#define LS_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct ls_arena_chunk;
struct ls_arena {
    struct ls_arena_chunk *head;
    size_t used_bytes; /* given out since the last reset, with padding */
    size_t max_bytes;
};

#define LS_ARENA_DEFAULT_MAX ((size_t)1 << 30) /* a guard, not a budget */

/* Prepares an empty arena; allocates nothing. max_bytes 0 means the default guard. */
void ls_arena_init(struct ls_arena *mem, size_t max_bytes);
/* Gives all memory back but keeps the largest chunk (up to 1 MiB) for reuse. */
void ls_arena_reset(struct ls_arena *mem);
/* Gives all memory back; the arena may be used again. NULL is fine. */
void ls_arena_done(struct ls_arena *mem);

/* Gives what was freed back to the system, where the C library would keep it: between the phases of a run, whose peaks would add up
 * otherwise. */
void ls_memory_trim(void);
/* For a process whose threads allocate and free all the time, from now on: up to 2 MiB a thread that were freed are kept for the next time, and not
 * given back and asked for again with each request, which took a third of the queue's processor time. */
void ls_memory_hold(void);

/* Zeroed memory aligned for any type; NULL when out of memory or over max_bytes.
 * size 0 gives a valid pointer. ls_arena_array() checks count * size for overflow. */
void *ls_arena_alloc(struct ls_arena *mem, size_t size);
void *ls_arena_array(struct ls_arena *mem, size_t count, size_t size);
/* The same with anything in it, for what is written at once. */
void *ls_arena_room(struct ls_arena *mem, size_t size);
/* Copies; the text ones end in NUL. All NULL when out of memory; NULL in gives NULL. */
void *ls_arena_copy(struct ls_arena *mem, const void *data, size_t size);
char *ls_arena_text(struct ls_arena *mem, const char *text);
char *ls_arena_text_n(struct ls_arena *mem, const char *text, size_t length);
char *ls_arena_printf(struct ls_arena *mem, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
char *ls_arena_vprintf(struct ls_arena *mem, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

#endif
