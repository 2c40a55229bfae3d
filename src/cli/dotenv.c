/* SPDX-License-Identifier: Apache-2.0 */
/* dotenv.c - variables of .env.local and .env in the current folder, as the programs beside which lockstep runs read them.
 *
 * What the environment has already wins, then .env.local, then .env. A line is NAME=VALUE, with `export ` before it or not; '...' is taken as it
 * stands, in "..." \n, \" and \\ are known, and a value without quotes ends at the end of the line or at " #". Nothing is replaced inside of
 * values. Names that steer the libraries of a process (LD_PRELOAD, OPENSSL_CONF) are passed over: a file in the folder where
 * somebody happens to be may say where data is, not what code runs. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define FILE_MAX (256 << 10) /* bytes that are read; nobody writes so much */

static bool steers_the_process(const char *name)
{
    static const char *const prefixes[] = {"LD_",   "OPENSSL_", "SSL_", "CURL_", "GCONV_",
                                           "GLIBC", "MALLOC",   "XDG_", "LOC",   "NLS"};
    static const char *const names[] = {"PATH", "HOME", "TMPDIR", "IFS", "LANG", "TZ", "TZDIR"};

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The value in double quotes that begins at from, in place; false: it does not end on this line. */
static bool unquote(char *from)
{
    char *to = from;

    for (const char *c = from; *c; c++) {
        if (*c == '"') {
            *to = '\0';
            return true;
        }
        if (*c == '\\' && strchr("n\"\\", c[1]) && c[1])
            *to++ = *++c == 'n' ? '\n' : *c;
        else
            *to++ = *c;
    }
    return false;
}

static char *value_of(char *text)
{
    char *end;

    text += strspn(text, " \t");
    if (*text == '\'') {
        end = strchr(text + 1, '\'');
        if (end)
            *end = '\0';
        return end ? text + 1 : NULL;
    }
    if (*text == '"')
        return unquote(text + 1) ? text + 1 : NULL;
    end = *text == '#' ? text : strstr(text, " #");
    if (end)
        *end = '\0';
    for (end = text + strlen(text); end > text && isspace((unsigned char)end[-1]); end--)
        end[-1] = '\0';
    return text;
}

static void take_line(char *line)
{
    char *equals, *value;
    size_t length;

    line += strspn(line, " \t");
    if (strncmp(line, "export ", 7) == 0)
        line += 7 + strspn(line + 7, " ");
    equals = strchr(line, '=');
    if (*line == '#' || !equals)
        return;
    length = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    if (length == 0 || line[length + strspn(line + length, " \t")] != '=')
        return;
    line[length] = '\0';
    value = value_of(equals + 1);
    if (value && !steers_the_process(line))
        setenv(line, value, 0);
}

void read_dotenv(void)
{
    static const char *const files[] = {".env.local", ".env"};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *in = fopen(files[i], "re");
        char *text = in ? calloc(1, FILE_MAX + 1) : NULL, *rest = text;

        if (text && fread(text, 1, FILE_MAX, in) > 0)
            for (char *line; (line = strsep(&rest, "\n")) != NULL;)
                take_line(line);
        free(text);
        if (in)
            fclose(in);
    }
}
