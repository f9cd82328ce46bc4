/* SPDX-License-Identifier: MIT */
#include "backends/compose/compose_program.h"

#include "base/limits.h"
#include "base/process.h"
#include "base/text.h"
#include "base/thread.h"

#include <string.h>

#define ARGS_MAX           32
#define VERSION_TIMEOUT_MS 10000

/* Where distributions, Docker's own packages and people put it; first those that cannot be v1. */
static const char *const places[] = {
    "/usr/local/lib/docker/cli-plugins/docker-compose",
    "/usr/local/libexec/docker/cli-plugins/docker-compose",
    "/usr/lib/docker/cli-plugins/docker-compose",
    "/usr/libexec/docker/cli-plugins/docker-compose",
    "/usr/local/bin/docker-compose",
    "/usr/bin/docker-compose",
    NULL,
};

static char *variable(const char *name, const char *value)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(8192);
    berth_strbuf_addf(&text, "%s=%s", name, value);
    return berth_strbuf_steal(&text, NULL);
}

int berth_compose_program_init(struct berth_compose_program *program, const char *configured,
                               const char *engine, const char *home, struct berth_error *err)
{
    *program = (struct berth_compose_program){
        .configured = berth_text_dup(configured),
        .engine = variable("DOCKER_HOST", engine),
        .home = variable("HOME", home),
        .config = variable("DOCKER_CONFIG", home),
    };
    (void)pthread_mutex_init(&program->lock, NULL);
    if (program->engine && program->home && program->config && (!configured || program->configured))
        return 0;
    berth_compose_program_release(program);
    return berth_error_nomem(err);
}

void berth_compose_program_release(struct berth_compose_program *program)
{
    free(program->configured);
    free(program->engine);
    free(program->home);
    free(program->config);
    free(program->path);
    (void)pthread_mutex_destroy(&program->lock);
    *program = (struct berth_compose_program){0};
}

/* ---- Finding it ---- */

static const char *place(const struct berth_compose_program *program, size_t i)
{
    if (program->configured)
        return i == 0 ? program->configured : NULL;
    return places[i];
}

bool berth_compose_program_is_there(struct berth_compose_program *program)
{
    for (size_t i = 0; place(program, i); i++)
        if (access(place(program, i), X_OK) == 0)
            return true;
    return false;
}

/* What the program at path says of its version, as text of one line. */
static int ask_version(const struct berth_compose_program *program, const char *path,
                       char ret_version[BERTH_VERSION_MAX], struct berth_error *err)
{
    const char *const argv[] = {path, "version", "--short", NULL};
    const char *const envp[] = {program->home, program->config, NULL};
    const struct berth_process process = {.argv = argv,
                                          .envp = envp,
                                          .directory = -1,
                                          .handed_on = -1,
                                          .timeout_ms = VERSION_TIMEOUT_MS};
    BERTH_CLEANUP(strbuf)
    struct berth_strbuf out = BERTH_STRBUF_INIT(BERTH_VERSION_MAX - 1);
    BERTH_CLEANUP(strbuf) struct berth_strbuf complaints = BERTH_STRBUF_INIT(1024);
    int code = 0;
    int rc = berth_process_run(&process, &out, &complaints, &code, err);
    if (rc < 0)
        return rc;
    if (code != 0)
        return berth_error_set(err, BERTH_E_REFUSED, "%s ended with status %d", path, code);
    const char *text = berth_strbuf_str(&out);
    size_t skipped = *text == 'v';
    (void)snprintf(ret_version, BERTH_VERSION_MAX, "%.*s", (int)strcspn(text + skipped, "\r\n"),
                   text + skipped);
    return 0;
}

static bool is_new_enough(const char *version)
{
    size_t digits = strspn(version, "0123456789");
    return version[digits] == '.' && (digits > 1 || (digits == 1 && version[0] >= '2'));
}

/* lock is held. found: appends what is there and of no use. */
static bool try_place(struct berth_compose_program *program, const char *path,
                      struct berth_strbuf *found)
{
    struct berth_error err = BERTH_ERROR_INIT;
    char version[BERTH_VERSION_MAX];
    if (access(path, X_OK) < 0)
        return false;
    if (ask_version(program, path, version, &err) < 0) {
        berth_strbuf_addf(found, "; %s", err.message);
        return false;
    }
    if (!is_new_enough(version)) {
        berth_strbuf_addf(found, "; %s is version %s", path, version);
        return false;
    }
    program->path = berth_text_dup(path);
    (void)snprintf(program->version, sizeof(program->version), "%s", version);
    return program->path != NULL;
}

static int find(struct berth_compose_program *program, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf found = BERTH_STRBUF_INIT(1024);
    for (size_t i = 0; !program->path && place(program, i); i++)
        if (try_place(program, place(program, i), &found))
            return 0;
    if (program->path)
        return 0;
    if (program->configured)
        return berth_error_set(err, BERTH_E_UNREACHABLE, "%s is not Docker Compose version 2%s",
                               program->configured, berth_strbuf_str(&found));
    return berth_error_set(err, BERTH_E_UNREACHABLE,
                           "Docker Compose version 2 is not installed here (the key compose names "
                           "it where it is in an unusual place)%s",
                           berth_strbuf_str(&found));
}

int berth_compose_program_find(struct berth_compose_program *program,
                               char ret_version[BERTH_VERSION_MAX], struct berth_error *err)
{
    BERTH_LOCK_SCOPE(guard, &program->lock);
    int rc = find(program, err);
    if (rc == 0)
        memcpy(ret_version, program->version, BERTH_VERSION_MAX);
    return rc;
}

/* ---- Running it ---- */

/* Its last word on why it failed, without the engine's preamble. */
static int refusal(struct berth_strbuf *complaints, int code, struct berth_error *err)
{
    static const char preamble[] = "Error response from daemon: ";
    while (complaints->len > 0 && complaints->data[complaints->len - 1] <= ' ')
        berth_strbuf_truncate(complaints, complaints->len - 1);
    const char *text = berth_strbuf_str(complaints);
    const char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    if (strncmp(line, preamble, sizeof(preamble) - 1) == 0)
        line += sizeof(preamble) - 1;
    if (!*line || !berth_text_is_utf8(line, strlen(line)))
        return berth_error_set(err, BERTH_E_REFUSED, "docker compose ended with status %d", code);
    return berth_error_set(err, BERTH_E_REFUSED, "%s", line);
}

static int run(struct berth_compose_program *program, const char *const *args,
               const char *const *envp, int folder, int held, int64_t timeout_ms,
               struct berth_strbuf *out, struct berth_error *err)
{
    char version[BERTH_VERSION_MAX];
    int rc = berth_compose_program_find(program, version, err);
    if (rc < 0)
        return rc;
    const char *argv[ARGS_MAX] = {program->path, "--progress", "quiet"}; /* fixed once found */
    size_t count = 3;
    while (*args && count < ARGS_MAX - 1)
        argv[count++] = *args++;
    const struct berth_process process = {.argv = argv,
                                          .envp = envp,
                                          .directory = folder,
                                          .handed_on = held,
                                          .timeout_ms = timeout_ms};
    BERTH_CLEANUP(strbuf)
    struct berth_strbuf complaints = BERTH_STRBUF_INIT(BERTH_PROCESS_OUTPUT_MAX);
    int code = 0;
    rc = berth_process_run(&process, out, &complaints, &code, err);
    if (rc == BERTH_E_NOT_FOUND) /* it was found before */
        return berth_error_set(err, BERTH_E_UNREACHABLE, "Docker Compose is gone from %s",
                               program->path);
    if (rc < 0)
        return rc;
    return code == 0 ? 0 : refusal(&complaints, code, err);
}

int berth_compose_program_run(struct berth_compose_program *program, const char *const *args,
                              int folder, int held, int64_t timeout_ms, struct berth_error *err)
{
    const char *const envp[] = {program->engine, program->home, program->config, NULL};
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(BERTH_PROCESS_OUTPUT_MAX);
    return run(program, args, envp, folder, held, timeout_ms, &out, err);
}

int berth_compose_program_ask(struct berth_compose_program *program, const char *const *args,
                              int folder, int held, int64_t timeout_ms, struct berth_strbuf *out,
                              struct berth_error *err)
{
    const char *const envp[] = {program->home, program->config, NULL};
    int rc = run(program, args, envp, folder, held, timeout_ms, out, err);
    return rc < 0 ? rc : berth_strbuf_check(out, err);
}
