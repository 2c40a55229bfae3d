/* SPDX-License-Identifier: Apache-2.0 */
/* duration.c - durations as people write them in settings: a whole number and its unit. A number alone could be seconds or milliseconds, and is
 * refused; so is what does not fit, before anything overflows. */
#include "base/duration.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

void ls_duration_write(int64_t ms, char out[32])
{
    if (ms == 0)
        snprintf(out, 32, "0s");
    else if (ms % 86400000 == 0)
        snprintf(out, 32, "%lldd", (long long)(ms / 86400000));
    else if (ms > 3600000 && ms % 3600000 == 0)
        snprintf(out, 32, "%lldh", (long long)(ms / 3600000));
    else if (ms % 60000 == 0)
        snprintf(out, 32, "%lldmin", (long long)(ms / 60000));
    else if (ms % 1000 == 0)
        snprintf(out, 32, "%llds", (long long)(ms / 1000));
    else
        snprintf(out, 32, "%lldms", (long long)ms);
}

bool ls_duration_read(const char *text, int64_t min_ms, int64_t max_ms, int64_t *ret)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    const size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits + strspn(text + digits, " ");
    int64_t n = 0;

    for (size_t i = 0; ls_text_to_i64(text, digits, &n) && i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].unit) == 0 && n <= max_ms / units[i].ms &&
            n * units[i].ms >= min_ms) {
            *ret = n * units[i].ms;
            return true;
        }
    return false;
}

void ls_duration_expected(int64_t min_ms, int64_t max_ms, char out[160])
{
    char least[32], most[32];

    ls_duration_write(min_ms, least);
    ls_duration_write(max_ms, most);
    snprintf(out, 160, "a time from %s to %s is expected here, with its unit (ms, s, min, h, d)",
             least, most);
}
