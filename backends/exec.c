/* SPDX-License-Identifier: MIT */
#include "backends/exec.h"

const char *const berth_exec_signal_names[] = {
    [BERTH_EXEC_HUP] = "HUP",   [BERTH_EXEC_INT] = "INT",
    [BERTH_EXEC_QUIT] = "QUIT", [BERTH_EXEC_USR1] = "USR1",
    [BERTH_EXEC_USR2] = "USR2", [BERTH_EXEC_TERM] = "TERM",
    [BERTH_EXEC_KILL] = "KILL", NULL,
};
