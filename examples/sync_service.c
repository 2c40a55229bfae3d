/* SPDX-License-Identifier: Apache-2.0 */
/* sync_service.c - events of an application, emitted and delivered by the library alone: no daemon is at work.
 *
 *   sync_service                    against an admin panel that it plays itself, in a folder of its own
 *
 * Build it anywhere with: cc sync_service.c $(pkg-config --cflags --libs lockstep) -pthread
 *
 * What to see here: the calls that applications know as emitEnrollmentEvent, emitProfileEvent, emitProgressEvent, syncEnrollmentNow,
 * syncProfileNow, processQueue and getQueueStats are a few lines each over lockstep_emit(), lockstep_emit_now(), lockstep_process_queue() and
 * lockstep_queue_stats(). Over HTTP they are POST /api/v1/events, the same with ?wait=30, POST /api/sync/process and GET /api/sync/status.
 * Where `lockstep serve` runs over the same state it delivers by itself, and process_queue() only counts. */
#include <arpa/inet.h>
#include <lockstep.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the service ---- */

enum sync_event_type { ENROLLMENT_CREATED, ENROLLMENT_UPDATED, ENROLLMENT_DELETED };

static int complain(const char *what, const struct lockstep_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    return error->code;
}

/* data: JSON. now: until the other side has it. Ids here are plain words: others would have to be escaped. */
static int emit(struct lockstep *ls, const char *type, const char *id, const char *data, bool now)
{
    struct lockstep_error error;
    char *json = NULL;
    int rc, size = asprintf(&json, "{\"type\":\"%s\",\"resourceId\":\"%s\",\"data\":%s}", type, id,
                            data);

    if (size < 0)
        return LOCKSTEP_FAILED;
    rc = now ? lockstep_emit_now(ls, json, (size_t)size, false, 0, NULL, NULL, &error)
             : lockstep_emit(ls, json, (size_t)size, false, NULL, NULL, &error);
    free(json);
    return rc == LOCKSTEP_OK ? rc : complain(type, &error);
}

static int emit_enrollment_event(struct lockstep *ls, enum sync_event_type type, const char *id,
                                 const char *data)
{
    static const char *const types[] = {"enrollment.created", "enrollment.updated",
                                        "enrollment.deleted"};

    return emit(ls, types[type], id, data, false);
}

static int emit_profile_event(struct lockstep *ls, const char *user, const char *data)
{
    return emit(ls, "profile.updated", user, data, false);
}

/* What is about two things is named by both, as an outbox would. */
static int emit_progress_event(struct lockstep *ls, const char *user, const char *course,
                               const char *data)
{
    char id[200];

    snprintf(id, sizeof id, "%s,%s", user, course);
    return emit(ls, "progress.updated", id, data, false);
}

static int sync_enrollment_now(struct lockstep *ls, const char *id, const char *data)
{
    return emit(ls, "enrollment.updated", id, data, true);
}

static int sync_profile_now(struct lockstep *ls, const char *user, const char *data)
{
    return emit(ls, "profile.updated", user, data, true);
}

/* As GET /api/sync/status counts: what waits for its turn or for another try is pending, what was given up has failed. */
struct queue_stats {
    unsigned long long total, processing, pending, failed;
};

static struct queue_stats counted(const struct lockstep_queue_stats *s)
{
    const unsigned long long pending = s->pending + s->waiting + s->failed;

    return (struct queue_stats){pending + s->processing + s->dead, s->processing, pending, s->dead};
}

static int get_queue_stats(struct lockstep *ls, struct queue_stats *ret)
{
    struct lockstep_queue_stats s;
    struct lockstep_error error;

    if (lockstep_queue_stats(ls, &s, &error) != LOCKSTEP_OK)
        return complain("getQueueStats", &error);
    *ret = counted(&s);
    return LOCKSTEP_OK;
}

static int process_queue(struct lockstep *ls, struct queue_stats *ret)
{
    struct lockstep_queue_stats s;
    struct lockstep_error error;

    if (lockstep_process_queue(ls, 0, &s, &error) != LOCKSTEP_OK)
        return complain("processQueue", &error);
    *ret = counted(&s);
    return LOCKSTEP_OK;
}

/* ---- the other side: reads requests, answers 200, and counts ---- */

struct panel {
    int socket;
    unsigned port;
    atomic_uint received, signed_ones;
};

/* One request to its end: its head says how long its body is. */
static bool read_request(int connection, char *text, size_t room)
{
    size_t size = 0, wanted = room - 1;

    while (size < wanted) {
        const ssize_t n = read(connection, text + size, wanted - size);
        const char *end, *length;

        if (n <= 0)
            return false;
        size += (size_t)n;
        text[size] = '\0';
        end = strstr(text, "\r\n\r\n");
        length = strcasestr(text, "\r\nContent-Length:");
        if (end && length)
            wanted = (size_t)(end - text) + 4 + strtoul(length + 17, NULL, 10);
    }
    return true;
}

static void *play_panel(void *arg)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    struct panel *panel = arg;
    char text[8192];
    int connection;

    while ((connection = accept(panel->socket, NULL, NULL)) >= 0) {
        if (read_request(connection, text, sizeof text)) {
            atomic_fetch_add(&panel->received, 1);
            atomic_fetch_add(&panel->signed_ones,
                             strcasestr(text, "\r\nx-webhook-signature:") != NULL);
            (void)!write(connection, answer, sizeof answer - 1);
        }
        close(connection);
    }
    return NULL;
}

static bool open_panel(struct panel *panel, pthread_t *thread)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;

    panel->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (panel->socket < 0 || bind(panel->socket, (struct sockaddr *)&at, size) != 0 ||
        listen(panel->socket, 16) != 0 ||
        getsockname(panel->socket, (struct sockaddr *)&at, &size) != 0)
        return false;
    panel->port = ntohs(at.sin_port);
    return pthread_create(thread, NULL, play_panel, panel) == 0;
}

/* ---- the story ---- */

static bool show(const char *what, const struct queue_stats *s, const struct panel *panel,
                 unsigned received, unsigned long long pending)
{
    printf("%-12s total %llu, processing %llu, pending %llu, failed %llu; the panel has %u\n", what,
           s->total, s->processing, s->pending, s->failed, atomic_load(&panel->received));
    return atomic_load(&panel->received) == received && s->pending == pending &&
           s->total == pending;
}

/* true when all went as it should. */
static bool tell_story(struct lockstep *ls, const struct panel *panel)
{
    struct queue_stats s = {0};

    if (emit_enrollment_event(ls, ENROLLMENT_CREATED, "e1", "{\"course\":\"c1\"}") != LOCKSTEP_OK ||
        emit_profile_event(ls, "u1", "{\"name\":\"Ada\"}") != LOCKSTEP_OK ||
        emit_progress_event(ls, "u1", "c1", "{\"percent\":40}") != LOCKSTEP_OK ||
        get_queue_stats(ls, &s) != LOCKSTEP_OK || !show("emitted", &s, panel, 0, 3))
        return false;
    if (process_queue(ls, &s) != LOCKSTEP_OK || !show("processed", &s, panel, 3, 0))
        return false;
    /* When these return the other side has it. */
    if (sync_enrollment_now(ls, "e1", "{\"status\":\"active\"}") != LOCKSTEP_OK ||
        sync_profile_now(ls, "u1", "{\"name\":\"Ada L.\"}") != LOCKSTEP_OK ||
        get_queue_stats(ls, &s) != LOCKSTEP_OK || !show("synced now", &s, panel, 5, 0))
        return false;
    return atomic_load(&panel->signed_ones) == 5;
}

static bool configure(unsigned port)
{
    FILE *f = fopen("lockstep.yaml", "w");

    if (!f)
        return false;
    fprintf(f,
            "state: sqlite:state.db\n"
            "events: { allow: [127.0.0.1] }\n"
            "endpoints:\n"
            "  panel: { url: \"http://127.0.0.1:%u/api/webhooks/sync\", secret: a secret, policy: "
            "documented }\n",
            port);
    return fclose(f) == 0;
}

int main(void)
{
    const struct lockstep_options options = {.config_path = "lockstep.yaml"};
    const char *parent = getenv("TMPDIR");
    char folder[] = "sync-service-XXXXXX";
    struct lockstep_error error;
    struct lockstep *ls = NULL;
    struct panel panel = {0};
    pthread_t thread;
    bool well;

    if (chdir(parent && *parent ? parent : "/tmp") != 0 || !mkdtemp(folder) || chdir(folder) != 0 ||
        !open_panel(&panel, &thread) || !configure(panel.port)) {
        perror(folder);
        return 1;
    }
    if (lockstep_open(&options, &ls, &error) != LOCKSTEP_OK)
        return complain("open", &error);
    well = tell_story(ls, &panel);
    lockstep_close(ls);
    shutdown(panel.socket, SHUT_RDWR); /* ends accept() */
    pthread_join(thread, NULL);
    close(panel.socket);
    puts(well ? "all of it arrived, signed" : "this did not go as it should");
    return well ? 0 : 1;
}
