/* SPDX-License-Identifier: MIT */
/*
 * What every unit test includes. A test file defines unit_suite(), made of
 * Check tests; runner.c has main() and runs it. Each test runs in a process of
 * its own, unless CK_FORK=no says otherwise (for a debugger).
 *
 * Threading: the allocation counter is per thread, unless a test has it count everywhere.
 */
#ifndef BERTH_TESTS_UNIT_UNIT_H
#define BERTH_TESTS_UNIT_UNIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The suite of the test file. */
Suite *unit_suite(void);

/* A suite of one test case that holds the tests (count of them). */
Suite *unit_suite_new(const char *name, const TTest *const *tests, size_t count);

/* Defines unit_suite() with the tests named after it. */
#define UNIT_SUITE(name, ...)                                                                      \
    Suite *unit_suite(void)                                                                        \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_suite_new(name, tests, sizeof(tests) / sizeof(tests[0]));                      \
    }

#define UNIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Lets `successes` more allocations of this thread succeed and makes all after
 * them fail with ENOMEM, until unit_alloc_restore(). Counted are malloc,
 * calloc, realloc, strdup and strndup called from the program's own objects
 * and static libraries, not from shared ones; Check is static and allocates
 * with each assertion, so assert after the restoration. To try each in turn:
 *
 *     for (size_t n = 0;; n++) {
 *         unit_alloc_fail_after(n);
 *         int r = operation();
 *         bool failed = unit_alloc_restore();
 *         ... r is BERTH_E_NOMEM and nothing has changed if failed, else leave the loop
 *     }
 */
void unit_alloc_fail_after(size_t successes);

/* The same for a single allocation: those after the failed one succeed again. */
void unit_alloc_fail_once_after(size_t successes);

/* Ends it; true if an allocation was made to fail. */
bool unit_alloc_restore(void);

/*
 * From now on what fails is counted over all threads, not the caller's alone.
 * Before there are threads; for the rest of the process.
 */
void unit_alloc_everywhere(void);

/* For the allocator of a library: counts an allocation; false if it is to fail. */
bool unit_alloc_may(void);

/*
 * A path that nothing has yet, in a directory that is removed with all in it
 * when the test ends well. malloc'ed.
 */
char *unit_scratch(const char *name);

/*
 * Returns when the thread sleeps: it waits for what the test holds back. The
 * thread stores its gettid() in *tid when it begins.
 */
void unit_wait_asleep(const _Atomic pid_t *tid);

#endif
