/* SPDX-License-Identifier: Apache-2.0 */
/* secret.c - tokens that are drawn, secrets that are compared, passwords that are kept as hashes.
 *
 * A drawn secret has 256 random bits, so what is kept of it needs no salt and no slow hash: nobody tries 2^256 texts. A
 * password is another thing: people choose it, so it goes through argon2id (RFC 9106), with the parameters that OWASP
 * gives as a minimum (19 MiB, two passes, one lane). More memory would be better against a thief of the state and worse
 * on a machine with 512 MiB, where logins are few but all at once.
 *
 * Comparing. Both sides are hashed with a key drawn for this one comparison, and the hashes are compared without a
 * branch. So neither the place of the first difference nor the length of the right secret shows in the time, whatever the
 * caller's lengths are, and there is no case for equal lengths that somebody could get wrong.
 *
 * The checksum in a token is no protection: it keeps typing errors and scanners' guesses away from the state. */
#include "base/secret.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define RANDOM_BYTES 32
#define CHECK_BYTES 4 /* together a multiple of three: base64 without padding */
#define PREFIX 4
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

#define PASSES 2
#define MEMORY_BYTES ((size_t)19 << 20)

static_assert(LS_SECRET_HASH == crypto_hash_sha256_BYTES, "SHA-256");
static_assert(LS_PASSWORD_HASH >= crypto_pwhash_argon2id_STRBYTES, "the hash fits with its NUL");
static_assert(PREFIX + (RANDOM_BYTES + CHECK_BYTES) / 3 * 4 + 1 == LS_SECRET_TEXT, "its text fits");

static void checksum(const char *prefix, const unsigned char *random,
                     unsigned char out[CHECK_BYTES])
{
    unsigned char hash[crypto_generichash_BYTES];

    (void)crypto_generichash(hash, sizeof hash, random, RANDOM_BYTES, (const unsigned char *)prefix,
                             PREFIX);
    memcpy(out, hash, CHECK_BYTES);
}

void ls_secret_new(const char *prefix, char out[LS_SECRET_TEXT])
{
    unsigned char bytes[RANDOM_BYTES + CHECK_BYTES];

    assert(strlen(prefix) == PREFIX);
    ls_random_bytes(bytes, RANDOM_BYTES);
    checksum(prefix, bytes, bytes + RANDOM_BYTES);
    memcpy(out, prefix, PREFIX);
    sodium_bin2base64(out + PREFIX, LS_SECRET_TEXT - PREFIX, bytes, sizeof bytes, VARIANT);
    sodium_memzero(bytes, sizeof bytes);
}

/* The library's decoder takes bytes from 0x80 on for underscores. */
static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

bool ls_secret_is(const char *prefix, const char *text, size_t length)
{
    unsigned char bytes[RANDOM_BYTES + CHECK_BYTES], check[CHECK_BYTES];
    size_t size = 0;
    bool is;

    if (length != LS_SECRET_TEXT - 1 || memcmp(text, prefix, PREFIX) != 0 ||
        !is_plain(text, length) ||
        sodium_base642bin(bytes, sizeof bytes, text + PREFIX, length - PREFIX, NULL, &size, NULL,
                          VARIANT) != 0 ||
        size != sizeof bytes)
        return false;
    checksum(prefix, bytes, check);
    is = sodium_memcmp(check, bytes + RANDOM_BYTES, CHECK_BYTES) == 0;
    sodium_memzero(bytes, sizeof bytes);
    return is;
}

void ls_secret_hash(const char *text, size_t length, unsigned char out[LS_SECRET_HASH])
{
    (void)crypto_hash_sha256(out, (const unsigned char *)text, length);
}

bool ls_secret_equal(const void *a, size_t a_size, const void *b, size_t b_size)
{
    unsigned char key[crypto_generichash_KEYBYTES], x[crypto_generichash_BYTES], y[sizeof x];
    bool equal;

    if (a_size == 0 || b_size == 0)
        return false;
    ls_random_bytes(key, sizeof key);
    equal = crypto_generichash(x, sizeof x, a, a_size, key, sizeof key) == 0;
    equal &= crypto_generichash(y, sizeof y, b, b_size, key, sizeof key) == 0;
    equal &= sodium_memcmp(x, y, sizeof x) == 0;
    return equal;
}

void ls_secret_wipe(void *data, size_t size)
{
    if (size) /* data may be NULL then */
        sodium_memzero(data, size);
}

static size_t characters(const char *text, size_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

enum ls_code ls_password_fit(const char *password, size_t length, const char *name,
                             struct ls_error *err)
{
    if (ls_utf8_check(password, length) != length || memchr(password, 0, length))
        return ls_error_set(err, LS_USAGE, "the password is not UTF-8 text");
    if (characters(password, length) < LS_PASSWORD_LEAST)
        return ls_error_set(err, LS_USAGE,
                            "the password is too short: at least %d characters, such as four words",
                            LS_PASSWORD_LEAST);
    if (length > LS_PASSWORD_MOST)
        return ls_error_set(err, LS_USAGE, "the password is too long: at most %d bytes",
                            LS_PASSWORD_MOST);
    if (name && strlen(name) == length && memcmp(name, password, length) == 0)
        return ls_error_set(err, LS_USAGE, "the password is the user's name. Choose another");
    return LS_OK;
}

enum ls_code ls_password_hash(const char *password, size_t length, char out[LS_PASSWORD_HASH],
                              struct ls_error *err)
{
    memset(out, 0, LS_PASSWORD_HASH);
    if (length > LS_PASSWORD_MOST)
        return ls_error_set(err, LS_USAGE, "the password is too long: at most %d bytes",
                            LS_PASSWORD_MOST);
    if (sodium_init() < 0 ||
        crypto_pwhash_argon2id_str(out, password, length, PASSES, MEMORY_BYTES) != 0)
        return ls_error_nomem(err);
    return LS_OK;
}

bool ls_password_right(const char *hash, const char *password, size_t length)
{
    /* Of a password that was drawn and forgotten, with the parameters above. */
    static const char nobodys[] = "$argon2id$v=19$m=19456,t=2,p=1$tD0JTzMDKoPsPOMo+5GB7A$"
                                  "m8rpS/BXqcDZCkRy/i4KyhvIy3LAJm0E4CXoh4ZS66U";
    bool right;

    if (length > LS_PASSWORD_MOST)
        return false;
    if (sodium_init() < 0)
        return false;
    right = crypto_pwhash_argon2id_str_verify(hash ? hash : nobodys, password, length) == 0;
    return right && hash;
}
