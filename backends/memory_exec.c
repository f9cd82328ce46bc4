/* SPDX-License-Identifier: MIT */
/*
 * A shell of sorts for the memory engine's apps. It knows
 *
 *   echo TEXT [>&2]   prints TEXT
 *   bytes HEX         prints these bytes
 *   flood COUNT       prints so many lines of 63 digits, as fast as they are read
 *   stty size         prints rows and columns
 *   sleep ...         waits for a signal
 *   exit [CODE]
 */
#include "backends/memory_internal.h"

#include "base/text.h"
#include "base/thread.h"

#include <string.h>
#include <sys/eventfd.h>

#define OUTPUT_MAX  (1U << 20)
#define LINE_MAX    4096
#define FLOOD_LINE  "777777777777777777777777777777777777777777777777777777777777777"
#define FLOOD_PIECE 16000
#define PROMPT      "$ "
#define CTRL_C      3
#define SIGNALLED   128

struct memory_exec {
    struct berth_exec head;
    struct memory *memory;
    struct memory_exec *next; /* memory->lock */
    char app[MEMORY_ID_LEN + 1];
    int64_t started_ns; /* of the app */
    int wake;           /* readable: there may be something to read */
    bool tty;
    unsigned cols;
    unsigned rows;
    struct berth_strbuf line;
    struct berth_strbuf out[2]; /* to stdout and stderr, from what has been read on */
    size_t read[2];
    int64_t flood; /* lines still to come */
    bool is_busy;  /* with sleep */
    bool has_ended;
    int code;
};

static struct memory_exec *exec_of(struct berth_exec *exec)
{
    return (struct memory_exec *)(void *)exec;
}

static void wake(const struct memory_exec *exec)
{
    (void)eventfd_write(exec->wake, 1);
}

void memory_exec_wake_locked(struct memory *memory)
{
    for (struct memory_exec *exec = memory->execs; exec; exec = exec->next)
        wake(exec);
}

/* ---- The shell ---- */

static void print(struct memory_exec *exec, enum berth_output stream, const char *text, size_t len)
{
    struct berth_strbuf *out = &exec->out[stream == BERTH_OUTPUT_STDERR && !exec->tty];
    berth_strbuf_add(out, text, len);
    wake(exec);
}

static void say(struct memory_exec *exec, const char *text)
{
    print(exec, BERTH_OUTPUT_STDOUT, text, strlen(text));
}

static void end_line(struct memory_exec *exec, enum berth_output stream)
{
    if (exec->tty)
        print(exec, stream, "\r", 1);
    print(exec, stream, "\n", 1);
}

static void prompt(struct memory_exec *exec)
{
    if (exec->tty && !exec->has_ended && !exec->is_busy && exec->flood == 0)
        say(exec, PROMPT);
}

static void end(struct memory_exec *exec, int code)
{
    exec->has_ended = true;
    exec->code = code;
    wake(exec);
}

static void print_bytes(struct memory_exec *exec, const char *hex)
{
    for (; hex[0] && hex[1]; hex += 2) {
        const char pair[] = {hex[0], hex[1], '\0'};
        char byte = (char)strtol(pair, NULL, 16);
        print(exec, BERTH_OUTPUT_STDOUT, &byte, 1);
    }
}

static const char *after(const char *line, const char *word)
{
    size_t len = strlen(word);
    return strncmp(line, word, len) == 0 ? line + len : NULL;
}

static void echo(struct memory_exec *exec, const char *text)
{
    static const char redirection[] = " >&2";
    size_t len = strlen(text);
    size_t tail = sizeof(redirection) - 1;
    enum berth_output stream = BERTH_OUTPUT_STDOUT;
    if (len >= tail && strcmp(text + len - tail, redirection) == 0) {
        stream = BERTH_OUTPUT_STDERR;
        len -= tail;
    }
    print(exec, stream, text, len);
    end_line(exec, stream);
}

static void print_size(struct memory_exec *exec)
{
    char size[32];
    (void)snprintf(size, sizeof(size), "%u %u", exec->rows, exec->cols);
    echo(exec, size);
}

static void refuse(struct memory_exec *exec, const char *line)
{
    static const char unknown[] = ": not found";
    print(exec, BERTH_OUTPUT_STDERR, line, strlen(line));
    print(exec, BERTH_OUTPUT_STDERR, unknown, strlen(unknown));
    end_line(exec, BERTH_OUTPUT_STDERR);
}

static int64_t number_of(const char *text, int64_t most)
{
    int64_t number = 0;
    return berth_text_parse_int(text, 0, most, &number, NULL) < 0 ? 0 : number;
}

static void run_line(struct memory_exec *exec, const char *line)
{
    const char *rest;
    if ((rest = after(line, "echo ")))
        echo(exec, rest);
    else if ((rest = after(line, "bytes ")))
        print_bytes(exec, rest);
    else if ((rest = after(line, "flood ")))
        exec->flood = number_of(rest, INT32_MAX);
    else if (strcmp(line, "stty size") == 0)
        print_size(exec);
    else if (after(line, "sleep"))
        exec->is_busy = true;
    else if ((rest = after(line, "exit")))
        end(exec, (int)number_of(rest + strspn(rest, " "), 255));
    else if (*line)
        refuse(exec, line);
}

static void interrupt(struct memory_exec *exec, const char *word)
{
    say(exec, word);
    end_line(exec, BERTH_OUTPUT_STDOUT);
    berth_strbuf_clear(&exec->line);
    exec->is_busy = false;
    exec->flood = 0;
    prompt(exec);
}

static void type(struct memory_exec *exec, char c)
{
    if (exec->tty && c == CTRL_C) {
        interrupt(exec, "^C");
    } else if (c == '\n' || c == '\r') {
        if (exec->tty)
            end_line(exec, BERTH_OUTPUT_STDOUT);
        run_line(exec, berth_strbuf_str(&exec->line));
        berth_strbuf_clear(&exec->line);
        prompt(exec);
    } else {
        berth_strbuf_addc(&exec->line, c);
        if (exec->tty)
            print(exec, BERTH_OUTPUT_STDOUT, &c, 1);
    }
}

/* ---- As a process ---- */

static int exec_fd(const struct berth_exec *exec)
{
    return ((const struct memory_exec *)(const void *)exec)->wake;
}

static bool app_runs(struct memory_exec *exec)
{
    BERTH_LOCK_SCOPE(lock, &exec->memory->lock);
    const struct memory_container *app = memory_find_any_locked(exec->memory, exec->app);
    return app && memory_runs(app) && app->app->started_ns == exec->started_ns;
}

static void go_on_flooding(struct memory_exec *exec)
{
    static const char line[] = FLOOD_LINE;
    while (exec->flood > 0 && exec->out[0].len < FLOOD_PIECE) {
        say(exec, line);
        end_line(exec, BERTH_OUTPUT_STDOUT);
        if (--exec->flood == 0)
            prompt(exec);
    }
}

static bool take(struct memory_exec *exec, unsigned which, char *data, size_t size, size_t *ret_len)
{
    struct berth_strbuf *out = &exec->out[which];
    size_t left = out->len - exec->read[which];
    size_t len = left < size ? left : size;
    if (len == 0)
        return false;
    memcpy(data, out->data + exec->read[which], len);
    exec->read[which] += len;
    if (exec->read[which] == out->len) {
        berth_strbuf_clear(out);
        exec->read[which] = 0;
    }
    *ret_len = len;
    return true;
}

static int exec_read(struct berth_exec *head, char *data, size_t size,
                     struct berth_exec_output *ret_output, struct berth_error *err)
{
    struct memory_exec *exec = exec_of(head);
    struct berth_exec_output output = {.stream = BERTH_OUTPUT_STDOUT};
    eventfd_t ignored;
    (void)err;
    (void)eventfd_read(exec->wake, &ignored);
    if (exec->out[0].len == 0)
        go_on_flooding(exec);
    if (!app_runs(exec)) {
        output.has_ended = true;
    } else if (!take(exec, 0, data, size, &output.len)) {
        output.stream = BERTH_OUTPUT_STDERR;
        if (!take(exec, 1, data, size, &output.len))
            output.has_ended = exec->has_ended;
    }
    *ret_output = output;
    return 0;
}

static int exec_write(struct berth_exec *head, const char *data, size_t len, size_t *ret_written,
                      struct berth_error *err)
{
    struct memory_exec *exec = exec_of(head);
    (void)err;
    size_t i = 0;
    /* A process in the foreground does not read; what is typed waits for the shell. */
    for (; i < len && !exec->has_ended; i++) {
        bool is_held = exec->is_busy || exec->flood > 0;
        if (is_held && !(exec->tty && data[i] == CTRL_C))
            break;
        type(exec, data[i]);
    }
    *ret_written = exec->has_ended ? len : i;
    return 0;
}

static int exec_resize(struct berth_exec *head, unsigned cols, unsigned rows,
                       struct berth_error *err)
{
    struct memory_exec *exec = exec_of(head);
    (void)err;
    exec->cols = cols;
    exec->rows = rows;
    return 0;
}

static int exec_signal(struct berth_exec *head, enum berth_exec_signal number,
                       struct berth_error *err)
{
    static const int numbers[] = {
        [BERTH_EXEC_HUP] = 1,   [BERTH_EXEC_INT] = 2,   [BERTH_EXEC_QUIT] = 3,
        [BERTH_EXEC_USR1] = 10, [BERTH_EXEC_USR2] = 12, [BERTH_EXEC_TERM] = 15,
        [BERTH_EXEC_KILL] = 9,
    };
    struct memory_exec *exec = exec_of(head);
    (void)err;
    if (exec->is_busy || exec->flood > 0)
        interrupt(exec, berth_exec_signal_names[number]);
    else if (number == BERTH_EXEC_KILL || number == BERTH_EXEC_HUP || !exec->tty)
        end(exec, SIGNALLED + numbers[number]);
    else if (number == BERTH_EXEC_INT)
        interrupt(exec, "^C");
    return 0;
}

static int exec_exit_code(struct berth_exec *head, int *ret_code, struct berth_error *err)
{
    struct memory_exec *exec = exec_of(head);
    if (!app_runs(exec))
        return berth_error_set(err, BERTH_E_CANCELLED, "the app has ended");
    *ret_code = exec->code;
    return 0;
}

static void exec_free(struct memory_exec *exec)
{
    berth_fd_close(&exec->wake);
    berth_strbuf_release(&exec->line);
    berth_strbuf_release(&exec->out[0]);
    berth_strbuf_release(&exec->out[1]);
    free(exec);
}

static void exec_close(struct berth_exec *head)
{
    struct memory_exec *exec = exec_of(head);
    {
        BERTH_LOCK_SCOPE(lock, &exec->memory->lock);
        struct memory_exec **slot = &exec->memory->execs;
        while (*slot != exec)
            slot = &(*slot)->next;
        *slot = exec->next;
    }
    exec_free(exec);
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

static struct memory_exec *exec_new(struct memory *memory, const char *id,
                                    const struct berth_exec_spec *spec)
{
    struct memory_exec *exec = calloc(1, sizeof(*exec));
    if (!exec)
        return NULL;
    exec->head.ops = &exec_ops;
    exec->memory = memory;
    exec->tty = spec->tty;
    exec->cols = spec->cols;
    exec->rows = spec->rows;
    exec->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)snprintf(exec->app, sizeof(exec->app), "%s", id);
    berth_strbuf_init(&exec->line, LINE_MAX);
    berth_strbuf_init(&exec->out[0], OUTPUT_MAX);
    berth_strbuf_init(&exec->out[1], OUTPUT_MAX);
    if (exec->wake >= 0)
        return exec;
    exec_free(exec);
    return NULL;
}

/* A command of its own instead of the shell: it ends at once. */
static void run_arguments(struct memory_exec *exec, const char *const *argv)
{
    for (size_t i = 0; argv[i]; i++) {
        if (i > 0)
            berth_strbuf_addc(&exec->line, ' ');
        berth_strbuf_adds(&exec->line, argv[i]);
    }
    run_line(exec, berth_strbuf_str(&exec->line));
    berth_strbuf_clear(&exec->line);
    if (!exec->has_ended)
        end(exec, 0);
}

static int start_locked(struct memory *memory, const char *id, const struct berth_exec_spec *spec,
                        struct berth_exec **ret_exec, struct berth_error *err)
{
    struct memory_container *container;
    int status = memory_find_locked(memory, id, &container, err);
    if (status)
        return status;
    if (container->app->state != BERTH_APP_RUNNING)
        return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is %s", id,
                               memory_runs(container) ? "paused" : "not running");
    struct memory_exec *exec = exec_new(memory, id, spec);
    if (!exec)
        return berth_error_nomem(err);
    exec->started_ns = container->app->started_ns;
    exec->next = memory->execs;
    memory->execs = exec;
    if (spec->argv)
        run_arguments(exec, spec->argv);
    prompt(exec);
    *ret_exec = &exec->head;
    return 0;
}

int memory_exec(struct berth_backend *backend, const char *id, const struct berth_exec_spec *spec,
                struct berth_exec **ret_exec, struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_EXEC, err);
    if (status)
        return status;
    return memory_leave(memory, start_locked(memory, id, spec, ret_exec, err));
}
