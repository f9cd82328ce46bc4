/* SPDX-License-Identifier: MIT */
/*
 * The control socket, data_dir/control.sock: how the command line reaches a
 * running gateway. Mode 0600, and the peer's uid must be root's or the
 * gateway's own. Lines of JSON: a request of gateway/commands.h, then as many
 * {"output": TEXT} as there is to say, then {"status": 0, "output": TEXT} or
 * {"status": N, "error": TEXT}.
 *
 * Threading: one thread accepts, one per connection (at most 16) works.
 */
#ifndef BERTH_GATEWAY_CONTROL_H
#define BERTH_GATEWAY_CONTROL_H

#include "base/json.h"
#include "gateway/commands.h"

#define BERTH_CONTROL_REQUEST_MAX 65536

struct berth_control;

BERTH_MUST_CHECK int berth_control_open(struct berth *berth, struct berth_control **ret_control,
                                        struct berth_error *err);
/* Waits for commands under way. NULL is fine. */
void berth_control_close(struct berth_control *control);
BERTH_DEFINE_CLEANUP(control, struct berth_control *, berth_control_close)

/* Connects to the gateway on data_dir: BERTH_E_UNREACHABLE when none runs there. ret_fd: a socket,
 * the caller's. */
BERTH_MUST_CHECK int berth_control_connect(const char *data_dir, int *ret_fd,
                                           struct berth_error *err);

/* Asks the gateway that fd is connected to: as berth_command_run() would in this process. */
BERTH_MUST_CHECK int berth_control_ask(int fd, const cJSON *request,
                                       struct berth_command_output *output,
                                       struct berth_error *err);

#endif
