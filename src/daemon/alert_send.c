/* SPDX-License-Identifier: Apache-2.0 */
/* alert_send.c - the ways out for alerts: HTTP and a program.
 *
 * Where they go stands in the configuration alone, so that any address will do; http:// to another machine has to be allowed there.
 * Redirects are not followed. A program gets the message on its standard
 * input and nothing of our environment, which holds secrets. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/alert.h"
#include "event/sign.h"
#include "lockstep.h"

#define TIMEOUT_MS 5000L
#define COMMAND_MS 10000

/* ---- HTTP ---- */

static size_t drop(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct ls_buf line;
    struct curl_slist *more = NULL;

    ls_buf_init(&line, 0);
    ls_buf_printf(&line, "%s: %s", name, value);
    if (!line.failed)
        more = curl_slist_append(*list, ls_buf_str(&line));
    ls_buf_done(&line);
    if (more)
        *list = more;
    return more != NULL;
}

/* As deliveries are signed (event/sign.h). */
static enum ls_code sign(struct curl_slist **list, const char *text, const struct ls_buf *body,
                         const char *id, int64_t now_s, struct ls_error *err)
{
    struct ls_arena mem;
    struct ls_secret secret;
    struct ls_buf value;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_buf_init(&value, 0);
    rc = ls_secret_read(text, LS_SIGN_STANDARD, &mem, &secret, err);
    if (rc == LS_OK) {
        bool fine = add_header(list, "webhook-id", id);

        ls_buf_i64(&value, now_s);
        fine = fine && add_header(list, "webhook-timestamp", ls_buf_str(&value));
        ls_buf_reset(&value);
        ls_sign_standard(&value, &secret, 1, id, now_s, body->data, body->size);
        fine = fine && !value.failed && add_header(list, "webhook-signature", ls_buf_str(&value));
        ls_buf_reset(&value);
        ls_sign_documented(&value, &secret, body->data, body->size);
        fine = fine && !value.failed && add_header(list, "x-webhook-signature", ls_buf_str(&value));
        rc = fine ? LS_OK : ls_error_nomem(err);
    }
    ls_buf_done(&value);
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code sentry_header(struct curl_slist **list, const char *dsn, struct ls_error *err)
{
    const char *key = strstr(dsn, "://") + 3;
    struct ls_buf value;
    bool fine;

    ls_buf_init(&value, 0);
    /* an old DSN has a second key behind a colon, which nobody needs */
    ls_buf_printf(&value,
                  "Sentry sentry_version=7, sentry_client=lockstep/" LOCKSTEP_VERSION
                  ", sentry_key=%.*s",
                  (int)strcspn(key, ":@"), key);
    fine = !value.failed && add_header(list, "X-Sentry-Auth", ls_buf_str(&value));
    ls_buf_done(&value);
    return fine ? LS_OK : ls_error_nomem(err);
}

static enum ls_code post(const char *url, struct curl_slist *headers, const struct ls_buf *body,
                         struct ls_error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode rc;
    CURL *easy = curl_easy_init();

    if (!easy)
        return ls_error_nomem(err);
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (strncmp(url, "http://", 7) == 0) /* a proxy would read along */
        (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "lockstep/" LOCKSTEP_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
    rc = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    if (rc == CURLE_OUT_OF_MEMORY)
        return ls_error_nomem(err);
    if (rc != CURLE_OK)
        return ls_error_set(err, LS_CONNECT, "%s", *why ? why : curl_easy_strerror(rc));
    if (status < 200 || status > 299)
        return ls_error_set(err, LS_IO, "it was answered with status %ld", status);
    return LS_OK;
}

static enum ls_code send_http(const struct ls_alerts_config *config, enum ls_alert_channel channel,
                              const struct ls_buf *body, const char *id, int64_t now_us,
                              struct ls_error *err)
{
    const bool envelope = channel == LS_ALERT_TO_SENTRY;
    struct curl_slist *headers = NULL;
    struct ls_buf url;
    enum ls_code rc = LS_OK;

    ls_buf_init(&url, 0);
    ls_alert_url(&url, config, channel);
    if (!add_header(&headers, "Content-Type",
                    envelope ? "application/x-sentry-envelope" : "application/json") ||
        !add_header(&headers, "Expect", "") || url.failed || body->failed)
        rc = ls_error_nomem(err);
    if (rc == LS_OK && envelope)
        rc = sentry_header(&headers, config->sentry, err);
    if (rc == LS_OK && channel == LS_ALERT_TO_WEBHOOK && config->webhook_secret)
        rc = sign(&headers, config->webhook_secret, body, id, now_us / 1000000, err);
    if (rc == LS_OK)
        rc = post(ls_buf_str(&url), headers, body, err);
    curl_slist_free_all(headers);
    ls_buf_done(&url);
    return rc;
}

/* ---- a program ---- */

static enum ls_code wait_for(pid_t pid, struct ls_error *err)
{
    const int fd = pidfd_open(pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    const bool late = fd >= 0 && poll(&ended, 1, COMMAND_MS) == 0;
    int status = 0;

    if (late)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (fd >= 0)
        (void)close(fd);
    if (late)
        return ls_error_set(err, LS_IO, "the command did not end within %d s", COMMAND_MS / 1000);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return ls_error_set(err, LS_IO, "the command ended with status %d",
                            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return LS_OK;
}

static int spawn(const char *const *command, size_t count, int in, pid_t *ret)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[] = {path, NULL}, *arguments[32];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    int rc;

    for (size_t i = 0; i <= count; i++)
        arguments[i] = i < count ? (char *)(uintptr_t)command[i] : NULL;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&how);
    (void)posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    (void)posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    (void)posix_spawnattr_setsigmask(&how, &none);
    (void)posix_spawnattr_setsigdefault(&how, &all);
    (void)posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawn(ret, command[0], &files, &how, arguments, environment);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* A message is smaller than what a pipe holds: it is written whole before the program begins to read. */
static enum ls_code run_command(const struct ls_alerts_config *config, const struct ls_buf *body,
                                struct ls_error *err)
{
    int fds[2], rc;
    pid_t pid = 0;
    ssize_t written;

    if (body->failed)
        return ls_error_nomem(err);
    if (config->command_count > 31)
        return ls_error_set(err, LS_CONFIG, "the command has too many arguments");
    if (pipe2(fds, O_CLOEXEC) != 0)
        return ls_error_errno(err, errno, "cannot make a pipe");
    written = write(fds[1], body->data, body->size);
    (void)close(fds[1]);
    rc = written == (ssize_t)body->size
             ? spawn(config->command, config->command_count, fds[0], &pid)
             : EIO;
    (void)close(fds[0]);
    if (rc != 0)
        return ls_error_errno(err, rc, "the command cannot be run");
    return wait_for(pid, err);
}

/* ---- both ---- */

enum ls_code ls_alert_send(const struct ls_alerts_config *config, enum ls_alert_channel channel,
                           enum ls_alert_act act, const struct ls_alert *a,
                           const struct ls_alert_source *source, struct ls_error *err)
{
    struct ls_buf body;
    char id[37];
    enum ls_code rc;

    ls_uuid_new(id);
    ls_buf_init(&body, 0);
    ls_alert_body(&body, config, channel, act, a, source, id);
    rc = channel == LS_ALERT_TO_COMMAND
             ? run_command(config, &body, err)
             : send_http(config, channel, &body, id, source->now_us, err);
    ls_buf_done(&body);
    return rc;
}
