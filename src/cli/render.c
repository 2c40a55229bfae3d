/* SPDX-License-Identifier: Apache-2.0 */
/* render.c - results for people: tables, colours where the terminal has them, fields side by side. */
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define RED "\033[31m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

static const char *paint(const struct cli *cli, const char *colour)
{
    return cli->colour ? colour : "";
}

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

/* A duration that reads well: 350 ms, 12.3 s, 4 min 05 s. */
static const char *duration(int64_t ms, char out[32])
{
    if (ms < 1000)
        snprintf(out, 32, "%" PRId64 " ms", ms);
    else if (ms < 60000)
        snprintf(out, 32, "%.1f s", (double)ms / 1000);
    else
        snprintf(out, 32, "%" PRId64 " min %02" PRId64 " s", ms / 60000, ms / 1000 % 60);
    return out;
}

static const char *local_time(int64_t unix_us, char out[32])
{
    const time_t seconds = (time_t)(unix_us / 1000000);
    struct tm tm;

    if (unix_us == 0 || !gmtime_r(&seconds, &tm))
        return "";
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
    return out;
}

/* ---- tables ---- */

struct column {
    const char *name;
    bool right;
};

static struct libscols_table *new_table(const struct cli *cli, const struct column *columns,
                                        size_t count)
{
    struct libscols_table *table = scols_new_table();

    if (!table)
        return NULL;
    scols_table_enable_colors(table, cli->colour);
    for (size_t i = 0; i < count; i++)
        if (!scols_table_new_column(table, columns[i].name, 0,
                                    columns[i].right ? SCOLS_FL_RIGHT : 0)) {
            scols_unref_table(table);
            return NULL;
        }
    return table;
}

static struct libscols_line *new_line(struct libscols_table *table)
{
    return scols_table_new_line(table, NULL);
}

static void put(struct libscols_line *line, size_t column, const char *text)
{
    if (line)
        scols_line_set_data(line, column, text ? text : "");
}

static void put_count(struct libscols_line *line, size_t column, uint64_t n)
{
    char text[32];

    put(line, column, grouped(n, text));
}

static void print_table(struct libscols_table *table)
{
    scols_print_table(table);
    scols_unref_table(table);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- status ---- */

static void put_status(struct libscols_table *table, const struct lockstep_status *s)
{
    struct libscols_line *line = new_line(table);
    char time[32];

    put(line, 0, s->sync);
    put_count(line, 1, s->in_sync);
    put_count(line, 2, s->source_only);
    put_count(line, 3, s->target_only);
    put_count(line, 4, s->inconsistent);
    put_count(line, 5, s->moving);
    put_count(line, 6, s->total);
    put(line, 7, s->path);
    put(line, 8, duration(s->duration_ms, time));
}

static void print_verdict(const struct cli *cli, const struct lockstep_status *s)
{
    const uint64_t off = s->source_only + s->target_only + s->inconsistent + s->conflict;
    char n[32];

    if (off)
        printf("%s%s differ%s%s\n", paint(cli, YELLOW), grouped(off, n), off == 1 ? "s" : "",
               paint(cli, PLAIN));
    else
        printf("%sin sync%s\n", paint(cli, GREEN), paint(cli, PLAIN));
}

void render_status(struct cli *cli, const struct lockstep_status *const *list, size_t count)
{
    static const struct column columns[] = {
        {"SYNC", false},       {"IN SYNC", true},      {"SOURCE ONLY", true},
        {"TARGET ONLY", true}, {"INCONSISTENT", true}, {"MOVING", true},
        {"TOTAL", true},       {"PATH", false},        {"TIME", true},
    };
    struct libscols_table *table = new_table(cli, columns, COUNT(columns));

    for (size_t i = 0; table && i < count; i++)
        put_status(table, list[i]);
    if (table)
        print_table(table);
    for (size_t i = 0; i < count; i++) {
        if (*list[i]->explain)
            printf("%s: %s\n", list[i]->sync, list[i]->explain);
        if (count == 1)
            print_verdict(cli, list[i]);
    }
}

/* ---- diff ---- */

static void print_heading(const struct cli *cli, const struct lockstep_difference *d)
{
    static const struct {
        const char *status, *sign, *text, *colour;
    } kinds[] = {
        {"source_only", "+", "only in the source", GREEN},
        {"target_only", "-", "only in the target", RED},
        {"inconsistent", "~", "differs (source, target)", YELLOW},
        {"moving", "?", "is changing right now", YELLOW},
    };

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(d->status, kinds[i].status) == 0)
            printf("%s%s %s%s  %s\n", paint(cli, kinds[i].colour), kinds[i].sign, d->key,
                   paint(cli, PLAIN), kinds[i].text);
}

/* One of a record's fields that is worth a line: what differs; of a record on one side all that has a value. */
static bool is_shown(const struct lockstep_difference *d, const struct lockstep_field *f)
{
    if (f->is_key)
        return false;
    if (strcmp(d->status, "inconsistent") == 0 || strcmp(d->status, "moving") == 0)
        return f->differs;
    return f->source || f->target;
}

void render_difference(struct cli *cli, const struct lockstep_difference *d)
{
    static const struct column columns[] = {{"FIELD", false}, {"SOURCE", false}, {"TARGET", false}};
    const bool both = strcmp(d->status, "inconsistent") == 0 || strcmp(d->status, "moving") == 0;
    struct libscols_table *table = new_table(cli, columns, COUNT(columns));
    size_t shown = 0;

    print_heading(cli, d);
    if (!table)
        return;
    for (size_t i = 0; i < 3; i++) {
        struct libscols_column *column = scols_table_get_column(table, i);

        scols_column_set_flags(column, SCOLS_FL_TRUNC);
    }
    scols_table_enable_noheadings(table, 1);
    scols_table_set_column_separator(table, "  ");
    for (size_t i = 0; i < d->field_count; i++) {
        const struct lockstep_field *f = &d->fields[i];
        struct libscols_line *line;
        char name[260];

        if (!is_shown(d, f))
            continue;
        line = new_line(table);
        snprintf(name, sizeof name, "    %s", f->name);
        put(line, 0, name);
        put(line, 1, both || f->source ? (f->source ? f->source : "(null)") : f->target);
        if (both)
            put(line, 2, f->target ? f->target : "(null)");
        shown++;
    }
    if (shown)
        print_table(table);
    else
        scols_unref_table(table);
}

/* ---- runs ---- */

static const char *status_colour(const char *status)
{
    static const struct {
        const char *status, *colour;
    } colours[] = {
        {"completed", GREEN}, {"partial_success", YELLOW}, {"running", YELLOW}, {"failed", RED},
        {"interrupted", RED}, {"cancelled", YELLOW},       {"stopped", RED},
    };

    for (size_t i = 0; i < COUNT(colours); i++)
        if (strcmp(colours[i].status, status) == 0)
            return colours[i].colour;
    return "";
}

static void print_counts(const struct lockstep_run *run)
{
    const struct {
        const char *what;
        uint64_t n;
    } counts[] = {
        {"created", run->created},     {"updated", run->updated}, {"deleted", run->deleted},
        {"unchanged", run->unchanged}, {"failed", run->failed},   {"conflicts", run->conflicts},
    };
    char n[32];
    const char *gap = "  ";

    for (size_t i = 0; i < COUNT(counts); i++)
        if (counts[i].n || i < 3) {
            printf("%s%s %s", gap, grouped(counts[i].n, n), counts[i].what);
            gap = ", ";
        }
    putchar('\n');
}

static void print_errors(const struct cli *cli, const struct lockstep_run *run)
{
    for (size_t i = 0; i < run->error_count && i < 10; i++)
        printf("  %s%s%s  %s\n", paint(cli, RED), run->errors[i].key, paint(cli, PLAIN),
               run->errors[i].error);
    if (run->errors_total > 10)
        printf("  … and %" PRIu64 " more: lockstep show %" PRId64 " --json\n",
               run->errors_total - 10, run->number);
}

void render_run(struct cli *cli, const struct lockstep_run *run)
{
    char time[32];

    if (run->number == 0) {
        printf("%sdry run%s of %s: nothing was changed; a sync would make\n", paint(cli, BOLD),
               paint(cli, PLAIN), run->sync);
        print_counts(run);
        return;
    }
    printf("%srun %" PRId64 "%s  %s %s: %s%s%s in %s%s\n", paint(cli, BOLD), run->number,
           paint(cli, PLAIN), run->kind, run->sync, paint(cli, status_colour(run->status)),
           run->status, paint(cli, PLAIN), duration(run->duration_ms, time),
           run->verified ? ", verified" : "");
    print_counts(run);
    print_errors(cli, run);
    if (run->undoes)
        printf("  took back run %" PRId64 "\n", run->undoes);
    if (run->undone_by)
        printf("  was undone by run %" PRId64 "\n", run->undone_by);
}

void render_history(struct cli *cli, struct lockstep_run **runs, size_t count)
{
    static const struct column columns[] = {
        {"RUN", true},     {"WHAT", false},          {"SYNC", false},
        {"STATUS", false}, {"STARTED (UTC)", false}, {"TIME", true},
        {"CREATED", true}, {"UPDATED", true},        {"DELETED", true},
        {"FAILED", true},  {"VERIFIED", false},      {"UNDONE BY", true},
    };
    struct libscols_table *table;

    if (count == 0) {
        puts("no runs yet");
        return;
    }
    table = new_table(cli, columns, COUNT(columns));
    for (size_t i = 0; table && i < count; i++) {
        struct libscols_line *line = new_line(table);
        char text[32];

        put_count(line, 0, (uint64_t)runs[i]->number);
        put(line, 1, runs[i]->kind);
        put(line, 2, runs[i]->sync);
        put(line, 3, runs[i]->status);
        put(line, 4, local_time(runs[i]->started_us, text));
        put(line, 5, duration(runs[i]->duration_ms, text));
        put_count(line, 6, runs[i]->created);
        put_count(line, 7, runs[i]->updated);
        put_count(line, 8, runs[i]->deleted);
        put_count(line, 9, runs[i]->failed + runs[i]->conflicts);
        put(line, 10, runs[i]->verified ? "yes" : "no");
        if (runs[i]->undone_by)
            put_count(line, 11, (uint64_t)runs[i]->undone_by);
    }
    if (table)
        print_table(table);
}

/* ---- the rest ---- */

void render_finding(struct cli *cli, const struct lockstep_finding *f)
{
    static const struct {
        const char *word, *colour;
    } levels[] = {{"ok", GREEN}, {"note", ""}, {"warning", YELLOW}, {"error", RED}};
    const size_t level = f->level < 0 || f->level > 3 ? 3 : (size_t)f->level;

    printf("%s%-8s%s %s%s%s: %s\n", paint(cli, levels[level].colour), levels[level].word,
           paint(cli, PLAIN), f->sync, *f->sync ? ": " : "", f->what, f->text);
}

int fail(struct cli *cli, const struct lockstep_error *error)
{
    if (cli->progress)
        progress_clear(cli->progress);
    fprintf(stderr, "lockstep: %s\n", error->text);
    return error->code;
}
