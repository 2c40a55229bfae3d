/* SPDX-License-Identifier: Apache-2.0 */
/* spool.c - blobs in an unnamed temporary file.
 *
 * A blob is its length, its bytes, and its length again (4 bytes each, native order: the file never leaves the process), so that
 * the file can be read from both ends. It is made on the first add: a run in which nothing is set
 * aside makes none. How many blobs there are is known, so that a file that ends early is noticed. */
#include "engine/spool.h"

#include <errno.h>
#include <stdlib.h>

#include "base/file.h"

static enum ls_code write_failed(struct ls_error *err)
{
    const int errnum = errno;
    const char *dir = getenv("TMPDIR");

    return ls_error_errno(err, errnum,
                          "cannot write a temporary file in %s (set TMPDIR to a folder with space)",
                          dir && *dir ? dir : "/tmp");
}

enum ls_code ls_spool_add(struct ls_spool *spool, const struct ls_buf *blob, struct ls_error *err)
{
    const uint32_t size = (uint32_t)blob->size; /* a buf holds at most 1 GiB */
    enum ls_code rc = LS_OK;

    if (blob->failed)
        return ls_error_nomem(err);
    if (!spool->f)
        rc = ls_file_temp(&spool->f, err);
    if (rc != LS_OK)
        return rc;
    if (fwrite(&size, sizeof size, 1, spool->f) != 1 ||
        (size && fwrite(blob->data, size, 1, spool->f) != 1) ||
        fwrite(&size, sizeof size, 1, spool->f) != 1)
        return write_failed(err);
    spool->count++;
    spool->bytes += size + 2 * sizeof size;
    return LS_OK;
}

/* What a read that came short means. */
static enum ls_code read_failed(const struct ls_spool *spool, struct ls_error *err)
{
    if (ferror(spool->f))
        return ls_error_errno(err, errno, "cannot read a temporary file");
    return ls_error_set(err, LS_IO, "cannot read a temporary file: it ends early");
}

static enum ls_code begin_reading(struct ls_spool *spool, bool backwards, struct ls_error *err)
{
    if (spool->f && (fflush(spool->f) != 0 || fseeko(spool->f, 0, SEEK_SET) != 0))
        return write_failed(err);
    spool->left = spool->count;
    spool->backwards = backwards;
    spool->at = (off_t)spool->bytes;
    return LS_OK;
}

enum ls_code ls_spool_rewind(struct ls_spool *spool, struct ls_error *err)
{
    return begin_reading(spool, false, err);
}

enum ls_code ls_spool_rewind_back(struct ls_spool *spool, struct ls_error *err)
{
    return begin_reading(spool, true, err);
}

/* Goes to the beginning of the blob that ends at spool->at. */
static bool step_back(struct ls_spool *spool)
{
    uint32_t size = 0;

    if (fseeko(spool->f, spool->at - (off_t)sizeof size, SEEK_SET) != 0 ||
        fread(&size, sizeof size, 1, spool->f) != 1)
        return false;
    spool->at -= (off_t)(size + 2 * sizeof size);
    return spool->at >= 0 && fseeko(spool->f, spool->at, SEEK_SET) == 0;
}

enum ls_code ls_spool_next(struct ls_spool *spool, struct ls_arena *mem, void **ret,
                           size_t *ret_size, struct ls_error *err)
{
    uint32_t size = 0, again = 0;
    void *data;

    *ret = NULL;
    if (!spool->left)
        return LS_OK;
    if ((spool->backwards && !step_back(spool)) || fread(&size, sizeof size, 1, spool->f) != 1)
        return read_failed(spool, err);
    data = ls_arena_alloc(mem, size ? size : 1);
    if (!data)
        return ls_error_nomem(err);
    if ((size && fread(data, size, 1, spool->f) != 1) ||
        fread(&again, sizeof again, 1, spool->f) != 1 || again != size)
        return read_failed(spool, err);
    spool->left--;
    *ret = data;
    *ret_size = size;
    return LS_OK;
}

void ls_spool_done(struct ls_spool *spool)
{
    if (spool->f)
        fclose(spool->f);
    *spool = (struct ls_spool){0};
}
