/* SPDX-License-Identifier: MIT */
#include "gateway/minirun_request.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>

#define NAME_LENGTH 4096 /* that is read: what is too long for a name is said where names are */

#define AT(member) offsetof(struct berth_minirun_body, member)

static const struct berth_json_field fields[] = {
    {"name", BERTH_JSON_STRING, AT(name), false, 0, NAME_LENGTH},
    {"rootfs", BERTH_JSON_STRING, AT(rootfs), false, 0, BERTH_MINIRUN_ROOTFS_MAX},
    {"command", BERTH_JSON_STRING, AT(command), false, 0, BERTH_MINIRUN_COMMAND_MAX},
};

void berth_minirun_body_release(struct berth_minirun_body *body)
{
    berth_json_fields_release(fields, sizeof(fields) / sizeof(fields[0]), body);
}

static void drop_empty(char **text)
{
    if (*text && **text == '\0')
        free(berth_steal(text));
}

static int decode(const struct berth_strbuf *text, struct berth_minirun_body *body,
                  struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    int r = berth_json_parse(berth_strbuf_str(text), text->len, &json, err);
    if (r == 0)
        r = berth_json_decode(json, fields, sizeof(fields) / sizeof(fields[0]), body, err);
    if (r == 0 && body->rootfs && berth_text_has_control(body->rootfs, strlen(body->rootfs)))
        r = berth_error_set(err, BERTH_E_INVALID, "member rootfs must have no control characters");
    if (r == BERTH_E_INVALID)
        (void)berth_error_wrap(err, "Invalid request body");
    return r;
}

int berth_minirun_body_decode(const struct berth_strbuf *text, struct berth_minirun_body *ret_body,
                              struct berth_error *err)
{
    BERTH_CLEANUP(minirun_body) struct berth_minirun_body body = {0};
    int r = decode(text, &body, err);
    if (r < 0)
        return r;
    drop_empty(&body.name);
    drop_empty(&body.rootfs);
    drop_empty(&body.command);
    if (!body.name)
        return berth_error_set(err, BERTH_E_INVALID, "Container name is required");
    *ret_body = body;
    body = (struct berth_minirun_body){0};
    return 0;
}
