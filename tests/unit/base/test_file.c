/* SPDX-License-Identifier: Apache-2.0 */
/* test_file.c - files that are replaced in one step, and locks.
 *
 * Crashes are made with SIGKILL on a child that has said, through a pipe, how far it
 * is; nothing here waits for a time to pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/thread.h"
#include "lib/testdir.h"

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static mode_t mode_of(const char *path)
{
    struct stat st = {0};

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* dir/name in a buffer that the next four calls leave alone. */
static const char *join(const char *dir, const char *name)
{
    static char paths[4][4096];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

/* Runs fn(path, fd) in a child, waits until it writes to fd, and kills it. */
static void kill_after_sign(void (*fn)(const char *path, int fd), const char *path)
{
    int fds[2], status;
    char sign;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        fn(path, fds[1]);
        for (;;)
            pause();
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &sign, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(fds[0]);
}

static void missing_directories_are_made_for_their_owner_only(void **state)
{
    char *dir = testdir_new();
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_file_make_dirs(join(dir, "a//b/c/"), &err), LS_OK);
    assert_int_equal(mode_of(join(dir, "a")), 0700);
    assert_int_equal(mode_of(join(dir, "a/b/c")), 0700);
    assert_int_equal(ls_file_make_dirs(join(dir, "a/b/c"), &err), LS_OK);
    assert_int_equal(ls_file_make_dirs("/", &err), LS_OK);
    assert_int_equal(ls_file_make_dirs("", &err), LS_USAGE);
    free(dir);
}

static void relative_directories_are_made_in_the_current_one(void **state)
{
    char *dir = testdir_new(), *before = getcwd(NULL, 0);
    struct ls_error err;
    (void)state;

    assert_non_null(before);
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(ls_file_make_dirs("x/y", &err), LS_OK);
    assert_int_equal(chdir(before), 0);
    assert_true(exists(join(dir, "x/y")));
    free(before);
    free(dir);
}

static void a_file_in_the_way_of_a_directory_is_an_error(void **state)
{
    char *file = testdir_file("in-the-way", "x", 1);
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_file_make_dirs(join(file, "sub"), &err), LS_IO);
    assert_string_equal(err.native, "ENOTDIR");
    assert_non_null(strstr(err.text, file));
    assert_int_equal(ls_file_make_dirs(file, &err), LS_IO);
    free(file);
}

static void a_file_is_read_whole_up_to_the_maximum(void **state)
{
    static char large[200000];
    char *path, *data = NULL;
    struct ls_arena mem;
    struct ls_error err;
    size_t size = 0;
    (void)state;

    memset(large, 'x', sizeof(large));
    large[100] = '\0';
    path = testdir_file("large", large, sizeof(large));
    ls_arena_init(&mem, 0);
    assert_int_equal(ls_file_read(path, sizeof(large), &mem, &data, &size, &err), LS_OK);
    assert_int_equal(size, sizeof(large));
    assert_memory_equal(data, large, sizeof(large));
    assert_int_equal(data[size], '\0');
    size = 7;
    assert_int_equal(ls_file_read(path, sizeof(large) - 1, &mem, &data, &size, &err), LS_DATA);
    assert_int_equal(ls_file_read(path, 10, &mem, &data, &size, &err), LS_DATA);
    assert_int_equal(ls_file_read(path, 0, &mem, &data, &size, &err), LS_DATA);
    assert_int_equal(size, 7);
    assert_non_null(strstr(err.text, path));
    ls_arena_done(&mem);
    free(path);
}

static void an_empty_file_is_an_empty_text(void **state)
{
    char *path = testdir_file("empty", "", 0);
    (void)state;

    testdir_assert_content(path, "");
    free(path);
}

static void what_cannot_be_read_is_told_with_its_path(void **state)
{
    char *missing = testdir_path("missing"), *data = NULL;
    struct ls_arena mem;
    struct ls_error err;
    size_t size;
    (void)state;

    ls_arena_init(&mem, 0);
    assert_int_equal(ls_file_read(missing, 10, &mem, &data, &size, &err), LS_NOT_FOUND);
    assert_non_null(strstr(err.text, missing));
    assert_int_equal(ls_file_read(testdir(), 10, &mem, &data, &size, &err), LS_IO);
    assert_non_null(strstr(err.text, testdir()));
    assert_null(data);
    ls_arena_done(&mem);
    free(missing);
}

static void a_full_arena_is_no_memory_and_not_bad_data(void **state)
{
    char *path = testdir_file("fits", "0123456789", 10), *data;
    struct ls_arena mem;
    struct ls_error err;
    size_t size;
    (void)state;

    ls_arena_init(&mem, 5);
    assert_int_equal(ls_file_read(path, 100, &mem, &data, &size, &err), LS_NOMEM);
    ls_arena_done(&mem);
    free(path);
}

static void a_commit_replaces_and_nothing_is_seen_before(void **state)
{
    char *dir = testdir_new();
    struct ls_file_swap swap;
    struct ls_error err;
    const char *path = join(dir, "plan");
    (void)state;

    assert_int_equal(ls_file_swap_open(&swap, path, "7", 0640, &err), LS_OK);
    assert_true(exists(join(dir, ".plan.lockstep-7")));
    fputs("new", swap.f);
    assert_int_equal(ls_file_swap_sync(&swap, &err), LS_OK);
    testdir_assert_content(swap.temp_path, "new");
    assert_false(exists(path));
    fputs("er", swap.f);
    assert_int_equal(ls_file_swap_commit(&swap, &err), LS_OK);
    testdir_assert_content(path, "newer");
    assert_int_equal(mode_of(path), 0640);
    assert_false(exists(join(dir, ".plan.lockstep-7")));
    ls_file_swap_abort(&swap); /* fine after commit */
    testdir_assert_content(path, "newer");
    free(dir);
}

static void an_abort_leaves_the_old_file_and_no_other(void **state)
{
    char *path = testdir_file("old", "old", 3);
    struct ls_file_swap swap;
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_file_swap_open(&swap, path, "t", 0600, &err), LS_OK);
    fputs("new", swap.f);
    ls_file_swap_abort(&swap);
    ls_file_swap_abort(&swap);
    testdir_assert_content(path, "old");
    assert_false(exists(join(testdir(), ".old.lockstep-t")));
    free(path);
}

static void without_a_mode_that_of_the_old_file_stays(void **state)
{
    char *path = testdir_file("kept-mode", "old", 3);
    struct ls_file_swap swap;
    struct ls_error err;
    (void)state;

    assert_int_equal(chmod(path, 0664), 0);
    assert_int_equal(ls_file_swap_open(&swap, path, "t", 0, &err), LS_OK);
    assert_int_equal(ls_file_swap_commit(&swap, &err), LS_OK);
    assert_int_equal(mode_of(path), 0664);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ls_file_swap_open(&swap, path, "t", 0, &err), LS_OK);
    assert_int_equal(ls_file_swap_commit(&swap, &err), LS_OK);
    assert_int_equal(mode_of(path), 0600);
    free(path);
}

static void a_symbolic_link_stays_and_its_file_is_replaced(void **state)
{
    char *file = testdir_file("real", "old", 3), *link_path = testdir_path("link");
    struct ls_file_swap swap;
    struct ls_error err;
    struct stat st;
    (void)state;

    assert_int_equal(symlink("real", link_path), 0);
    assert_int_equal(ls_file_swap_open(&swap, link_path, "t", 0600, &err), LS_OK);
    fputs("new", swap.f);
    assert_int_equal(ls_file_swap_commit(&swap, &err), LS_OK);
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    testdir_assert_content(file, "new");
    free(file);
    free(link_path);
}

static void what_is_no_regular_file_is_not_replaced(void **state)
{
    char *dir = testdir_new(), *fifo = testdir_path("fifo");
    struct ls_file_swap swap;
    struct ls_error err;
    (void)state;

    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(ls_file_swap_open(&swap, fifo, "t", 0600, &err), LS_USAGE);
    assert_false(exists(join(testdir(), ".fifo.lockstep-t")));
    assert_int_equal(ls_file_swap_open(&swap, dir, "t", 0600, &err), LS_USAGE);
    ls_file_swap_abort(&swap);
    free(dir);
    free(fifo);
}

static void a_swap_in_a_missing_directory_is_not_found(void **state)
{
    char *path = testdir_path("nowhere/file");
    struct ls_file_swap swap;
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_file_swap_open(&swap, path, "t", 0600, &err), LS_NOT_FOUND);
    assert_non_null(strstr(err.text, "nowhere"));
    assert_null(swap.f);
    ls_file_swap_abort(&swap);
    free(path);
}

static void write_sync_and_say(const char *path, int fd)
{
    struct ls_file_swap swap;

    if (ls_file_swap_open(&swap, path, "crash", 0600, NULL) != LS_OK)
        _exit(1);
    fputs("half of the new", swap.f);
    if (ls_file_swap_sync(&swap, NULL) != LS_OK || write(fd, "s", 1) != 1)
        _exit(1);
}

static void a_kill_before_commit_leaves_the_old_file_and_a_trace(void **state)
{
    char *path = testdir_file("crashed", "old", 3);
    const char *temp = join(testdir(), ".crashed.lockstep-crash");
    struct ls_file_swap swap;
    struct ls_error err;
    (void)state;

    kill_after_sign(write_sync_and_say, path);
    testdir_assert_content(path, "old");
    assert_true(exists(temp));
    assert_int_equal(ls_file_swap_open(&swap, path, "crash", 0600, &err), LS_OK); /* replaces it */
    fputs("new", swap.f);
    assert_int_equal(ls_file_swap_commit(&swap, &err), LS_OK);
    testdir_assert_content(path, "new");
    assert_false(exists(temp));
    free(path);
}

/* Fills a swap over a file size limit; what is returned is commit's code. */
static enum ls_code commit_past_limit(const char *path, bool write_all_first, struct ls_error *err)
{
    struct rlimit before, small = {0};
    struct ls_file_swap swap;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    enum ls_code rc;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_cur = 1000;
    small.rlim_max = before.rlim_max;
    assert_int_equal(ls_file_swap_open(&swap, path, "t", 0600, err), LS_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < (write_all_first ? 100000 : 1500); i++)
        (void)fputc('x', swap.f);
    rc = ls_file_swap_commit(&swap, err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, old);
    return rc;
}

static void a_full_disk_is_told_and_the_old_file_stays(void **state)
{
    char *path = testdir_file("full", "old", 3);
    struct ls_error err;
    (void)state;

    assert_int_equal(commit_past_limit(path, false, &err), LS_FULL); /* found by the flush */
    assert_int_equal(commit_past_limit(path, true, &err), LS_FULL);  /* found before it */
    assert_string_equal(err.native, "EFBIG");
    testdir_assert_content(path, "old");
    assert_false(exists(join(testdir(), ".full.lockstep-t")));
    free(path);
}

/* The stream drops what it could not write; a later flush succeeds and proves nothing. */
static void a_write_that_failed_early_is_not_forgotten(void **state)
{
    char *path = testdir_file("early", "old", 3);
    struct rlimit before, small = {0};
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    struct ls_file_swap swap;
    struct ls_error err;
    (void)state;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(ls_file_swap_open(&swap, path, "t", 0600, &err), LS_OK);
    fputs("lost", swap.f);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_not_equal(fflush(swap.f), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, old);
    assert_int_equal(ls_file_swap_commit(&swap, &err), LS_IO);
    testdir_assert_content(path, "old");
    free(path);
}

static void a_temporary_file_has_no_name_and_can_be_read_back(void **state)
{
    char *dir = testdir_new(), line[10], *before = getenv("TMPDIR");
    struct ls_error err;
    struct stat st;
    FILE *f = NULL;
    (void)state;

    before = before ? strdup(before) : NULL;
    assert_int_equal(setenv("TMPDIR", dir, 1), 0);
    assert_int_equal(ls_file_temp(&f, &err), LS_OK);
    assert_int_equal(rmdir(dir), 0); /* so it is empty */
    assert_int_equal(fstat(fileno(f), &st), 0);
    assert_int_equal(st.st_nlink, 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    fputs("hello", f);
    rewind(f);
    assert_non_null(fgets(line, sizeof(line), f));
    assert_string_equal(line, "hello");
    fclose(f);
    assert_int_equal(ls_file_temp(&f, &err), LS_NOT_FOUND);
    assert_non_null(strstr(err.text, "TMPDIR"));
    assert_int_equal(before ? setenv("TMPDIR", before, 1) : unsetenv("TMPDIR"), 0);
    free(before);
    free(dir);
}

static void a_held_lock_is_busy_until_it_is_given_back(void **state)
{
    struct ls_file_lock a = LS_FILE_UNLOCKED, b = LS_FILE_UNLOCKED;
    char *path = testdir_path("lock");
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_file_lock(&a, path, 0, false, &err), LS_OK);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(ls_file_lock(&b, path, 0, false, &err), LS_BUSY);
    assert_int_equal(b.fd, -1);
    assert_non_null(strstr(err.text, path));
    ls_file_unlock(&b); /* not held: nothing happens */
    assert_int_equal(ls_file_lock(&b, path, 0, false, &err), LS_BUSY);
    ls_file_unlock(&a);
    assert_int_equal(ls_file_lock(&b, path, 0, false, &err), LS_OK);
    ls_file_unlock(&b);
    assert_true(exists(path));
    free(path);
}

static void locks_at_different_offsets_are_different_locks(void **state)
{
    struct ls_file_lock a, b, c;
    char *path = testdir_path("offsets");
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_file_lock(&a, path, 5, false, &err), LS_OK);
    assert_int_equal(ls_file_lock(&b, path, 6, false, &err), LS_OK);
    assert_int_equal(ls_file_lock(&c, path, 4, false, &err), LS_OK);
    ls_file_unlock(&a);
    ls_file_unlock(&b);
    ls_file_unlock(&c);
    free(path);
}

static void lock_and_say(const char *path, int fd)
{
    struct ls_file_lock lock;

    if (ls_file_lock(&lock, path, 0, false, NULL) != LS_OK || write(fd, "s", 1) != 1)
        _exit(1);
}

static void a_lock_dies_with_its_process(void **state)
{
    struct ls_file_lock lock;
    char *path = testdir_path("killed");
    struct ls_error err;
    (void)state;

    kill_after_sign(lock_and_say, path);
    assert_int_equal(ls_file_lock(&lock, path, 0, false, &err), LS_OK);
    ls_file_unlock(&lock);
    free(path);
}

/* Locks, starts cat between two pipes, and says so: its child outlives it. */
struct left_behind {
    int in[2], out[2];
};

static void lock_and_start(const char *path, struct left_behind *child)
{
    struct ls_file_lock lock;

    if (ls_file_lock(&lock, path, 0, false, NULL) != LS_OK)
        _exit(1);
    if (fork() == 0) {
        if (dup2(child->in[0], STDIN_FILENO) >= 0 && dup2(child->out[1], STDOUT_FILENO) >= 0)
            execlp("cat", "cat", (char *)NULL);
        _exit(1);
    }
    for (;;)
        pause();
}

static void assert_answers(const struct left_behind *child)
{
    char sign = 0;

    assert_int_equal(write(child->in[1], "s", 1), 1);
    assert_int_equal(read(child->out[0], &sign, 1), 1);
}

static void a_lock_does_not_live_on_in_a_program_that_was_started(void **state)
{
    struct ls_file_lock lock = LS_FILE_UNLOCKED;
    char *path = testdir_path("left-behind");
    struct left_behind child;
    struct ls_error err;
    char sign;
    int status;
    pid_t pid;
    (void)state;

    assert_int_equal(pipe2(child.in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(child.out, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        lock_and_start(path, &child);
    close(child.in[0]);
    close(child.out[1]);
    assert_answers(&child);
    assert_int_equal(ls_file_lock(&lock, path, 0, false, &err), LS_BUSY);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    status = ls_file_lock(&lock, path, 0, false, &err);
    assert_answers(&child);
    close(child.in[1]);
    assert_int_equal(read(child.out[0], &sign, 1), 0); /* it has ended */
    close(child.out[0]);
    assert_int_equal(status, LS_OK);
    ls_file_unlock(&lock);
    free(path);
}

/* What the older fcntl() locks get wrong. */
static void closing_another_descriptor_of_the_file_keeps_the_lock(void **state)
{
    struct ls_file_lock a, b;
    char *path = testdir_path("closed");
    struct ls_error err;
    int fd;
    (void)state;

    assert_int_equal(ls_file_lock(&a, path, 0, false, &err), LS_OK);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(ls_file_lock(&b, path, 0, false, &err), LS_BUSY);
    ls_file_unlock(&a);
    free(path);
}

struct waiter {
    const char *path;
    atomic_int tid;
    atomic_bool given_back;
    bool had_it_only_then;
    enum ls_code rc;
};

static void wait_for_lock(void *arg)
{
    struct waiter *w = arg;
    struct ls_file_lock lock;

    w->tid = gettid();
    w->rc = ls_file_lock(&lock, w->path, 0, true, NULL);
    w->had_it_only_then = w->given_back;
    ls_file_unlock(&lock);
}

/* Until the thread sleeps, which it does for the lock alone, or has ended. */
static void wait_until_asleep(struct waiter *w)
{
    char path[64], stat_line[200];
    const char *name_end;
    bool running = true;

    while (w->tid == 0)
        sched_yield();
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", w->tid);
    while (running) {
        FILE *f = fopen(path, "r");

        name_end = f && fgets(stat_line, sizeof(stat_line), f) ? strrchr(stat_line, ')') : NULL;
        running = name_end && name_end[2] == 'R';
        if (f)
            fclose(f);
    }
}

static void whoever_waits_gets_the_lock_when_it_is_given_back(void **state)
{
    char *path = testdir_path("waited");
    struct waiter w = {.path = path};
    struct ls_file_lock lock;
    struct ls_thread t;
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_file_lock(&lock, path, 0, false, &err), LS_OK);
    assert_int_equal(ls_thread_start(&t, wait_for_lock, &w, &err), LS_OK);
    wait_until_asleep(&w);
    w.given_back = true;
    ls_file_unlock(&lock);
    ls_thread_join(&t);
    assert_int_equal(w.rc, LS_OK);
    assert_true(w.had_it_only_then);
    free(path);
}

static void a_lock_file_that_cannot_be_made_is_an_error(void **state)
{
    char *path = testdir_path("nowhere/lock");
    struct ls_file_lock lock;
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_file_lock(&lock, path, 0, false, &err), LS_NOT_FOUND);
    assert_int_equal(lock.fd, -1);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_directories_are_made_for_their_owner_only),
        cmocka_unit_test(relative_directories_are_made_in_the_current_one),
        cmocka_unit_test(a_file_in_the_way_of_a_directory_is_an_error),
        cmocka_unit_test(a_file_is_read_whole_up_to_the_maximum),
        cmocka_unit_test(an_empty_file_is_an_empty_text),
        cmocka_unit_test(what_cannot_be_read_is_told_with_its_path),
        cmocka_unit_test(a_full_arena_is_no_memory_and_not_bad_data),
        cmocka_unit_test(a_commit_replaces_and_nothing_is_seen_before),
        cmocka_unit_test(an_abort_leaves_the_old_file_and_no_other),
        cmocka_unit_test(without_a_mode_that_of_the_old_file_stays),
        cmocka_unit_test(a_symbolic_link_stays_and_its_file_is_replaced),
        cmocka_unit_test(what_is_no_regular_file_is_not_replaced),
        cmocka_unit_test(a_swap_in_a_missing_directory_is_not_found),
        cmocka_unit_test(a_kill_before_commit_leaves_the_old_file_and_a_trace),
        cmocka_unit_test(a_full_disk_is_told_and_the_old_file_stays),
        cmocka_unit_test(a_write_that_failed_early_is_not_forgotten),
        cmocka_unit_test(a_temporary_file_has_no_name_and_can_be_read_back),
        cmocka_unit_test(a_held_lock_is_busy_until_it_is_given_back),
        cmocka_unit_test(locks_at_different_offsets_are_different_locks),
        cmocka_unit_test(a_lock_dies_with_its_process),
        cmocka_unit_test(a_lock_does_not_live_on_in_a_program_that_was_started),
        cmocka_unit_test(closing_another_descriptor_of_the_file_keeps_the_lock),
        cmocka_unit_test(whoever_waits_gets_the_lock_when_it_is_given_back),
        cmocka_unit_test(a_lock_file_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests_name("base/file", tests, NULL, NULL);
}
