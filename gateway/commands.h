/* SPDX-License-Identifier: MIT */
/*
 * The operator's commands on users, tokens, images and uptime. The same code runs in the
 * gateway, asked over the control socket, and in the command line's own
 * process when no gateway runs.
 *
 * A request is a JSON object: "command" and the command's arguments, all text:
 *   user-add NAME PASSWORD GATEWAY_ADMIN(yes|no), user-passwd NAME PASSWORD,
 *   user-remove NAME, user-list, user-grant NAME FACILITY ROLE,
 *   user-revoke NAME FACILITY,
 *   token-create NAME [LABEL] [EXPIRES] [FACILITY ROLE], token-list NAME,
 *   token-revoke ID, image-list [FACILITY] [STATE],
 *   image-approve FACILITY IMAGE, image-reject FACILITY IMAGE REASON,
 *   report-uptime FACILITY SINCE(hour|day|week|month) [FORMAT(text|csv|json|html)],
 *   run FACILITY NAME, which starts a container unless it runs and says {"id": TEXT,
 *   "was_running": BOOL},
 *   store-import-minirun FACILITY NAME [ROOTFS] [PROGRAM] [CREATED_AT] [USER], which makes one
 *   container; BERTH_E_EXISTS: there is one of that name
 * with members in lower case ("name", "gateway_admin", …).
 *
 * Threading: any thread.
 */
#ifndef BERTH_GATEWAY_COMMANDS_H
#define BERTH_GATEWAY_COMMANDS_H

#include "base/json.h"
#include "gateway/berth.h"

/* Of text that waits to be handed on. */
#define BERTH_COMMAND_TEXT_MAX (16U << 20)

/*
 * What a command says, for people or for a file. A command appends to text, and
 * one that says much calls berth_command_drain() now and then, between
 * characters.
 */
struct berth_command_output {
    struct berth_strbuf text;
    /* Hands text on and empties it. */
    int (*drain)(struct berth_command_output *output, struct berth_error *err);
    void *ctx;
};

#define BERTH_COMMAND_OUTPUT_INIT(drain_text, drain_ctx)                                           \
    {                                                                                              \
        .text = BERTH_STRBUF_INIT(BERTH_COMMAND_TEXT_MAX), .drain = (drain_text),                  \
        .ctx = (drain_ctx)                                                                         \
    }

void berth_command_output_release(struct berth_command_output *output);
BERTH_DEFINE_CLEANUP_VALUE(command_output, struct berth_command_output,
                           berth_command_output_release)

BERTH_MUST_CHECK int berth_command_drain(struct berth_command_output *output,
                                         struct berth_error *err);

/* Runs the request; output receives the text of success, of which some may have been handed on
 * when the command fails after all. by: who, for the audit. */
BERTH_MUST_CHECK int berth_command_run(struct berth *berth, const struct berth_caller *by,
                                       const cJSON *request, struct berth_command_output *output,
                                       struct berth_error *err);

#endif
