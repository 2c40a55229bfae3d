/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - checksums, as thin layers over two libraries.
 *
 * XXH3 (xxhash) where accidents are to be found: fast, and the same on every machine,
 * whatever its byte order. SHA-256 (libsodium) where an entry names the one before it
 * and somebody might want to change one unseen. Neither takes a secret; what is seeded
 * or keyed is the caller's business. Pure, any thread; a struct belongs to one. */
#include "base/digest.h"

#include <assert.h>
#include <sodium.h>
#include <xxhash.h>

static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct ls_sha256),
              "the library's state fits ours");
static_assert(_Alignof(crypto_hash_sha256_state) <= _Alignof(struct ls_sha256),
              "the library's state is aligned in ours");
static_assert(LS_SHA256_HEX == 2 * crypto_hash_sha256_BYTES + 1, "two digits a byte and a NUL");

uint64_t ls_hash64(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

struct ls_hash128 ls_hash128(const void *data, size_t size, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(data, size, seed);

    return (struct ls_hash128){.high = h.high64, .low = h.low64};
}

static crypto_hash_sha256_state *inner(struct ls_sha256 *h)
{
    return (crypto_hash_sha256_state *)(void *)h->opaque;
}

/* The library's functions return 0, always. */
void ls_sha256_init(struct ls_sha256 *h)
{
    (void)crypto_hash_sha256_init(inner(h));
}

void ls_sha256_add(struct ls_sha256 *h, const void *data, size_t size)
{
    if (size) /* data may be NULL then */
        (void)crypto_hash_sha256_update(inner(h), data, size);
}

void ls_sha256_hex(struct ls_sha256 *h, char out[LS_SHA256_HEX])
{
    unsigned char sum[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256_final(inner(h), sum);
    sodium_bin2hex(out, LS_SHA256_HEX, sum, sizeof(sum));
}
