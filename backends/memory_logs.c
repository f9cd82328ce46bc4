/* SPDX-License-Identifier: MIT */
/* The logs of the memory engine's apps, which say when they are up. */
#include "backends/memory_internal.h"

#include "base/clock.h"
#include "base/thread.h"

#include <string.h>

#define LINES_MAX 100 /* kept of each app */
#define TICK_MS   1000

static uint64_t oldest(const struct memory_container *container)
{
    return container->log_count > LINES_MAX ? container->log_count - LINES_MAX : 0;
}

struct memory_line *memory_line_new(enum berth_output stream, int64_t at_ns, const char *text)
{
    size_t len = strlen(text);
    struct memory_line *line = malloc(sizeof(*line) + len + 2);
    if (!line)
        return NULL;
    *line = (struct memory_line){.at_ns = at_ns, .stream = stream};
    memcpy(line->text, text, len);
    line->text[len] = '\n';
    line->text[len + 1] = '\0';
    return line;
}

void memory_log_locked(struct memory *memory, struct memory_container *container,
                       struct memory_line *line)
{
    struct memory_line **last = &container->log;
    while (*last)
        last = &(*last)->next;
    *last = line;
    uint64_t before = oldest(container);
    container->log_count++;
    if (oldest(container) > before) {
        struct memory_line *first = container->log;
        container->log = first->next;
        free(first);
    }
    (void)pthread_cond_broadcast(&memory->changed);
}

void memory_log_free(struct memory_container *container)
{
    while (container->log) {
        struct memory_line *first = container->log;
        container->log = first->next;
        free(first);
    }
}

/* The line of that number, or the oldest after it; NULL: there is none yet. */
static const struct memory_line *line_at(const struct memory_container *container, uint64_t number)
{
    const struct memory_line *line = container->log;
    for (uint64_t i = oldest(container); line && i < number; i++)
        line = line->next;
    return line;
}

/* Hands one line out, without the lock meanwhile; false: enough. */
static bool put_line(struct memory *memory, const struct memory_line *line,
                     const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(1024);
    enum berth_output stream = line->stream;
    if (line->at_ns < spec->since_ns)
        return true;
    if (spec->timestamps) {
        berth_clock_add_rfc3339(&text, line->at_ns, 9);
        berth_strbuf_addc(&text, ' ');
    }
    berth_strbuf_adds(&text, line->text);
    (void)pthread_mutex_unlock(&memory->lock);
    bool goes_on = output(ctx, stream, berth_strbuf_str(&text), text.len);
    (void)pthread_mutex_lock(&memory->lock);
    return goes_on;
}

/* All is told: says so, and waits for more unless that came meanwhile. False: enough. */
static bool wait_for_more(struct memory *memory, const char *id, uint64_t told,
                          berth_logs_output *output, void *ctx)
{
    (void)pthread_mutex_unlock(&memory->lock);
    bool goes_on = output(ctx, BERTH_OUTPUT_STDOUT, NULL, 0);
    (void)pthread_mutex_lock(&memory->lock);
    const struct memory_container *container = memory_find_any_locked(memory, id);
    if (goes_on && container && container->log_count == told && memory_runs(container))
        (void)berth_cond_wait_until(&memory->changed, &memory->lock,
                                    berth_clock_monotonic_ms() + TICK_MS);
    return goes_on;
}

static int put_log(struct memory *memory, const char *id, const struct berth_logs_spec *spec,
                   berth_logs_output *output, void *ctx, struct berth_error *err)
{
    struct memory_container *container;
    int status = memory_find_locked(memory, id, &container, err);
    if (status)
        return status;
    uint64_t next = oldest(container);
    if (spec->tail >= 0 && container->log_count - next > (uint64_t)spec->tail)
        next = container->log_count - (uint64_t)spec->tail;
    bool goes_on = true;
    do { /* it may be gone by now */
        const struct memory_line *line = line_at(container, next);
        if (line) {
            next = next < oldest(container) ? oldest(container) : next;
            next++;
            goes_on = put_line(memory, line, spec, output, ctx);
        } else if (spec->follow && memory_runs(container)) {
            goes_on = wait_for_more(memory, id, next, output, ctx);
        } else {
            return 0;
        }
        container = memory_find_any_locked(memory, id);
    } while (goes_on && container);
    return goes_on ? 0 : berth_error_set(err, BERTH_E_CANCELLED, "cancelled");
}

int memory_logs(struct berth_backend *backend, const char *id, const struct berth_logs_spec *spec,
                berth_logs_output *output, void *ctx, struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_LOGS, err);
    if (status)
        return status;
    return memory_leave(memory, put_log(memory, id, spec, output, ctx, err));
}
