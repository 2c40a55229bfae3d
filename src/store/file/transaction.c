/* SPDX-License-Identifier: Apache-2.0 */
/* transaction.c - how changed records become the file, and how it is known later whether they did.
 *
 * A commit writes the work database to a new file beside the old one and renames it over.
 *
 * The mark of a transaction is the name of that new file, which exists from the mark on, also after a power cut, and
 * goes away only by the rename. So a transaction committed exactly when its file is not there any more;
 * an aborted one leaves it, empty, until it is forgotten. That is why nothing here calls ls_file_swap_commit(), which removes its file
 * when it fails. A transaction that is marked and changed nothing removes its file at the commit, and the old one stays as it is.
 *
 * Transactions exclude each other by a lock, and settling waits for it: while it is held the outcome is still open.
 *
 * Others may write the file too and know no locks of ours. What they do while it is read is seen (input.c); what they did between loading and
 * renaming stops the commit, but for the moment between the last look and the rename. */
#include "store/file/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define WRITING_BYTE 1 /* of the lock file */

/* Lets go of the new file, which stays where it is, whatever its name is by now. */
static void let_go(struct ls_file_swap *swap)
{
    if (swap->f)
        fclose(swap->f);
    free(swap->path);
    free(swap->temp_path);
    *swap = (struct ls_file_swap){0};
}

/* Ends what is open. The marked file stays, empty: that is how settle knows. */
void file_drop_transaction(struct file_store *s)
{
    file_work_close(s->work);
    s->work = NULL;
    s->changed = false;
    if (s->swap.f && ftruncate(fileno(s->swap.f), 0) != 0)
        errno = 0; /* it only takes space until it is forgotten */
    let_go(&s->swap);
    ls_file_unlock(&s->writing);
    s->writing = LS_FILE_UNLOCKED;
}

/* Waits for the transaction of another session; LS_BUSY when it takes too long. */
static enum ls_code wait_for_writing(struct file_store *s, struct ls_file_lock *lock,
                                     struct ls_error *err)
{
    const int64_t until = ls_clock_monotonic_us() + (int64_t)s->lock_timeout_ms * 1000;
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

    for (;;) {
        enum ls_code rc = ls_file_lock(lock, s->lock_path, WRITING_BYTE, false, err);

        if (rc != LS_BUSY)
            return rc;
        if (ls_clock_monotonic_us() >= until)
            return ls_error_set(err, LS_BUSY,
                                "%s is being written by another lockstep. Wait for it to end",
                                s->path);
        nanosleep(&pause, NULL);
    }
}

enum ls_code file_begin(struct ls_store *store, struct ls_error *err)
{
    return wait_for_writing(file_of(store), &file_of(store)->writing, err);
}

enum ls_code file_mark(struct ls_store *store, const char *tag, struct ls_arena *mem,
                       const char **ret_marker, struct ls_error *err)
{
    struct file_store *s = file_of(store);
    enum ls_code rc = ls_file_swap_open(&s->swap, s->path, tag, 0, err);

    if (rc == LS_OK)
        rc = ls_file_swap_sync(&s->swap, err);
    if (rc == LS_OK)
        rc = ls_file_sync_parent(s->path, err);
    if (rc == LS_OK && !(*ret_marker = ls_arena_text(mem, s->swap.temp_path)))
        rc = ls_error_nomem(err);
    return rc;
}

/* LS_CHANGED when the file is not the one that was loaded. */
static enum ls_code check_same(const struct file_store *s, struct ls_error *err)
{
    struct stat now;

    if (stat(s->path, &now) != 0)
        return ls_error_errno(err, errno, "look at %s", s->path);
    if (now.st_dev == s->loaded.st_dev && now.st_ino == s->loaded.st_ino &&
        file_unwritten(&s->loaded, &now))
        return LS_OK;
    return ls_error_set(err, LS_CHANGED,
                        "%s was changed by somebody else meanwhile, so nothing was written. Run "
                        "again",
                        s->path);
}

/* The work database becomes the new file. */
static enum ls_code replace(struct file_store *s, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (!s->swap.f)
        rc = ls_file_swap_open(&s->swap, s->path, "write", 0, err);
    if (rc == LS_OK)
        rc = file_work_write(s->work, s->format, &s->style, s->swap.f, err);
    if (rc == LS_FULL || rc == LS_IO)
        ls_error_wrap(err, "%s", s->path);
    if (rc == LS_OK)
        rc = ls_file_swap_sync(&s->swap, err);
    if (rc == LS_OK)
        rc = check_same(s, err);
    if (rc == LS_OK && rename(s->swap.temp_path, s->path) != 0)
        rc = ls_error_errno(err, errno, "rename %s to %s", s->swap.temp_path, s->path);
    return rc;
}

enum ls_code file_commit(struct ls_store *store, struct ls_error *err)
{
    struct file_store *s = file_of(store);
    const bool marked = s->swap.f != NULL;
    enum ls_code rc = LS_OK;

    if (s->changed)
        rc = replace(s, err);
    else if (marked && unlink(s->swap.temp_path) != 0)
        rc = ls_error_errno(err, errno, "remove %s", s->swap.temp_path);
    if (rc != LS_OK && !marked)
        ls_file_swap_abort(&s->swap); /* nobody will ask for it */
    if (rc != LS_OK)
        return rc;
    let_go(&s->swap); /* at once: it is the live file now, and a rollback empties what is open */
    if (s->changed || marked)
        rc = ls_file_sync_parent(s->path, err);
    s->changed = false;
    if (rc == LS_OK)
        file_drop_transaction(s);
    return rc;
}

void file_rollback(struct ls_store *store)
{
    file_drop_transaction(file_of(store));
}

enum ls_code file_settle(struct ls_store *store, const struct ls_schema *schema, const char *marker,
                         enum ls_outcome *ret, struct ls_error *err)
{
    struct file_store *s = file_of(store);
    struct ls_file_lock writing = LS_FILE_UNLOCKED;
    enum ls_code rc = LS_OK;

    (void)schema;
    if (!store->in_transaction)
        rc = wait_for_writing(s, &writing, err);
    if (rc != LS_OK)
        return rc;
    *ret = access(marker, F_OK) == 0 ? LS_OUTCOME_ABORTED : LS_OUTCOME_COMMITTED;
    ls_file_unlock(&writing);
    return LS_OK;
}

/* Removes the marked files of a run that are still there. */
void file_forget(struct ls_store *store, const char *tag)
{
    static const char *const ours[] = {"lock", "fields", NULL}; /* these stay, whatever the tag */
    struct file_store *s = file_of(store);
    const char *slash = strrchr(s->path, '/');
    struct ls_arena mem;
    char *folder, *prefix;
    DIR *dir;

    ls_arena_init(&mem, 0);
    folder = ls_arena_text_n(&mem, s->path, (size_t)(slash - s->path) + 1);
    prefix = ls_arena_printf(&mem, ".%s.lockstep-", slash + 1);
    dir = folder && prefix ? opendir(folder) : NULL;
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        const char *tail = e->d_name + strlen(prefix);
        bool stays = !ls_text_starts(e->d_name, prefix) || !ls_text_starts(tail, tag);

        for (size_t i = 0; !stays && ours[i]; i++)
            stays = strcmp(tail, ours[i]) == 0;
        if (!stays)
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir)
        closedir(dir);
    ls_arena_done(&mem);
}
