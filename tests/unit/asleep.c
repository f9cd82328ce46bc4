/* SPDX-License-Identifier: MIT */
/* Waiting for a thread to wait. */
#include "tests/unit/unit.h"

#include <sched.h>
#include <stdio.h>

/* The thread's state as in ps(1), '?' where there is none yet. */
static char thread_state(pid_t tid)
{
    char path[64];
    char state = '?';
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
    FILE *file = fopen(path, "re");
    if (!file)
        return state;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = '?';
    (void)fclose(file);
    return state;
}

void unit_wait_asleep(const _Atomic pid_t *tid)
{
    while (*tid == 0 || thread_state(*tid) != 'S')
        (void)sched_yield();
}
