/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - files that survive a crash, locks that die with their process. */
#ifndef LS_BASE_FILE_H
#define LS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/* Makes the directory `path` and every missing one above it (mode 0700), and syncs their
 * parents. Existing ones are left as they are; LS_IO (ENOTDIR) when a file is in the way. */
LS_MUST_CHECK enum ls_code ls_file_make_dirs(const char *path, struct ls_error *err);

/* The whole file (or pipe), at most max_bytes (LS_DATA when longer), ended by a NUL that
 * ret_size does not count. */
LS_MUST_CHECK enum ls_code ls_file_read(const char *path, size_t max_bytes, struct ls_arena *mem,
                                        char **ret_data, size_t *ret_size, struct ls_error *err);

/* Makes the name of a file in its directory durable. Where directories cannot be synced (some
 * network file systems say EINVAL) there is nothing more to be done. */
LS_MUST_CHECK enum ls_code ls_file_sync_parent(const char *path, struct ls_error *err);

/* A file that replaces `path` in one step. Write to f, then commit: flush, fsync,
 * rename, fsync of the directory. Abort removes it. The temporary file stands beside path as `.NAME.lockstep-TAG`, so that it is on the same
 * file system and its presence after a crash tells that commit was not reached. */
struct ls_file_swap {
    FILE *f;
    char *path, *temp_path; /* owned */
};
/* path: a symbolic link is followed, so that the file it names is replaced, not the link.
 * tag: names the writer; a temporary file left over with the same tag is replaced.
 * mode: exactly as given; 0 keeps mode and (where allowed) owner of the file that is there,
 * 0600 when there is none. After an error swap is as after abort. */
LS_MUST_CHECK enum ls_code ls_file_swap_open(struct ls_file_swap *swap, const char *path,
                                             const char *tag, mode_t mode, struct ls_error *err);
/* Flushes and fsyncs the temporary file without renaming it. */
LS_MUST_CHECK enum ls_code ls_file_swap_sync(struct ls_file_swap *swap, struct ls_error *err);
/* Closes the swap, failed or not. After an error path is what it was before, except where
 * only the last step failed, the fsync of the directory: then the new file may be there. */
LS_MUST_CHECK enum ls_code ls_file_swap_commit(struct ls_file_swap *swap, struct ls_error *err);
/* Fine on a zeroed swap and after commit, so that one cleanup serves both. */
void ls_file_swap_abort(struct ls_file_swap *swap);

/* An unnamed temporary file in TMPDIR (default /tmp), mode 0600, already unlinked. */
LS_MUST_CHECK enum ls_code ls_file_temp(FILE **ret, struct ls_error *err);

/* An exclusive lock on bytes [offset, offset+1) of a file that is made when missing
 * (mode 0600). An OFD lock (F_OFD_SETLK): it dies with its process and threads of one process
 * exclude each other. wait: until free, whatever signals come; otherwise LS_BUSY at once when
 * held. The file itself is never removed: a lock on a removed file excludes nobody. */
struct ls_file_lock {
    int fd; /* -1: not held (a zeroed one is not that: start with LS_FILE_UNLOCKED) */
};
#define LS_FILE_UNLOCKED ((struct ls_file_lock){.fd = -1})
LS_MUST_CHECK enum ls_code ls_file_lock(struct ls_file_lock *lock, const char *path, off_t offset,
                                        bool wait, struct ls_error *err);
/* Whether somebody holds it now; it is not taken. true also where that cannot be told. */
bool ls_file_locked(const char *path, off_t offset);
/* Fine on one that is not held. */
void ls_file_unlock(struct ls_file_lock *lock);

#endif
