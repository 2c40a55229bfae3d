/* SPDX-License-Identifier: Apache-2.0 */
/* Holds docs/stores.md to the list of store kinds. With --write it puts the table there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"

#define FROM "<!-- kinds -->\n"
#define TO "<!-- end of kinds -->"

static const struct {
    enum ls_caps cap;
    const char *word;
} caps[] = {
    {LS_CAP_ORDER, "order"},     {LS_CAP_DIGEST, "digest"},   {LS_CAP_WRITE, "write"},
    {LS_CAP_CREATE, "create"},   {LS_CAP_LOCK, "lock"},       {LS_CAP_FETCH, "fetch"},
    {LS_CAP_BATCHES, "batches"}, {LS_CAP_WRITERS, "writers"}, {LS_CAP_INBOX, "inbox"},
};
#define CAP_COUNT (sizeof(caps) / sizeof(caps[0]))

static void print_kinds(struct ls_buf *out)
{
    ls_buf_text(out, "| URL | what it is |");
    for (size_t c = 0; c < CAP_COUNT; c++)
        ls_buf_printf(out, " %s |", caps[c].word);
    ls_buf_text(out, "\n|---|---|");
    for (size_t c = 0; c < CAP_COUNT; c++)
        ls_buf_text(out, "---|");
    for (size_t i = 0; ls_store_kinds[i]; i++) {
        ls_buf_printf(out, "\n| `%s` | %s |", ls_store_kinds[i]->example,
                      ls_store_kinds[i]->summary);
        for (size_t c = 0; c < CAP_COUNT; c++)
            ls_buf_text(out, ls_store_kinds[i]->caps & (unsigned)caps[c].cap ? " yes |" : " - |");
    }
    ls_buf_char(out, '\n');
}

static char path[4096];

/* The page as it is, and as it should be. */
static void read_page(struct ls_buf *is, struct ls_buf *should)
{
    const char *root = getenv("LOCKSTEP_SOURCE_ROOT"), *from, *to;
    char piece[4096];
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "%s/docs/stores.md", root ? root : ".");
    f = fopen(path, "re");
    if (!f)
        fail_msg("cannot read %s", path);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        ls_buf_add(is, piece, n);
    fclose(f);
    from = strstr(ls_buf_str(is), FROM);
    to = strstr(ls_buf_str(is), TO);
    if (!from || !to)
        fail_msg("%s has lost its marks", path);
    ls_buf_add(should, is->data, (size_t)(from - is->data) + strlen(FROM));
    print_kinds(should);
    ls_buf_text(should, to);
}

static void the_page_shows_the_kinds_there_are(void **state)
{
    struct ls_buf is, should;

    (void)state;
    ls_buf_init(&is, 0);
    ls_buf_init(&should, 0);
    read_page(&is, &should);
    if (strcmp(ls_buf_str(&is), ls_buf_str(&should)) != 0)
        fail_msg("docs/stores.md is out of date: run test_store_stores_doc --write");
    ls_buf_done(&is);
    ls_buf_done(&should);
}

static int write_page(void)
{
    struct ls_buf is, should;
    FILE *f;

    ls_buf_init(&is, 0);
    ls_buf_init(&should, 0);
    read_page(&is, &should);
    f = fopen(path, "we");
    if (!f || fputs(ls_buf_str(&should), f) < 0 || fclose(f)) {
        perror(path);
        return 1;
    }
    ls_buf_done(&is);
    ls_buf_done(&should);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_page_shows_the_kinds_there_are)};

    if (argc > 1 && !strcmp(argv[1], "--write"))
        return write_page();
    return cmocka_run_group_tests_name("store/stores_doc", tests, NULL, NULL);
}
