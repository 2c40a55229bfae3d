/* SPDX-License-Identifier: Apache-2.0 */
/* round_trip.c - what a pair of fields can and cannot hold of each other, said before the first record moves.
 *
 * A table says it by type; rules add what width, precision, length, zone, engine and key have to say. Each rule
 * gives a level and a sentence; the worst level wins, and of those with that level the first. A rule never looks
 * at data: what depends on single values is LS_TRIP_CHECKED, and ls_value_convert() refuses those. */
#include "model/convert.h"

#include <stdarg.h>
#include <string.h>

struct trip {
    const struct ls_field *from, *to;
    const struct ls_zone *zone;
    struct ls_arena *mem;
    bool is_key;
    enum ls_round_trip worst;
    const char *why;
};

__attribute__((format(printf, 3, 4))) static void say(struct trip *t, enum ls_round_trip level,
                                                      const char *fmt, ...)
{
    const char *text;
    va_list args;

    if (t->why && level <= t->worst)
        return;
    va_start(args, fmt);
    text = ls_arena_vprintf(t->mem, fmt, args);
    va_end(args);
    t->worst = level > t->worst ? level : t->worst;
    t->why = text ? text : "";
}

static const char *name_of(const struct ls_field *field)
{
    return field->native && *field->native ? field->native : ls_type_word(field->type);
}

static bool is_engine(const struct ls_field *field, const char *engine)
{
    return field->engine && strcmp(field->engine, engine) == 0;
}

/* How values of the row's type become the column's: `=` all pass, `c` each is looked at, `z` all pass between
 * the wall clock and UTC, `d` the same and only midnights, `-` there is no way. Columns in the order of enum ls_type. */
/* clang-format off */
static const char *const ways[LS_TYPE_COUNT] = {
    /*                    null bool int decimal double text bytes date time timestamp timestamptz uuid json native */
    [LS_T_NULL] =        "=ccccccccccccc",
    [LS_T_BOOL] =        "=====" "=--" "---" "-=c",
    [LS_T_INT] =         "=c==c" "=--" "---" "-=c",
    [LS_T_DECIMAL] =     "=cc=c" "=--" "---" "-cc",
    [LS_T_DOUBLE] =      "=cc==" "=--" "---" "-cc",
    [LS_T_TEXT] =        "=cccc" "=cc" "ccc" "ccc",
    [LS_T_BYTES] =       "=----" "==-" "---" "c-c",
    [LS_T_DATE] =        "=----" "=-=" "-=z" "--c",
    [LS_T_TIME] =        "=----" "=--" "=--" "--c",
    [LS_T_TIMESTAMP] =   "=----" "=-c" "-=z" "--c",
    [LS_T_TIMESTAMPTZ] = "=----" "=-d" "-z=" "--c",
    [LS_T_UUID] =        "=----" "==-" "---" "=-c",
    [LS_T_JSON] =        "=cccc" "=--" "---" "-=c",
    [LS_T_NATIVE] =      "=cccc" "=cc" "ccc" "cc=",
};
/* clang-format on */

static void say_zone(struct trip *t, bool days)
{
    const char *zone = t->zone ? ls_zone_name(t->zone) : NULL;

    if (!zone)
        say(t, LS_TRIP_NEVER,
            "%s and %s cannot be held against each other without a zone: set timezone: of the "
            "store whose "
            "times have none.",
            name_of(t->from), name_of(t->to));
    else if (strcmp(zone, "UTC") != 0 && t->from->type != LS_T_DATE)
        say(t, LS_TRIP_LOSSY,
            "Times are converted by the clocks of %s; in the hour that they repeat or skip, two "
            "times become "
            "the same.",
            zone);
    if (days)
        say(t, LS_TRIP_CHECKED, "Times that are not midnight are refused.");
}

static void check_way(struct trip *t)
{
    switch (ways[t->from->type][t->to->type]) {
    case '-':
        say(t, LS_TRIP_NEVER,
            "There is no conversion from %s to %s: leave the field out, or map it by an "
            "expression.",
            name_of(t->from), name_of(t->to));
        break;
    case 'z':
    case 'd':
        say_zone(t, t->to->type == LS_T_DATE);
        break;
    case 'c':
        say(t, LS_TRIP_CHECKED, "Values of %s that are no %s are refused one by one.",
            name_of(t->from), name_of(t->to));
        break;
    default:
        break;
    }
}

/* NATIVE is exact only between two fields of the same type of one engine. */
static void check_native(struct trip *t)
{
    const struct ls_field *from = t->from, *to = t->to;
    bool same =
        is_engine(from, to->engine ? to->engine : "") && strcmp(name_of(from), name_of(to)) == 0;

    if (from->type == LS_T_NATIVE && to->type == LS_T_TEXT)
        say(t, LS_TRIP_EXACT, "%s is held as its text.", name_of(from));
    if (from->type == LS_T_NATIVE && to->type == LS_T_NATIVE && !same)
        say(t, LS_TRIP_CHECKED,
            "%s is held as the text of %s; what that type does not take is refused.", name_of(from),
            name_of(to));
}

static void check_dynamic(struct trip *t)
{
    if ((t->from->flags & LS_FIELD_DYNAMIC) && !(t->to->flags & LS_FIELD_DYNAMIC))
        say(t, LS_TRIP_CHECKED, "%s; those that are no %s are refused.",
            is_engine(t->from, "sqlite")
                ? "SQLite columns hold values of any type (0000-00-00 in a date)"
                : "The values of this field are of any type",
            name_of(t->to));
}

/* Digits that an integer type may have. */
static int int_digits(const struct ls_field *field)
{
    if (is_engine(field, "postgres") && strcmp(field->native, "smallint") == 0)
        return 5;
    if (is_engine(field, "postgres") && strcmp(field->native, "integer") == 0)
        return 10;
    return 19;
}

static void check_int(struct trip *t)
{
    if (t->to->type == LS_T_INT && t->from->type == LS_T_INT &&
        int_digits(t->from) > int_digits(t->to))
        say(t, LS_TRIP_CHECKED, "Integers outside the range of %s are refused.", name_of(t->to));
    if (t->to->type == LS_T_INT && t->from->type == LS_T_DOUBLE)
        say(t, LS_TRIP_CHECKED, "Numbers with a fraction and NaN are refused.");
    if (t->to->type == LS_T_JSON && (t->from->type == LS_T_INT || t->from->type == LS_T_DECIMAL))
        say(t, LS_TRIP_EXACT,
            "JSON numbers over 2^53 stay exact here, but programs that read them as floating point "
            "lose digits.");
}

/* SQLite keeps exact decimals only in columns that have text affinity. */
static bool floats_decimals(const struct ls_field *field)
{
    static const char *const exact[] = {"TEXT", "CHAR", "CLOB", "BLOB"};

    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (strcasestr(field->native, exact[i]))
            return false;
    return is_engine(field, "sqlite") && field->type == LS_T_DECIMAL;
}

static void check_decimal(struct trip *t)
{
    const struct ls_field *from = t->from, *to = t->to;
    bool from_decimal = from->type == LS_T_DECIMAL;
    int before = -1, behind = -1;

    if (to->type != LS_T_DECIMAL)
        return;
    if (from_decimal && from->precision >= 0) {
        before = from->precision - from->scale;
        behind = from->scale;
    } else if (from->type == LS_T_INT) {
        before = int_digits(from);
        behind = 0;
    }
    if (to->precision >= 0 && !(to->flags & LS_FIELD_DYNAMIC) &&
        (before < 0 || before > to->precision - to->scale || behind > to->scale))
        say(t, LS_TRIP_CHECKED, "Numbers with more digits than %s keeps are refused, not rounded.",
            name_of(to));
    if (floats_decimals(to) && !(from_decimal && floats_decimals(from)))
        say(t, LS_TRIP_CHECKED,
            "SQLite keeps decimals of this column as floating point: those with more than 15 "
            "digits are "
            "refused. Declare it DECIMAL_TEXT to keep all.");
}

static void check_double(struct trip *t)
{
    const struct ls_field *from = t->from, *to = t->to;

    if (to->type == LS_T_DOUBLE && to->precision == 24 && from->type == LS_T_DOUBLE &&
        from->precision != 24)
        say(t, LS_TRIP_LOSSY,
            "Numbers are rounded to single precision (7 digits), and compared so.");
    if (to->type == LS_T_DOUBLE && from->type == LS_T_DECIMAL)
        say(t, LS_TRIP_CHECKED, "Decimals that floating point does not keep exactly are refused.");
    if (to->type == LS_T_DOUBLE && from->type == LS_T_INT)
        say(t, LS_TRIP_CHECKED,
            "Integers that floating point does not keep exactly (over 2^%d) are refused.",
            to->precision == 24 ? 24 : 53);
    if (from->type == LS_T_DOUBLE && to->type == LS_T_DOUBLE && is_engine(to, "sqlite") &&
        !is_engine(from, "sqlite"))
        say(t, LS_TRIP_CHECKED, "NaN is refused: SQLite would keep NULL instead.");
    if (from->type == LS_T_DOUBLE && to->type == LS_T_DECIMAL && to->precision >= 0)
        say(t, LS_TRIP_CHECKED, "Infinities are refused.");
}

static bool is_time(enum ls_type type)
{
    return type == LS_T_TIME || type == LS_T_TIMESTAMP || type == LS_T_TIMESTAMPTZ;
}

static void check_time(struct trip *t)
{
    int kept = t->from->scale >= 0 ? t->from->scale : 6;

    if (is_time(t->from->type) && is_time(t->to->type) && t->to->scale >= 0 && t->to->scale < kept)
        say(t, LS_TRIP_LOSSY, "Times are cut to %d digits of a second, and compared so.",
            t->to->scale);
}

static void check_text(struct trip *t)
{
    const struct ls_field *from = t->from, *to = t->to;
    bool texts = (from->type == LS_T_TEXT || from->type == LS_T_JSON) &&
                 (to->type == LS_T_TEXT || to->type == LS_T_JSON);

    if (to->type == LS_T_TEXT && to->precision >= 0 && !(to->flags & LS_FIELD_DYNAMIC) &&
        (from->type != LS_T_TEXT || from->precision < 0 || from->precision > to->precision))
        say(t, LS_TRIP_CHECKED, "Texts of more than %d characters are refused, not cut.",
            to->precision);
    if (texts && is_engine(to, "postgres") && !is_engine(from, "postgres"))
        say(t, LS_TRIP_CHECKED,
            "Texts with a NUL character or invalid UTF-8 are refused: PostgreSQL keeps none.");
    if (texts && to->type == LS_T_JSON && strcmp(name_of(to), "jsonb") == 0 &&
        strcmp(name_of(from), "jsonb") != 0)
        say(t, LS_TRIP_CHECKED,
            "JSON with \\u0000 is refused: jsonb keeps none. It keeps the content, not the "
            "spelling.");
    if (from->type == LS_T_BYTES && to->type == LS_T_TEXT)
        say(t, LS_TRIP_EXACT, "Bytes are held as text: \\x and hex digits.");
}

static void check_padding(struct trip *t)
{
    if ((t->to->flags & LS_FIELD_PADDED) && t->from->type == LS_T_TEXT &&
        !(t->from->flags & LS_FIELD_PADDED))
        say(t, LS_TRIP_LOSSY,
            t->is_key ? "%s keeps no blanks at the end: keys that have some are refused."
                      : "%s keeps no blanks at the end: texts that differ only in these become "
                        "the same.",
            name_of(t->to));
}

static void check_key(struct trip *t)
{
    const struct ls_field *fields[] = {t->to, t->from};

    if (!t->is_key)
        return;
    for (size_t i = 0; i < 2; i++) {
        if ((fields[i]->flags & LS_FIELD_FOLDS) &&
            !(t->from->flags & t->to->flags & LS_FIELD_FOLDS))
            say(t, LS_TRIP_CHECKED,
                "The key folds case or accents on one side only: keys that differ only in these "
                "are refused there.");
        if (fields[i]->type == LS_T_DOUBLE)
            say(t, LS_TRIP_CHECKED,
                "The key is floating point: keys that differ in digits that it does not keep are "
                "one key.");
    }
}

static void check_identity(struct trip *t)
{
    if (t->to->flags & LS_FIELD_IDENTITY)
        say(t, LS_TRIP_EXACT,
            "The target numbers this field itself; it is given the source's numbers, and its "
            "counter is not moved.");
}

enum ls_round_trip ls_convert_check(const struct ls_field *from, const struct ls_field *to,
                                    const struct ls_zone *zone, bool is_key, struct ls_arena *mem,
                                    const char **ret_why)
{
    static void (*const rules[])(struct trip *) = {
        check_dynamic, check_int, check_decimal, check_double, check_time,     check_text,
        check_padding, check_key, check_native,  check_way,    check_identity,
    };
    struct trip t = {.from = from, .to = to, .zone = zone, .mem = mem, .is_key = is_key};

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        rules[i](&t);
    *ret_why = t.why ? t.why : "";
    return t.worst;
}
