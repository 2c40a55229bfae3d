/* SPDX-License-Identifier: Apache-2.0 */
/* test_notify.c - what systemd hears, and log lines as they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/notify.h"
#include "daemon/sink.h"
#include "lib/testdir.h"

/* A socket as systemd's; name: as in NOTIFY_SOCKET. */
static int listen_at(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && strlen(name) < sizeof at.sun_path);
    memcpy(at.sun_path, name, strlen(name));
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void assert_heard(int fd, const char *expected)
{
    char text[600];
    const ssize_t n = recv(fd, text, sizeof text - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static void words_arrive_at_paths_and_abstract_names(void **state)
{
    char *path = testdir_path("notify"), name[100];
    int fd;
    (void)state;

    fd = listen_at(path);
    ls_notify("READY=1\nSTATUS=%s %d", "serving", 5);
    assert_heard(fd, "READY=1\nSTATUS=serving 5");
    close(fd);
    ls_notify("READY=1"); /* nobody is there: nothing happens */
    snprintf(name, sizeof name, "@lockstep-test-%ld", (long)getpid());
    fd = listen_at(name);
    ls_notify("STOPPING=1");
    assert_heard(fd, "STOPPING=1");
    close(fd);
    unsetenv("NOTIFY_SOCKET");
    ls_notify("READY=1");
    free(path);
}

static void what_is_meant_for_another_process_is_left_alone(void **state)
{
    char own[20];
    (void)state;

    snprintf(own, sizeof own, "%ld", (long)getpid());
    assert_int_equal(ls_notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(ls_notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(ls_notify_watchdog_ms(), 0);
    setenv("WATCHDOG_PID", own, 1);
    assert_int_equal(ls_notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(ls_notify_watchdog_ms(), 0);

    setenv("LISTEN_FDS", "1", 1);
    assert_int_equal(ls_notify_socket(), -1); /* for whom? */
    setenv("LISTEN_PID", "1", 1);
    assert_int_equal(ls_notify_socket(), -1);
    setenv("LISTEN_PID", own, 1);
    assert_int_equal(ls_notify_socket(), 3);
    setenv("LISTEN_FDS", "0", 1);
    assert_int_equal(ls_notify_socket(), -1);
}

/* What ls_log() writes to standard error through this sink. */
static void logged(const char *form, const char *message, char *out, size_t size)
{
    char *word = strdup(form);
    const int before = dup(STDERR_FILENO);
    int fds[2];
    ssize_t n;

    assert_int_equal(pipe(fds), 0);
    assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
    ls_log_to(ls_sink, word, LS_LOG_INFO);
    ls_log(LS_LOG_WARN, "%s", message);
    ls_log(LS_LOG_DEBUG, "this is below the level");
    ls_log_to(NULL, NULL, LS_LOG_OFF);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(fds[1]);
    n = read(fds[0], out, size - 1);
    assert_true(n > 0);
    out[n] = '\0';
    close(fds[0]);
    close(before);
    free(word);
}

static void a_line_is_one_line_whatever_is_in_it(void **state)
{
    static const char nasty[] = "x\r\n{\"level\":\"error\"}\x1b[2J\t\"quoted\" \\ \xff \xc2\x85 "
                                "\xe2\x82\xac";
    char line[5000];
    json_t *json;
    (void)state;

    unsetenv("JOURNAL_STREAM");
    logged(LS_SINK_JSON, nasty, line, sizeof line);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    json = json_loads(line, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "level")), "warning");
    assert_non_null(strstr(json_string_value(json_object_get(json, "message")), "\"quoted\""));
    assert_int_equal(strlen(json_string_value(json_object_get(json, "time"))), 24);
    json_decref(json);

    logged(LS_SINK_TEXT, nasty, line, sizeof line);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_null(strchr(line, '\x1b'));
    assert_memory_equal(line + 24, " warning x\\x0d\\x0a{", 19);

    setenv("JOURNAL_STREAM", "8:1", 1);
    logged(LS_SINK_TEXT, "plain", line, sizeof line);
    assert_string_equal(line, "<4>plain\n");
    unsetenv("JOURNAL_STREAM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_arrive_at_paths_and_abstract_names),
        cmocka_unit_test(what_is_meant_for_another_process_is_left_alone),
        cmocka_unit_test(a_line_is_one_line_whatever_is_in_it),
    };

    return cmocka_run_group_tests_name("daemon/notify", tests, NULL, NULL);
}
