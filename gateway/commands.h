/* SPDX-License-Identifier: MIT */
/*
 * The operator's commands on users, tokens and images. The same code runs in the
 * gateway, asked over the control socket, and in the command line's own
 * process when no gateway runs.
 *
 * A request is a JSON object: "command" and the command's arguments, all text:
 *   user-add NAME PASSWORD GATEWAY_ADMIN(yes|no), user-passwd NAME PASSWORD,
 *   user-remove NAME, user-list, user-grant NAME FACILITY ROLE,
 *   user-revoke NAME FACILITY,
 *   token-create NAME [LABEL] [EXPIRES] [FACILITY ROLE], token-list NAME,
 *   token-revoke ID, image-list [FACILITY] [STATE],
 *   image-approve FACILITY IMAGE, image-reject FACILITY IMAGE REASON
 * with members in lower case ("name", "gateway_admin", …).
 *
 * Threading: any thread.
 */
#ifndef BERTH_GATEWAY_COMMANDS_H
#define BERTH_GATEWAY_COMMANDS_H

#include "base/json.h"
#include "gateway/berth.h"

/* What is written to stdout, for people. */
#define BERTH_COMMAND_OUTPUT_MAX (16U << 20)

/* Runs the request; out receives the text of success. by: who, for the audit. */
BERTH_MUST_CHECK int berth_command_run(struct berth *berth, const struct berth_caller *by,
                                       const cJSON *request, struct berth_strbuf *out,
                                       struct berth_error *err);

#endif
