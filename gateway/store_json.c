/* SPDX-License-Identifier: MIT */
#include "gateway/store_json.h"

void berth_store_json_add(struct berth_json_writer *w, struct berth_store *store)
{
    struct berth_error reason = BERTH_ERROR_INIT;
    if (berth_store_condition(store, &reason) == 0)
        return;
    berth_json_open_object(w, "store");
    berth_json_add_string(w, "status", "fallback");
    berth_json_add_string(w, "reason", reason.message);
    berth_json_close_object(w);
}
