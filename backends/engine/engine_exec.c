/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_exec.h"

#include "backends/engine/engine_app.h"
#include "backends/engine/engine_hijack.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/text.h"

#include <poll.h>
#include <string.h>

#define PATH_MAX_BYTES 512
#define BODY_MAX_BYTES (1U << 20)
#define NOISE_MAX      4096 /* printed before the greeting */
#define FRAME_HEAD     8
#define AHEAD          1024
#define HANG_UP_MS     5000  /* until what a process has started has ended */
#define EXIT_MS        10000 /* until an engine knows of an end that its stream has told */
#define SETTLE_MS      2000  /* until it knows that it was the container's */
#define SETTLE_STEP_MS 50
#define KILLED         (128 + 9)

struct engine_exec {
    struct berth_exec head;
    struct berth_engine *engine;
    char *container;
    char *started_at; /* of the container */
    char *id;
    char mark[37];
    bool tty;
    struct berth_engine_hijack *stream;
    struct berth_engine_hijack *keeper;
    /* Without a terminal, output comes in frames. */
    unsigned char frame[FRAME_HEAD]; /* the head of the one that is read */
    size_t frame_len;
    uint32_t frame_left; /* bytes of it still to come */
    char ahead[AHEAD];   /* read with a head: a short frame takes one call */
    size_t ahead_at;
    size_t ahead_len;
};

static struct engine_exec *exec_of(struct berth_exec *exec)
{
    return (struct engine_exec *)(void *)exec;
}

/* ---- Output ---- */

static int exec_fd(const struct berth_exec *exec)
{
    return berth_engine_hijack_fd(((const struct engine_exec *)(const void *)exec)->stream);
}

/* A byte that names the stream, three that are 0, the length in network order. */
static int begin_frame(struct engine_exec *exec, struct berth_error *err)
{
    const unsigned char *head = exec->frame;
    if (head[0] > 2 || head[1] || head[2] || head[3])
        return berth_engine_failure(exec->engine, CURLE_RECV_ERROR, "no frame of a stream", err);
    exec->frame_left = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 |
                       (uint32_t)head[7];
    exec->frame_len = 0;
    return 0;
}

/* Takes what was read ahead first; else, where that is for a head, reads ahead. */
static int read_some(struct engine_exec *exec, char *data, size_t size, bool is_head,
                     size_t *ret_len, bool *ret_has_ended, struct berth_error *err)
{
    if (exec->ahead_at == exec->ahead_len) {
        if (!is_head)
            return berth_engine_hijack_read(exec->stream, data, size, ret_len, ret_has_ended, err);
        exec->ahead_at = exec->ahead_len = 0;
        int rc = berth_engine_hijack_read(exec->stream, exec->ahead, sizeof(exec->ahead),
                                          &exec->ahead_len, ret_has_ended, err);
        if (rc < 0)
            return rc;
    }
    size_t left = exec->ahead_len - exec->ahead_at;
    size = size < left ? size : left;
    memcpy(data, exec->ahead + exec->ahead_at, size);
    exec->ahead_at += size;
    *ret_len = size;
    return 0;
}

static int read_frame(struct engine_exec *exec, char *data, size_t size,
                      struct berth_exec_output *output, struct berth_error *err)
{
    while (exec->frame_left == 0) {
        size_t len = 0;
        int rc = read_some(exec, (char *)exec->frame + exec->frame_len,
                           FRAME_HEAD - exec->frame_len, true, &len, &output->has_ended, err);
        exec->frame_len += len;
        if (rc == 0 && exec->frame_len == FRAME_HEAD)
            rc = begin_frame(exec, err);
        else if (rc == 0 && len == 0)
            return 0;
        if (rc < 0)
            return rc;
    }
    size = size < exec->frame_left ? size : exec->frame_left;
    output->stream = exec->frame[0] == 2 ? BERTH_OUTPUT_STDERR : BERTH_OUTPUT_STDOUT;
    int rc = read_some(exec, data, size, false, &output->len, &output->has_ended, err);
    if (rc == 0 && output->len > 0 && output->len < size) {
        bool ignored; /* an end is told by the next call */
        size_t more = 0;
        if (berth_engine_hijack_read(exec->stream, data + output->len, size - output->len, &more,
                                     &ignored, NULL) == 0)
            output->len += more;
    }
    exec->frame_left -= (uint32_t)output->len;
    return rc;
}

static int exec_read(struct berth_exec *head, char *data, size_t size,
                     struct berth_exec_output *ret_output, struct berth_error *err)
{
    struct engine_exec *exec = exec_of(head);
    struct berth_exec_output output = {.stream = BERTH_OUTPUT_STDOUT};
    int rc = exec->tty ? berth_engine_hijack_read(exec->stream, data, size, &output.len,
                                                  &output.has_ended, err)
                       : read_frame(exec, data, size, &output, err);
    if (rc == 0)
        *ret_output = output;
    return rc;
}

/* ---- Input ---- */

static int exec_write(struct berth_exec *head, const char *data, size_t len, size_t *ret_written,
                      struct berth_error *err)
{
    return berth_engine_hijack_write(exec_of(head)->stream, data, len, ret_written, err);
}

static int exec_resize(struct berth_exec *head, unsigned cols, unsigned rows,
                       struct berth_error *err)
{
    struct engine_exec *exec = exec_of(head);
    char path[PATH_MAX_BYTES];
    if (!exec->tty)
        return 0;
    (void)snprintf(path, sizeof(path), "/exec/%s/resize?h=%u&w=%u", exec->id, rows, cols);
    const struct berth_engine_request request = {.method = "POST", .path = path};
    return berth_engine_call(exec->engine, &request, NULL, err);
}

/* A line for the keeper, which reads all there is at once. */
static int tell_keeper(struct engine_exec *exec, const char *word, const char *value,
                       struct berth_error *err)
{
    char line[64];
    size_t written = 0;
    int len = snprintf(line, sizeof(line), "%s %s\n", word, value);
    int rc = berth_engine_hijack_write(exec->keeper, line, (size_t)len, &written, err);
    if (rc == 0 && written != (size_t)len)
        return berth_error_set(err, BERTH_E_BUSY, "signals are sent faster than they arrive");
    return rc;
}

static int exec_signal(struct berth_exec *head, enum berth_exec_signal number,
                       struct berth_error *err)
{
    return tell_keeper(exec_of(head), berth_exec_signal_names[number], "", err);
}

/* ---- The end ---- */

static int get_container(struct engine_exec *exec, cJSON **ret_json, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_path(exec->container, "/json", &path);
    int rc = berth_strbuf_check(&path, err);
    return rc < 0 ? rc
                  : berth_engine_get_json(exec->engine, berth_strbuf_str(&path), ret_json, err);
}

/* Whether the container runs on as it did when the process was started. */
static int check_container(struct engine_exec *exec, bool *ret_runs, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    int rc = get_container(exec, &json, err);
    if (rc == BERTH_E_NOT_FOUND) {
        *ret_runs = false;
        return 0;
    }
    if (rc < 0)
        return rc;
    const cJSON *state = berth_json_get(json, "State");
    *ret_runs = berth_json_bool(state, "Running", false) &&
                strcmp(berth_json_string(state, "StartedAt", ""), exec->started_at) == 0;
    return 0;
}

static int has_ended(struct berth_error *err)
{
    return berth_error_set_coded(err, BERTH_E_CANCELLED, "INVALID_STATE", "the app has ended");
}

static void wait_a_moment(void)
{
    (void)poll(NULL, 0, SETTLE_STEP_MS);
}

/* What ends the container kills the process: the engine may learn of the process first. */
static int check_app(struct engine_exec *exec, struct berth_error *err)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + SETTLE_MS;
    for (;;) {
        bool is_last = berth_clock_monotonic_ms() >= deadline_ms;
        bool runs = true;
        int rc = check_container(exec, &runs, err);
        if (rc < 0)
            return rc;
        if (!runs)
            return has_ended(err);
        if (is_last)
            return 0;
        wait_a_moment();
    }
}

static int exec_exit_code(struct berth_exec *head, int *ret_code, struct berth_error *err)
{
    struct engine_exec *exec = exec_of(head);
    int64_t deadline_ms = berth_clock_monotonic_ms() + EXIT_MS;
    char path[PATH_MAX_BYTES];
    int code;
    (void)snprintf(path, sizeof(path), "/exec/%s/json", exec->id);
    for (;;) {
        bool is_last = berth_clock_monotonic_ms() >= deadline_ms;
        BERTH_CLEANUP(json) cJSON *json = NULL;
        int rc = berth_engine_get_json(exec->engine, path, &json, err);
        if (rc == BERTH_E_NOT_FOUND)
            return has_ended(err);
        if (rc < 0)
            return rc;
        code = (int)berth_json_int(json, "ExitCode", 0) & 0xff;
        if (!berth_json_bool(json, "Running", false))
            break;
        if (is_last) /* which is not 0 */
            return berth_error_set(err, BERTH_E_TIMEOUT,
                                   "the engine does not say how the process has ended");
        wait_a_moment();
    }
    int rc = code == KILLED ? check_app(exec, err) : 0;
    if (rc == 0)
        *ret_code = code;
    return rc;
}

/* Its output ends with it. */
static void hang_up(struct engine_exec *exec)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + HANG_UP_MS;
    bool has_ended = tell_keeper(exec, "end", "", NULL) < 0;
    while (!has_ended) {
        char ignored[256];
        size_t len = 0;
        if (berth_engine_hijack_read(exec->keeper, ignored, sizeof(ignored), &len, &has_ended,
                                     NULL) < 0)
            return;
        if (len == 0 && !has_ended &&
            berth_engine_hijack_await(exec->keeper, deadline_ms, NULL) < 0)
            return;
    }
}

static void exec_close(struct berth_exec *head)
{
    struct engine_exec *exec = exec_of(head);
    berth_engine_hijack_close(exec->stream);
    if (exec->keeper)
        hang_up(exec);
    berth_engine_hijack_close(exec->keeper);
    free(exec->id);
    free(exec->started_at);
    free(exec->container);
    free(exec);
}

static const struct berth_exec_ops exec_ops = {
    .fd = exec_fd,
    .read = exec_read,
    .write = exec_write,
    .resize = exec_resize,
    .signal = exec_signal,
    .exit_code = exec_exit_code,
    .close = exec_close,
};

/* ---- Starting ---- */

static void add_strings(struct berth_json_writer *w, const char *const *strings)
{
    for (; strings && *strings; strings++)
        berth_json_add_string(w, NULL, *strings);
}

static void add_command(struct berth_json_writer *w, const struct berth_exec_spec *spec)
{
    char cols[16];
    char rows[16];
    (void)snprintf(cols, sizeof(cols), "%u", spec->tty ? spec->cols : 0);
    (void)snprintf(rows, sizeof(rows), "%u", spec->rows);
    const char *const first[] = {"/bin/sh",
                                 "-c",
                                 berth_engine_exec_starter,
                                 "sh",
                                 cols,
                                 rows,
                                 spec->directory ? spec->directory : "",
                                 NULL};
    berth_json_open_array(w, "Cmd");
    add_strings(w, first);
    add_strings(w, spec->argv);
    berth_json_close_array(w);
}

static void add_environment(struct berth_json_writer *w, const struct engine_exec *exec,
                            const struct berth_exec_spec *spec)
{
    char mark[64];
    (void)snprintf(mark, sizeof(mark), BERTH_ENGINE_EXEC_MARK "=%s", exec->mark);
    berth_json_open_array(w, "Env");
    if (exec->tty)
        berth_json_add_string(w, NULL, "TERM=xterm-256color");
    add_strings(w, spec->env);
    berth_json_add_string(w, NULL, mark);
    berth_json_close_array(w);
}

static void process_body(const struct engine_exec *exec, const struct berth_exec_spec *spec,
                         struct berth_strbuf *body)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(body);
    berth_json_open_object(&w, NULL);
    berth_json_add_bool(&w, "AttachStdin", true);
    berth_json_add_bool(&w, "AttachStdout", true);
    berth_json_add_bool(&w, "AttachStderr", true);
    berth_json_add_bool(&w, "Tty", spec->tty);
    if (spec->user)
        berth_json_add_string(&w, "User", spec->user);
    add_command(&w, spec);
    add_environment(&w, exec, spec);
    berth_json_close_object(&w);
}

/* The script goes by the environment, so that a list of processes stays readable. */
static void keeper_body(const struct engine_exec *exec, const struct berth_exec_spec *spec,
                        struct berth_strbuf *body)
{
    static const char evaluate[] = "eval \"$" BERTH_ENGINE_EXEC_KEEPER "\"";
    const char *const command[] = {"/bin/sh", "-c", evaluate, "berth-keeper", exec->mark, NULL};
    BERTH_CLEANUP(strbuf) struct berth_strbuf script = BERTH_STRBUF_INIT(BODY_MAX_BYTES);
    berth_strbuf_addf(&script, BERTH_ENGINE_EXEC_KEEPER "=%s", berth_engine_exec_keeper);
    struct berth_json_writer w = BERTH_JSON_WRITER(body);
    berth_json_open_object(&w, NULL);
    berth_json_add_bool(&w, "AttachStdin", true);
    berth_json_add_bool(&w, "AttachStdout", true); /* its end tells that of the keeper */
    if (spec->user)
        berth_json_add_string(&w, "User", spec->user);
    berth_json_open_array(&w, "Cmd");
    add_strings(&w, command);
    berth_json_close_array(&w);
    berth_json_open_array(&w, "Env");
    berth_json_add_string(&w, NULL, berth_strbuf_str(&script));
    berth_json_close_array(&w);
    berth_json_close_object(&w);
    if (script.failed)
        body->failed = script.failed;
}

static int make(struct engine_exec *exec, const struct berth_strbuf *body, char **ret_id,
                struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(json) cJSON *json = NULL;
    berth_engine_app_path(exec->container, "/exec", &path);
    int rc = berth_strbuf_check(&path, err);
    if (rc == 0)
        rc = berth_strbuf_check(body, err);
    if (rc < 0)
        return rc;
    const struct berth_engine_request request = {
        .method = "POST", .path = berth_strbuf_str(&path), .body = berth_strbuf_str(body)};
    rc = berth_engine_call(exec->engine, &request, &response, err);
    if (rc == 0)
        rc = berth_engine_parse(exec->engine, berth_strbuf_str(&response.body), response.body.len,
                                &json, err);
    if (rc < 0)
        return rc;
    BERTH_CLEANUP(free) char *id = berth_text_dup(berth_json_string(json, "Id", ""));
    if (!id)
        return berth_error_nomem(err);
    if (!id[0] || strspn(id, "0123456789abcdef") != strlen(id))
        return berth_engine_failure(exec->engine, CURLE_RECV_ERROR, "no id of an exec", err);
    *ret_id = berth_steal(&id);
    return 0;
}

static int start(struct engine_exec *exec, const char *id, bool tty,
                 struct berth_engine_hijack **ret_hijack, struct berth_error *err)
{
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof(path), "/exec/%s/start", id);
    return berth_engine_hijack_open(exec->engine, path,
                                    tty ? "{\"Detach\":false,\"Tty\":true}"
                                        : "{\"Detach\":false,\"Tty\":false}",
                                    ret_hijack, err);
}

static int start_keeper(struct engine_exec *exec, const struct berth_exec_spec *spec,
                        struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BODY_MAX_BYTES);
    BERTH_CLEANUP(free) char *id = NULL;
    keeper_body(exec, spec, &body);
    int rc = make(exec, &body, &id, err);
    return rc < 0 ? rc : start(exec, id, false, &exec->keeper, err);
}

static int start_process(struct engine_exec *exec, const struct berth_exec_spec *spec,
                         struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BODY_MAX_BYTES);
    process_body(exec, spec, &body);
    int rc = make(exec, &body, &exec->id, err);
    return rc < 0 ? rc : start(exec, exec->id, exec->tty, &exec->stream, err);
}

/* The process id in a line that is the greeting, or NULL; cuts the line behind it. */
static const char *find_greeting(struct berth_strbuf *text)
{
    char *greeting = text->len > 0 ? strstr(text->data, BERTH_ENGINE_EXEC_GREETING) : NULL;
    if (!greeting || text->data[text->len - 1] != '\n')
        return NULL;
    char *pid = greeting + strlen(BERTH_ENGINE_EXEC_GREETING);
    pid[strspn(pid, "0123456789")] = '\0';
    return pid;
}

/* The keeper learns of the process before that begins. */
static int take_greeting(struct engine_exec *exec, const char *pid, struct berth_error *err)
{
    size_t written = 0;
    int rc = tell_keeper(exec, "leader", pid, err);
    if (rc < 0 || exec->tty)
        return rc;
    rc = berth_engine_hijack_write(exec->stream, "\n", 1, &written, err);
    if (rc == 0 && written == 0)
        return berth_error_set(err, BERTH_E_BUSY, "the engine takes no input");
    return rc;
}

/* Reads what the starter says before it becomes the process: a byte at a time, as what follows is
 * the process's. What comes instead is the engine's word on why it does not run. */
static int await_greeting(struct engine_exec *exec, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(NOISE_MAX);
    int64_t deadline_ms = berth_clock_monotonic_ms() + berth_engine_timeout_ms(exec->engine);
    for (;;) {
        struct berth_exec_output output = {0};
        char byte = '\0';
        int rc = exec_read(&exec->head, &byte, 1, &output, err);
        if (rc == 0 && output.len == 0 && !output.has_ended)
            rc = berth_engine_hijack_await(exec->stream, deadline_ms, err);
        if (rc < 0)
            return rc;
        berth_strbuf_add(&text, &byte, output.len);
        if (output.has_ended || text.failed) {
            rc = berth_error_set(err, BERTH_E_CONFLICT,
                                 "the app has no shell that starts (/bin/sh)");
            berth_error_detail(err, "%s", berth_strbuf_str(&text));
            return rc;
        }
        const char *pid = output.len > 0 && byte == '\n' ? find_greeting(&text) : NULL;
        if (pid)
            return take_greeting(exec, pid, err);
    }
}

/* Remembers which run of the container it is. */
static int look_at_container(struct engine_exec *exec, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    int rc = get_container(exec, &json, err);
    if (rc < 0)
        return rc;
    const cJSON *state = berth_json_get(json, "State");
    if (!berth_json_bool(state, "Running", false))
        return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is not running",
                               exec->container);
    if (berth_json_bool(state, "Paused", false))
        return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is paused", exec->container);
    exec->started_at = berth_text_dup(berth_json_string(state, "StartedAt", ""));
    return exec->started_at ? 0 : berth_error_nomem(err);
}

int berth_engine_exec(struct berth_engine *engine, const char *id,
                      const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                      struct berth_error *err)
{
    struct engine_exec *exec = calloc(1, sizeof(*exec));
    if (!exec)
        return berth_error_nomem(err);
    BERTH_CLEANUP(exec) struct berth_exec *head = &exec->head;
    exec->head.ops = &exec_ops;
    exec->engine = engine;
    exec->tty = spec->tty;
    exec->container = berth_text_dup(id);
    int rc = exec->container ? berth_random_uuid(exec->mark, err) : berth_error_nomem(err);
    if (rc == 0)
        rc = look_at_container(exec, err);
    if (rc == 0)
        rc = start_keeper(exec, spec, err);
    if (rc == 0)
        rc = start_process(exec, spec, err);
    if (rc == 0)
        rc = await_greeting(exec, err);
    if (rc == 0)
        *ret_exec = berth_steal(&head);
    return rc;
}
