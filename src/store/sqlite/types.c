/* SPDX-License-Identifier: Apache-2.0 */
/* types.c - what SQLite's declared types mean to us, and values as they are stored.
 *
 * SQLite stores a value as null, integer, real, text or blob, whatever the column says; the declared
 * name only gives the column an affinity, which may turn a value into another class on the way in.
 * We read the declared name as what people mean by it (a DATE is a date), by two tables: words that
 * begin the name, then SQLite's own rules by parts of the name.
 *
 * Decoding changes nothing that could not be changed back: a stored value becomes one of the field's
 * type only when writing that value stores exactly the same again. '2024-01-05' in a DATE column is a
 * date; '5.1.2024' stays a text, 7.5 in an INTEGER column stays a double. The model compares such
 * values as the field's type where they can be brought to it, so nothing is lost, and undo puts
 * back the very spelling that was there.
 *
 * Encoding refuses (LS_TYPE) what the affinity would change: a decimal with more digits than a double
 * has in a column declared DECIMAL or NUMERIC, '007' in a column without a text affinity, NaN, which SQLite
 * stores as NULL. What we create has text affinity for everything that must stay exact
 * (DECIMAL_TEXT, TIMESTAMP_TEXT, JSON_TEXT): the word TEXT in the name is what SQLite looks for.
 *
 * Lengths and precisions in declared names are not enforced by SQLite and so not by us. */
#include "store/sqlite/sqlite.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "model/decimal.h"
#include "model/scan.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The name begins with the word, and the word ends there. */
static const struct {
    const char *word;
    enum ls_type type;
} words[] = {
    {"BOOL", LS_T_BOOL},           {"BOOLEAN", LS_T_BOOL},
    {"DECIMAL", LS_T_DECIMAL},     {"NUMERIC", LS_T_DECIMAL},
    {"NUMBER", LS_T_DECIMAL},      {"DATE", LS_T_DATE},
    {"TIME", LS_T_TIME},           {"DATETIME", LS_T_TIMESTAMP},
    {"TIMESTAMP", LS_T_TIMESTAMP}, {"TIMESTAMPTZ", LS_T_TIMESTAMPTZ},
    {"UUID", LS_T_UUID},           {"JSON", LS_T_JSON},
    {"JSONB", LS_T_JSON},
};

/* SQLite's rules, in its order: the first part found in the name decides. */
static const struct {
    const char *part;
    enum ls_affinity affinity;
    enum ls_type type;
} parts[] = {
    {"INT", LS_AFF_INTEGER, LS_T_INT},  {"CHAR", LS_AFF_TEXT, LS_T_TEXT},
    {"CLOB", LS_AFF_TEXT, LS_T_TEXT},   {"TEXT", LS_AFF_TEXT, LS_T_TEXT},
    {"BLOB", LS_AFF_BLOB, LS_T_BYTES},  {"REAL", LS_AFF_REAL, LS_T_DOUBLE},
    {"FLOA", LS_AFF_REAL, LS_T_DOUBLE}, {"DOUB", LS_AFF_REAL, LS_T_DOUBLE},
};

static bool word_ends(char c)
{
    return !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
}

static bool starts_with_word(const char *declared, const char *word)
{
    size_t n = strlen(word);

    return strncasecmp(declared, word, n) == 0 && word_ends(declared[n]);
}

enum ls_affinity ls_sqlite_affinity(const char *declared)
{
    if (!*declared)
        return LS_AFF_BLOB;
    for (size_t i = 0; i < COUNT(parts); i++)
        if (strcasestr(declared, parts[i].part))
            return parts[i].affinity;
    return LS_AFF_NUMERIC;
}

enum ls_type ls_sqlite_type(const char *declared)
{
    for (size_t i = 0; i < COUNT(words); i++) {
        if (!starts_with_word(declared, words[i].word))
            continue;
        if (words[i].type == LS_T_TIMESTAMP && strcasestr(declared, "with time zone"))
            return LS_T_TIMESTAMPTZ;
        return words[i].type;
    }
    for (size_t i = 0; i < COUNT(parts); i++)
        if (strcasestr(declared, parts[i].part))
            return parts[i].type;
    return LS_T_TEXT;
}

void ls_sqlite_declare(struct ls_buf *out, const struct ls_field *field)
{
    static const char *const names[LS_TYPE_COUNT] = {
        [LS_T_NULL] = "TEXT",
        [LS_T_BOOL] = "BOOLEAN",
        [LS_T_INT] = "INTEGER",
        [LS_T_DECIMAL] = "DECIMAL_TEXT",
        [LS_T_DOUBLE] = "REAL",
        [LS_T_TEXT] = "TEXT",
        [LS_T_BYTES] = "BLOB",
        [LS_T_DATE] = "DATE_TEXT",
        [LS_T_TIME] = "TIME_TEXT",
        [LS_T_TIMESTAMP] = "TIMESTAMP_TEXT",
        [LS_T_TIMESTAMPTZ] = "TIMESTAMPTZ_TEXT",
        [LS_T_UUID] = "UUID_TEXT",
        [LS_T_JSON] = "JSON_TEXT",
        [LS_T_NATIVE] = "TEXT",
    };

    ls_buf_text(out, names[field->type]);
    if (field->type == LS_T_DECIMAL && field->precision > 0)
        ls_buf_printf(out, "(%d,%d)", field->precision, field->scale > 0 ? field->scale : 0);
}

void ls_sqlite_codec_init(struct ls_sqlite_codec *codec, const struct ls_field *field)
{
    codec->type = field->type;
    codec->affinity = ls_sqlite_affinity(field->native);
    ls_buf_init(&codec->text, 0);
}

void ls_sqlite_codec_done(struct ls_sqlite_codec *codec)
{
    ls_buf_done(&codec->text);
}

/* Plain digits without exponent, plus sign or needless zeros in front are not asked for: the text stays as it is. */
static bool plain_decimal(const char *text, size_t size)
{
    return size && text[0] != '+' && !memchr(text, 'e', size) && !memchr(text, 'E', size) &&
           ls_decimal_valid(text, size);
}

static struct ls_value decode_decimal(struct ls_sqlite_codec *c, const struct ls_value *stored)
{
    if (stored->type == LS_T_TEXT)
        return plain_decimal(stored->data, stored->size)
                   ? ls_value_data(LS_T_DECIMAL, stored->data, stored->size)
                   : *stored;
    ls_buf_cut(&c->text, 0);
    if (stored->type == LS_T_INT) {
        ls_buf_i64(&c->text, stored->i);
    } else if (stored->type == LS_T_DOUBLE && isfinite(stored->d) && c->affinity != LS_AFF_BLOB) {
        char digits[64];
        size_t n;

        ls_decimal_from_double(&c->text, stored->d, 53);
        n = c->text.size;
        if (n >= sizeof(digits) || c->text.failed)
            return *stored;
        if (stored->d == 0 ||
            memchr(c->text.data, 'e', n)) { /* written as doubles are, not decimals */
            memcpy(digits, c->text.data, n);
            ls_buf_cut(&c->text, 0);
            ls_decimal_canon(&c->text, digits, n);
        }
    } else {
        return *stored;
    }
    return c->text.failed ? *stored : ls_value_data(LS_T_DECIMAL, c->text.data, c->text.size);
}

/* dddd-dd-dd with nothing but digits at the d's */
static bool looks_like(const char *text, const char *shape, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    return true;
}

/* Nothing, or a point and 1 to 6 digits of which the last is not 0. */
static bool plain_fraction(const char *text, size_t size)
{
    return !size ||
           (size >= 2 && size <= 7 && looks_like(text, ".dddddd", size) && text[size - 1] != '0');
}

/* Whether reading this text and printing it again surely gives the same text; saves the printing for nearly all. */
static bool plain_time(const char *text, size_t size)
{
    return size >= 8 && looks_like(text, "dd:dd:dd", 8) && memcmp(text, "24", 2) < 0 &&
           text[6] < '6' && plain_fraction(text + 8, size - 8);
}

static bool plain_date(const char *text, size_t size)
{
    return size == 10 && looks_like(text, "dddd-dd-dd", 10) && memcmp(text, "0000", 4) != 0;
}

static bool plain_timestamp(const char *text, size_t size)
{
    return size >= 19 && plain_date(text, 10) && text[10] == ' ' &&
           plain_time(text + 11, size - 11);
}

static bool same_text(const char *text, size_t size, const char *printed)
{
    return size == strlen(printed) && !memcmp(text, printed, size);
}

static struct ls_value decode_date(const struct ls_value *stored)
{
    char printed[LS_PRINT_MAX];
    int64_t days;

    if (!ls_scan_date(stored->data, stored->size, &days))
        return *stored;
    if (!plain_date(stored->data, stored->size)) {
        struct ls_value v = {.type = LS_T_DATE, .i = days};

        ls_print_date(printed, v.i);
        if (!same_text(stored->data, stored->size, printed))
            return *stored;
    }
    return (struct ls_value){.type = LS_T_DATE, .i = days};
}

static struct ls_value decode_time(const struct ls_value *stored)
{
    char printed[LS_PRINT_MAX];
    int64_t us;

    if (!ls_scan_time(stored->data, stored->size, &us))
        return *stored;
    if (!plain_time(stored->data, stored->size)) {
        ls_print_time(printed, us);
        if (!same_text(stored->data, stored->size, printed))
            return *stored;
    }
    return (struct ls_value){.type = LS_T_TIME, .i = us};
}

static struct ls_value decode_timestamp(const struct ls_value *stored, enum ls_type type)
{
    bool zoned = type == LS_T_TIMESTAMPTZ, absolute = zoned, plain;
    size_t size = stored->size;
    int64_t us;

    if (!ls_scan_timestamp(stored->data, size, &us, &absolute) || absolute != zoned)
        return *stored;
    plain = zoned ? size > 3 && !memcmp(stored->data + size - 3, "+00", 3) &&
                        plain_timestamp(stored->data, size - 3)
                  : plain_timestamp(stored->data, size);
    if (!plain) {
        char printed[LS_PRINT_MAX];

        ls_print_timestamp(printed, us, ' ', zoned ? "+00" : "");
        if (!same_text(stored->data, size, printed))
            return *stored;
    }
    return (struct ls_value){.type = type, .i = us};
}

static struct ls_value decode_uuid(struct ls_sqlite_codec *c, const struct ls_value *stored)
{
    uint8_t bytes[16];

    if (stored->size != 36 || !ls_scan_uuid(stored->data, 36, bytes))
        return *stored;
    for (size_t i = 0; i < 36; i++)
        if (stored->data[i] >= 'A' && stored->data[i] <= 'F')
            return *stored;
    memcpy(c->bytes, bytes, 16);
    return ls_value_data(LS_T_UUID, c->bytes, 16);
}

/* A number in a JSON column that has no text affinity is JSON all the same. */
static struct ls_value decode_json(struct ls_sqlite_codec *c, const struct ls_value *stored)
{
    struct ls_value v;

    if (stored->type == LS_T_TEXT)
        return ls_value_data(LS_T_JSON, stored->data, stored->size);
    v = decode_decimal(c, stored);
    return v.type == LS_T_DECIMAL ? ls_value_data(LS_T_JSON, v.data, v.size) : v;
}

struct ls_value ls_sqlite_decode(struct ls_sqlite_codec *codec, const struct ls_value *stored)
{
    if (stored->type == LS_T_NULL || stored->type == codec->type)
        return *stored;
    if (codec->type == LS_T_BOOL && stored->type == LS_T_INT && (stored->i == 0 || stored->i == 1))
        return (struct ls_value){.type = LS_T_BOOL, .b = stored->i == 1};
    if (codec->type == LS_T_DECIMAL)
        return decode_decimal(codec, stored);
    if (codec->type == LS_T_JSON)
        return decode_json(codec, stored);
    if (stored->type != LS_T_TEXT)
        return *stored;
    if (codec->type == LS_T_DATE)
        return decode_date(stored);
    if (codec->type == LS_T_TIME)
        return decode_time(stored);
    if (codec->type == LS_T_TIMESTAMP || codec->type == LS_T_TIMESTAMPTZ)
        return decode_timestamp(stored, codec->type);
    if (codec->type == LS_T_UUID)
        return decode_uuid(codec, stored);
    return *stored;
}

static bool numeric(enum ls_affinity a)
{
    return a == LS_AFF_NUMERIC || a == LS_AFF_INTEGER || a == LS_AFF_REAL;
}

/* What a numeric affinity will make of a text that is a number: itself as INT or DOUBLE if that is the
 * same number; else false. */
static bool number_of(struct ls_sqlite_codec *c, const char *text, size_t size,
                      struct ls_value *ret)
{
    int64_t i;
    double d;
    bool same;

    if (ls_decimal_to_i64(text, size, &i)) {
        *ret = ls_value_int(i);
        return true;
    }
    d = ls_decimal_to_double(text, size);
    if (!isfinite(d))
        return false;
    ls_buf_reset(&c->text);
    ls_decimal_from_double(&c->text, d, 53);
    same = !c->text.failed && ls_decimal_order(text, size, c->text.data, c->text.size) == 0;
    *ret = (struct ls_value){.type = LS_T_DOUBLE, .d = d};
    return same;
}

/* A value that is refused; or there was no memory to find out. */
static enum ls_code refuse(const struct ls_sqlite_codec *c, const struct ls_field *field,
                           const char *why, struct ls_error *err)
{
    if (c->text.failed)
        return ls_error_nomem(err);
    return ls_error_set(err, LS_TYPE, "a value does not fit: %s (field=%s, type=%s)", why,
                        field->name, field->native);
}

/* NaN and the infinities are decimals, but plain text to SQLite. */
static bool is_number(const char *text, size_t size)
{
    size_t sign = size && (*text == '-' || *text == '+');

    return size > sign && (text[sign] == '.' || (text[sign] >= '0' && text[sign] <= '9')) &&
           ls_decimal_valid(text, size);
}

/* SQLite skips blanks around a number. */
static void trim(const char **text, size_t *size)
{
    while (*size && memchr(" \t\n\v\f\r", **text, 6)) {
        ++*text;
        --*size;
    }
    while (*size && memchr(" \t\n\v\f\r", (*text)[*size - 1], 6))
        --*size;
}

/* Text for a column that turns texts into numbers: fine when it is none, or when the number reads the same. */
static enum ls_code encode_text(struct ls_sqlite_codec *c, const struct ls_value *v,
                                const struct ls_field *field, struct ls_value *ret,
                                struct ls_error *err)
{
    const char *text = v->data;
    size_t size = v->size;
    struct ls_value number;
    struct ls_buf shown;
    bool same;

    *ret = ls_value_data(LS_T_TEXT, v->data, v->size);
    if (!numeric(c->affinity) || v->type == LS_T_UUID)
        return LS_OK;
    trim(&text, &size);
    if (!size || !is_number(text, size))
        return LS_OK;
    ls_buf_init(&shown, 0);
    same = number_of(c, text, size, &number);
    if (same && v->type == LS_T_TEXT) {
        ls_value_to_text(&shown, &number);
        c->text.failed |= shown.failed;
        same = !shown.failed && shown.size == v->size && !memcmp(shown.data, v->data, v->size);
    }
    ls_buf_done(&shown);
    if (same)
        *ret = number;
    return same ? LS_OK
                : refuse(c, field,
                         "SQLite keeps numbers in this column as numbers and would change it. "
                         "Declare the "
                         "column as text (DECIMAL_TEXT, JSON_TEXT, TEXT)",
                         err);
}

static enum ls_code encode_decimal(struct ls_sqlite_codec *c, const struct ls_value *v,
                                   const struct ls_field *field, struct ls_value *ret,
                                   struct ls_error *err)
{
    *ret = ls_value_data(LS_T_TEXT, v->data, v->size);
    if (!numeric(c->affinity) || !is_number(v->data, v->size))
        return LS_OK;
    if (number_of(c, v->data, v->size, ret))
        return LS_OK;
    return refuse(
        c, field,
        "SQLite keeps decimals in this column as 64-bit floating point, which has not that many "
        "digits. Declare the column DECIMAL_TEXT",
        err);
}

static enum ls_code encode_double(struct ls_sqlite_codec *c, const struct ls_value *v,
                                  const struct ls_field *field, struct ls_value *ret,
                                  struct ls_error *err)
{
    if (isnan(v->d))
        return refuse(c, field, "SQLite has no NaN and would store NULL", err);
    *ret = *v;
    if (c->affinity != LS_AFF_TEXT)
        return LS_OK;
    ls_buf_reset(&c->text); /* SQLite itself would write 15 digits only */
    ls_decimal_from_double(&c->text, v->d, 53);
    *ret = ls_value_data(LS_T_TEXT, c->text.data, c->text.size);
    return c->text.failed ? ls_error_nomem(err) : LS_OK;
}

enum ls_code ls_sqlite_encode(struct ls_sqlite_codec *codec, const struct ls_value *v,
                              const struct ls_field *field, struct ls_value *ret,
                              struct ls_error *err)
{
    switch (v->type) {
    case LS_T_BOOL:
        *ret = ls_value_int(v->b);
        return LS_OK;
    case LS_T_DOUBLE:
        return encode_double(codec, v, field, ret, err);
    case LS_T_DECIMAL:
        return encode_decimal(codec, v, field, ret, err);
    case LS_T_TEXT:
    case LS_T_JSON:
        return encode_text(codec, v, field, ret, err);
    case LS_T_NATIVE:
        *ret = ls_value_data(LS_T_TEXT, v->data, v->size);
        return LS_OK;
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
    case LS_T_UUID:
        ls_buf_reset(&codec->text);
        ls_value_to_text(&codec->text, v);
        *ret = ls_value_data(LS_T_TEXT, codec->text.data, codec->text.size);
        return codec->text.failed ? ls_error_nomem(err) : LS_OK;
    case LS_T_NULL:
    case LS_T_INT:
    case LS_T_BYTES:
    case LS_TYPE_COUNT:
        break;
    }
    *ret = *v;
    return LS_OK;
}
