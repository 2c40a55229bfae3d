/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_help.h"

enum ls_code try_open(const char *path, struct ls_sql_options options, struct ls_sql **ret)
{
    const struct ls_url url = {.scheme = "sqlite", .location = path, .shown = "sqlite:shown"};

    *ret = NULL;
    return ls_sql_open(&url, &options, ret, &err);
}

struct ls_sql *open_with(const char *path, struct ls_sql_options options)
{
    struct ls_sql *db;

    OK(try_open(path, options, &db));
    return db;
}

struct ls_sql *create(const char *path)
{
    return open_with(path, (struct ls_sql_options){.create = true});
}

char *beside(const char *path, const char *suffix)
{
    char *ret;

    assert_true(asprintf(&ret, "%s%s", path, suffix) > 0);
    return ret;
}

int64_t size_of(const char *path, const char *suffix)
{
    char *name = beside(path, suffix);
    struct stat st;
    int64_t size = stat(name, &st) ? -1 : (int64_t)st.st_size;

    free(name);
    return size;
}

int in_child(void (*body)(const char *path), const char *path)
{
    pid_t pid;
    int status = 0;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body(path);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
