/* SPDX-License-Identifier: Apache-2.0 */
/* test_scenario.c - runs the scenario files of tests/scenario/, or those named as arguments.
 *
 * A scenario is two tables, settings and the plan expected (docs/scenarios.md), so that a bug report can be pasted in as a
 * test. Each is run over pairs of stores: the plan must be the one written down, applying it must leave nothing but
 * what was to fail, and undo must give back the target byte by byte. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/brake.h"
#include "model/json.h"
#include "runs.h"
#include "tables.h"

#define MAX_FILES 200
#define MAX_LIST 16

/* ---- reading a scenario ---- */

enum section { SOURCE, TARGET, SETTINGS, PLAN, FAILED, ERRORS, SECTION_COUNT };
static const char *const section_names[SECTION_COUNT] = {"source", "target", "settings",
                                                         "plan",   "failed", "error"};

struct scenario {
    const char *name; /* of the file */
    struct ls_arena mem;
    char *text[SECTION_COUNT]; /* NULL: not there */
    struct table source, target;
    struct ls_sync_config config;
    struct ls_field_config fields[MAX_LIST], soft[MAX_LIST];
    const char *key[MAX_LIST], *only[MAX_LIST];
    const char *brake, *stores;
};

static void wrong(const struct scenario *s, const char *what, const char *text)
{
    print_error("%s: %s: %s\n", s->name, what, text);
    fail();
}

static char *trim(char *text)
{
    size_t n;

    text += strspn(text, " \t\r\n");
    for (n = strlen(text); n && strchr(" \t\r\n", text[n - 1]); n--)
        text[n - 1] = '\0';
    return text;
}

static void read_sections(struct scenario *s, char *text)
{
    enum section now = SECTION_COUNT;
    struct ls_buf bufs[SECTION_COUNT];

    for (size_t i = 0; i < SECTION_COUNT; i++)
        ls_buf_init(&bufs[i], 0);
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        const size_t n = strlen(line);

        if (*line == '[' && n > 2) {
            line[strcspn(line, "]")] = '\0';
            for (now = 0; now < SECTION_COUNT && strcmp(section_names[now], line + 1) != 0;)
                now++;
            if (now == SECTION_COUNT)
                wrong(s, "there is no such section", line + 1);
            ls_buf_text(&bufs[now], "");
            s->text[now] = line; /* there, maybe empty */
        } else if (now < SECTION_COUNT && *line != '#') {
            ls_buf_printf(&bufs[now], "%s\n", line);
        }
    }
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (s->text[i])
            s->text[i] = ls_arena_text(&s->mem, bufs[i].size ? ls_buf_str(&bufs[i]) : "");
        ls_buf_done(&bufs[i]);
    }
}

/* "a = b" into a pair. */
static struct ls_field_config pair_of(struct scenario *s, char *text)
{
    char *sign = strchr(text, '=');

    if (!sign)
        wrong(s, "a field is NAME = EXPRESSION", text);
    *sign = '\0';
    return (struct ls_field_config){trim(text), trim(sign + 1)};
}

static void set_key(struct scenario *s, char *value)
{
    for (char *name; (name = strsep(&value, ",")) != NULL;)
        s->key[s->config.key_count++] = trim(name);
}

static void set_field(struct scenario *s, char *value)
{
    s->fields[s->config.field_count++] = pair_of(s, value);
}

static void set_only(struct scenario *s, char *value)
{
    s->only[s->config.only_count++] = value;
}

static void set_where(struct scenario *s, char *value)
{
    s->config.where = value;
}

static void set_target_where(struct scenario *s, char *value)
{
    s->config.target_where = value;
}

static void set_deletes(struct scenario *s, char *value)
{
    if (ls_text_starts(value, "soft")) {
        s->config.deletes = LS_DELETES_SOFT;
        s->soft[s->config.soft_count++] = pair_of(s, value + 4);
    } else if (strcmp(value, "keep") == 0) {
        s->config.deletes = LS_DELETES_KEEP;
    } else if (strcmp(value, "remove") != 0) {
        wrong(s, "deletes are remove, keep or soft NAME = VALUE", value);
    }
}

static void set_source_zone(struct scenario *s, char *value)
{
    s->config.source.zone = value;
}

static void set_target_zone(struct scenario *s, char *value)
{
    s->config.target.zone = value;
}

static void set_batch_rows(struct scenario *s, char *value)
{
    s->config.batch_rows = (size_t)strtoul(value, NULL, 10);
}

static void set_atomic(struct scenario *s, char *value)
{
    s->config.atomic = strcmp(value, "true") == 0;
}

static void set_brake_deletes(struct scenario *s, char *value)
{
    s->config.brake_deletes = strtod(value, NULL) / 100;
}

static void set_brake_changes(struct scenario *s, char *value)
{
    s->config.brake_changes = strtod(value, NULL) / 100;
}

static void set_brake(struct scenario *s, char *value)
{
    s->brake = value;
}

static void set_stores(struct scenario *s, char *value)
{
    s->stores = value;
}

static const struct {
    const char *name;
    void (*set)(struct scenario *s, char *value);
} settings[] = {
    {"key", set_key},
    {"field", set_field},
    {"only", set_only},
    {"where", set_where},
    {"target_where", set_target_where},
    {"deletes", set_deletes},
    {"source_timezone", set_source_zone},
    {"target_timezone", set_target_zone},
    {"batch_rows", set_batch_rows},
    {"atomic", set_atomic},
    {"brake_deletes", set_brake_deletes},
    {"brake_changes", set_brake_changes},
    {"brake", set_brake},
    {"stores", set_stores},
};

static void read_settings(struct scenario *s)
{
    char *text = s->text[SETTINGS] ? ls_arena_text(&s->mem, s->text[SETTINGS]) : NULL;

    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        char *colon = strchr(line, ':');
        size_t i = 0;

        if (!*trim(line))
            continue;
        if (!colon)
            wrong(s, "a setting is NAME: VALUE", line);
        *colon = '\0';
        while (i < COUNT_OF(settings) && strcmp(settings[i].name, trim(line)) != 0)
            i++;
        if (i == COUNT_OF(settings))
            wrong(s, "there is no such setting", line);
        settings[i].set(s, trim(colon + 1));
    }
    s->config.key = s->key;
    s->config.fields = s->fields;
    s->config.only = s->only;
    s->config.soft = s->soft;
}

static void scenario_read(struct scenario *s, const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = calloc(1, 1 << 16);

    if (!f)
        print_error("%s: no such file\n", path);
    assert_non_null(f);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 16) - 1, f) < (1 << 16) - 1);
    fclose(f);
    *s = (struct scenario){.name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path};
    ls_arena_init(&s->mem, 0);
    read_sections(s, text);
    free(text);
    if (!s->text[SOURCE] || !s->text[TARGET] || !(s->text[PLAN] || s->text[ERRORS]))
        wrong(s, "it lacks a section", "[source], [target], and [plan] or [error]");
    read_settings(s);
    table_parse(s->text[SOURCE], s->name, &s->mem, &s->source);
    table_parse(s->text[TARGET], s->name, &s->mem, &s->target);
}

/* ---- plans as text ---- */

static void add_value(struct ls_buf *out, const struct ls_value *v)
{
    struct ls_buf text;
    const char *plain;

    if (v->type == LS_T_NULL) {
        ls_buf_text(out, "NULL");
        return;
    }
    ls_buf_init(&text, 0);
    ls_value_to_text(&text, v);
    plain = text.size ? ls_buf_str(&text) : "";
    if (!text.size || strlen(plain) != text.size || strcmp(plain, "NULL") == 0 ||
        strpbrk(plain, " ,\"\n\t\\"))
        ls_text_json(out, plain, text.size);
    else
        ls_buf_text(out, plain);
    ls_buf_done(&text);
}

static void add_key(struct ls_buf *out, const struct ls_layout *layout, const struct ls_value *key)
{
    for (size_t i = 0; i < layout->key_count; i++) {
        ls_buf_printf(out, " %s=", layout->fields[layout->key[i]].name);
        add_value(out, &key[i]);
    }
}

static bool in_key(const struct ls_layout *layout, size_t position)
{
    for (size_t i = 0; i < layout->key_count; i++)
        if (layout->key[i] == position)
            return true;
    return false;
}

static void add_change(struct ls_buf *out, const struct ls_layout *layout,
                       const struct ls_change *c)
{
    const char *separator = " ";

    ls_buf_char(out, c->kind == LS_INSERT ? '+' : c->kind == LS_UPDATE ? '~' : '-');
    add_key(out, layout, c->key);
    for (size_t i = 0; c->after && i < layout->field_count; i++) {
        if (in_key(layout, i) ||
            (c->before && ls_value_equal(&c->before[i], &c->after[i], &layout->as[i])))
            continue;
        ls_buf_printf(out, "%s%s", separator, layout->fields[i].name);
        ls_buf_text(out, c->before ? ": " : "=");
        if (c->before) {
            add_value(out, &c->before[i]);
            ls_buf_text(out, " -> ");
            separator = ", ";
        }
        add_value(out, &c->after[i]);
    }
    ls_buf_char(out, '\n');
}

static int order_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines, trimmed and sorted, so that their order does not count. */
static char *sorted_lines(const char *text, struct ls_arena *mem)
{
    char *copy = ls_arena_text(mem, text), *lines[1000];
    struct ls_buf out;
    size_t count = 0;
    char *ret;

    for (char *line; (line = strsep(&copy, "\n")) != NULL;)
        if (*(line = trim(line))) {
            assert_true(count < COUNT_OF(lines));
            lines[count++] = line;
        }
    qsort(lines, count, sizeof *lines, order_lines);
    ls_buf_init(&out, 0);
    for (size_t i = 0; i < count; i++)
        ls_buf_printf(&out, "  %s\n", lines[i]);
    ret = ls_arena_text(mem, out.size ? ls_buf_str(&out) : "");
    ls_buf_done(&out);
    return ret;
}

static void compare_texts(struct scenario *s, const char *what, const char *expected,
                          const char *got)
{
    const char *wanted = sorted_lines(expected, &s->mem), *is = sorted_lines(got, &s->mem);

    if (strcmp(wanted, is) == 0)
        return;
    print_error("%s: the %s is\n%snot\n%s", s->name, what, is, wanted);
    fail();
}

/* ---- running ---- */

static const struct ls_compare_options quick = {.no_recheck = true};

/* Opens, plans; the error in err. */
static enum ls_code plan_scenario(struct scenario *s, const char *source, const char *target,
                                  struct ls_job **ret_job, struct ls_plan **ret_plan,
                                  struct ls_error *err)
{
    struct ls_sync_config config = s->config;
    struct ls_compare_result compared;
    enum ls_code rc;

    config.source.url = source;
    config.target.url = target;
    rc = ls_job_open(&config, true, ret_job, err);
    return rc == LS_OK ? ls_plan_make(*ret_job, &quick, NULL, ret_plan, &compared, err) : rc;
}

/* The changes as text; the plan is read to its end. */
static void check_plan(struct scenario *s, struct ls_job *job, struct ls_plan *plan)
{
    struct ls_error err = {0};
    struct ls_change *changes = NULL;
    struct ls_arena mem;
    struct ls_buf text;
    size_t count = 1;

    ls_arena_init(&mem, 0);
    ls_buf_init(&text, 0);
    while (count) {
        assert_ok(ls_plan_next(plan, 100, 0, &mem, &changes, &count, &err), &err);
        for (size_t i = 0; i < count; i++)
            add_change(&text, &job->layout, &changes[i]);
    }
    compare_texts(s, "plan", s->text[PLAN], text.size ? ls_buf_str(&text) : "");
    ls_buf_done(&text);
    ls_arena_done(&mem);
}

static void check_brake(struct scenario *s, struct ls_job *job, const struct ls_plan_counts *counts)
{
    struct ls_error err = {0};
    const enum ls_code rc = ls_brake_check(job, counts, NULL, 0, &err);
    char force[60];

    if (!s->brake) /* the small tables of scenarios seldom reach one; those that do say so */
        return;
    snprintf(force, sizeof force, "--force=%s", s->brake);
    assert_error(rc, &err, LS_BRAKE, force);
}

/* {"id":"7"} constraint: why  ->  id=7 constraint */
static void check_failed(struct scenario *s, const struct run *run)
{
    char *text = ls_arena_text(&s->mem, run->failures.size ? ls_buf_str(&run->failures) : "");
    struct ls_buf out;

    ls_buf_init(&out, 0);
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        json_t *key = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        const char *name, *code = strstr(line, "} ");
        json_t *value;

        json_object_foreach(key, name, value)
            ls_buf_printf(&out, "%s=%s ", name, json_string_value(value));
        if (code)
            ls_buf_printf(&out, "%.*s\n", (int)strcspn(code + 2, ":"), code + 2);
        json_decref(key);
    }
    compare_texts(s, "list of failed records", s->text[FAILED] ? s->text[FAILED] : "",
                  out.size ? ls_buf_str(&out) : "");
    ls_buf_done(&out);
}

/* After the run nothing differs but what failed and what is kept. */
static void check_left(struct scenario *s, struct ls_job *job, const struct run *run,
                       const struct ls_plan_counts *counts)
{
    struct ls_compare_result now;
    struct ls_error err = {0};

    assert_ok(ls_compare(job, &quick, NULL, NULL, NULL, &now, &err), &err);
    if (now.count[LS_SOURCE_ONLY] + now.count[LS_INCONSISTENT] == run->result.failed &&
        now.count[LS_TARGET_ONLY] == counts->kept)
        return;
    print_error("%s: after the run %u records differ and %u are in the target alone\n", s->name,
                (unsigned)(now.count[LS_SOURCE_ONLY] + now.count[LS_INCONSISTENT]),
                (unsigned)now.count[LS_TARGET_ONLY]);
    fail();
}

static void run_over(struct scenario *s, const char *source_store, const char *target_store)
{
    char *source = fixture_url(source_store, "source"),
         *target = fixture_url(target_store, "target");
    struct fake_journal *j = fake_journal_new();
    struct ls_plan_counts counts;
    struct ls_error err = {0};
    struct ls_job *job = NULL;
    const char *key[MAX_LIST] = {NULL};
    struct ls_plan *plan = NULL;
    struct run *run;
    enum ls_code rc;
    char *before;

    table_make(&s->source, source_store, "source");
    table_make(&s->target, target_store, "target");
    before = runs_dump(target);
    rc = plan_scenario(s, source, target, &job, &plan, &err);
    if (s->text[ERRORS]) {
        char *words = trim(ls_arena_text(&s->mem, s->text[ERRORS]));

        if (rc == LS_OK || !strstr(err.text, words))
            print_error("%s: %s\n", s->name, rc == LS_OK ? "there was no error" : err.text);
        assert_int_not_equal(rc, LS_OK);
        assert_non_null(strstr(err.text, words));
    } else {
        assert_ok(rc, &err);
        counts = *ls_plan_counts(plan);
        check_plan(s, job, plan);
        ls_plan_close(plan);
        check_brake(s, job, &counts);
        run = runs_sync(job, &(struct run_options){.journal = &j->journal});
        check_failed(s, run);
        if (run->rc == LS_OK)
            check_left(s, job, run, &counts);
        else
            assert_true(s->config.atomic && s->text[FAILED]);
        run_free(run);
        for (size_t k = 0; k < job->layout.key_count; k++)
            key[k] = job->layout.fields[job->layout.key[k]].name;
        run = runs_undo(target, key, j, NULL);
        assert_int_equal(run->rc, LS_OK);
        assert_int_equal(run->verified_different + run->result.conflicts + run->result.failed, 0);
        run_free(run);
    }
    assert_dump(target, before);
    free(before);
    fake_journal_free(j);
    ls_job_close(job);
}

static void scenario(void **state)
{
    static const struct {
        const char *name;
        const char *(*source)(void), *(*target)(void);
    } pairs[] = {
        {"memory to memory", fixture_memory, fixture_memory},
        {"SQLite to SQLite", fixture_sqlite, fixture_sqlite},
        {"memory to SQLite", fixture_memory, fixture_sqlite},
        {"SQLite to memory", fixture_sqlite, fixture_memory},
    };
    struct scenario s;

    scenario_read(&s, *state);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        const bool source_memory = pairs[i].source == fixture_memory;
        const bool target_memory = pairs[i].target == fixture_memory;
        const bool other =
            s.stores && ((strcmp(s.stores, "sqlite") == 0 && (source_memory || target_memory)) ||
                         (strcmp(s.stores, "memory") == 0 && !(source_memory && target_memory)));

        if (other || (source_memory && table_has_unique(&s.source)) ||
            (target_memory && table_has_unique(&s.target)))
            continue; /* memory: knows primary keys alone */
        print_message("%s: %s\n", s.name, pairs[i].name);
        run_over(&s, pairs[i].source(), pairs[i].target());
        fixture_done();
    }
    ls_arena_done(&s.mem);
}

/* ---- the files ---- */

static size_t find_files(char **paths)
{
    const char *root = getenv("LOCKSTEP_SOURCE_ROOT");
    char folder[1000];
    struct dirent **entries = NULL;
    size_t count = 0;
    int n;

    snprintf(folder, sizeof folder, "%s/tests/scenario", root ? root : ".");
    n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *ending = strrchr(entries[i]->d_name, '.');

        if (ending && strcmp(ending, ".txt") == 0 && count < MAX_FILES &&
            asprintf(&paths[count], "%s/%s", folder, entries[i]->d_name) > 0)
            count++;
        free(entries[i]);
    }
    free(entries);
    return count;
}

int main(int argc, char **argv)
{
    char *paths[MAX_FILES];
    struct CMUnitTest tests[MAX_FILES];
    size_t count = 0;
    int failed;

    for (int i = 1; i < argc && count < MAX_FILES; i++)
        paths[count++] = strdup(argv[i]);
    if (argc < 2)
        count = find_files(paths);
    if (!count) {
        fprintf(stderr, "no scenarios: name files, or set LOCKSTEP_SOURCE_ROOT\n");
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){.name = strrchr(paths[i], '/') ? strrchr(paths[i], '/') + 1
                                                                      : paths[i],
                                       .test_func = scenario,
                                       .initial_state = paths[i]};
    failed = _cmocka_run_group_tests("engine/scenario", tests, count, NULL, NULL);
    while (count)
        free(paths[--count]);
    return failed;
}
