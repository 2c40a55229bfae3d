/* SPDX-License-Identifier: Apache-2.0 */
/* reserve.c - room that is kept free for the state.
 *
 * Who has promised something has to write down what became of it. Where the disk is full that cannot be written, and an event would be sent again and again. So
 * the daemon holds room of its own, as blocks of a file that nothing is in, and gives them back when the disk is full. From then on nothing new is taken on, for it would
 * use up the room that what was taken on before needs.
 *
 * The file tells everybody: it is empty while its room is given back. Other processes (the command line) need no more than a look at it, and at how much
 * room there is, so that a daemon that was killed meanwhile holds nobody up for good. It is cut and not removed: making it again needs no inode then.
 *
 * Blocks are allocated with posix_fallocate(), which a file system that compresses or copies on write may take for less than a promise; there a part of
 * it holds, or nothing. Nothing keeps others from filling the disk with what was given back. A limit for the size of a file (ulimit -f) is no lack of room, and quotas are
 * noticed only when a write fails. */
#include "state/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "state/state_priv.h"

#define S_US INT64_C(1000000)
#define TRY_US (INT64_C(60) * S_US) /* between tries to make one where none could be made */
#define SMALLEST INT64_C(65536)
#define PAGE INT64_C(4096)

struct ls_reserve {
    char *state, *path;
    int fd;          /* of the file; -1: it could not be opened */
    bool held;       /* its blocks are allocated */
    bool is_short;   /* they were given back, or never found room */
    bool told;       /* that it cannot be made */
    int64_t next_us; /* when to look again */
};

/* ---- the disk ---- */

struct room {
    int64_t free, reserve; /* bytes: what others than root may use; how large a reserve should be */
};

static bool ask(const char *path, struct room *ret)
{
    struct statvfs fs;
    int64_t part;

    if (statvfs(path, &fs) != 0)
        return false;
    part = (int64_t)(fs.f_blocks * fs.f_frsize / 16) / PAGE * PAGE;
    ret->free = (int64_t)(fs.f_bavail * fs.f_frsize);
    ret->reserve = part > LS_RESERVE_MAX ? LS_RESERVE_MAX : part < SMALLEST ? SMALLEST : part;
    return true;
}

static bool is_roomy(const struct room *room)
{
    return room->free >= 2 * room->reserve;
}

/* ---- the file ---- */

static bool open_file(struct ls_reserve *r)
{
    if (r->fd < 0)
        r->fd = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return r->fd >= 0;
}

/* The blocks are free once that is on disk: some file systems give them to nobody before. */
static bool cut(const struct ls_reserve *r)
{
    return r->fd >= 0 && ftruncate(r->fd, 0) == 0 && fsync(r->fd) == 0;
}

/* 0, or errno. */
static int fill(const struct ls_reserve *r, int64_t size)
{
    int errnum = posix_fallocate(r->fd, 0, (off_t)size);

    if (errnum == 0 && (ftruncate(r->fd, (off_t)size) != 0 || fsync(r->fd) != 0))
        errnum = errno;
    if (errnum != 0)
        (void)cut(r);
    return errnum;
}

/* 0, or errno. */
static int make(struct ls_reserve *r, int64_t size)
{
    const int errnum = open_file(r) ? fill(r, size) : errno;

    r->held = errnum == 0;
    return errnum;
}

static bool is_no_room(const struct ls_reserve *r, int errnum)
{
    return r->fd >= 0 && (errnum == ENOSPC || errnum == EDQUOT); /* without a file it is inodes */
}

/* ---- what changes ---- */

static void become_short(struct ls_reserve *r, const char *why)
{
    if (!r->is_short)
        ls_log(
            LS_LOG_ERROR,
            "the disk of the state is full (%.200s): nothing new is taken on until there is room "
            "again; what was taken on is carried out (state=%s)",
            why, r->state);
    r->is_short = true;
}

static void become_roomy(struct ls_reserve *r)
{
    if (r->is_short)
        ls_log(LS_LOG_INFO,
               "there is room again on the disk of the state: new work is taken on (state=%s)",
               r->state);
    r->is_short = false;
}

static void tell_failure(struct ls_reserve *r, int errnum)
{
    if (!r->told)
        ls_log(LS_LOG_WARN,
               "no room can be kept free for the state: should its disk be full, deliveries stop "
               "(reserve=%s): %s",
               r->path, strerror(errnum));
    r->told = true;
}

static void try_to_make(struct ls_reserve *r, const struct room *room)
{
    const int errnum = make(r, room->reserve);

    if (is_no_room(r, errnum)) {
        become_short(r, "not even a reserve finds room");
        return;
    }
    become_roomy(r);
    if (errnum != 0)
        tell_failure(r, errnum);
}

enum ls_code ls_reserve_open(const struct ls_state *state, struct ls_reserve **ret,
                             struct ls_error *err)
{
    struct ls_reserve *r;
    struct room room;

    *ret = NULL;
    if (!state->path)
        return LS_OK;
    r = calloc(1, sizeof *r);
    if (!r)
        return ls_error_nomem(err);
    r->fd = -1;
    r->state = strdup(state->path);
    if (!r->state || asprintf(&r->path, "%s-reserve", state->path) < 0) {
        free(r->state);
        free(r);
        return ls_error_nomem(err);
    }
    if (ask(r->state, &room))
        try_to_make(r, &room);
    *ret = r;
    return LS_OK;
}

void ls_reserve_close(struct ls_reserve *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        (void)close(r->fd);
    free(r->path);
    free(r->state);
    free(r);
}

bool ls_reserve_give(struct ls_reserve *r, const struct ls_error *why)
{
    const bool was_held = r && r->held;

    /* without a native code it is no disk that is full; a limit of file sizes is none either */
    if (!r || !*why->native || strcmp(why->native, "EFBIG") == 0)
        return false;
    become_short(r, why->text);
    r->next_us = 0;
    r->held = false;
    return was_held && cut(r);
}

bool ls_reserve_short(const struct ls_reserve *r)
{
    return r && r->is_short;
}

void ls_reserve_look(struct ls_reserve *r, int64_t now_us)
{
    struct room room;

    if (!r || now_us < r->next_us)
        return;
    r->next_us = now_us + (r->held || r->is_short ? S_US : TRY_US);
    if (!ask(r->state, &room))
        return;
    if (!r->held && is_roomy(&room)) {
        try_to_make(r, &room);
    } else if (r->held && room.free < room.reserve / 16) {
        char why[60];

        snprintf(why, sizeof why, "%" PRId64 " KiB are free", room.free / 1024);
        become_short(r, why);
        r->held = false;
        (void)cut(r);
    }
}

/* ---- for everybody else ---- */

static bool is_given_back(const struct ls_state *state)
{
    struct stat st;
    char *path = NULL;
    bool ret;

    if (!state->path || asprintf(&path, "%s-reserve", state->path) < 0)
        return false;
    ret = stat(path, &st) == 0 && st.st_size == 0;
    free(path);
    return ret;
}

enum ls_code ls_state_room(const struct ls_state *state, struct ls_error *err)
{
    struct room room;

    if (!is_given_back(state) || !ask(state->path, &room) || is_roomy(&room))
        return LS_OK;
    return ls_error_set(err, LS_FULL,
                        "the disk of the state is full: nothing new is taken on, and what was "
                        "taken on is carried out. Make room on the disk: %" PRId64
                        " KiB are free, %" PRId64 " are wanted (state=%s)",
                        room.free / 1024, 2 * room.reserve / 1024, ls_state_where(state));
}

int64_t ls_state_free_bytes(const struct ls_state *state)
{
    struct room room;

    return state->path && ask(state->path, &room) ? room.free : -1;
}

void ls_state_shrink(struct ls_state *state, int64_t limit_bytes)
{
    struct ls_error ignored; /* after a failed fsync the connection is dead and says so next time */

    (void)!ls_sql_checkpoint(state->db, limit_bytes, &ignored);
}
