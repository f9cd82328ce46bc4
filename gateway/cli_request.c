/* SPDX-License-Identifier: MIT */
/* What the commands do, once they are parsed. */
#include "gateway/agent.h"
#include "gateway/berth.h"
#include "gateway/cli_internal.h"
#include "gateway/commands.h"
#include "gateway/config_tls.h"
#include "gateway/control.h"
#include "gateway/prompt.h"
#include "gateway/serve.h"
#include "gateway/spool.h"
#include "gateway/version.h"

#include <string.h>

int cli_run_serve(const struct cli_invocation *invocation, struct berth_error *err)
{
    return berth_serve(invocation->config, err);
}

int cli_run_agent(const struct cli_invocation *invocation, struct berth_error *err)
{
    const cJSON *request = invocation->request;
    const struct berth_agent_options options = {
        .listen = berth_json_string(request, "listen", "0.0.0.0:" BERTH_AGENT_PORT),
        .engine = berth_json_string(request, "engine", "unix:///var/run/docker.sock"),
        .files = {.ca = berth_json_string(request, "tls_ca", NULL),
                  .certificate = berth_json_string(request, "tls_cert", NULL),
                  .key = berth_json_string(request, "tls_key", NULL)},
    };
    return berth_agent_run(&options, err);
}

/* What the backend has to say of its engine, a line each. */
static int check_backend(const struct berth_facility_config *facility, struct berth_error *err)
{
    const struct berth_backend_ops *ops = berth_backend_find(facility->backend);
    BERTH_CLEANUP(strbuf) struct berth_strbuf notes = BERTH_STRBUF_INIT(65536);
    if (!ops || !ops->check)
        return 0;
    int r = ops->check(&facility->engine, &notes, err);
    if (r < 0)
        return berth_error_wrap(err, "facility %s", facility->id);
    const char *line = berth_strbuf_str(&notes);
    while (*line) {
        int len = (int)strcspn(line, "\n");
        printf("facility %s: %.*s\n", facility->id, len, line);
        line += len + 1;
    }
    return 0;
}

/* A database that is away keeps nobody from starting where the embedded store may stand in. */
static int check_store(const struct berth_config *config, struct berth_error *err)
{
    const struct berth_store_config store = berth_config_store(config);
    struct berth_error why = BERTH_ERROR_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4096);
    int r = berth_store_probe(&store, &text, &why);
    if (r == BERTH_E_UNREACHABLE && store.fallback) {
        printf("store: %s; until it can, the embedded store serves (fallback = yes)\n",
               why.message);
        return 0;
    }
    if (r < 0) {
        if (err)
            *err = why;
        return berth_error_wrap(err, "store");
    }
    if (text.len > 0)
        printf("store: %s\n", berth_strbuf_str(&text));
    return 0;
}

int cli_run_check_config(const struct cli_invocation *invocation, struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    BERTH_CLEANUP(credential_store) struct berth_credential_store *certificates = NULL;
    int r = berth_config_load(invocation->config, &config, err);
    if (r == 0)
        r = berth_config_open_tls(config, &certificates, err);
    if (r == 0)
        r = check_store(config, err);
    for (size_t i = 0; r == 0 && i < config->facility_count; i++)
        r = check_backend(&config->facilities[i], err);
    if (r == 0) {
        berth_config_warn(config);
        printf("%s is valid: %zu facilit%s\n", config->path, config->facility_count,
               config->facility_count == 1 ? "y" : "ies");
    }
    return r;
}

int cli_run_version(const struct cli_invocation *invocation, struct berth_error *err)
{
    (void)invocation;
    (void)err;
    printf("berth %s\n", BERTH_VERSION);
    return 0;
}

static int add_password(const struct cli_invocation *invocation, struct berth_error *err)
{
    char *password = NULL;
    int r =
        berth_prompt_password(berth_json_string(invocation->request, "name", ""), &password, err);
    if (r < 0)
        return r;
    if (!cJSON_AddStringToObject(invocation->request, "password", password))
        r = berth_error_nomem(err);
    explicit_bzero(password, strlen(password));
    free(password);
    return r;
}

void cli_peer_release(struct cli_peer *peer)
{
    berth_fd_close(&peer->fd);
    berth_close(peer->berth);
    peer->berth = NULL;
}

/* With no gateway on the data directory, this process does what it would have done. */
int cli_reach(struct cli_peer *peer, struct berth_error *err)
{
    if (peer->berth || peer->fd >= 0)
        return 0;
    int r = berth_control_connect(peer->config->data_dir, &peer->fd, err);
    return r == BERTH_E_UNREACHABLE ? berth_open(peer->config, peer->mode, &peer->berth, err) : r;
}

int cli_ask(struct cli_peer *peer, const cJSON *request, struct berth_command_output *output,
            struct berth_error *err)
{
    static const struct berth_caller by = {.address = "command line"};
    if (peer->berth)
        return berth_command_run(peer->berth, &by, request, output, err);
    BERTH_CLEANUP(fd) int fd = berth_fd_steal(&peer->fd);
    return berth_control_ask(fd, request, output, err);
}

int cli_carry_out(const struct cli_invocation *invocation, struct berth_config *config,
                  struct berth_command_output *output, struct berth_error *err)
{
    BERTH_CLEANUP(cli_peer)
    struct cli_peer peer = CLI_PEER_INIT(
        config, invocation->command->needs_engines ? BERTH_OPEN_ALL : BERTH_OPEN_PEOPLE);
    int r = cli_reach(&peer, err);
    return r == 0 ? cli_ask(&peer, invocation->request, output, err) : r;
}

static int spool_text(struct berth_command_output *output, struct berth_error *err)
{
    return berth_spool_add(output->ctx, &output->text, err);
}

int cli_run_request(const struct cli_invocation *invocation, struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    BERTH_CLEANUP(spool) struct berth_spool spool = BERTH_SPOOL_INIT;
    BERTH_CLEANUP(command_output)
    struct berth_command_output output = BERTH_COMMAND_OUTPUT_INIT(spool_text, &spool);
    /* Where the output goes is this process's business: another has other folders and rights. */
    BERTH_CLEANUP(json)
    cJSON *path = cJSON_DetachItemFromObjectCaseSensitive(invocation->request, "output");
    int r = berth_config_load(invocation->config, &config, err);
    if (r < 0)
        return r;
    berth_log_set_level(BERTH_LOG_WARNING);
    if (invocation->command->asks_password)
        r = add_password(invocation, err);
    if (r == 0)
        r = cli_carry_out(invocation, config, &output, err);
    if (r == 0)
        r = berth_command_drain(&output, err);
    if (r < 0)
        return r;
    return path ? berth_spool_save(&spool, cJSON_GetStringValue(path), err)
                : berth_spool_print(&spool, stdout, err);
}
