/* SPDX-License-Identifier: Apache-2.0 */
/* zone_near.c - the zone that somebody meant who wrote one that is not there.
 *
 * Three kinds of slips, from the surest: the wrong case (europe/vienna), the place alone
 * (Vienna), a letter too many or too few (Europe/Viena). The names are those of the files; what
 * is no zone there has a dot in its name, or is a copy of the tree (posix, right).
 *
 * The tree is read anew for each message: who is told of an error does not wait for 600 names. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/zone.h"

#define NAMES_MAX ((size_t)2000) /* there are some 600 */
#define DEPTH_MAX 3              /* America/Argentina/Salta */

struct names {
    struct ls_arena *mem;
    const char **list;
    size_t count;
};

static bool is_zone(const char *name)
{
    return !strchr(name, '.') && strcmp(name, "posix") != 0 && strcmp(name, "right") != 0;
}

/* What cannot be read, or finds no memory, is left out: this is only help. */
static void collect(struct names *n, const char *dir, const char *prefix, unsigned depth)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    while (d && n->count < NAMES_MAX && (entry = readdir(d)) != NULL) {
        const char *name, *path;

        if (!is_zone(entry->d_name))
            continue;
        name = ls_arena_printf(n->mem, "%s%s", prefix, entry->d_name);
        if (name && entry->d_type == DT_DIR && depth < DEPTH_MAX) {
            path = ls_arena_printf(n->mem, "%s/%s", dir, entry->d_name);
            name = ls_arena_printf(n->mem, "%s/", name);
            if (path && name)
                collect(n, path, name, depth + 1);
        } else if (name && entry->d_type != DT_DIR) {
            n->list[n->count++] = name;
        }
    }
    if (d)
        closedir(d);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *place(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

const char *ls_zone_nearest(const char *name, struct ls_arena *mem)
{
    struct names n = {mem, ls_arena_array(mem, NAMES_MAX, sizeof *n.list), 0};

    if (!n.list)
        return NULL;
    collect(&n, ls_zone_folder(), "", 1);
    qsort(n.list, n.count, sizeof *n.list, by_text); /* folders have no order of their own */
    for (size_t i = 0; i < n.count; i++)
        if (ls_text_equal_nocase(n.list[i], name))
            return n.list[i];
    for (size_t i = 0; i < n.count; i++)
        if (ls_text_equal_nocase(place(n.list[i]), name))
            return n.list[i];
    return ls_text_nearest(name, n.list, n.count);
}
