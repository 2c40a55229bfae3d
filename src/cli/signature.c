/* SPDX-License-Identifier: Apache-2.0 */
/* signature.c - `lockstep events verify`: does the signature of a message fit, and if not why.
 *
 * A secret is never an argument: others would read it in the list of processes and in the shell's history. It is named by its place,
 * a variable of the environment or a file. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define SECRETS_MAX 16
#define SECRET_FILE_MAX 8192 /* bytes */

/* What the message is made of; all copies. */
struct pieces {
    char *scheme, *secrets[SECRETS_MAX];
    char *body;
    size_t size;
};

static void pieces_done(struct pieces *p)
{
    for (size_t i = 0; i < SECRETS_MAX; i++) {
        if (p->secrets[i])
            memset(p->secrets[i], 0, strlen(p->secrets[i]));
        free(p->secrets[i]);
    }
    free(p->scheme);
    free(p->body);
}

static int secret_of_environment(struct cli *cli, const char *name, char **ret)
{
    const char *value = getenv(name);

    if (!value || !*value)
        return misuse(
            cli,
            "%s is not set. It has to be the secret to sign with; or name another place by "
            "--secret env:NAME or --secret file:PATH",
            name);
    *ret = strdup(value);
    return *ret ? 0 : misuse(cli, "out of memory");
}

/* The file's text, without the end of line that editors put behind it. */
static int secret_of_file(struct cli *cli, const char *path, char **ret)
{
    char text[SECRET_FILE_MAX + 1];
    FILE *in = fopen(path, "re");
    size_t size = in ? fread(text, 1, sizeof text, in) : 0;

    if (in)
        fclose(in);
    if (size > 0 && size < sizeof text && text[size - 1] == '\n')
        size -= size > 1 && text[size - 2] == '\r' ? 2 : 1;
    if (size == 0 || size == sizeof text || memchr(text, 0, size))
        return misuse(cli, "%s cannot be read as a secret: a line of text is expected", path);
    *ret = strndup(text, size);
    memset(text, 0, sizeof text);
    return *ret ? 0 : misuse(cli, "out of memory");
}

int read_secret(struct cli *cli, const char *place, char **ret)
{
    if (strncmp(place, "env:", 4) == 0)
        return secret_of_environment(cli, place + 4, ret);
    if (strncmp(place, "file:", 5) == 0)
        return secret_of_file(cli, place + 5, ret);
    /* not shown: it may be the secret itself */
    return misuse(cli, "--secret says where a secret is: env:NAME or file:PATH");
}

static int read_secrets(struct cli *cli, struct pieces *p)
{
    static const char *const usual[] = {"env:WEBHOOK_SECRET"};
    struct settings *set = &cli->set;
    const char *const *places = set->secret_count ? set->secrets : usual;
    const size_t count = set->secret_count ? set->secret_count : 1;
    int status = 0;

    set->secret_count = count;
    for (size_t i = 0; i < count && status == 0; i++)
        status = read_secret(cli, places[i], &p->secrets[i]);
    return status;
}

static int read_body(struct cli *cli, struct pieces *p)
{
    const char *path = cli->set.arg_count > 1 ? cli->set.args[1] : "-";
    const bool standard = strcmp(path, "-") == 0;
    FILE *in = standard ? stdin : fopen(path, "re");
    bool failed;

    if (!in)
        return misuse(cli, "cannot read %s: the body of the message, byte for byte as it came",
                      path);
    p->body = read_input(in, &p->size);
    failed = !p->body || ferror(in) != 0 || p->size >= INPUT_MAX;
    if (!standard)
        fclose(in);
    return failed ? misuse(cli, "cannot read %s: at most 64 MiB", path) : 0;
}

/* header:X-Name is the scheme and the header that carries the signature. */
static int read_scheme(struct cli *cli, struct pieces *p, struct lockstep_message *ret)
{
    char *colon;

    p->scheme = strdup(cli->set.scheme ? cli->set.scheme : "documented");
    if (!p->scheme)
        return misuse(cli, "out of memory");
    colon = strchr(p->scheme, ':');
    if (colon) {
        *colon = '\0';
        ret->header = colon + 1;
    }
    ret->scheme = p->scheme;
    return 0;
}

static int answer(struct cli *cli, int code, char *words)
{
    if (cli->set.json) {
        printf("{\"valid\":%s,\"why\":", code == LOCKSTEP_OK ? "true" : "false");
        print_json_text(stdout, words);
        puts("}");
    } else {
        fputs(code == LOCKSTEP_OK ? "" : "not valid: ", stdout);
        print_clean(stdout, words);
        putchar('\n');
    }
    lockstep_free(words);
    return code;
}

int run_events_verify(struct cli *cli)
{
    struct lockstep_message message = {.headers = cli->set.headers,
                                       .header_count = cli->set.header_count};
    struct lockstep_error error = {0};
    struct pieces p = {0};
    char *words = NULL;
    int status = read_scheme(cli, &p, &message);

    if (status == 0)
        status = read_secrets(cli, &p);
    if (status == 0)
        status = read_body(cli, &p);
    if (status == 0) {
        message.secrets = (const char *const *)p.secrets;
        message.secret_count = cli->set.secret_count;
        message.body = p.body;
        message.size = p.size;
        status = lockstep_signature(&message, &words, &error);
        status = words ? answer(cli, status, words) : fail(cli, &error);
    }
    pieces_done(&p);
    return status;
}
