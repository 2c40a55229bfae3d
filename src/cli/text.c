/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - how figures, times and foreign text are written for people.
 *
 * Text that comes from a database may hold anything, also what a terminal takes for a command: all of it goes
 * through clean_text(). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

const char *grouped(uint64_t n, char out[32])
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, n);
    char *at = out;

    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}

const char *duration(int64_t ms, char out[32])
{
    if (ms < 1000)
        snprintf(out, 32, "%" PRId64 " ms", ms);
    else if (ms < 60000)
        snprintf(out, 32, "%.1f s", (double)ms / 1000);
    else if (ms < 3600000)
        snprintf(out, 32, "%" PRId64 " min %02" PRId64 " s", ms / 60000, ms / 1000 % 60);
    else
        snprintf(out, 32, "%" PRId64 " h %02" PRId64 " min", ms / 3600000, ms / 60000 % 60);
    return out;
}

const char *utc_time(int64_t unix_us, char out[32])
{
    const time_t seconds = (time_t)(unix_us / 1000000);
    struct tm tm;

    if (unix_us == 0 || !gmtime_r(&seconds, &tm))
        return "";
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
    return out;
}

/* Bytes of the control character at p; 0: it is none. C1 ones are two bytes in UTF-8. */
static size_t control_length(const unsigned char *p)
{
    if (*p < 0x20 || *p == 0x7f)
        return 1;
    return *p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0 ? 2 : 0;
}

char *clean_text(const char *text)
{
    static const char digits[] = "0123456789abcdef";
    char *out = malloc(4 * strlen(text) + 1), *at = out;

    for (const unsigned char *p = (const unsigned char *)text; out && *p;) {
        const size_t control = control_length(p);

        if (!control)
            *at++ = (char)*p++;
        for (size_t i = 0; i < control; i++, p++) {
            *at++ = '\\';
            *at++ = 'x';
            *at++ = digits[*p >> 4];
            *at++ = digits[*p & 15];
        }
    }
    if (out)
        *at = '\0';
    return out;
}

void print_clean(FILE *out, const char *text)
{
    char *clean = clean_text(text);

    fputs(clean ? clean : "", out);
    free(clean);
}

size_t terminal_width(int fd)
{
    struct winsize size;

    if (!isatty(fd))
        return SIZE_MAX;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void print_wrapped(FILE *out, const char *text, size_t at, size_t indent, size_t width)
{
    while (*text) {
        const size_t length = strcspn(text, " ");

        if (at > indent && at + 1 + length > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", (int)length, text);
        at += length;
        text += length + (text[length] == ' ');
    }
    fputc('\n', out);
}

void print_json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            fprintf(out, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, out);
    fputc('"', out);
}

/* The character that an escape stands for, at p behind the backslash; 0: it is left as it is written. */
static char unescaped(const char *p)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *at = strchr(letters, *p);
    unsigned code = 0;

    if (*p == 'u' && sscanf(p + 1, "%4x", &code) == 1)
        return (char)(code < 0x80 ? code : 0);
    return (char)(*p && at ? meant[at - letters] : 0);
}

void print_flat_json(FILE *out, const char *json, const char *gap)
{
    char *flat = malloc(strlen(json) * (strlen(gap) + 1) + 1), *at = flat;
    bool quoted = false;

    for (const char *p = json; flat && *p; p++) {
        const char plain = (char)(*p == '\\' ? unescaped(p + 1) : 0);

        if (plain) {
            *at++ = plain;
            p += p[1] == 'u' ? 5 : 1;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (quoted || !strchr("{}:,", *p)) {
            *at++ = *p;
        } else if (*p == ':') {
            *at++ = '=';
        } else if (*p == ',') {
            at = stpcpy(at, gap);
        }
    }
    if (flat)
        *at = '\0';
    print_clean(out, flat ? flat : json);
    free(flat);
}

void print_json_lines(FILE *out, const char *json)
{
    bool quoted = false;
    int depth = 0;

    for (const char *p = json; *p; p++) {
        const bool opens = !quoted && strchr("{[", *p), closes = !quoted && strchr("}]", *p);

        if (closes && --depth == 0)
            fputc('\n', out);
        fputc(*p, out);
        if (*p == '\\' && p[1])
            fputc(*++p, out);
        else if (*p == '"')
            quoted = !quoted;
        else if (opens && ++depth == 1)
            fputs("\n  ", out);
        else if (!quoted && *p == ',')
            fputs(depth == 1 ? "\n  " : " ", out);
        else if (!quoted && *p == ':')
            fputc(' ', out);
    }
    fputc('\n', out);
}

/* The part of a side's identity that tells it apart: customers of postgres://host/db#public.customers, a.csv of
 * file:/data/a.csv. */
static void base_name(const char *side, char *out, size_t size)
{
    const char *collection = strchr(side, '#'), *cut;

    if (collection && collection[1]) {
        cut = strchr(collection, '"') ? NULL : strrchr(collection, '.');
        snprintf(out, size, "%s", cut ? cut + 1 : collection + 1);
        return;
    }
    cut = strrchr(side, '/');
    snprintf(out, size, "%.*s", (int)strcspn(cut ? cut + 1 : side, "#"), cut ? cut + 1 : side);
}

const char *sync_label(const char *sync, const char *source, const char *target, char out[LABEL])
{
    const char *arrow = strstr(sync, " -> ");
    char from[100], to[100];

    if (!arrow || !memchr(sync, ':', (size_t)(arrow - sync))) {
        snprintf(out, LABEL, "%s", sync);
        return out;
    }
    base_name(source, from, sizeof from);
    base_name(target, to, sizeof to);
    if (strcmp(from, to) == 0)
        snprintf(out, LABEL, "%s", from);
    else
        snprintf(out, LABEL, "%s -> %s", from, to);
    return out;
}

/* Where a side's text begins to be shown when all of it is too long: a little before the two sides part. */
static size_t window_start(const char *text, const char *other)
{
    size_t at = 0;

    while (other && text[at] && text[at] == other[at])
        at++;
    if (!other || at < 2 * WINDOW_BEFORE)
        return 0;
    at -= WINDOW_BEFORE;
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--; /* not inside a character */
    return at;
}

const char *value_window(const char *text, const char *other, char out[VALUE])
{
    const size_t length = strlen(text);
    const bool too_long = length > WINDOW || (other && strlen(other) > WINDOW);
    const size_t from = too_long ? window_start(text, other) : 0;
    size_t to = length - from > WINDOW ? from + WINDOW : length;

    while (to < length && to > from && ((unsigned char)text[to] & 0xc0) == 0x80)
        to--;
    if (length == 0 || text[0] == ' ' || text[length - 1] == ' ') /* or nobody sees it */
        snprintf(out, VALUE, "%s\"%.*s\"%s", from ? "…" : "", (int)(to - from), text + from,
                 to < length ? "…" : "");
    else
        snprintf(out, VALUE, "%s%.*s%s", from ? "…" : "", (int)(to - from), text + from,
                 to < length ? "…" : "");
    return out;
}
