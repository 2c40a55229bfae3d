/* SPDX-License-Identifier: Apache-2.0 */
/* take_back.c - the library in one sitting: compare, sync, look at the result, take it back.
 *
 *   take_back SOURCE TARGET KEY     such as: take_back file:new.csv 'sqlite:shop.db#customers' id
 *   take_back                       on a small file that it makes itself, in a folder of its own
 *
 * Build it anywhere with: cc take_back.c $(pkg-config --cflags --libs lockstep)
 *
 * What to see here: a handle has a state, where runs are remembered; every call returns a code and
 * fills an error; what comes through a ret argument is freed with the function beside it. */
#include <lockstep.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int complain(const char *what, const struct lockstep_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    return error->code;
}

/* Called once for each record that differs; what it is given is gone when it returns. */
static bool print_difference(void *ctx, const struct lockstep_difference *difference)
{
    (void)ctx;
    printf("  %s: %s\n", difference->key, difference->status);
    for (size_t i = 0; i < difference->field_count; i++) {
        const struct lockstep_field *field = &difference->fields[i];

        if (field->differs)
            printf("    %s: %s, was %s\n", field->name, field->source ? field->source : "-",
                   field->target ? field->target : "-");
    }
    return true; /* false ends the diff */
}

/* LOCKSTEP_OK in sync, LOCKSTEP_DIFFERENT not; other codes after a message. */
static int show_differences(struct lockstep *ls, const struct lockstep_select *select)
{
    const struct lockstep_run_options options = {.limit = 10};
    struct lockstep_status status;
    struct lockstep_error error;
    int rc = lockstep_diff(ls, select, &options, print_difference, NULL, &status, &error);

    if (rc != LOCKSTEP_OK && rc != LOCKSTEP_DIFFERENT)
        return complain("compare", &error);
    printf("%llu of %llu records are in sync\n", (unsigned long long)status.in_sync,
           (unsigned long long)status.total);
    lockstep_status_done(&status);
    return rc;
}

/* Makes the target match; *ret_number is the run's, by which it can be taken back. */
static int sync_them(struct lockstep *ls, const struct lockstep_select *select, char ret_number[24])
{
    const struct lockstep_run_options options = {.create = true};
    struct lockstep_run *run = NULL;
    struct lockstep_error error;
    int rc = lockstep_sync(ls, select, &options, &run, &error);

    if (rc != LOCKSTEP_OK)
        complain("sync", &error);
    if (run) {
        printf("run %lld: %s, %llu created, %llu updated, %llu deleted\n", (long long)run->number,
               run->status, (unsigned long long)run->created, (unsigned long long)run->updated,
               (unsigned long long)run->deleted);
        snprintf(ret_number, 24, "%lld", (long long)run->number);
    }
    lockstep_run_free(run);
    return rc;
}

static int take_back(struct lockstep *ls, const char *number, const struct lockstep_select *select)
{
    struct lockstep_run *run = NULL;
    struct lockstep_error error;
    int rc = lockstep_undo(ls, number, select, NULL, &run, &error);

    if (rc != LOCKSTEP_OK)
        return complain("undo", &error);
    printf("run %lld took back run %s\n", (long long)run->number, number);
    lockstep_run_free(run);
    return rc;
}

/* Shows, syncs and takes back: afterwards the target is as it was before. */
static int run_once(struct lockstep *ls, const struct lockstep_select *select)
{
    char number[24];
    int rc = show_differences(ls, select);

    if (rc == LOCKSTEP_DIFFERENT)
        rc = sync_them(ls, select, number);
    if (rc == LOCKSTEP_OK)
        rc = take_back(ls, number, select);
    return rc;
}

static int write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    if (!f)
        return -1;
    fputs(text, f);
    return fclose(f);
}

/* A table as it was yesterday, and the file of today. 0 when all went as it should. */
static int demonstrate(struct lockstep *ls, const struct lockstep_select *select)
{
    char number[24];

    if (write_file("customers.csv", "id,name,city\n1,Ada,London\n2,Grace,New York\n") != 0 ||
        sync_them(ls, select, number) != LOCKSTEP_OK)
        return 1;
    if (write_file("customers.csv", "id,name,city\n1,Ada,Turin\n2,Grace,New York\n3,Anita,\n") != 0)
        return 1;
    if (run_once(ls, select) != LOCKSTEP_OK)
        return 1;
    /* Taken back: today's two differences are there again. */
    return show_differences(ls, select) == LOCKSTEP_DIFFERENT ? 0 : 1;
}

int main(int argc, char **argv)
{
    const bool demo = argc != 4;
    const char *const key[] = {demo ? "id" : argv[3]};
    const struct lockstep_select select = {
        .source = demo ? "file:customers.csv" : argv[1],
        .target = demo ? "sqlite:shop.db#customers" : argv[2],
        .key = key,
        .key_count = 1,
    };
    const struct lockstep_options options = {.state_url = demo ? "sqlite:state.db" : NULL};
    struct lockstep_error error;
    struct lockstep *ls = NULL;
    char folder[] = "take-back-XXXXXX";
    int rc;

    if (demo) {
        const char *parent = getenv("TMPDIR");

        if (chdir(parent && *parent ? parent : "/tmp") != 0 || !mkdtemp(folder) ||
            chdir(folder) != 0) {
            perror(folder);
            return 1;
        }
        printf("in folder %s of %s, which stays for a look\n", folder,
               parent && *parent ? parent : "/tmp");
    }
    if (lockstep_open(&options, &ls, &error) != LOCKSTEP_OK)
        return complain("open", &error);
    rc = demo ? demonstrate(ls, &select) : run_once(ls, &select);
    lockstep_close(ls);
    return rc;
}
