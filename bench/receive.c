/* SPDX-License-Identifier: Apache-2.0 */
/* receive.c - a receiver of deliveries that tells how many came, how fast, and how old they were.
 *
 *   bench_receive [--port N] [--expect COUNT] [--hang]
 *
 * Prints its port. At SIGTERM, or when COUNT deliveries have come, prints `count= seconds= rate= p50_ms= p99_ms= max_ms=` and ends. The age of
 * a delivery is now less the member "t" of its body, microseconds of the monotonic clock, which bench_load writes there. --hang: reads, never answers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "receiver.h"
#include "times.h"

struct seen {
    struct times age;
    size_t expected;
    int64_t first_us, last_us;
    bool hang;
};

static volatile bool stop;

static void on_signal(int number)
{
    (void)number;
    stop = true;
}

static bool look(void *ctx, const char *body, size_t size)
{
    struct seen *s = ctx;
    const char *at = memmem(body, size, "\"t\":", 4);

    s->last_us = ls_clock_monotonic_us();
    if (!s->first_us)
        s->first_us = s->last_us;
    times_add(&s->age, at ? s->last_us - strtoll(at + 4, NULL, 10) : 0);
    if (s->expected && s->age.count >= s->expected)
        stop = true;
    return !s->hang;
}

int main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = on_signal};
    struct seen seen = {0};
    unsigned port = 0;
    double seconds;
    int fd;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--hang") == 0)
            seen.hang = true;
        else if (i + 1 < argc && strcmp(argv[i], "--port") == 0)
            port = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--expect") == 0)
            seen.expected = strtoul(argv[++i], NULL, 10);
        else
            return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    fd = receiver_listen(port, &port);
    if (fd < 0) {
        perror("bench_receive");
        return 3;
    }
    printf("%u\n", port);
    fflush(stdout);
    receiver_run(fd, look, &seen, &stop);
    times_sort(&seen.age);
    seconds = (double)(seen.last_us - seen.first_us) / 1e6;
    printf("count=%zu seconds=%.3f rate=%.0f p50_ms=%.2f p99_ms=%.2f max_ms=%.2f\n", seen.age.count,
           seconds, seconds > 0 ? (double)seen.age.count / seconds : 0, times_at(&seen.age, 0.5),
           times_at(&seen.age, 0.99), times_at(&seen.age, 1));
    free(seen.age.us);
    return 0;
}
