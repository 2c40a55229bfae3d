/* SPDX-License-Identifier: Apache-2.0 */
/* deliver.c - how many deliveries a second, beside a bare loop of libcurl that sends the same requests.
 *
 *   bench_deliver [EVENTS]     default 40000
 *
 * The receiver is a process of its own that reads a request and answers 200, no more. The events are accepted into an SQLite state in
 * TMPDIR beforehand; what is timed is claim, signature, HTTP, answer, and the commit that records each attempt. */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/deliver.h"
#include "receiver.h"

#define ENDPOINTS 16
#define CONCURRENCY 8
#define BODY 1024

static void die(const char *what)
{
    fprintf(stderr, "bench_deliver: %s\n", what);
    exit(3);
}

/* --- the receiver */

static pid_t start_receiver(unsigned *ret_port)
{
    const int fd = receiver_listen(0, ret_port);
    pid_t pid;

    if (fd < 0)
        die("no socket");
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        receiver_run(fd, NULL, NULL, NULL);
    }
    close(fd);
    return pid;
}

/* --- the floor: libcurl alone */

static double bare(unsigned port, size_t count)
{
    enum { HANDLES = ENDPOINTS * CONCURRENCY };
    static char body[BODY];
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURLM *multi = curl_multi_init();
    CURL *easy[HANDLES];
    size_t begun = 0, ended = 0;
    int64_t began_us = ls_clock_monotonic_us();
    char url[64];

    headers = curl_slist_append(headers, "Expect:");
    memset(body, 'x', sizeof(body));
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    for (size_t i = 0; i < HANDLES; i++) {
        easy[i] = curl_easy_init();
        curl_easy_setopt(easy[i], CURLOPT_URL, url);
        curl_easy_setopt(easy[i], CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy[i], CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(easy[i], CURLOPT_POSTFIELDSIZE, (long)sizeof(body));
        curl_multi_add_handle(multi, easy[i]);
        begun++;
    }
    while (ended < count) {
        int running, left;
        CURLMsg *m;

        curl_multi_perform(multi, &running);
        while ((m = curl_multi_info_read(multi, &left))) {
            CURL *done = m->easy_handle;

            ended++;
            curl_multi_remove_handle(multi, done);
            if (begun < count) {
                begun++;
                curl_multi_add_handle(multi, done);
            }
        }
        curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    for (size_t i = 0; i < HANDLES; i++)
        curl_easy_cleanup(easy[i]);
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    return (double)count * 1e6 / (double)(ls_clock_monotonic_us() - began_us);
}

/* --- lockstep */

struct task {
    struct ls_queue_task task;
    struct ls_endpoint_row row;
    struct ls_event event;
    int64_t to;
};

static enum ls_code run_save(struct ls_queue_task *task, struct ls_queue_tx *tx,
                             struct ls_error *err)
{
    return ls_endpoint_save(tx, &((struct task *)task)->row, err);
}

static enum ls_code run_accept(struct ls_queue_task *task, struct ls_queue_tx *tx,
                               struct ls_error *err)
{
    struct task *t = (struct task *)task;
    bool known;

    return ls_queue_accept(tx, &t->event, &t->to, 1, 0, &known, err);
}

static _Atomic size_t accepted;

static void done(struct ls_queue_task *task, enum ls_code rc, const struct ls_error *err)
{
    (void)task;
    if (rc != LS_OK)
        die(err->text);
    accepted++;
}

static struct ls_deliver *delivery;

static void woken(void *ctx, uint64_t endpoints)
{
    (void)ctx;
    if (delivery)
        ls_deliver_wake(delivery, endpoints);
}

static void fill(struct ls_queue *queue, const struct ls_seal_key *key, unsigned port, size_t count,
                 struct ls_arena *mem)
{
    static const char *const secrets[] = {"whsec_c2VjcmV0IGtleSBvZiB0aGUgYmVuY2g="};
    struct task *tasks = calloc(count, sizeof(*tasks));
    char *data = malloc(BODY + 1);
    int64_t numbers[ENDPOINTS];
    struct ls_error err;

    if (!tasks || !data)
        die("out of memory");
    snprintf(data, BODY, "\"%0*d\"", BODY - 200, 7);
    for (int i = 0; i < ENDPOINTS; i++) {
        struct task t = {.task.run = run_save};
        struct ls_endpoint e = {.name = ls_arena_printf(mem, "e%d", i),
                                .origin = "config",
                                .url = ls_arena_printf(mem, "http://127.0.0.1:%u/%d", port, i),
                                .concurrency = CONCURRENCY,
                                .secret_count = 1,
                                .secrets = secrets};

        if (ls_endpoint_check(&e, &err) != LS_OK ||
            ls_endpoint_to_row(&e, key, mem, &t.row, &err) != LS_OK ||
            ls_queue_do(queue, &t.task, &err) != LS_OK)
            die(err.text);
        numbers[i] = t.row.number;
    }
    for (size_t i = 0; i < count; i++) {
        const char *id = ls_arena_printf(mem, "event-%zu", i);

        tasks[i] = (struct task){.task = {.run = run_accept, .done = done},
                                 .to = numbers[i % ENDPOINTS],
                                 .event = {.id = id,
                                           .type = "order.created",
                                           .resource_type = "order",
                                           .resource_id = id,
                                           .data = data,
                                           .data_size = strlen(data),
                                           .options = ""}};
        ls_queue_submit(queue, &tasks[i].task);
    }
    while (accepted < count)
        usleep(1000);
    free(tasks);
    free(data);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 40000;
    const struct ls_queue_options options = {.woken = woken};
    const char *allowed = "127.0.0.1", *temp = getenv("TMPDIR");
    struct ls_deliver_options o = {0};
    struct ls_seal_key key = {{7}};
    struct ls_queue *queue = NULL;
    struct ls_guard guard;
    struct ls_arena mem;
    struct ls_error err;
    char dir[256], state[300], remove[400];
    unsigned port;
    pid_t receiver = start_receiver(&port);
    double floor, rate;
    int64_t began_us;

    ls_arena_init(&mem, 0);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    floor = bare(port, count);
    printf("bare curl multi loop    %8.0f requests/s\n", floor);
    snprintf(dir, sizeof(dir), "%s/bench-deliver.XXXXXX", temp ? temp : "/tmp");
    if (!mkdtemp(dir))
        die("no folder");
    snprintf(state, sizeof(state), "%s/state.db", dir);
    if (ls_queue_open(state, &options, &queue, &err) != LS_OK ||
        ls_guard_read(&allowed, 1, &mem, &guard, &err) != LS_OK)
        die(err.text);
    began_us = ls_clock_monotonic_us();
    fill(queue, &key, port, count, &mem);
    printf("accepted                %8.0f events/s\n",
           (double)count * 1e6 / (double)(ls_clock_monotonic_us() - began_us));
    o = (struct ls_deliver_options){.queue = queue, .key = &key, .guard = &guard};
    began_us = ls_clock_monotonic_us();
    if (ls_deliver_open(&o, &delivery, &err) != LS_OK)
        die(err.text);
    if (!ls_deliver_wait_idle(delivery, 600000))
        die("it does not come to rest");
    rate = (double)count * 1e6 / (double)(ls_clock_monotonic_us() - began_us);
    if (ls_deliver_counts(delivery).delivered != count)
        die("not everything was delivered");
    printf("delivered and recorded  %8.0f deliveries/s over %d endpoints, %.2f of the loop\n", rate,
           ENDPOINTS, rate / floor);
    printf("                        %8.1f tasks a commit\n",
           (double)ls_queue_counts(queue).tasks / (double)ls_queue_counts(queue).commits);
    ls_deliver_close(delivery, 1000);
    delivery = NULL;
    ls_queue_close(queue);
    ls_arena_done(&mem);
    kill(receiver, SIGTERM);
    waitpid(receiver, NULL, 0);
    snprintf(remove, sizeof(remove), "rm -rf -- '%s'", dir);
    return system(remove) == 0 ? 0 : 3;
}
