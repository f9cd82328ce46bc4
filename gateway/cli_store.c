/* SPDX-License-Identifier: MIT */
/* berth store: what is done with stores while no gateway runs. */
#include "facilities/store_copy.h"
#include "gateway/cli_internal.h"

#include <stdio.h>

int cli_run_store_copy(const struct cli_invocation *invocation, struct berth_error *err)
{
    const cJSON *request = invocation->request;
    const struct berth_store_place source = {.spec = berth_json_string(request, "from", "")};
    const struct berth_store_place target = {.spec = berth_json_string(request, "to", ""),
                                             .is_target = true};
    bool replace = berth_json_bool(request, "replace", false);
    BERTH_CLEANUP(strbuf) struct berth_strbuf report = BERTH_STRBUF_INIT(65536);
    BERTH_CLEANUP(store) struct berth_store *from = NULL;
    BERTH_CLEANUP(store) struct berth_store *to = NULL;
    int r = berth_store_open_place(&source, &from, err);
    if (r < 0)
        return berth_error_wrap(err, "--from");
    r = berth_store_open_place(&target, &to, err);
    if (r < 0)
        return berth_error_wrap(err, "--to");
    r = berth_store_copy(from, to, replace, &report, err);
    if (r == 0)
        printf("%severything was copied, read back and compared\n", berth_strbuf_str(&report));
    return r;
}
