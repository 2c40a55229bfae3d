/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c - the daemon: its start, what it waits for, and its end.
 *
 * Start. What needs root comes first (the socket, the key of the certificate), then root is given up, then the state's lock is taken. The state itself
 * is opened by the workers: on PostgreSQL it may be down, and the daemon serves all the same.
 *
 * The main thread sleeps until a signal comes, somebody asks for a reload, or systemd's watchdog wants a word. Signals are read from a descriptor,
 * so there is no handler and nothing that a handler may not do.
 *
 *   SIGHUP            read the configuration again; a bad one changes nothing
 *   SIGTERM, SIGINT   the end: what is under way may finish within the drain time, the last fifth of it without its runs, which end
 *                     after their batch; a second signal cuts that short; a third one ends the process on the spot, which harms nothing either
 *
 * A run that is in the middle of a statement when its time is over is still waited for: its end is a matter of the store's. Whoever cannot
 * wait kills the process, and the next run settles what it left (session.c). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "daemon/notify.h"
#include "daemon/privilege.h"
#include "daemon/service.h"
#include "daemon/sink.h"
#include "server/certificate.h"
#include "sql/sql.h"

#define LISTEN_DEFAULT "127.0.0.1:7380"
#define DRAIN_MS 10000
#define CONNECTIONS 1000
#define PEM_MAX ((size_t)1 << 20)
#define LOOK_EVERY_MS 20 /* while what is under way is waited for */

struct serve {
    struct ls_daemon daemon; /* first: what services are given */
    const struct lockstep_serve_options *options;
    struct ls_arena mem;
    struct ls_config *first;     /* the configuration of the start; NULL: none */
    struct ls_server_config set; /* its section; texts are borrowed from it */
    int listen_fd;
    bool own_fd; /* not handed to us */
    bool loopback;
    char url[LS_LISTEN_URL];
    struct pem {
        char *cert, *key; /* NULL: plain HTTP */
    } pem;
    struct ls_network *proxies;
    struct ls_state_lock *lock;
    struct ls_callers *callers;
    struct ls_services *services;
    int signal_fd, wake_fd;
    sigset_t signals_before;
    struct sigaction pipe_before;
    bool signals_taken;
    char first_link[LS_LISTEN_URL + 100]; /* written before has_first is set */
    atomic_bool reload_wanted, has_failed, has_first;
    struct ls_error failure; /* written before has_failed is set */
};

/* ---- what others ask for ---- */

static void wake(struct serve *s)
{
    const uint64_t one = 1;

    (void)!write(s->wake_fd, &one, sizeof one);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* A configuration that may take the place of the one in force. Free with ls_config_free(). Any thread. */
static enum ls_code read_next(const struct serve *s, struct ls_config **ret, struct ls_error *err)
{
    struct ls_config *config = NULL;
    enum ls_code rc = ls_config_read(s->options->config_path, &config, err);

    if (rc == LS_OK && !same(config->state_url, s->first->state_url))
        rc = ls_error_set(err, LS_CONFIG, "the state is another one, which needs a new start");
    if (rc == LS_OK)
        *ret = config;
    else
        ls_config_free(config);
    return rc;
}

/* Whoever asks is told what is wrong with the file; it is read again by the main thread, which may find it changed once more. */
static enum ls_code want_reload(void *ctx, struct ls_error *err)
{
    struct serve *s = ctx;
    struct ls_config *config = NULL;
    const enum ls_code rc = read_next(s, &config, err);

    ls_config_free(config);
    if (rc != LS_OK)
        return rc;
    atomic_store(&s->reload_wanted, true);
    wake(s);
    return LS_OK;
}

static bool tell_services(void *ctx, struct ls_buf *out)
{
    const struct serve *s = ctx;

    return ls_services_health(s->services, out);
}

/* On a worker, perhaps before the server is ready: the main thread tells it behind that. */
static void tell_first(void *ctx, const char *link)
{
    struct serve *s = ctx;

    snprintf(s->first_link, sizeof s->first_link, "%s", link);
    atomic_store(&s->has_first, true);
    wake(s);
}

static void tell_figures(void *ctx, struct ls_buf *out)
{
    const struct serve *s = ctx;

    ls_services_figures(s->services, out);
}

static void on_schedules(void *ctx)
{
    const struct serve *s = ctx;

    ls_services_changed(s->services);
}

static void on_fatal(struct ls_daemon *daemon, const struct ls_error *why)
{
    static atomic_flag first = ATOMIC_FLAG_INIT;
    struct serve *s = (struct serve *)daemon;

    if (atomic_flag_test_and_set(&first))
        return;
    s->failure = *why;
    atomic_store(&s->has_failed, true);
    wake(s);
}

/* ---- start ---- */

static enum ls_code take_signals(struct serve *s, struct ls_error *err)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, &s->signals_before);
    (void)sigaction(SIGPIPE, &ignore, &s->pipe_before);
    s->signals_taken = true;
    s->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->signal_fd < 0 || s->wake_fd < 0)
        return ls_error_errno(err, errno, "cannot wait for signals");
    return LS_OK;
}

static enum ls_code read_config(struct serve *s, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (s->options->config_path)
        rc = ls_config_read(s->options->config_path, &s->daemon.config, err);
    s->first = s->daemon.config;
    if (rc == LS_OK && s->first)
        s->set = s->first->server;
    return rc;
}

static void open_log(struct serve *s)
{
    static char text[] = LS_SINK_TEXT, json[] = LS_SINK_JSON;
    const char *wanted = s->options->log ? s->options->log : s->set.log;

    ls_log_to(ls_sink, wanted && strcmp(wanted, LS_SINK_JSON) == 0 ? json : text,
              s->options->verbose ? LS_LOG_DEBUG : LS_LOG_INFO);
}

static enum ls_code read_pem(const char *path, struct ls_arena *mem, char **ret,
                             struct ls_error *err)
{
    size_t size = 0;
    enum ls_code rc = ls_file_read(path, PEM_MAX, mem, ret, &size, err);

    return rc == LS_OK ? rc : ls_error_wrap(err, "server.tls");
}

static enum ls_code read_tls(const struct ls_server_config *set, struct ls_arena *mem,
                             struct pem *ret, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (!set->certificate)
        return LS_OK;
    rc = read_pem(set->certificate, mem, &ret->cert, err);
    return rc == LS_OK ? read_pem(set->key, mem, &ret->key, err) : rc;
}

static enum ls_code read_proxies(struct serve *s, struct ls_error *err)
{
    s->proxies = ls_arena_array(&s->mem, s->set.proxy_count, sizeof *s->proxies);
    if (!s->proxies)
        return ls_error_nomem(err);
    for (size_t i = 0; i < s->set.proxy_count; i++)
        if (!ls_network_parse(s->set.proxies[i], &s->proxies[i]))
            return ls_error_set(err, LS_CONFIG,
                                "server.proxies: \"%s\" is no address and no network such as "
                                "10.0.0.0/8",
                                s->set.proxies[i]);
    return LS_OK;
}

static enum ls_code open_socket(struct serve *s, struct ls_error *err)
{
    const bool tls = s->pem.cert != NULL;
    const char *where = s->options->listen ? s->options->listen
                        : s->set.listen    ? s->set.listen
                                           : LISTEN_DEFAULT;
    enum ls_code rc = LS_OK;

    s->listen_fd = ls_notify_socket();
    if (s->listen_fd >= 0) {
        (void)fcntl(s->listen_fd, F_SETFL, O_NONBLOCK);
        (void)fcntl(s->listen_fd, F_SETFD, FD_CLOEXEC);
        ls_http_describe(s->listen_fd, tls, &s->loopback, s->url);
    } else {
        rc = ls_http_listen(where, tls, &s->listen_fd, &s->loopback, s->url, err);
        s->own_fd = rc == LS_OK;
    }
    if (rc == LS_OK && !tls && !s->loopback && !s->set.plain)
        return ls_error_set(err, LS_CONFIG,
                            "plain HTTP at %s could be read along the way. Give a certificate "
                            "(server.tls), listen on loopback behind a proxy, or say that you "
                            "mean it with `plain: true` under server",
                            s->url);
    return rc;
}

static const char *state_url(const struct serve *s)
{
    if (s->options->state_url)
        return s->options->state_url;
    return s->daemon.config ? s->daemon.config->state_url : NULL;
}

/* Whether somebody listens already because it is this daemon, started twice: that is the better message. */
static enum ls_code explain_busy(struct serve *s, struct ls_error *err)
{
    struct ls_state_lock *lock = NULL;
    struct ls_error other = {0};
    const enum ls_code rc = ls_state_serve(state_url(s), &lock, &other);

    ls_state_unlock(lock);
    if (rc == LS_LOCKED)
        *err = other;
    return err->code;
}

static enum ls_code lock_state(struct serve *s, struct ls_error *err)
{
    enum ls_code rc = ls_state_serve(state_url(s), &s->lock, err);
    char note[LS_LISTEN_URL + 40];

    if (rc == LS_OK) {
        snprintf(note, sizeof note, "pid %ld, %s", (long)getpid(), s->url);
        ls_state_serve_note(s->lock, note);
    }
    return rc;
}

static enum ls_code become_less(struct serve *s, struct ls_error *err)
{
    ls_privilege_harden();
    if (s->set.user)
        return ls_privilege_drop(s->set.user, err);
    if (geteuid() != 0)
        return LS_OK;
    if (!s->loopback)
        return ls_error_set(err, LS_PERMISSION,
                            "this would serve other machines as root, which nothing here needs. "
                            "Name a user under server.user of the configuration, or say that you "
                            "mean it with `user: root`");
    ls_log(LS_LOG_WARN, "this runs as root, which nothing here needs: name a user under "
                        "server.user of the configuration");
    return LS_OK;
}

/* As many connections as are wanted, or as there are descriptors for: whoever opens more would take them from the state. */
static unsigned connections_of(const struct serve *s)
{
    const unsigned wanted = s->set.connections ? (unsigned)s->set.connections : CONNECTIONS;
    const unsigned room = ls_privilege_connections();

    if (room >= wanted)
        return wanted;
    ls_log(LS_LOG_WARN,
           "only %u connections at once instead of %u: this process may open few files (ulimit -n)",
           room, wanted);
    return room;
}

static enum ls_code open_server(struct serve *s, struct ls_error *err)
{
    const struct ls_server_options options = {
        .http =
            {
                .listen_fd = s->listen_fd,
                .cert = s->pem.cert,
                .key = s->pem.key,
                .connections = connections_of(s),
                .per_address = (unsigned)s->set.per_address,
                .proxies = s->proxies,
                .proxy_count = s->set.proxy_count,
            },
        .url = s->url,
        .loopback = s->loopback,
        .config = s->daemon.config,
        .state_url = s->options->state_url,
        .callers = s->callers,
        .intake = s->daemon.intake,
        .deliver_now = s->daemon.deliver_now,
        .events = s->daemon.events,
        .run_threads = (size_t)s->set.runs,
        .queue = (size_t)s->set.queue,
        .ctx = s,
        .reload = s->options->config_path ? want_reload : NULL,
        .services = tell_services,
        .first = s->options->first ? tell_first : NULL,
        .figures = tell_figures,
        .schedules = on_schedules,
    };

    return ls_server_open(&options, &s->daemon.server, err);
}

static enum ls_code start(struct serve *s, struct ls_error *err)
{
    enum ls_code rc = take_signals(s, err);

    if (rc == LS_OK)
        rc = read_config(s, err);
    open_log(s);
    if (rc == LS_OK)
        rc = read_tls(&s->set, &s->mem, &s->pem, err);
    if (rc == LS_OK)
        rc = read_proxies(s, err);
    if (rc == LS_OK)
        rc = open_socket(s, err);
    if (rc == LS_BUSY)
        rc = explain_busy(s, err);
    if (rc == LS_OK)
        rc = become_less(s, err);
    if (rc == LS_OK)
        rc = lock_state(s, err);
    s->daemon.state_url = state_url(s);
    s->daemon.url = s->url;
    s->daemon.fatal = on_fatal;
    if (rc == LS_OK)
        rc = ls_callers_open(s->daemon.config, s->daemon.state_url, &s->callers, err);
    if (rc == LS_OK)
        rc = ls_services_start(&s->services, &s->daemon, false, err);
    if (rc == LS_OK)
        rc = open_server(s, err);
    if (rc == LS_OK)
        rc = ls_services_start(&s->services, &s->daemon, true, err);
    return rc;
}

/* ---- reload ---- */

static bool same_texts(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    bool alike = a_count == b_count;

    for (size_t i = 0; alike && i < a_count; i++)
        alike = strcmp(a[i], b[i]) == 0;
    return alike;
}

/* What a setting under server is in struct ls_server_config. `drain`, `hosts`, `metrics` and `tls` are not here: a reload takes them. */
enum kind { TEXT, NUMBER, FLAG };
static const struct {
    const char *name;
    enum kind kind;
    size_t at;
} of_the_start[] = {
    {"listen", TEXT, offsetof(struct ls_server_config, listen)},
    {"plain", FLAG, offsetof(struct ls_server_config, plain)},
    {"user", TEXT, offsetof(struct ls_server_config, user)},
    {"log", TEXT, offsetof(struct ls_server_config, log)},
    {"limits.connections", NUMBER, offsetof(struct ls_server_config, connections)},
    {"limits.per_address", NUMBER, offsetof(struct ls_server_config, per_address)},
    {"limits.runs", NUMBER, offsetof(struct ls_server_config, runs)},
    {"limits.queue", NUMBER, offsetof(struct ls_server_config, queue)},
};

static bool same_setting(const struct ls_server_config *was, const struct ls_server_config *now,
                         enum kind kind, size_t at)
{
    const char *a = (const char *)was + at, *b = (const char *)now + at;

    switch (kind) {
    case TEXT:
        return same(*(const char *const *)(const void *)a, *(const char *const *)(const void *)b);
    case NUMBER:
        return memcmp(a, b, sizeof(int64_t)) == 0;
    case FLAG:
    default:
        return *(const bool *)a == *(const bool *)b;
    }
}

static void add_name(struct ls_buf *out, const char *name)
{
    ls_buf_printf(out, "%sserver.%s", out->size ? ", " : "", name);
}

/* Settings of the start that a reload does not change, and that are others now. */
static void tell_what_waits(const struct serve *s, const struct ls_server_config *now)
{
    const struct ls_server_config *was = &s->set;
    struct ls_buf names;

    ls_buf_init(&names, 0);
    for (size_t i = 0; i < sizeof of_the_start / sizeof *of_the_start; i++)
        if (!same_setting(was, now, of_the_start[i].kind, of_the_start[i].at))
            add_name(&names, of_the_start[i].name);
    if (!same_texts(was->proxies, was->proxy_count, now->proxies, now->proxy_count))
        add_name(&names, "proxies");
    if (!s->pem.cert != !now->certificate)
        add_name(&names, "tls");
    if (names.size)
        ls_log(LS_LOG_WARN, "changed, and in force after a restart only: %s", ls_buf_str(&names));
    ls_buf_done(&names);
}

/* The files may be others, and so may be what is in them. Without one it goes on with the one before: whoever dropped root cannot read the key, say. */
static void take_certificate(const struct serve *s, const struct ls_server_config *now)
{
    struct pem pem = {NULL, NULL};
    struct ls_error err = {0};
    struct ls_arena mem;
    enum ls_code rc;

    if (!s->pem.cert || !now->certificate)
        return;
    ls_arena_init(&mem, 0);
    rc = read_tls(now, &mem, &pem, &err);
    if (rc == LS_OK)
        rc = ls_certificate_show(pem.cert, pem.key, &err);
    if (rc != LS_OK)
        ls_log(LS_LOG_ERROR, "the certificate stays as it was: %s", err.text);
    if (pem.key)
        ls_secret_wipe(pem.key, strlen(pem.key));
    ls_arena_done(&mem);
}

/* Takes over config, unless it fails. What is likely to refuse it comes first. */
static enum ls_code take_config(struct serve *s, struct ls_config *config, struct ls_error *err)
{
    enum ls_code rc = ls_callers_reload(s->callers, config, err);

    if (rc != LS_OK)
        return rc;
    rc = ls_server_change(s->daemon.server, ls_config_hold(config), err);
    if (rc != LS_OK) {
        ls_config_free(config);
        return rc;
    }
    if (s->daemon.config != s->first)
        ls_config_free(s->daemon.config);
    s->daemon.config = config;
    take_certificate(s, &config->server);
    tell_what_waits(s, &config->server);
    ls_services_reload(s->services, &s->daemon);
    return LS_OK;
}

static void reload(struct serve *s)
{
    struct ls_config *config = NULL;
    struct ls_error err = {0};
    enum ls_code rc = LS_OK;

    if (!s->options->config_path) {
        ls_log(LS_LOG_INFO, "there is no configuration to read again");
        return;
    }
    ls_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)ls_clock_monotonic_us());
    rc = read_next(s, &config, &err);
    if (rc == LS_OK)
        rc = take_config(s, config, &err);
    if (rc != LS_OK)
        ls_config_free(config);
    if (rc == LS_OK)
        ls_log(LS_LOG_INFO, "read %s again: %zu syncs", s->options->config_path,
               s->daemon.config->sync_count);
    else
        ls_log(LS_LOG_ERROR, "the configuration stays as it was: %s", err.text);
    ls_notify("READY=1\nSTATUS=serving at %s", s->url);
}

/* ---- waiting, and the end ---- */

/* The next signal; 0: none is there. */
static int next_signal(struct serve *s)
{
    struct signalfd_siginfo info;

    return read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

static void wait_ms(struct serve *s, int ms)
{
    struct pollfd fds[] = {{.fd = s->signal_fd, .events = POLLIN},
                           {.fd = s->wake_fd, .events = POLLIN}};
    uint64_t n;

    (void)poll(fds, 2, ms);
    (void)!read(s->wake_fd, &n, sizeof n);
}

/* Until a signal or a failure ends it. */
static void run(struct serve *s)
{
    const int watchdog_ms = ls_notify_watchdog_ms();

    for (;;) {
        int number;

        wait_ms(s, watchdog_ms ? watchdog_ms : -1);
        if (watchdog_ms)
            ls_notify("WATCHDOG=1");
        while ((number = next_signal(s)) != 0) {
            if (number == SIGHUP)
                atomic_store(&s->reload_wanted, true);
            else
                return;
        }
        if (atomic_load(&s->has_failed))
            return;
        if (atomic_exchange(&s->has_first, false)) {
            s->options->first(s->options->ctx, s->first_link);
            ls_secret_wipe(s->first_link, sizeof s->first_link);
        }
        if (atomic_exchange(&s->reload_wanted, false))
            reload(s);
    }
}

/* A signal during the end. */
static void hurry(struct serve *s, bool *cancelled)
{
    const int number = next_signal(s);

    if (!number || number == SIGHUP)
        return;
    if (*cancelled) {
        sigset_t open;

        ls_log(LS_LOG_WARN, "ended on the spot");
        (void)signal(number, SIG_DFL);
        sigemptyset(&open);
        sigaddset(&open, number);
        (void)pthread_sigmask(SIG_UNBLOCK, &open, NULL);
        (void)kill(getpid(), number);
    }
    ls_log(LS_LOG_WARN, "runs end after their batch. One more signal ends the process on the spot");
    ls_server_cancel(s->daemon.server);
    *cancelled = true;
}

static void drain(struct serve *s)
{
    const int64_t set = s->daemon.config ? s->daemon.config->server.drain_ms : 0;
    const int64_t ms = set ? set : DRAIN_MS;
    const int64_t from = ls_clock_monotonic_us();
    bool cancelled = false;

    ls_notify("STOPPING=1\nSTATUS=finishing what is under way");
    ls_log(LS_LOG_INFO, "stopping: %zu requests and works are under way",
           ls_server_busy(s->daemon.server));
    ls_services_quiesce(s->services);
    ls_server_quiesce(s->daemon.server);
    while (ls_server_busy(s->daemon.server) > 0) {
        const int64_t gone = (ls_clock_monotonic_us() - from) / 1000;

        if (gone > ms)
            break;
        if (gone > ms * 4 / 5 && !cancelled) {
            ls_server_cancel(s->daemon.server);
            cancelled = true;
        }
        wait_ms(s, LOOK_EVERY_MS);
        hurry(s, &cancelled);
    }
}

static void stop(struct serve *s)
{
    ls_services_stop(s->services, true);
    ls_server_close(s->daemon.server);
    ls_services_stop(s->services, false);
    ls_services_free(s->services);
    ls_callers_close(s->callers);
    ls_state_unlock(s->lock);
    if (s->own_fd)
        (void)close(s->listen_fd);
    if (s->signal_fd >= 0)
        (void)close(s->signal_fd);
    if (s->wake_fd >= 0)
        (void)close(s->wake_fd);
    if (s->daemon.config != s->first)
        ls_config_free(s->daemon.config);
    ls_config_free(s->first);
    ls_arena_done(&s->mem);
    if (s->signals_taken) {
        (void)sigaction(SIGPIPE, &s->pipe_before, NULL);
        (void)pthread_sigmask(SIG_SETMASK, &s->signals_before, NULL);
    }
}

int lockstep_serve(const struct lockstep_serve_options *options, struct lockstep_error *error)
{
    struct serve s = {.options = options, .listen_fd = -1, .signal_fd = -1, .wake_fd = -1};
    struct ls_error err = {0};
    enum ls_code rc;

    ls_memory_hold();
    ls_sql_uncounted();
    ls_arena_init(&s.mem, 0);
    rc = start(&s, &err);
    if (rc == LS_OK) {
        ls_log(LS_LOG_INFO, "lockstep " LOCKSTEP_VERSION " serves at %s", s.url);
        if (options->ready)
            options->ready(options->ctx, s.url);
        ls_notify("READY=1\nSTATUS=serving at %s", s.url);
        run(&s);
        drain(&s);
        if (atomic_load(&s.has_failed)) {
            err = s.failure;
            rc = err.code;
        }
    }
    stop(&s);
    if (rc == LS_OK)
        ls_log(LS_LOG_INFO, "stopped");
    ls_log_to(NULL, NULL, LS_LOG_OFF);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}
