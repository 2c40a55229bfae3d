/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c - sealed secrets: format byte 1, nonce, ciphertext with its tag; what it belongs to is authenticated beside it. */
#include "event/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#define FORMAT 1
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES

static enum ls_code key_from_text(const char *text, struct ls_seal_key *ret, struct ls_error *err)
{
    struct ls_buf bytes;
    bool good;

    ls_buf_init(&bytes, 0);
    good = strlen(text) == (size_t)2 * LS_SEAL_KEY_BYTES &&
           ls_text_unhex(&bytes, text, strlen(text)) && bytes.size == LS_SEAL_KEY_BYTES;
    if (good) {
        memcpy(ret->bytes, bytes.data, LS_SEAL_KEY_BYTES);
        sodium_memzero(bytes.data, bytes.size);
    }
    ls_buf_done(&bytes);
    return good ? LS_OK
                : ls_error_set(err, LS_CONFIG,
                               "LOCKSTEP_KEY is not 64 hexadecimal digits. `openssl rand -hex 32` "
                               "makes such a key");
}

static enum ls_code key_path(const char *state, struct ls_arena *mem, const char **ret,
                             struct ls_error *err)
{
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME"), *folder;
    enum ls_code rc;

    if (ls_text_starts(state, "sqlite:")) {
        *ret = ls_arena_printf(mem, "%s-key", state + strlen("sqlite:"));
        return *ret ? LS_OK : ls_error_nomem(err);
    }
    if (base && *base == '/')
        folder = ls_arena_printf(mem, "%s/lockstep", base);
    else if (home && *home == '/')
        folder = ls_arena_printf(mem, "%s/.local/state/lockstep", home);
    else
        return ls_error_set(err, LS_CONFIG,
                            "no place for the key that seals secrets: HOME is not set. Set it, or "
                            "give the key in LOCKSTEP_KEY");
    if (!folder)
        return ls_error_nomem(err);
    rc = ls_file_make_dirs(folder, err);
    if (rc != LS_OK)
        return rc;
    *ret = ls_arena_printf(mem, "%s/key", folder);
    return *ret ? LS_OK : ls_error_nomem(err);
}

static enum ls_code read_key(const char *path, struct ls_arena *mem, struct ls_seal_key *ret,
                             struct ls_error *err)
{
    char *data = NULL;
    size_t size = 0;
    enum ls_code rc = ls_file_read(path, 4096, mem, &data, &size, err);

    if (rc != LS_OK)
        return rc;
    if (size != LS_SEAL_KEY_BYTES)
        return ls_error_set(err, LS_CORRUPT,
                            "%s is not the key that seals secrets (32 bytes): it has %zu. Restore "
                            "it, or move it away and give the secrets anew",
                            path, size);
    memcpy(ret->bytes, data, LS_SEAL_KEY_BYTES);
    sodium_memzero(data, size);
    return LS_OK;
}

/* Two processes that make it at once agree on whichever was linked first. */
static enum ls_code make_key(const char *path, struct ls_arena *mem, struct ls_error *err)
{
    unsigned char bytes[LS_SEAL_KEY_BYTES];
    const char *temp =
        ls_arena_printf(mem, "%s.%016llx", path, (unsigned long long)ls_random_u64());
    enum ls_code rc = LS_OK;
    int fd;

    if (!temp)
        return ls_error_nomem(err);
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return ls_error_errno(err, errno, "cannot make the key that seals secrets (%s)", path);
    ls_random_bytes(bytes, sizeof bytes);
    if (write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes || fsync(fd) != 0)
        rc = ls_error_errno(err, errno, "cannot write the key that seals secrets (%s)", path);
    close(fd);
    sodium_memzero(bytes, sizeof bytes);
    if (rc == LS_OK && link(temp, path) != 0 && errno != EEXIST)
        rc = ls_error_errno(err, errno, "cannot make the key that seals secrets (%s)", path);
    unlink(temp);
    return rc == LS_OK ? ls_file_sync_parent(path, err) : rc;
}

enum ls_code ls_seal_key(const char *state, struct ls_seal_key *ret, struct ls_error *err)
{
    const char *given = getenv("LOCKSTEP_KEY"), *path = NULL;
    struct ls_arena mem;
    enum ls_code rc;

    if (given && *given)
        return key_from_text(given, ret, err);
    ls_arena_init(&mem, 0);
    rc = key_path(state, &mem, &path, err);
    if (rc == LS_OK)
        rc = read_key(path, &mem, ret, err);
    if (rc == LS_NOT_FOUND && path) {
        rc = make_key(path, &mem, err);
        if (rc == LS_OK)
            rc = read_key(path, &mem, ret, err);
    }
    ls_arena_done(&mem);
    return rc;
}

void ls_seal_key_wipe(struct ls_seal_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void ls_seal(struct ls_buf *out, const struct ls_seal_key *key, const char *what, const void *data,
             size_t size)
{
    unsigned char *at;
    unsigned long long written = 0;

    if (!ls_buf_reserve(out, 1 + NONCE_BYTES + size + TAG_BYTES))
        return;
    at = (unsigned char *)out->data + out->size;
    at[0] = FORMAT;
    ls_random_bytes(at + 1, NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(at + 1 + NONCE_BYTES, &written, data, size,
                                               (const unsigned char *)what, strlen(what), NULL,
                                               at + 1, key->bytes);
    out->size += 1 + NONCE_BYTES + (size_t)written;
    out->data[out->size] = '\0';
}

enum ls_code ls_unseal(const struct ls_seal_key *key, const char *what, const void *sealed,
                       size_t sealed_size, struct ls_arena *mem, char **ret, size_t *ret_size,
                       struct ls_error *err)
{
    const unsigned char *at = sealed;
    unsigned long long size = 0;
    unsigned char *plain = ls_arena_alloc(mem, sealed_size + 1);

    if (!plain)
        return ls_error_nomem(err);
    if (sealed_size < 1 + NONCE_BYTES + TAG_BYTES || at[0] != FORMAT ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(
            plain, &size, NULL, at + 1 + NONCE_BYTES, sealed_size - 1 - NONCE_BYTES,
            (const unsigned char *)what, strlen(what), at + 1, key->bytes) != 0)
        return ls_error_set(err, LS_CORRUPT,
                            "the secrets of %s do not open with this key: it is another one than "
                            "they were sealed with. Restore the key (LOCKSTEP_KEY, or the file "
                            "STATE-key beside the state), or give the secrets anew",
                            what);
    plain[size] = '\0';
    *ret = (char *)plain;
    *ret_size = (size_t)size;
    return LS_OK;
}
