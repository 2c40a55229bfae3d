/* SPDX-License-Identifier: Apache-2.0 */
/* options.c - what may be written behind `lockstep`.
 *
 * One table feeds the parser, the help, docs/cli.md and the shell completion. Options stand before or after
 * the command and its arguments. getopt is not used because it has no table that could be printed. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const struct option_spec option_specs[] = {
    {"config", "FILE", "configuration to read (default: lockstep.yaml, if there)", 'c', false,
     TAKES_ALWAYS},
    {"state", "URL",
     "where lockstep remembers runs: sqlite:FILE or postgres://... (default: state: of the "
     "configuration, then LOCKSTEP_STATE, then the user's state folder)",
     0, false, TAKES_ALWAYS},
    {"json", NULL, "print JSON instead of tables", 0, false, TAKES_JSON},
    {"key", "FIELDS", "fields that name a record, separated by commas", 0, false, TAKES_SYNC},
    {"only", "FIELD=VALUE", "these records alone; may be given several times", 0, false,
     TAKES_ONLY},
    {"all", NULL, "every sync of the configuration", 0, false, TAKES_ALL},
    {"full", NULL, "read and verify every record; trust no checksum and no memory", 0, false,
     TAKES_FULL},
    {"dry-run", NULL, "show the counts and change nothing; exit status 1 when a sync would", 0,
     false, TAKES_CREATE},
    {"create", NULL, "make the target when it is missing", 0, false, TAKES_CREATE},
    {"force", "NAMES",
     "go past the brakes: all, or deletes, changes, empty-source, config, identity", 0, true,
     TAKES_FORCE},
    {"explain", NULL, "say how the sides are compared and why", 0, false, TAKES_EXPLAIN},
    {"output", "FILE", "the plan file to write", 'o', false, TAKES_OUTPUT},
    {"limit", "N", "show at most N", 'n', false, TAKES_LIMIT},
    {"keep-days", "N", "keep journals of the last N days", 0, false, TAKES_KEEP},
    {"keep-size", "SIZE", "keep at most this much, such as 2GiB", 0, false, TAKES_KEEP},
    {"type", "TYPE", "events of this type, such as enrollment.created or enrollment.*", 0, false,
     TAKES_EVENTS | TAKES_ENDPOINT},
    {"resource", "ID", "events of this resource", 0, false, TAKES_EVENTS},
    {"status", "STATE",
     "deliveries that are pending, processing, waiting, failed, delivered, dead or discarded", 0,
     false, TAKES_EVENTS},
    {"endpoint", "NAME", "deliveries to this endpoint", 0, false, TAKES_EVENTS},
    {"since", "WHEN",
     "events accepted then or later: a time such as 2026-01-31T12:00:00Z, or one ago such as 2h", 0,
     false, TAKES_EVENTS},
    {"until", "WHEN", "events accepted before", 0, false, TAKES_EVENTS},
    {"rate", "N", "so many deliveries a second", 0, false, TAKES_EVENTS | TAKES_ENDPOINT},
    {"policy", "NAME",
     "when a failed delivery is tried again: documented, standard, fast or long, or by its "
     "numbers: attempts=5,delay=2s,factor=2,max_delay=1min,jitter=20%",
     0, false, TAKES_ENDPOINT},
    {"keep", "TIME",
     "how long the secret before goes on signing: a time such as 12h or 7d, or 0 (default: 1d)", 0,
     false, TAKES_ENDPOINT},
    {"data", "JSON", "the data of the event that is emitted", 0, false, TAKES_EVENTS},
    {"wait", "SECONDS",
     "emit: end when every endpoint has the events, or after so long (default: 30)", 0, true,
     TAKES_EVENTS},
    {"scheme", "SCHEME[:HEADER]",
     "how a message is signed: documented, standard, github, stripe, shopify, supabase, qstash, or "
     "header:NAME for a secret in that header (default: documented)",
     0, false, TAKES_SIGNED},
    {"header", "NAME:VALUE", "a header of the message or call; may be given several times", 0,
     false, TAKES_SIGNED | TAKES_WHEN},
    {"secret", "PLACE",
     "where a secret is: env:NAME or file:PATH; `events verify` takes several (default there: "
     "env:WEBHOOK_SECRET)",
     0, false, TAKES_SIGNED | TAKES_ENDPOINT},
    {"role", "ROLE", "user, viewer, operator, admin, or service (a program)", 0, false, TAKES_ROLE},
    {"expires", "TIME", "end by itself after a time such as 12h, 30d, 8w or 1y (default: never)", 0,
     false, TAKES_EXPIRES},
    {"preset", "NAME", "write the configuration of a known system: users, events or replica", 0,
     false, TAKES_REPLACE},
    {"cron", "WHEN",
     "when it is due: minute, hour, day of month, month, day of week, such as '30 2 * * mon-fri'",
     0, false, TAKES_WHEN},
    {"zone", "ZONE", "the time zone of --cron, such as Europe/Berlin (default: UTC)", 0, false,
     TAKES_WHEN},
    {"sync", "SYNC", "run this sync", 0, false, TAKES_WHEN},
    {"queue", NULL, "process the queue of events", 0, false, TAKES_WHEN},
    {"post", "URL", "make an HTTP call", 0, false, TAKES_WHEN},
    {"method", "METHOD", "the method of the call (default: POST)", 0, false, TAKES_WHEN},
    {"body", "TEXT", "the body of the call", 0, false, TAKES_WHEN},
    {"overlap", "WORD",
     "when the one before is at work: skip, queue, or for calls allow (default: skip; calls: "
     "allow)",
     0, false, TAKES_WHEN},
    {"catch-up", "WORD",
     "of times that passed while no daemon ran: none, last or all (default: last)", 0, false,
     TAKES_WHEN},
    {"catch-up-within", "TIME", "how far back, such as 12h", 0, false, TAKES_WHEN},
    {"jitter", "TIME", "fire up to so much later, such as 5min", 0, false, TAKES_WHEN},
    {"hours", "HOURS", "only then, such as 'mon-fri 08:00-18:00'", 0, false, TAKES_WHEN},
    {"timeout", "TIME", "end an attempt after so long, such as 30s", 0, false, TAKES_WHEN},
    {"retries", "N", "attempts after the first, from 0 to 20 (default: 2)", 0, false, TAKES_WHEN},
    {"paused", NULL, "make it paused", 0, false, TAKES_WHEN},
    {"replace", NULL, "write over what is there", 0, false, TAKES_REPLACE | TAKES_WHEN},
    {"listen", "ADDRESS",
     "where to serve: HOST:PORT, port 0 for a free one (default: server.listen of the "
     "configuration, or 127.0.0.1:7380)",
     0, false, TAKES_SERVE},
    {"log", "FORM", "log lines as text or json", 0, false, TAKES_SERVE},
    {"markdown", NULL, "print the whole manual as Markdown", 0, false, TAKES_MARKDOWN},
    {"openapi", NULL, "print the HTTP API as an OpenAPI document", 0, false, TAKES_MARKDOWN},
    {"quiet", NULL, "no progress bar", 'q', false, TAKES_ALWAYS},
    {"verbose", NULL, "log lines on standard error", 'v', false, TAKES_ALWAYS},
    {"show-sql", NULL, "print the SQL statements that run, on standard error", 0, false,
     TAKES_ALWAYS},
    {"no-color", NULL, "no colours (NO_COLOR does the same)", 0, false, TAKES_ALWAYS},
    {"help", NULL, "show the help of a command", 'h', false, TAKES_ALWAYS},
    {"version", NULL, "show the version", 'V', false, TAKES_ALWAYS},
};
const size_t option_count = sizeof option_specs / sizeof *option_specs;

__attribute__((format(printf, 1, 2))) static int bad(const char *fmt, ...)
{
    va_list args;

    fputs("lockstep: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs(". See `lockstep help`\n", stderr);
    return LOCKSTEP_USAGE;
}

/* Small edit distance; words are short. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    const size_t n = strlen(b);

    if (n >= 63)
        return 63;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t change = diagonal + (a[i - 1] != b[j - 1]);
            const size_t gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = change < gap ? change : gap;
        }
    }
    return row[n];
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 1;

    for (size_t i = 0; i < count; i++) {
        const size_t d = distance(word, words[i]);

        if (d <= least && (!best || d < least)) {
            best = words[i];
            least = d;
        }
    }
    return best;
}

static int unknown_option(const char *name)
{
    const char *names[64], *near;
    char word[40]; /* without =VALUE, which may be a secret */

    snprintf(word, sizeof word, "%.*s", (int)strcspn(name, "="), name);
    for (size_t i = 0; i < option_count; i++)
        names[i] = option_specs[i].name;
    near = nearest_word(word, names, option_count);
    return bad("there is no option --%s%s%s%s", word, near ? " (did you mean --" : "",
               near ? near : "", near ? "?)" : "");
}

static int take_number(const char *name, const char *text, uint64_t *ret)
{
    char *end = NULL;

    errno = 0;
    *ret = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno)
        return bad("--%s takes a whole number", name);
    return 0;
}

static int take_only(struct settings *set, const char *value)
{
    char text[SHOWN];

    if (!strchr(value, '='))
        return bad("--only takes FIELD=VALUE, not \"%s\"", shown_argument(value, text));
    if (set->only_count == sizeof set->only / sizeof *set->only)
        return bad("--only stands here more than %zu times", set->only_count);
    set->only[set->only_count++] = value;
    return 0;
}

static int take_key(struct settings *set, const char *value)
{
    char *rest = strdup(value), text[SHOWN];

    free(set->key_copy); /* --key given twice: the last one counts */
    set->key_copy = rest;
    set->key_count = 0;
    for (char *part; rest && (part = strsep(&rest, ",")) != NULL;) {
        if (!*part || set->key_count == sizeof set->keys / sizeof *set->keys)
            return bad("--key takes field names separated by commas, not \"%s\"",
                       shown_argument(value, text));
        set->keys[set->key_count++] = part;
    }
    return 0;
}

/* One more of those that may be given several times. */
static int take_several(const char *name, const char *value, const char **list, size_t max,
                        size_t *count)
{
    if (*count == max)
        return bad("--%s stands here more than %zu times", name, max);
    list[(*count)++] = value;
    return 0;
}

/* Puts one option where it belongs. */
static int take_option(struct settings *set, const struct option_spec *spec, const char *value)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"json", &set->json},         {"all", &set->all},           {"full", &set->full},
        {"dry-run", &set->dry_run},   {"create", &set->create},     {"explain", &set->explain},
        {"replace", &set->replace},   {"markdown", &set->markdown}, {"openapi", &set->openapi},
        {"quiet", &set->quiet},       {"verbose", &set->verbose},   {"show-sql", &set->show_sql},
        {"no-color", &set->no_color}, {"help", &set->help},         {"version", &set->version},
        {"queue", &set->queue},       {"paused", &set->paused},
    };
    const struct {
        const char *name;
        const char **text;
    } texts[] = {
        {"config", &set->config},
        {"state", &set->state},
        {"output", &set->output},
        {"force", &set->force},
        {"keep-size", &set->keep_size},
        {"type", &set->type},
        {"resource", &set->resource},
        {"status", &set->status},
        {"endpoint", &set->endpoint},
        {"rate", &set->rate},
        {"data", &set->data},
        {"wait", &set->wait},
        {"role", &set->role},
        {"expires", &set->expires},
        {"listen", &set->listen},
        {"log", &set->log},
        {"scheme", &set->scheme},
        {"preset", &set->preset},
        {"cron", &set->cron},
        {"zone", &set->zone},
        {"sync", &set->sync},
        {"post", &set->post},
        {"method", &set->method},
        {"body", &set->body},
        {"overlap", &set->overlap},
        {"catch-up", &set->catch_up},
        {"catch-up-within", &set->within},
        {"jitter", &set->jitter},
        {"hours", &set->hours},
        {"timeout", &set->timeout},
        {"retries", &set->retries},
        {"policy", &set->policy},
        {"keep", &set->keep},
        {"since", &set->since},
        {"until", &set->until},
    };
    uint64_t n = 0;
    int status;

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(spec->name, flags[i].name) == 0) {
            *flags[i].flag = true;
            return 0;
        }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(spec->name, texts[i].name) == 0) {
            if (value && strstr(value, "://") && texts[i].text != &set->state &&
                texts[i].text != &set->data && texts[i].text != &set->resource &&
                texts[i].text != &set->post && texts[i].text != &set->body)
                return bad("--%s takes no URL", spec->name);
            *texts[i].text = value ? value : "";
            return 0;
        }
    if (strcmp(spec->name, "only") == 0)
        return take_only(set, value);
    if (strcmp(spec->name, "key") == 0)
        return take_key(set, value);
    if (strcmp(spec->name, "header") == 0)
        return take_several("header", value, set->headers,
                            sizeof set->headers / sizeof *set->headers, &set->header_count);
    if (strcmp(spec->name, "secret") == 0)
        return take_several("secret", value, set->secrets,
                            sizeof set->secrets / sizeof *set->secrets, &set->secret_count);
    status = take_number(spec->name, value, &n);
    if (status == 0 && n == 0)
        return bad("--%s takes a number from 1 on", spec->name);
    if (strcmp(spec->name, "limit") == 0)
        set->limit = n;
    else
        set->keep_days = (int)(n > 36500 ? 36500 : n);
    return status;
}

static const struct option_spec *by_name(const char *name, size_t length)
{
    for (size_t i = 0; i < option_count; i++)
        if (strlen(option_specs[i].name) == length &&
            strncmp(option_specs[i].name, name, length) == 0)
            return &option_specs[i];
    return NULL;
}

static const struct option_spec *by_letter(char letter)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_specs[i].letter && option_specs[i].letter == letter)
            return &option_specs[i];
    return NULL;
}

/* One option at args[*at]; *at moves past its argument. */
static int parse_option(int count, char **args, int *at, struct settings *set)
{
    const char *word = args[*at], *value = NULL;
    const bool is_long = word[1] == '-';
    const char *name = is_long ? word + 2 : word + 1;
    const size_t length = is_long ? strcspn(name, "=") : 1;
    const struct option_spec *spec = is_long ? by_name(name, length) : by_letter(*name);

    if (!spec)
        return is_long ? unknown_option(name) : bad("there is no option -%c", *name);
    if (name[length]) /* --name=value, -nvalue */
        value = name + length + (is_long ? 1 : 0);
    if (value && !spec->argument)
        return bad("--%s takes no value", spec->name);
    if (!value && spec->argument && !spec->optional) {
        if (*at + 1 >= count)
            return bad("--%s needs a value behind it", spec->name);
        value = args[++*at];
    }
    if (value && !*value && !spec->optional)
        return bad("--%s needs a value that is not empty", spec->name);
    set->given |= UINT64_C(1) << (spec - option_specs);
    return take_option(set, spec, value);
}

int parse_arguments(int argc, char **argv, struct settings *set, const char **ret_command)
{
    char **args = calloc((size_t)argc + 1, sizeof *args);
    bool ended = false;
    int status = 0;
    char text[SHOWN];

    *ret_command = "";
    set->copies = args;
    for (int i = 0; args && i < argc; i++)
        args[i] = strdup(argv[i]);
    for (int i = 1; args && i < argc && status == 0; i++) {
        if (!ended && strcmp(args[i], "--") == 0)
            ended = true;
        else if (!ended && args[i][0] == '-' && args[i][1])
            status = parse_option(argc, args, &i, set);
        else if (!**ret_command)
            *ret_command = args[i];
        else if (set->arg_count == sizeof set->args / sizeof *set->args)
            status = bad("too many arguments, from \"%s\" on", shown_argument(args[i], text));
        else
            set->args[set->arg_count++] = args[i];
    }
    return status;
}

void free_settings(struct settings *set)
{
    for (char **copy = set->copies; copy && *copy; copy++)
        free(*copy);
    free(set->copies);
    free(set->key_copy);
}

int check_options(const struct settings *set, const struct command *command)
{
    for (size_t i = 0; i < option_count; i++)
        if ((set->given >> i & 1u) && !(option_specs[i].takes & (command->takes | TAKES_ALWAYS))) {
            fprintf(stderr, "lockstep: `%s` takes no --%s. See `lockstep help %s`\n", command->name,
                    option_specs[i].name, command->name);
            return LOCKSTEP_USAGE;
        }
    return 0;
}

/* Where the password of a URL's user begins, and where it ends at the latest: a password with a raw / or @ in it is
 * refused later, but must not be seen either. false: there is none. */
static bool find_password(const char *url, size_t *ret_from, size_t *ret_to)
{
    const char *host = strstr(url, "://"), *at, *colon;

    at = host ? strrchr(host, '@') : NULL;
    colon = at ? memchr(host + 3, ':', (size_t)(at - host - 3)) : NULL;
    if (!colon)
        return false;
    *ret_from = (size_t)(colon + 1 - url);
    *ret_to = (size_t)(at - url);
    return true;
}

bool has_password(const char *url)
{
    size_t from, to;

    return find_password(url, &from, &to) || (strstr(url, "://") && strstr(url, "password="));
}

const char *shown_argument(const char *argument, char out[SHOWN])
{
    if (strstr(argument, "://"))
        snprintf(out, SHOWN, "%.*s://...", (int)strcspn(argument, ":"), argument);
    else
        snprintf(out, SHOWN, "%s", argument);
    return out;
}

/* The value of --header, which may be a secret: behind its colon. */
static void hide_header(int i, char **argv)
{
    char *text = strcmp(argv[i - 1], "--header") == 0    ? argv[i]
                 : strncmp(argv[i], "--header=", 9) == 0 ? argv[i] + 9
                                                         : NULL;
    char *colon = text ? strchr(text, ':') : NULL;

    if (colon)
        memset(colon + 1, 'x', strlen(colon + 1));
}

/* Writes over the passwords in URLs and over headers, so that `ps` does not show them. */
void hide_passwords(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t from = 0, to = 0;

        hide_header(i, argv);
        if (find_password(argv[i], &from, &to))
            memset(argv[i] + from, 'x', to - from);
        if (!strstr(argv[i], "://"))
            continue;
        for (char *p = argv[i]; (p = strstr(p, "password=")) != NULL;)
            for (p += strlen("password="); *p && *p != '&' && *p != '#'; p++)
                *p = 'x';
    }
}
