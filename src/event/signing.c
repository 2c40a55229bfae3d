/* SPDX-License-Identifier: Apache-2.0 */
/* signing.c - the keys that messages are signed with.
 *
 * Receivers hold two keys and try both, so that a rotation is noticed by nobody as long as they learn the new pair before the one after it. */
#include "event/signing.h"

#include <string.h>

#define CURRENT "current"
#define NEXT "next"

static const char *sealed_for(const char *slot, struct ls_arena *mem)
{
    return ls_arena_printf(mem, "signing key %s", slot);
}

static enum ls_code read_key(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                             const char *slot, struct ls_arena *mem, char ret[LS_SECRET_TEXT],
                             struct ls_error *err)
{
    const char *what = sealed_for(slot, mem);
    const void *sealed = NULL;
    char *text = NULL;
    size_t size = 0, length = 0;
    enum ls_code rc =
        what ? ls_signing_key_row(tx->state, slot, mem, &sealed, &size, err) : ls_error_nomem(err);

    ret[0] = '\0';
    if (rc != LS_OK || size == 0)
        return rc;
    rc = ls_unseal(key, what, sealed, size, mem, &text, &length, err);
    if (rc == LS_CORRUPT || (rc == LS_OK && length >= LS_SECRET_TEXT))
        rc = ls_error_set(err, LS_CONFIG,
                          "the keys that sign messages cannot be opened: they were sealed with "
                          "another LOCKSTEP_KEY (or key file) than this one");
    if (rc == LS_OK)
        memcpy(ret, text, length + 1);
    if (text)
        ls_secret_wipe(text, length);
    return rc;
}

static enum ls_code write_key(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                              const char *slot, const char *text, struct ls_arena *mem,
                              struct ls_error *err)
{
    const char *what = sealed_for(slot, mem);
    struct ls_buf sealed;
    enum ls_code rc;

    ls_buf_init(&sealed, 0);
    if (what)
        ls_seal(&sealed, key, what, text, strlen(text));
    rc = what && !sealed.failed ? ls_signing_key_save(tx, slot, sealed.data, sealed.size, err)
                                : ls_error_nomem(err);
    ls_buf_done(&sealed);
    return rc;
}

static enum ls_code read_both(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                              struct ls_arena *mem, struct ls_signing_keys *ret,
                              struct ls_error *err)
{
    const enum ls_code rc = read_key(tx, key, CURRENT, mem, ret->current, err);

    return rc == LS_OK ? read_key(tx, key, NEXT, mem, ret->next, err) : rc;
}

static enum ls_code write_both(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                               struct ls_arena *mem, const struct ls_signing_keys *keys,
                               struct ls_error *err)
{
    const enum ls_code rc = write_key(tx, key, CURRENT, keys->current, mem, err);

    return rc == LS_OK ? write_key(tx, key, NEXT, keys->next, mem, err) : rc;
}

enum ls_code ls_signing_keys(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                             struct ls_signing_keys *ret, struct ls_error *err)
{
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = read_both(tx, key, &mem, ret, err);
    if (rc == LS_OK && (!*ret->current || !*ret->next)) {
        ls_secret_new(LS_SECRET_SIGNING, ret->current);
        ls_secret_new(LS_SECRET_SIGNING, ret->next);
        rc = write_both(tx, key, &mem, ret, err);
    }
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_signing_keys_rotate(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                                    struct ls_signing_keys *ret, struct ls_error *err)
{
    struct ls_arena mem;
    enum ls_code rc = ls_signing_keys(tx, key, ret, err);

    if (rc != LS_OK)
        return rc;
    ls_arena_init(&mem, 0);
    memcpy(ret->current, ret->next, sizeof ret->current);
    ls_secret_new(LS_SECRET_SIGNING, ret->next);
    rc = write_both(tx, key, &mem, ret, err);
    ls_arena_done(&mem);
    tx->woken = UINT64_MAX; /* whoever delivers reads them again */
    return rc;
}
