/* SPDX-License-Identifier: Apache-2.0 */
/* spool.c - blobs in an unnamed temporary file.
 *
 * A blob is its length (4 bytes, native order: the file never leaves the process) and its bytes. The file is
 * made on the first add, so that a run in which nothing is set aside makes none. */
#include "engine/spool.h"

#include <errno.h>

#include "base/file.h"

enum ls_code ls_spool_add(struct ls_spool *spool, const struct ls_buf *blob, struct ls_error *err)
{
    const uint32_t size = (uint32_t)blob->size;
    enum ls_code rc = LS_OK;

    if (blob->failed)
        return ls_error_nomem(err);
    if (!spool->f)
        rc = ls_file_temp(&spool->f, err);
    if (rc != LS_OK)
        return rc;
    if (fwrite(&size, sizeof size, 1, spool->f) != 1 ||
        (size && fwrite(blob->data, size, 1, spool->f) != 1))
        return ls_error_errno(err, errno,
                              "write a temporary file: set TMPDIR to a folder with space");
    spool->count++;
    return LS_OK;
}

enum ls_code ls_spool_rewind(struct ls_spool *spool, struct ls_error *err)
{
    if (spool->f && (fflush(spool->f) != 0 || fseek(spool->f, 0, SEEK_SET) != 0))
        return ls_error_errno(err, errno,
                              "write a temporary file: set TMPDIR to a folder with space");
    return LS_OK;
}

enum ls_code ls_spool_next(struct ls_spool *spool, struct ls_arena *mem, void **ret,
                           size_t *ret_size, struct ls_error *err)
{
    uint32_t size = 0;
    void *data;

    *ret = NULL;
    if (!spool->f || fread(&size, sizeof size, 1, spool->f) != 1) {
        if (spool->f && ferror(spool->f))
            return ls_error_errno(err, errno, "read a temporary file");
        return LS_OK;
    }
    data = ls_arena_alloc(mem, size ? size : 1);
    if (!data)
        return ls_error_nomem(err);
    if (size && fread(data, size, 1, spool->f) != 1)
        return ls_error_set(err, LS_IO, "read a temporary file: it ends early");
    *ret = data;
    *ret_size = size;
    return LS_OK;
}

void ls_spool_done(struct ls_spool *spool)
{
    if (spool->f)
        fclose(spool->f);
    spool->f = NULL;
    spool->count = 0;
}
