/* SPDX-License-Identifier: MIT */
/* What check-config says of a compose facility: which Docker Compose there is, and whether the
 * engine answers. */
#include "backends/compose/compose_internal.h"

#define SILENCE_MS 2000

static void check_engine(const struct berth_backend_config *config, struct berth_strbuf *notes)
{
    const struct berth_engine_config engine_config = {.facility = config->facility,
                                                      .endpoint = config->engine,
                                                      .request_timeout_ms = SILENCE_MS,
                                                      .connections = 1};
    static const struct berth_engine_request ping = {.method = "GET", .path = BERTH_ENGINE_PING};
    BERTH_CLEANUP(engine) struct berth_engine *engine = NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = berth_engine_open(&engine_config, &engine, &why);
    if (rc == 0)
        rc = berth_engine_call(engine, &ping, NULL, &why);
    if (rc < 0)
        berth_strbuf_addf(notes, "%s\n", why.message);
}

int berth_compose_check(const struct berth_backend_config *config, struct berth_strbuf *notes,
                        struct berth_error *err)
{
    struct berth_compose_program program;
    char version[BERTH_VERSION_MAX];
    int rc = berth_compose_check_engine(config, err);
    if (rc == 0)
        rc = berth_compose_program_init(&program, config->compose, config->engine, "/nonexistent",
                                        err);
    if (rc < 0)
        return rc;
    rc = berth_compose_program_find(&program, version, err);
    if (rc == 0)
        berth_strbuf_addf(notes, "Docker Compose %s at %s\n", version, program.path);
    berth_compose_program_release(&program);
    if (rc < 0)
        return rc;
    check_engine(config, notes);
    return berth_strbuf_check(notes, err);
}
