/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h - checksums: fast ones against accident, SHA-256 where entries are chained. */
#ifndef LS_BASE_DIGEST_H
#define LS_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct ls_hash128 {
    uint64_t high, low;
};

uint64_t ls_hash64(const void *data, size_t size, uint64_t seed);           /* XXH3, 64 bits */
struct ls_hash128 ls_hash128(const void *data, size_t size, uint64_t seed); /* XXH3, 128 bits */

#define LS_SHA256_HEX 65 /* 64 digits and a NUL */

/* SHA-256 (FIPS 180-4) over pieces given one after the other. After the end, init begins anew. */
struct ls_sha256 {
    _Alignas(16) unsigned char opaque[128];
};
void ls_sha256_init(struct ls_sha256 *h);
void ls_sha256_add(struct ls_sha256 *h, const void *data, size_t size);
void ls_sha256_hex(struct ls_sha256 *h, char out[LS_SHA256_HEX]); /* ends it */

#endif
