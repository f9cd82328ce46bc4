/* SPDX-License-Identifier: MIT */
#include "gateway/node_json.h"

void berth_node_json_add(struct berth_json_writer *w, const struct berth_node *node)
{
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "Availability", node->availability);
    berth_json_add_string(w, "EngineVersion", node->engine_version);
    berth_json_add_string(w, "Hostname", node->hostname);
    berth_json_add_string(w, "ID", node->id);
    berth_json_add_string(w, "ManagerStatus", node->manager_status);
    berth_json_add_bool(w, "Self", node->self);
    berth_json_add_string(w, "Status", node->status);
    berth_json_add_string(w, "TLSStatus", node->tls_status);
    berth_json_close_object(w);
}
