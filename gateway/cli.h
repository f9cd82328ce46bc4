/* SPDX-License-Identifier: MIT */
/*
 * The command line: one table of commands, from which parsing, help and usage
 * errors are made.
 *
 * Threading: the main thread.
 */
#ifndef BERTH_GATEWAY_CLI_H
#define BERTH_GATEWAY_CLI_H

/* Exit codes. Of a command that ends with the code of what it has run, the last is a failure of its
 * own. */
enum berth_exit {
    BERTH_EXIT_DONE = 0,
    BERTH_EXIT_FAILED = 1,
    BERTH_EXIT_USAGE = 2,
    BERTH_EXIT_NOT_RUN = 125,
};

/* Runs the command that argv names; returns the exit code. */
int berth_cli_run(int argc, char **argv);

#endif
