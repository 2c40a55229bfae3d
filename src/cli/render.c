/* SPDX-License-Identifier: Apache-2.0 */
/* render.c - results for people: tables, colours where the terminal has them, fields side by side. */
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

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
    scols_table_enable_noencoding(table, 1); /* put() cleans, without touching backslashes */
    scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER); /* or columns go when it is narrow */
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
    char *clean = clean_text(text ? text : "");

    if (line && clean)
        scols_line_refer_data(line, column, clean); /* takes it over */
    else
        free(clean);
}

static void put_count(struct libscols_line *line, size_t column, uint64_t n)
{
    char text[32];

    put(line, column, grouped(n, text));
}

/* The table as text, with `gap` between its columns; free it. NULL: out of memory. */
static char *table_text(struct libscols_table *table, const char *gap)
{
    char *text = NULL;

    scols_table_set_column_separator(table, gap);
    return scols_print_table_to_string(table, &text) == 0 ? text : NULL;
}

/* Columns of the terminal that a line takes; line[length] is its end. */
static size_t line_width(const char *line, size_t length)
{
    mbstate_t state = {0};
    size_t width = 0;

    for (size_t at = 0; at < length;) {
        wchar_t c = 0;
        const size_t bytes = mbrtowc(&c, line + at, length - at, &state);

        if (bytes == 0 || bytes > length - at)
            return length;
        width += wcwidth(c) > 0 ? (size_t)wcwidth(c) : 0;
        at += bytes;
    }
    return width;
}

/* The length of a line without the blanks that fill its last column. */
static size_t used_length(const char *line)
{
    size_t used = strcspn(line, "\n");

    while (used > 0 && line[used - 1] == ' ')
        used--;
    return used;
}

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

static bool fits(const char *text, size_t width)
{
    for (const char *line = text; line && *line; line = next_line(line))
        if (line_width(line, used_length(line)) > width)
            return false;
    return true;
}

static void print_lines(const char *text)
{
    for (const char *line = text; line && *line; line = next_line(line))
        printf("%.*s\n", (int)used_length(line), line);
}

/* The columns below each other, a block for each line: for terminals that are too narrow for the table. */
static void print_blocks(struct libscols_table *table)
{
    for (size_t i = 0; i < scols_table_get_nlines(table); i++) {
        struct libscols_line *line = scols_table_get_line(table, i);

        for (size_t c = 0; c < scols_table_get_ncols(table); c++) {
            struct libscols_column *column = scols_table_get_column(table, c);
            const char *data = scols_line_get_column_data(line, column);

            if (!scols_column_is_hidden(column))
                printf("%-13s %s\n", scols_cell_get_data(scols_column_get_header(column)),
                       data ? data : "");
        }
        putchar('\n');
    }
}

/* What to do where even one blank between the columns is too wide. */
enum narrow { NARROW_WRAPS, NARROW_BLOCKS };

static void print_table(struct libscols_table *table, enum narrow narrow)
{
    const size_t width = terminal_width(STDOUT_FILENO);
    char *text = table_text(table, "  ");

    if (!fits(text, width)) {
        free(text);
        text = table_text(table, " ");
    }
    if (narrow == NARROW_BLOCKS && !fits(text, width))
        print_blocks(table);
    else
        print_lines(text);
    free(text);
    scols_unref_table(table);
}

/* A column that says something only sometimes. */
static void hide_column(struct libscols_table *table, size_t column, bool hidden)
{
    if (table && hidden)
        scols_column_set_flags(scols_table_get_column(table, column), SCOLS_FL_HIDDEN);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- status ---- */

static uint64_t differences(const struct lockstep_status *s)
{
    return s->source_only + s->target_only + s->inconsistent + s->conflict;
}

static void put_status(struct libscols_table *table, const struct lockstep_status *s)
{
    struct libscols_line *line = new_line(table);
    char time[32], label[LABEL];

    put(line, 0, sync_label(s->sync, s->source, s->target, label));
    put_count(line, 1, s->in_sync);
    put_count(line, 2, s->source_only);
    put_count(line, 3, s->target_only);
    put_count(line, 4, s->inconsistent);
    put_count(line, 5, s->moving);
    put_count(line, 6, s->total);
    put(line, 7, s->path);
    put(line, 8, duration(s->duration_ms, time));
}

static void print_moving(const struct lockstep_status *s)
{
    char n[32];

    if (s->moving)
        printf("%s record%s changed while being compared (moving): look again for %s\n",
               grouped(s->moving, n), s->moving == 1 ? "" : "s", s->moving == 1 ? "it" : "them");
}

void render_verdict(struct cli *cli, const struct lockstep_status *s)
{
    const uint64_t off = differences(s);
    char n[32];

    if (off)
        printf("%s%s differ%s%s\n", paint(cli, YELLOW), grouped(off, n), off == 1 ? "s" : "",
               paint(cli, PLAIN));
    else if (s->total == 0 && cli->set.only_count)
        puts("no record of either side is one of --only");
    else
        printf("%sin sync%s\n", paint(cli, GREEN), paint(cli, PLAIN));
    print_moving(s);
    if (s->run)
        printf("run %" PRId64 " has the receipt: lockstep receipt %" PRId64 "\n", s->run, s->run);
}

/* What several syncs come to. */
static void print_sum(const struct cli *cli, const struct lockstep_status *list, size_t count,
                      size_t missing)
{
    size_t off = 0;

    for (size_t i = 0; i < count; i++)
        off += differences(&list[i]) > 0;
    if (off)
        printf("%s%zu of %zu syncs differ%s%s", paint(cli, YELLOW), off, count + missing,
               off == 1 ? "s" : "", paint(cli, PLAIN));
    else if (missing)
        printf("%s%zu of %zu syncs in sync%s", paint(cli, GREEN), count, count + missing,
               paint(cli, PLAIN));
    else
        printf("%sall in sync%s", paint(cli, GREEN), paint(cli, PLAIN));
    if (missing)
        printf("; %s%zu could not be compared%s", paint(cli, RED), missing, paint(cli, PLAIN));
    putchar('\n');
}

void render_status(struct cli *cli, const struct lockstep_status *list, size_t count,
                   size_t missing)
{
    static const struct column columns[] = {
        {"SYNC", false},       {"IN SYNC", true},      {"SOURCE ONLY", true},
        {"TARGET ONLY", true}, {"INCONSISTENT", true}, {"MOVING", true},
        {"TOTAL", true},       {"PATH", false},        {"TIME", true},
    };
    struct libscols_table *table = new_table(cli, columns, COUNT(columns));
    const bool several = count + missing > 1;
    uint64_t moving = 0;
    char label[LABEL];

    for (size_t i = 0; table && i < count; i++) {
        put_status(table, &list[i]);
        moving += list[i].moving;
    }
    hide_column(table, 5, moving == 0);
    if (table)
        print_table(table, NARROW_BLOCKS);
    for (size_t i = 0; i < count; i++)
        if (*list[i].explain) {
            print_clean(stdout, sync_label(list[i].sync, list[i].source, list[i].target, label));
            fputs(": ", stdout);
            print_clean(stdout, list[i].explain);
            putchar('\n');
        }
    if (several)
        print_sum(cli, list, count, missing);
    else
        render_verdict(cli, &list[0]);
}

/* ---- diff ---- */

static bool on_both_sides(const struct lockstep_difference *d)
{
    return strcmp(d->status, "source_only") != 0 && strcmp(d->status, "target_only") != 0;
}

static void print_heading(const struct cli *cli, const struct lockstep_difference *d)
{
    static const struct {
        const char *status, *sign, *text, *colour;
    } kinds[] = {
        {"source_only", "+", "only in the source", GREEN},
        {"target_only", "-", "only in the target", RED},
        {"inconsistent", "~", "differs (source, target)", YELLOW},
        {"moving", "?", "is changing right now", YELLOW},
        {"conflict", "!", "changed on both sides", RED},
    };

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(d->status, kinds[i].status) == 0) {
            printf("%s%s ", paint(cli, kinds[i].colour), kinds[i].sign);
            print_clean(stdout, d->key);
            printf("%s  %s\n", paint(cli, PLAIN), kinds[i].text);
        }
}

/* One of a record's fields that is worth a line: what differs; of a record on one side all that has a value. */
static bool is_shown(const struct lockstep_difference *d, const struct lockstep_field *f)
{
    if (f->is_key)
        return false;
    return on_both_sides(d) ? f->differs : f->source || f->target;
}

static void put_value(struct libscols_line *line, size_t column, const char *text,
                      const char *other)
{
    char out[VALUE];

    put(line, column, text ? value_window(text, other, out) : "(null)");
}

static void put_field(struct libscols_table *table, const struct lockstep_field *f, bool both)
{
    struct libscols_line *line = new_line(table);
    char name[260];

    snprintf(name, sizeof name, "    %s", f->name);
    put(line, 0, name);
    if (both) {
        put_value(line, 1, f->source, f->target);
        put_value(line, 2, f->target, f->source);
    } else {
        put_value(line, 1, f->source ? f->source : f->target, NULL);
    }
}

void render_difference(struct cli *cli, const struct lockstep_difference *d)
{
    static const struct column columns[] = {{"FIELD", false}, {"SOURCE", false}, {"TARGET", false}};
    const bool both = on_both_sides(d);
    struct libscols_table *table = new_table(cli, columns, both ? 3 : 2);
    size_t shown = 0;
    char *text;

    print_heading(cli, d);
    if (!table)
        return;
    scols_table_set_termforce(table, SCOLS_TERMFORCE_AUTO);
    for (size_t i = 1; i < (both ? 3 : 2); i++)
        scols_column_set_flags(scols_table_get_column(table, i), SCOLS_FL_WRAP);
    scols_table_enable_noheadings(table, 1);
    for (size_t i = 0; i < d->field_count; i++)
        if (is_shown(d, &d->fields[i])) {
            put_field(table, &d->fields[i], both);
            shown++;
        }
    text = shown ? table_text(table, "  ") : NULL; /* its columns wrap by themselves */
    print_lines(text);
    free(text);
    scols_unref_table(table);
}

/* ---- plans and runs ---- */

void render_plan(struct cli *cli, const struct lockstep_plan_info *i, const char *path)
{
    char a[32], b[32], c[32], d[32];

    if (i->inserts + i->updates + i->deletes == 0)
        printf("%s: %sin sync%s, nothing to do; %s record%s the same\n", path, paint(cli, GREEN),
               paint(cli, PLAIN), grouped(i->unchanged, d), i->unchanged == 1 ? " is" : "s are");
    else
        printf("%s: %s to create, %s to update, %s to delete; %s unchanged\n"
               "Apply it with: lockstep apply %s\n",
               path, grouped(i->inserts, a), grouped(i->updates, b), grouped(i->deletes, c),
               grouped(i->unchanged, d), path);
    if (i->kept)
        printf("%s only in the target %s kept\n", grouped(i->kept, a), i->kept == 1 ? "is" : "are");
    if (i->moving)
        printf("%s left out: changing while being compared (moving)\n", grouped(i->moving, a));
}

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

static bool changed_nothing(const struct lockstep_run *run)
{
    return run->created + run->updated + run->deleted + run->failed + run->conflicts == 0;
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
            printf("%s%s %.*s", gap, grouped(counts[i].n, n),
                   (int)(strlen(counts[i].what) - (i == 5 && counts[i].n == 1)), counts[i].what);
            gap = ", ";
        }
    putchar('\n');
}

/* What became of the records: the counts, or that there was nothing to do. */
static void print_outcome(const struct cli *cli, const struct lockstep_run *run)
{
    char n[32];

    if (!changed_nothing(run) || (*run->status && strcmp(run->status, "completed") != 0))
        print_counts(run);
    else if (strcmp(run->kind, "undo") == 0)
        puts("  nothing to take back");
    else if (strcmp(run->kind, "apply") == 0)
        puts("  nothing to do: the target is already as the plan wants it");
    else if (strcmp(run->kind, "verify") == 0)
        printf("  %s record%s in sync\n", grouped(run->unchanged, n),
               run->unchanged == 1 ? "" : "s");
    else if (run->unchanged == 0)
        printf("  %sin sync%s: nothing to do\n", paint(cli, GREEN), paint(cli, PLAIN));
    else
        printf("  %sin sync%s: nothing to do (%s record%s the same)\n", paint(cli, GREEN),
               paint(cli, PLAIN), grouped(run->unchanged, n),
               run->unchanged == 1 ? " is" : "s are");
}

#define ERRORS_SHOWN 10

static void print_errors(const struct cli *cli, const struct lockstep_run *run)
{
    for (size_t i = 0; i < run->error_count && i < ERRORS_SHOWN; i++) {
        printf("  %s", paint(cli, RED));
        print_flat_json(stdout, run->errors[i].key, ", ");
        printf("%s  ", paint(cli, PLAIN));
        print_clean(stdout, run->errors[i].error);
        putchar('\n');
    }
    if (run->errors_total > ERRORS_SHOWN)
        printf("  … and %" PRIu64 " more: lockstep show %" PRId64 " --json\n",
               run->errors_total - ERRORS_SHOWN, run->number);
}

static void render_dry_run(struct cli *cli, const struct lockstep_run *run, const char *label)
{
    if (changed_nothing(run)) {
        printf("%sdry run%s of %s: nothing was changed\n", paint(cli, BOLD), paint(cli, PLAIN),
               label);
        print_outcome(cli, run);
        return;
    }
    printf("%sdry run%s of %s: nothing was changed; a sync would make\n", paint(cli, BOLD),
           paint(cli, PLAIN), label);
    print_counts(run);
    if (*run->reason) {
        printf("  %sa brake would stop it%s: ", paint(cli, YELLOW), paint(cli, PLAIN));
        print_clean(stdout, run->reason);
        putchar('\n');
    }
}

/* The first line of a run, and its counts. */
static void print_run(const struct cli *cli, const struct lockstep_run *run, const char *label)
{
    const bool ended = strcmp(run->status, "running") != 0;
    char time[32];

    printf("%srun %" PRId64 "%s  %s %s: %s%s%s%s%s%s\n", paint(cli, BOLD), run->number,
           paint(cli, PLAIN), run->kind, label, paint(cli, status_colour(run->status)), run->status,
           paint(cli, PLAIN), ended ? " in " : " for ", duration(run->duration_ms, time),
           run->verified ? ", verified" : "");
    print_outcome(cli, run);
    print_errors(cli, run);
}

/* Why a run that came to its end is not verified. */
static void print_doubt(const struct lockstep_run *run)
{
    const uint64_t left = run->failed + run->conflicts;
    char n[32];

    if (run->verified || *run->reason)
        return;
    if (left > 0)
        printf("  not verified: %s record%s not what %s should be\n", grouped(left, n),
               left == 1 ? " is" : "s are", left == 1 ? "it" : "they");
    else if (strcmp(run->kind, "undo") == 0)
        puts("  not verified: some records are not again what they were before that run");
    else
        puts("  not verified: both sides still differ, `lockstep diff` shows where");
}

static void print_undoes(const struct lockstep_run *run)
{
    if (run->undoes && run->failed + run->conflicts == 0)
        printf("  took back run %" PRId64 "\n", run->undoes);
    else if (run->undoes)
        printf("  took back what it could of run %" PRId64 "; `lockstep undo %" PRId64
               "` again takes back the rest, where it is again what the run left\n",
               run->undoes, run->undoes);
}

void render_run(struct cli *cli, const struct lockstep_run *run)
{
    char label[LABEL];

    sync_label(run->sync, run->source, run->target, label);
    if (run->number == 0) {
        render_dry_run(cli, run, label);
        return;
    }
    print_run(cli, run, label);
    if (!changed_nothing(run))
        print_undoes(run);
    print_doubt(run);
}

void render_show(struct cli *cli, const struct lockstep_run *run, const char *log)
{
    char time[32];

    print_run(cli, run, run->sync);
    print_undoes(run);
    if (run->undone_by)
        printf("  was undone%s by run %" PRId64 "\n", run->undone_in_part ? " in part" : "",
               run->undone_by);
    printf("  id       %s\n  source   ", run->id);
    print_clean(stdout, run->source);
    fputs("\n  target   ", stdout);
    print_clean(stdout, run->target);
    printf("\n  started  %s UTC\n", utc_time(run->started_us, time));
    if (*run->reason) {
        fputs("  reason   ", stdout);
        print_clean(stdout, run->reason);
        putchar('\n');
    }
    putchar('\n');
    for (; *log; log += *log == '\n') {
        const size_t length = strcspn(log, "\n");
        char *line = strndup(log, length);

        print_clean(stdout, line ? line : "");
        putchar('\n');
        free(line);
        log += length;
    }
}

/* "completed, not verified", "undone by 7"; of a verify "completed, differs" */
static void put_outcome(struct libscols_line *line, size_t column, const struct lockstep_run *run)
{
    const bool completed = strcmp(run->status, "completed") == 0;
    const char *doubt = strcmp(run->kind, "verify") == 0 ? "differs" : "not verified";
    const char *part = run->undone_in_part ? " in part" : "";
    char text[100];

    if (run->undone_by && completed)
        snprintf(text, sizeof text, "undone%s by %" PRId64, part, run->undone_by);
    else if (run->undone_by)
        snprintf(text, sizeof text, "%s, undone%s by %" PRId64, run->status, part, run->undone_by);
    else if (completed && !run->verified)
        snprintf(text, sizeof text, "%s, %s", run->status, doubt);
    else
        snprintf(text, sizeof text, "%s", run->status);
    put(line, column, text);
}

void render_history(struct cli *cli, struct lockstep_run **runs, size_t count)
{
    static const struct column columns[] = {
        {"RUN", true},    {"WHAT", false},   {"SYNC", false},   {"STARTED (UTC)", false},
        {"TIME", true},   {"CREATED", true}, {"UPDATED", true}, {"DELETED", true},
        {"FAILED", true}, {"STATUS", false},
    };
    struct libscols_table *table;
    uint64_t failed = 0;

    if (count == 0) {
        puts("no runs yet");
        return;
    }
    table = new_table(cli, columns, COUNT(columns));
    for (size_t i = 0; table && i < count; i++) {
        const struct lockstep_run *run = runs[i];
        struct libscols_line *line = new_line(table);
        char text[LABEL], started[32];

        snprintf(text, sizeof text, run->undoes ? "%s %" PRId64 : "%s", run->kind, run->undoes);
        put(line, 1, text);
        snprintf(text, sizeof text, "%" PRId64, run->number);
        put(line, 0, text);
        put(line, 2, sync_label(run->sync, run->source, run->target, text));
        snprintf(text, sizeof text, "%.16s", utc_time(run->started_us, started));
        put(line, 3, text); /* to the minute; `show` has the seconds */
        put(line, 4, duration(run->duration_ms, text));
        put_count(line, 5, run->created);
        put_count(line, 6, run->updated);
        put_count(line, 7, run->deleted);
        put_count(line, 8, run->failed + run->conflicts);
        failed += run->failed + run->conflicts;
        put_outcome(line, 9, run);
    }
    hide_column(table, 8, failed == 0);
    if (table)
        print_table(table, NARROW_WRAPS);
}

/* ---- the rest ---- */

static const struct {
    const char *word, *colour;
} levels[] = {{"ok", GREEN}, {"note", ""}, {"warning", YELLOW}, {"error", RED}};
#define WORD_COLUMN 9 /* behind the longest of these */

static void print_finding_json(const struct lockstep_finding *f, const char *level)
{
    printf("{\"level\":\"%s\",\"sync\":", level);
    if (*f->sync)
        print_json_text(stdout, f->sync);
    else
        fputs("null", stdout);
    fputs(",\"what\":", stdout);
    print_json_text(stdout, f->what);
    fputs(",\"text\":", stdout);
    print_json_text(stdout, f->text);
    puts("}");
}

/* The name of the sync stands above its findings. */
static void print_sync_heading(struct cli *cli, const char *sync)
{
    char label[LABEL];

    snprintf(label, sizeof label, "%s", sync);
    if (strcmp(cli->heading, label) == 0)
        return;
    snprintf(cli->heading, sizeof cli->heading, "%s", label);
    printf("%s%s%s%s\n", cli->shown ? "\n" : "", paint(cli, BOLD), sync, paint(cli, PLAIN));
}

static void print_finding(const struct cli *cli, const struct lockstep_finding *f, size_t level)
{
    char *text = clean_text(f->text), *what = clean_text(f->what);

    if (text && what) {
        const size_t used = WORD_COLUMN + line_width(what, strlen(what)) + 1;

        printf("%s%-*s%s%s:", paint(cli, levels[level].colour), WORD_COLUMN, levels[level].word,
               paint(cli, PLAIN), what);
        print_wrapped(stdout, text, used, WORD_COLUMN, terminal_width(STDOUT_FILENO));
    }
    free(text);
    free(what);
}

void render_finding(struct cli *cli, const struct lockstep_finding *f)
{
    const size_t level = f->level < 0 || f->level > 3 ? 3 : (size_t)f->level;

    if (cli->set.json) {
        print_finding_json(f, levels[level].word);
    } else {
        print_sync_heading(cli, f->sync);
        print_finding(cli, f, level);
    }
    cli->shown++;
}

void render_entry(struct cli *cli, const struct lockstep_audit_entry *e)
{
    char time[32];

    printf("%5" PRId64 "  %s  %-16s  %-7s", e->seq, utc_time(e->at_us, time), e->actor, e->action);
    if (*e->subject) {
        fputs("  ", stdout);
        print_clean(stdout, e->subject);
    }
    if (strcmp(e->detail_json, "{}") != 0) {
        fputs("  ", stdout);
        print_flat_json(stdout, e->detail_json, " ");
    }
    putchar('\n');
    cli->shown++;
}

/* ---- tokens and users ---- */

static void put_time(struct libscols_line *line, size_t column, int64_t at_us, const char *none)
{
    char time[32], text[32];

    snprintf(text, sizeof text, "%.16s", at_us ? utc_time(at_us, time) : none);
    put(line, column, text);
}

struct libscols_table *tokens_begin(const struct cli *cli)
{
    static const struct column columns[] = {
        {"TOKEN", false},   {"ROLE", false},      {"STATUS", false}, {"CREATED (UTC)", false},
        {"EXPIRES", false}, {"LAST USED", false}, {"OWNER", false},
    };

    return new_table(cli, columns, COUNT(columns));
}

void tokens_add(struct libscols_table *table, const struct lockstep_token *token)
{
    struct libscols_line *line = table ? new_line(table) : NULL;

    put(line, 0, token->name);
    put(line, 1, token->role);
    put(line, 2, token->status);
    put_time(line, 3, token->created_us, "");
    put_time(line, 4, token->expires_us, "never");
    put_time(line, 5, token->used_us, "never");
    put(line, 6, token->owner);
}

struct libscols_table *users_begin(const struct cli *cli)
{
    static const struct column columns[] = {
        {"USER", false},       {"ROLE", false},   {"CREATED (UTC)", false},
        {"LAST LOGIN", false}, {"STATUS", false},
    };

    return new_table(cli, columns, COUNT(columns));
}

void users_add(struct libscols_table *table, const struct lockstep_user *user)
{
    struct libscols_line *line = table ? new_line(table) : NULL;

    put(line, 0, user->name);
    put(line, 1, user->role);
    put_time(line, 2, user->created_us, "");
    put_time(line, 3, user->login_us, "never");
    put(line, 4, user->disabled_us ? "disabled" : "active");
}

void list_print(struct libscols_table *table, const char *what)
{
    if (table && scols_table_get_nlines(table) == 0) {
        printf("no %s yet\n", what);
        scols_unref_table(table);
    } else if (table) {
        print_table(table, NARROW_WRAPS);
    }
}

int fail(struct cli *cli, const struct lockstep_error *error)
{
    if (cli->progress)
        progress_clear(cli->progress);
    fflush(stdout); /* what was done before comes first */
    fprintf(stderr, "lockstep: %s%s", cli->about ? cli->about : "", cli->about ? ": " : "");
    print_clean(stderr, error->text);
    fputc('\n', stderr);
    return error->code;
}
