/* SPDX-License-Identifier: MIT */
#include "gateway/commands.h"

#include "base/clock.h"
#include "base/text.h"
#include "facilities/minirun.h"
#include "facilities/naming.h"
#include "gateway/report.h"

#include <string.h>

#define TOKEN_EXPIRES_DEFAULT "90d"

struct command {
    struct berth *berth;
    const struct berth_caller *by;
    const cJSON *request;
    struct berth_command_output *output;
    struct berth_strbuf *out; /* its text */
};

/* A member that must be there; the command line sees to it, a stranger on the socket may not. */
static int require(const struct command *command, const char *name, const char **ret_value,
                   struct berth_error *err)
{
    const char *value = berth_json_string(command->request, name, NULL);
    if (!value)
        return berth_error_set(err, BERTH_E_INVALID, "%s is missing", name);
    *ret_value = value;
    return 0;
}

static int unknown_facility(const struct berth_view *view, const char *id, struct berth_error *err)
{
    BERTH_CLEANUP(free) const char **ids = calloc(view->config->facility_count + 1, sizeof(*ids));
    if (!ids)
        return berth_error_nomem(err);
    for (size_t i = 0; i < view->config->facility_count; i++)
        ids[i] = view->config->facilities[i].id;
    const char *nearest = berth_text_nearest(id, ids, view->config->facility_count);
    return berth_error_set(err, BERTH_E_NOT_FOUND, "there is no facility %s%s%s%s", id,
                           nearest ? "; did you mean " : "", nearest ? nearest : "",
                           nearest ? "?" : "");
}

/* A facility of the configuration; ret_config: a reference on it all, the caller's. */
static int require_facility_config(const struct command *command, struct berth_config **ret_config,
                                   const struct berth_facility_config **ret_facility,
                                   struct berth_error *err)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(command->berth);
    const struct berth_config *config = view->config;
    const char *id = NULL;
    int r = require(command, "facility", &id, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < config->facility_count; i++) {
        if (strcmp(config->facilities[i].id, id) == 0) {
            *ret_config = berth_config_ref(view->config);
            *ret_facility = &config->facilities[i];
            return 0;
        }
    }
    return unknown_facility(view, id, err);
}

/* The id of a facility of the configuration. */
static int require_facility_id(const struct command *command, const char **ret_id,
                               struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    const struct berth_facility_config *facility = NULL;
    int r = require_facility_config(command, &config, &facility, err);
    return r == 0 ? require(command, "facility", ret_id, err) : r;
}

/* ret_facility: a reference, so that a long command holds no other facility. */
static int require_facility(const struct command *command, struct berth_facility **ret_facility,
                            struct berth_error *err)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(command->berth);
    const char *id = NULL;
    int r = require(command, "facility", &id, err);
    if (r < 0)
        return r;
    struct berth_facility *facility = berth_view_find(view, id, strlen(id));
    if (!facility)
        return unknown_facility(view, id, err);
    *ret_facility = berth_facility_ref(facility);
    return 0;
}

/* ---- Users ---- */

static int user_add(const struct command *command, struct berth_error *err)
{
    const char *name = NULL;
    const char *password = NULL;
    bool is_admin = berth_json_bool(command->request, "gateway_admin", false);
    int r = require(command, "name", &name, err);
    if (r == 0)
        r = require(command, "password", &password, err);
    if (r == 0)
        r = berth_identity_add(command->berth->identity, command->by, name, password, is_admin,
                               err);
    if (r == 0)
        berth_strbuf_addf(command->out, "user %s was added%s\n", name,
                          is_admin ? " as a gateway administrator"
                                   : "; berth user grant gives a role in a facility");
    return r;
}

static int user_passwd(const struct command *command, struct berth_error *err)
{
    const char *name = NULL;
    const char *password = NULL;
    int r = require(command, "name", &name, err);
    if (r == 0)
        r = require(command, "password", &password, err);
    if (r == 0)
        r = berth_identity_set_password(command->berth->identity, command->by, name, password, err);
    if (r == 0)
        berth_strbuf_addf(command->out, "the password of %s was changed\n", name);
    return r;
}

static int user_remove(const struct command *command, struct berth_error *err)
{
    const char *name = NULL;
    int r = require(command, "name", &name, err);
    if (r == 0)
        r = berth_identity_remove(command->berth->identity, command->by, name, err);
    if (r == 0)
        berth_strbuf_addf(command->out, "user %s was removed; the name stays taken\n", name);
    return r;
}

static int set_role(const struct command *command, enum berth_role role, struct berth_error *err)
{
    const char *name = NULL;
    const char *facility = NULL;
    int r = require(command, "name", &name, err);
    if (r == 0)
        r = require_facility_id(command, &facility, err);
    if (r == 0)
        r = berth_identity_grant(command->berth->identity, command->by, name, facility, role, err);
    if (r == 0 && role == BERTH_ROLE_NONE)
        berth_strbuf_addf(command->out, "user %s has no role in %s any more\n", name, facility);
    else if (r == 0)
        berth_strbuf_addf(command->out, "user %s is %s in %s\n", name, berth_role_name(role),
                          facility);
    return r;
}

static int user_grant(const struct command *command, struct berth_error *err)
{
    const char *name = NULL;
    enum berth_role role = BERTH_ROLE_NONE;
    int r = require(command, "role", &name, err);
    if (r == 0)
        r = berth_role_parse(name, &role, err);
    return r == 0 ? set_role(command, role, err) : r;
}

static int user_revoke(const struct command *command, struct berth_error *err)
{
    return set_role(command, BERTH_ROLE_NONE, err);
}

static void print_user(const struct berth_user *user, void *ctx)
{
    struct berth_strbuf *out = ctx;
    berth_strbuf_addf(out, "%-24s", user->name);
    if (user->gateway_admin)
        berth_strbuf_adds(out, " gateway administrator");
    for (size_t i = 0; i < user->grant_count; i++)
        berth_strbuf_addf(out, "%s%s in %s", i || user->gateway_admin ? ", " : " ",
                          berth_role_name(user->grants[i].role), user->grants[i].facility);
    if (!user->gateway_admin && user->grant_count == 0)
        berth_strbuf_adds(out, " no role");
    berth_strbuf_addc(out, '\n');
}

static int user_list(const struct command *command, struct berth_error *err)
{
    (void)err;
    berth_identity_walk(command->berth->identity, print_user, command->out);
    return 0;
}

/* ---- Tokens ---- */

/* "90d", "12h" or "2w" from now; "never" is 0. */
static int parse_expiry(const char *text, int64_t *ret_expires_ms, struct berth_error *err)
{
    int64_t seconds = 0;
    if (strcmp(text, "never") == 0) {
        *ret_expires_ms = 0;
        return 0;
    }
    if (berth_text_parse_duration(text, "hdw", &seconds, NULL) < 0 || seconds < 1 ||
        seconds > BERTH_TOKEN_DAYS_MAX * INT64_C(86400))
        return berth_error_set(err, BERTH_E_INVALID,
                               "expires must be such as 12h, 90d or 4w, up to %dd, or never",
                               BERTH_TOKEN_DAYS_MAX);
    *ret_expires_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS + seconds * 1000;
    return 0;
}

/* Facility and role: both or neither. */
static int parse_scope(const struct command *command, struct berth_token *token,
                       struct berth_error *err)
{
    const char *facility = NULL;
    const char *role = berth_json_string(command->request, "role", NULL);
    bool has_facility = berth_json_get(command->request, "facility") != NULL;
    if (!has_facility && !role)
        return 0;
    if (!has_facility || !role)
        return berth_error_set(err, BERTH_E_INVALID, "facility and role belong together");
    int r = require_facility_id(command, &facility, err);
    if (r == 0)
        r = berth_role_parse(role, &token->role, err);
    if (r == 0)
        (void)snprintf(token->facility, sizeof(token->facility), "%s", facility);
    return r;
}

static int token_create(const struct command *command, struct berth_error *err)
{
    const char *name = NULL;
    const char *label = berth_json_string(command->request, "label", "");
    const char *expires = berth_json_string(command->request, "expires", TOKEN_EXPIRES_DEFAULT);
    struct berth_token token = {0};
    char text[BERTH_TOKEN_SIZE];
    int r = require(command, "name", &name, err);
    if (r == 0)
        r = berth_naming_check_user("user", name, err);
    if (r == 0 && strlen(label) > BERTH_TOKEN_LABEL_MAX)
        r = berth_error_set(err, BERTH_E_INVALID, "the label is longer than %d bytes",
                            BERTH_TOKEN_LABEL_MAX);
    if (r == 0)
        r = parse_expiry(expires, &token.expires_ms, err);
    if (r == 0)
        r = parse_scope(command, &token, err);
    if (r < 0)
        return r;
    (void)snprintf(token.user, sizeof(token.user), "%s", name);
    (void)snprintf(token.label, sizeof(token.label), "%s", label);
    r = berth_tokens_create(berth_identity_tokens(command->berth->identity), command->by, &token,
                            text, err);
    if (r == 0)
        berth_strbuf_addf(command->out, "%s\n", text);
    explicit_bzero(text, sizeof(text));
    return r;
}

static void add_time(struct berth_strbuf *out, int64_t wall_ms, const char *never)
{
    struct berth_strbuf text = BERTH_STRBUF_INIT(64);
    if (wall_ms == 0)
        berth_strbuf_adds(&text, never);
    else
        berth_clock_add_rfc3339(&text, wall_ms * BERTH_NS_PER_MS, 0);
    berth_strbuf_addf(out, "  %-25s", berth_strbuf_str(&text));
    berth_strbuf_release(&text);
}

static void print_token(const struct berth_token *token, struct berth_strbuf *out)
{
    char scope[BERTH_FACILITY_ID_MAX + 32] = "all";
    bool is_expired =
        token->expires_ms != 0 && token->expires_ms <= berth_clock_wall_ns() / BERTH_NS_PER_MS;
    if (token->facility[0])
        (void)snprintf(scope, sizeof(scope), "%s in %s", berth_role_name(token->role),
                       token->facility);
    berth_strbuf_addf(out, "%-6lld  %-24s  %-24s", (long long)token->id,
                      token->label[0] ? token->label : "-", scope);
    if (is_expired)
        berth_strbuf_addf(out, "  %-25s", "expired");
    else
        add_time(out, token->expires_ms, "never");
    add_time(out, token->used_ms, "never");
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        berth_strbuf_truncate(out, out->len - 1);
    berth_strbuf_addc(out, '\n');
}

static int token_list(const struct command *command, struct berth_error *err)
{
    const char *name = NULL;
    size_t count = 0;
    BERTH_CLEANUP(free) struct berth_token *tokens = NULL;
    int r = require(command, "name", &name, err);
    if (r == 0 && !berth_identity_has(command->berth->identity, name))
        r = berth_error_set(err, BERTH_E_NOT_FOUND, "there is no user %s", name);
    if (r == 0)
        r = berth_tokens_list(berth_identity_tokens(command->berth->identity), name, &tokens,
                              &count, err);
    if (r < 0)
        return r;
    berth_strbuf_addf(command->out, "%-6s  %-24s  %-24s  %-25s  %s\n", "ID", "LABEL", "SCOPE",
                      "EXPIRES", "LAST USED");
    for (size_t i = 0; i < count; i++)
        print_token(&tokens[i], command->out);
    return 0;
}

static int token_revoke(const struct command *command, struct berth_error *err)
{
    const char *text = NULL;
    int64_t id = 0;
    int r = require(command, "id", &text, err);
    if (r == 0 && berth_text_parse_int(text, 1, INT64_MAX, &id, err) < 0)
        r = berth_error_wrap(err, "id");
    if (r == 0)
        r = berth_tokens_revoke(berth_identity_tokens(command->berth->identity), command->by, id,
                                err);
    if (r == 0)
        berth_strbuf_addf(command->out, "token %lld was revoked\n", (long long)id);
    return r;
}

/* ---- Images ---- */

static int require_image(const struct command *command, struct berth_image_ref *ret_ref,
                         struct berth_error *err)
{
    const char *image = NULL;
    int r = require(command, "image", &image, err);
    return r == 0 ? berth_image_ref_parse("IMAGE", image, NULL, ret_ref, err) : r;
}

struct image_listing {
    const char *facility;
    struct berth_strbuf *out;
};

static int print_request(const struct berth_approval *approval, void *ctx, struct berth_error *err)
{
    const struct image_listing *listing = ctx;
    char state[32];
    (void)err;
    if (approval->state == BERTH_APPROVAL_PULLING)
        (void)snprintf(state, sizeof(state), "pulling %d%%", approval->percent);
    else
        (void)snprintf(state, sizeof(state), "%s", berth_approval_state_name(approval->state));
    BERTH_CLEANUP(strbuf) struct berth_strbuf name = BERTH_STRBUF_INIT(1024);
    berth_strbuf_addf(&name, "%s%c%s", approval->image, strchr(approval->tag, ':') ? '@' : ':',
                      approval->tag);
    berth_strbuf_addf(listing->out, "%-6lld %-16s %-40s %-14s by %s", (long long)approval->id,
                      listing->facility, berth_strbuf_str(&name), state,
                      approval->requested_by && *approval->requested_by ? approval->requested_by
                                                                        : "-");
    const char *why = approval->error ? approval->error : approval->reason;
    if (why)
        berth_strbuf_addf(listing->out, ": %s", why);
    berth_strbuf_addc(listing->out, '\n');
    return 0;
}

static int image_list(const struct command *command, struct berth_error *err)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(command->berth);
    BERTH_CLEANUP(facility) struct berth_facility *only = NULL;
    enum berth_approval_state state = BERTH_APPROVAL_PENDING;
    const char *state_name = berth_json_string(command->request, "state", NULL);
    int r = 0;
    if (berth_json_get(command->request, "facility"))
        r = require_facility(command, &only, err);
    if (r == 0 && state_name)
        r = berth_approval_state_parse(state_name, &state, err);
    for (size_t i = 0; r == 0 && i < view->facility_count; i++) {
        struct berth_facility *facility = view->facilities[i];
        if (only && strcmp(facility->config.id, only->config.id) != 0)
            continue;
        struct image_listing listing = {facility->config.id, command->out};
        r = berth_approvals_list(facility->approvals, state_name ? &state : NULL, print_request,
                                 &listing, err);
    }
    return r;
}

static int image_approve(const struct command *command, struct berth_error *err)
{
    BERTH_CLEANUP(facility) struct berth_facility *facility = NULL;
    struct berth_image_ref ref;
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    int r = require_facility(command, &facility, err);
    if (r == 0)
        r = require_image(command, &ref, err);
    if (r < 0)
        return r;
    const struct berth_approval_key key = {.ref = &ref};
    r = berth_approvals_approve(facility->approvals, command->by, &key, true, &approval, err);
    if (r == 0)
        berth_strbuf_addf(command->out, "image %s:%s is approved in %s, pinned to %s\n",
                          approval.image, approval.tag, facility->config.id, approval.digest);
    return r;
}

static int image_reject(const struct command *command, struct berth_error *err)
{
    BERTH_CLEANUP(facility) struct berth_facility *facility = NULL;
    struct berth_image_ref ref;
    const char *reason = NULL;
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    int r = require_facility(command, &facility, err);
    if (r == 0)
        r = require_image(command, &ref, err);
    if (r == 0)
        r = require(command, "reason", &reason, err);
    if (r < 0)
        return r;
    const struct berth_approval_key key = {.ref = &ref};
    r = berth_approvals_reject(facility->approvals, command->by, &key, reason, &approval, err);
    if (r == 0)
        berth_strbuf_addf(command->out, "image %s:%s is rejected in %s\n", approval.image,
                          approval.tag, facility->config.id);
    return r;
}

/* ---- Reports ---- */

static int report_uptime(const struct command *command, struct berth_error *err)
{
    const char *since = NULL;
    struct berth_report_request request = {0};
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    int r = require_facility_config(command, &config, &request.facility, err);
    if (r == 0)
        r = require(command, "since", &since, err);
    if (r == 0 && berth_uptime_parse_window(since, &request.window, NULL) < 0)
        r = berth_error_set(err, BERTH_E_INVALID, "since must be hour, day, week or month");
    if (r == 0)
        r = berth_report_parse_format(berth_json_string(command->request, "format", "text"),
                                      &request.format, err);
    if (r < 0)
        return r;
    request.now_ns = berth_clock_wall_ns();
    return berth_report_uptime(command->berth, &request, command->output, err);
}

/* ---- Containers of root file systems ---- */

static int check_is_rootfs(const struct berth_facility *facility, struct berth_error *err)
{
    return facility->backend->ops->attach
               ? 0
               : berth_error_set(err, BERTH_E_UNSUPPORTED,
                                 "facility %s has no containers of its own: its backend is %s, not "
                                 "rootfs",
                                 facility->config.id, facility->config.backend);
}

/* Has the container run; the output is read by the command line, not by people. */
static int run(const struct command *command, struct berth_error *err)
{
    BERTH_CLEANUP(facility) struct berth_facility *facility = NULL;
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    struct berth_caller by = *command->by;
    const char *name = NULL;
    int r = require_facility(command, &facility, err);
    if (r == 0)
        r = require(command, "name", &name, err);
    if (r == 0)
        r = check_is_rootfs(facility, err);
    if (r < 0)
        return r;
    by.role = BERTH_ROLE_ADMIN;
    r = berth_minirun_get(facility, &by, name, &app, err);
    if (r < 0)
        return r;
    bool runs = berth_minirun_is_running(app);
    if (app->state == BERTH_APP_PAUSED)
        return berth_error_set(err, BERTH_E_CONFLICT, "Container '%s' is paused: unpause it first",
                               name);
    if (!runs) {
        berth_app_unref(berth_steal(&app));
        r = berth_minirun_act(facility, &by, BERTH_VERB_START, name, &app, err);
    }
    if (r < 0)
        return r;
    struct berth_json_writer w = BERTH_JSON_WRITER(command->out);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "id", app->id);
    berth_json_add_bool(&w, "was_running", runs);
    berth_json_close_object(&w);
    return 0;
}

/* Where users have names, a wrong one would have containers that nobody can see. */
static int check_owner(const struct command *command, const struct berth_facility *facility,
                       const char *user, struct berth_error *err)
{
    if (!user)
        return 0;
    int r = berth_naming_check_user("user", user, err);
    if (r == 0 && facility->config.auth != BERTH_AUTH_OPEN &&
        !berth_identity_has(command->berth->identity, user))
        r = berth_error_set(err, BERTH_E_INVALID, "there is no user %s", user);
    return r;
}

/* One container at a time, so that each has an answer of its own. */
static int store_import_minirun(const struct command *command, struct berth_error *err)
{
    BERTH_CLEANUP(facility) struct berth_facility *facility = NULL;
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    struct berth_caller by = *command->by;
    const char *created_at = berth_json_string(command->request, "created_at", NULL);
    struct berth_minirun_request request = {
        .rootfs = berth_json_string(command->request, "rootfs", NULL),
        .command = berth_json_string(command->request, "program", NULL),
        .user = berth_json_string(command->request, "user", NULL),
    };
    by.role = BERTH_ROLE_ADMIN;
    int r = require_facility(command, &facility, err);
    if (r == 0)
        r = require(command, "name", &request.name, err);
    if (r == 0)
        r = check_is_rootfs(facility, err);
    if (r == 0)
        r = check_owner(command, facility, request.user, err);
    if (r == 0 && created_at &&
        berth_clock_parse_rfc3339(created_at, strlen(created_at), &request.created_ns, err) < 0)
        r = berth_error_wrap(err, "created_at");
    return r < 0 ? r : berth_minirun_create(facility, &by, &request, &app, err);
}

static const struct {
    const char *name;
    int (*run)(const struct command *command, struct berth_error *err);
} commands[] = {
    {"user-add", user_add},
    {"user-passwd", user_passwd},
    {"user-remove", user_remove},
    {"user-list", user_list},
    {"user-grant", user_grant},
    {"user-revoke", user_revoke},
    {"token-create", token_create},
    {"token-list", token_list},
    {"token-revoke", token_revoke},
    {"image-list", image_list},
    {"image-approve", image_approve},
    {"image-reject", image_reject},
    {"report-uptime", report_uptime},
    {"run", run},
    {"store-import-minirun", store_import_minirun},
};

void berth_command_output_release(struct berth_command_output *output)
{
    berth_strbuf_release(&output->text);
}

int berth_command_drain(struct berth_command_output *output, struct berth_error *err)
{
    int r = berth_strbuf_check(&output->text, err);
    return r == 0 ? output->drain(output, err) : r;
}

int berth_command_run(struct berth *berth, const struct berth_caller *by, const cJSON *request,
                      struct berth_command_output *output, struct berth_error *err)
{
    const struct command command = {berth, by, request, output, &output->text};
    const char *name = berth_json_string(request, "command", "");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(&command, err);
    return berth_error_set(err, BERTH_E_INVALID, "there is no command %s", name);
}
