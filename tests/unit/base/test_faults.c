/* SPDX-License-Identifier: Apache-2.0 */
/* test_faults.c - in which order a file is replaced, and what stands there when one of the steps fails.
 *
 * The n-th step is made to fail, for n = 1, 2, ...: its name and its message tell what it was and of what, so that the steps
 * are known in their order, and after each the old file or the new one must be whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "lib/fault.h"
#include "lib/testdir.h"

#define OLD "old"
#define NEW "new and longer"

static enum ls_code replace(const char *path, struct ls_error *err)
{
    struct ls_file_swap swap;
    enum ls_code rc = ls_file_swap_open(&swap, path, "test", 0, err);

    if (rc != LS_OK)
        return rc;
    (void)fwrite(NEW, strlen(NEW), 1, swap.f); /* the stream remembers */
    return ls_file_swap_commit(&swap, err);
}

static void a_file_is_durable_before_it_gets_its_name_and_the_name_after(void **state)
{
    static const struct {
        const char *call, *what, *of, *then;
    } steps[] = {
        {"fwrite", "cannot write ", "/.f.lockstep-test", OLD},
        {"fflush", "cannot write ", "/.f.lockstep-test", OLD},
        {"fsync", "cannot sync ", "/.f.lockstep-test", OLD},
        {"fclose", "cannot close ", "/.f.lockstep-test", OLD},
        {"rename", "cannot rename ", "/.f.lockstep-test to ", OLD},
        {"fsync", "cannot sync the directory ", "", NEW},
    };
    const size_t count = sizeof steps / sizeof *steps;

    (void)state;
    for (size_t i = 0; i <= count; i++) {
        char *path = testdir_file("f", OLD, strlen(OLD)), *temp = testdir_path(".f.lockstep-test");
        char message[4200] = "";
        struct ls_error err = {0};
        enum ls_code rc;

        fault_at(FAULT_WRITE, (unsigned)i + 1);
        rc = replace(path, &err);
        fault_off();
        if (i < count) {
            assert_non_null(fault_hit());
            assert_string_equal(fault_hit(), steps[i].call);
            snprintf(message, sizeof message, "%s%s%s", steps[i].what, testdir(), steps[i].of);
            assert_int_equal(rc, LS_IO);
            assert_ptr_equal(strstr(err.text, message), err.text);
        } else {
            assert_null(fault_hit());
            assert_int_equal(rc, LS_OK);
        }
        testdir_assert_content(path, i < count ? steps[i].then : NEW);
        assert_int_equal(access(temp, F_OK), -1);
        free(temp);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_durable_before_it_gets_its_name_and_the_name_after),
    };

    return cmocka_run_group_tests_name("base/faults", tests, NULL, NULL);
}
