/* SPDX-License-Identifier: MIT */
/* The one table of routes: what there is, and the least role that may call it. */
#include "gateway/apps_api.h"
#include "gateway/containers_api.h"
#include "gateway/containers_error.h"
#include "gateway/dialect.h"
#include "gateway/files_api.h"
#include "gateway/minirun_api.h"
#include "gateway/minirun_error.h"
#include "gateway/router.h"
#include "gateway/terminal_api.h"

#define NOBODY     BERTH_ROLE_NONE /* no credentials asked */
#define VIEWER     BERTH_ROLE_VIEWER
#define RESEARCHER BERTH_ROLE_RESEARCHER
#define ADMIN      BERTH_ROLE_ADMIN
#define APPS       &berth_apps_dialect
#define CONTAINERS &berth_containers_dialect
#define MINIRUN    &berth_minirun_dialect
#define GATEWAY    &berth_gateway_dialect

/* clang-format off */
const struct berth_route berth_routes[] = {
    {"start-app",          BERTH_POST, RESEARCHER, APPS, berth_apps_start,
     "name=APP[,APP...]  start"},
    {"stop-app",           BERTH_POST, RESEARCHER, APPS, berth_apps_stop,
     "name=APP[,APP...]  stop, with SIGKILL after 10 s"},
    {"pause-app",          BERTH_POST, RESEARCHER, APPS, berth_apps_pause,
     "name=APP[,APP...]  pause"},
    {"unpause-app",        BERTH_POST, RESEARCHER, APPS, berth_apps_unpause,
     "name=APP[,APP...]  resume a paused app"},
    {"restart-app",        BERTH_POST, RESEARCHER, APPS, berth_apps_restart,
     "name=APP[,APP...]  stop, then start"},
    {"kill-app",           BERTH_POST, RESEARCHER, APPS, berth_apps_kill,
     "name=APP[,APP...]  stop at once"},
    {"create-app",         BERTH_POST, RESEARCHER, APPS, berth_apps_create_app,
     "image=IMAGE&user=USER[&version=TAG]  create IMAGE--USER"},
    {"delete-app",         BERTH_POST, RESEARCHER, APPS, berth_apps_delete,
     "name=APP[,APP...]  delete with all its data"},
    {"hard-reset-app",     BERTH_POST, RESEARCHER, APPS, berth_apps_hard_reset,
     "name=APP[,APP...]  delete and create again"},
    {"ws/*",               BERTH_GET, RESEARCHER, CONTAINERS, berth_containers_open_terminal,
     "[cols=COLUMNS&rows=ROWS&tty=yes&cmd=COMMAND&service=SERVICE&session=SESSION]  a terminal in a container or an app, as a WebSocket"},
    {"ws/*",               BERTH_GET, RESEARCHER, APPS, berth_apps_open_terminal,
     "[cols=COLUMNS&rows=ROWS&tty=yes&cmd=COMMAND&service=SERVICE&session=SESSION]  a terminal in an app, as a WebSocket"},
    {"get-users",          BERTH_GET, VIEWER, APPS, berth_apps_get_users,
     "users that have apps"},
    {"get-app-names",      BERTH_GET, VIEWER, APPS, berth_apps_get_names,
     "[user=USER]  names of apps"},
    {"get-app-status",     BERTH_GET, VIEWER, APPS, berth_apps_get_status,
     "[name=APP]  as docker ps"},
    {"get-app-stats",      BERTH_GET, VIEWER, APPS, berth_apps_get_stats,
     "[name=APP]  as docker stats"},
    {"get-app-info",       BERTH_GET, VIEWER, APPS, berth_apps_get_info,
     "name=APP[&fresh=yes]  as docker inspect"},
    {"get-app-logs",       BERTH_GET, VIEWER, APPS, berth_apps_get_logs,
     "name=APP[&tail=LINES&since=TIME&stream=STREAM&timestamps=yes&follow=yes&service=SERVICE]  what it printed"},
    {"watch",              BERTH_GET, VIEWER, APPS, berth_apps_watch,
     "[last_event_id=ID]  changes as server-sent events"},
    {"get-node-names",     BERTH_GET, VIEWER, APPS, berth_nodes_get_names,
     "host names of the nodes"},
    {"get-node-status",    BERTH_GET, VIEWER, APPS, berth_nodes_get_status,
     "[hostname=HOST]  as docker node ls"},
    {"get-node-info",      BERTH_GET, VIEWER, APPS, berth_nodes_get_info,
     "hostname=HOST  as docker node inspect"},
    {"get-uptime-summary", BERTH_GET, VIEWER, APPS, berth_apps_get_uptime,
     "name=APP&duration=hour|day|week|month  when it ran"},
    {"request-image",      BERTH_POST, RESEARCHER, APPS, berth_images_request,
     "image=IMAGE[&version=TAG]  ask for an image"},
    {"get-images",         BERTH_GET, VIEWER, APPS, berth_apps_get_images,
     "as docker images"},
    {"get-image-requests", BERTH_GET, RESEARCHER, APPS, berth_images_get_requests,
     "[state=STATE]  requests and what became of them"},
    {"approve-image",      BERTH_POST, ADMIN, APPS, berth_images_approve,
     "image=IMAGE[&version=TAG] or id=ID [&wait=yes]  approve and pull"},
    {"reject-image",       BERTH_POST, ADMIN, APPS, berth_images_reject,
     "image=IMAGE[&version=TAG] or id=ID &reason=TEXT"},
    {"remove-image",       BERTH_POST, ADMIN, APPS, berth_images_remove,
     "image=IMAGE[&version=TAG] or id=ID [&purge=yes]  withdraw approval"},

    {"containers",           BERTH_POST | BERTH_BODY_WHOLE, RESEARCHER, CONTAINERS, berth_containers_post,
     "create a container"},
    {"containers",           BERTH_GET | BERTH_MANY_TAGS, VIEWER, CONTAINERS, berth_containers_get_list,
     "[limit=N&cursor=CURSOR&status=STATUS[,STATUS...]&tag=TAG...]  containers, newest first"},
    {"containers/*",         BERTH_GET, VIEWER, CONTAINERS, berth_containers_get_one,
     "a container"},
    {"containers/*",         BERTH_PATCH | BERTH_BODY_WHOLE, RESEARCHER, CONTAINERS, berth_containers_patch,
     "change variables, tags, resources, ports or image"},
    {"containers/*",         BERTH_DELETE, RESEARCHER, CONTAINERS, berth_containers_delete,
     "stop and delete it with its files"},
    {"containers/*/status",  BERTH_GET, VIEWER, CONTAINERS, berth_containers_get_status,
     "whether it runs, and since when"},
    {"containers/*/start",   BERTH_POST, RESEARCHER, CONTAINERS, berth_containers_start,
     "run /app/boot.py"},
    {"containers/*/stop",    BERTH_POST, RESEARCHER, CONTAINERS, berth_containers_stop,
     "stop, with SIGKILL after 10 s"},
    {"containers/*/restart", BERTH_POST, RESEARCHER, CONTAINERS, berth_containers_restart,
     "stop, then start"},
    {"containers/*/pause",   BERTH_POST, RESEARCHER, CONTAINERS, berth_containers_pause,
     "pause"},
    {"containers/*/unpause", BERTH_POST, RESEARCHER, CONTAINERS, berth_containers_unpause,
     "resume a paused one"},
    {"containers/*/kill",    BERTH_POST, RESEARCHER, CONTAINERS, berth_containers_kill,
     "stop at once"},
    {"containers/*/ports",   BERTH_PATCH | BERTH_BODY_WHOLE, RESEARCHER, CONTAINERS, berth_containers_patch_ports,
     "replace the ports"},
    {"containers/*/upload-zip", BERTH_POST | BERTH_BODY_STREAM, RESEARCHER, CONTAINERS,
     berth_files_upload, "unpack a ZIP archive over its files"},
    {"containers/*/download", BERTH_GET, VIEWER, CONTAINERS, berth_files_download,
     "path=FILE  one of its files"},
    {"containers/*/download-zip", BERTH_GET, VIEWER, CONTAINERS, berth_files_download_zip,
     "[path=FOLDER]  a folder of its files as ZIP archive"},
    {"healthz",              BERTH_GET, NOBODY, CONTAINERS, berth_containers_health,
     "versions and uptime"},

    {"containers",           BERTH_POST | BERTH_BODY_WHOLE, RESEARCHER, MINIRUN, berth_minirun_post,
     "create a container"},
    {"containers",           BERTH_GET, VIEWER, MINIRUN, berth_minirun_get_list,
     "containers, oldest first"},
    {"containers/*",         BERTH_GET, VIEWER, MINIRUN, berth_minirun_get_one,
     "a container"},
    {"containers/*",         BERTH_DELETE, RESEARCHER, MINIRUN, berth_minirun_delete,
     "delete it, once it has stopped"},
    {"containers/*/start",   BERTH_POST, RESEARCHER, MINIRUN, berth_minirun_start,
     "[detach=true]  how to start it with a terminal; or start it"},
    {"containers/*/stop",    BERTH_POST, RESEARCHER, MINIRUN, berth_minirun_stop,
     "stop, with SIGKILL after 10 s"},
    {"containers/*/kill",    BERTH_POST, RESEARCHER, MINIRUN, berth_minirun_kill,
     "stop at once"},
    {"health",               BERTH_GET, NOBODY, MINIRUN, berth_minirun_health,
     "version and uptime"},
    {"",                     BERTH_GET, NOBODY, MINIRUN, berth_minirun_root,
     "service, version and endpoints"},

    {"/",        BERTH_GET, NOBODY, GATEWAY, berth_gateway_outline, "this outline"},
    {"/livez",   BERTH_GET, NOBODY, GATEWAY, berth_gateway_livez, "the process answers"},
    {"/readyz",  BERTH_GET, NOBODY, GATEWAY, berth_gateway_readyz, "every facility's engine answers"},
    {"/health",  BERTH_GET, NOBODY, GATEWAY, berth_gateway_health, "version and uptime, for people"},
    {"/healthz", BERTH_GET, NOBODY, GATEWAY, berth_gateway_healthz, "version and uptime"},
    {0},
};
/* clang-format on */
