/* SPDX-License-Identifier: MIT */
#include "gateway/terminal.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/text.h"
#include "base/thread.h"
#include "facilities/apps_terminal.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#define TICK_MS         500
#define TAKE_OVER_MS    5000
#define BUSY_RETRY_S    5
#define RECORD_HEAD     (1 + sizeof(uint32_t))
#define NO_SESSION_TEXT "there is no such session: it has ended, or was never yours"

struct berth_terminals {
    struct berth_identity *identity;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;              /* with lock */
    struct berth_terminal *first;        /* lock */
    struct berth_terminal_place *places; /* lock */
    bool is_ending;                      /* lock */
};

/* ---- Limits ---- */

static int refuse_more(struct berth_error *err, const char *who, unsigned count)
{
    int r = berth_error_set(err, BERTH_E_BUSY, "%s %u terminals open, the most that may be", who,
                            count);
    if (err)
        err->retry_after_s = BUSY_RETRY_S;
    return r;
}

/* Those of a user that wait for who resumes them. */
static unsigned count_detached_locked(const struct berth_terminals *terminals,
                                      const struct berth_terminal_place *place)
{
    unsigned count = 0;
    for (const struct berth_terminal *each = terminals->first; each; each = each->next)
        count += !each->is_attached && strcmp(each->caller.user, place->user) == 0 &&
                 strcmp(each->facility->config.id, place->facility) == 0;
    return count;
}

int berth_terminals_join(struct berth_terminals *terminals, struct berth_terminal_place *place,
                         const struct berth_terminal_bounds *bounds, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(lock, &terminals->lock);
    unsigned count = 0;
    unsigned of_facility = 0;
    unsigned of_user = place->is_resumed ? 0 : count_detached_locked(terminals, place);
    for (const struct berth_terminal_place *other = terminals->places; other; other = other->next) {
        bool is_here = strcmp(other->facility, place->facility) == 0;
        count++;
        of_facility += is_here;
        of_user += is_here && !place->is_resumed && strcmp(other->user, place->user) == 0;
    }
    if (count >= bounds->of_gateway)
        return refuse_more(err, "the gateway has", count);
    if (of_facility >= bounds->of_facility)
        return refuse_more(err, "this facility has", of_facility);
    if (of_user >= bounds->of_user)
        return refuse_more(err, "you have", of_user);
    place->next = terminals->places;
    terminals->places = place;
    return 0;
}

void berth_terminals_leave(struct berth_terminals *terminals,
                           const struct berth_terminal_place *place)
{
    BERTH_LOCK_SCOPE(lock, &terminals->lock);
    struct berth_terminal_place **slot = &terminals->places;
    while (*slot != place)
        slot = &(*slot)->next;
    *slot = place->next;
}

/* ---- A terminal ---- */

static void terminal_free(struct berth_terminal *terminal)
{
    berth_fd_close(&terminal->wake);
    berth_strbuf_release(&terminal->input);
    berth_strbuf_release(&terminal->replay);
    berth_facility_unref(terminal->facility);
    free(terminal);
}

/* Of one that is in no list any more. */
static void finish(struct berth_terminal *terminal, const char *why)
{
    char text[BERTH_ERROR_MESSAGE_MAX + 64];
    (void)snprintf(text, sizeof(text), "%s, after %" PRId64 " s", why,
                   (berth_clock_monotonic_ms() - terminal->begun_ms) / 1000);
    berth_apps_exec_end(terminal->facility, &terminal->caller, terminal->app, terminal->exec, text);
    terminal_free(terminal);
}

static struct berth_terminal *terminal_new(struct berth_facility *facility,
                                           const struct berth_caller *caller, const char *app)
{
    struct berth_terminal *terminal = calloc(1, sizeof(*terminal));
    if (!terminal)
        return NULL;
    terminal->wake = -1;
    terminal->is_attached = true;
    terminal->facility = berth_facility_ref(facility);
    terminal->caller = *caller;
    terminal->begun_ms = berth_clock_monotonic_ms();
    (void)snprintf(terminal->app, sizeof(terminal->app), "%s", app);
    berth_strbuf_init(&terminal->input, /* what is written waits to be dropped, see the pump */
                      BERTH_TERMINAL_INPUT_MAX / 2 + BERTH_TERMINAL_INPUT_MAX +
                          BERTH_TERMINAL_MESSAGE_MAX);
    berth_strbuf_init(&terminal->replay, SIZE_MAX / 4);
    return terminal;
}

static int begin_session(struct berth_terminal *terminal, struct berth_error *err)
{
    terminal->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (terminal->wake < 0)
        return berth_error_set(err, BERTH_E_INTERNAL, "no session could be made");
    return berth_random_uuid(terminal->id, err);
}

int berth_terminal_open(struct berth_terminals *terminals, struct berth_facility *facility,
                        const struct berth_caller *caller, const char *app,
                        const struct berth_exec_spec *spec, bool has_session,
                        struct berth_terminal **ret_terminal, struct berth_error *err)
{
    struct berth_terminal *terminal = terminal_new(facility, caller, app);
    if (!terminal)
        return berth_error_nomem(err);
    terminal->tty = spec->tty;
    int r = has_session ? begin_session(terminal, err) : 0;
    if (r == 0)
        r = berth_apps_exec(facility, caller, app, spec, &terminal->exec, err);
    if (r < 0) {
        terminal_free(terminal);
        return r;
    }
    if (has_session) {
        BERTH_LOCK_SCOPE(lock, &terminals->lock);
        terminal->next = terminals->first;
        terminals->first = terminal;
    }
    *ret_terminal = terminal;
    return 0;
}

static void unlink_locked(struct berth_terminals *terminals, struct berth_terminal *terminal)
{
    struct berth_terminal **slot = &terminals->first;
    while (*slot && *slot != terminal)
        slot = &(*slot)->next;
    if (*slot)
        *slot = terminal->next;
}

void berth_terminal_end(struct berth_terminals *terminals, struct berth_terminal *terminal,
                        const char *why)
{
    {
        BERTH_LOCK_SCOPE(lock, &terminals->lock);
        unlink_locked(terminals, terminal);
        (void)pthread_cond_broadcast(&terminals->changed);
    }
    finish(terminal, why);
}

void berth_terminal_detach(struct berth_terminals *terminals, struct berth_terminal *terminal)
{
    BERTH_LOCK_SCOPE(lock, &terminals->lock);
    terminal->is_attached = false;
    terminal->detached_ms = berth_clock_monotonic_ms();
    (void)pthread_cond_broadcast(&terminals->changed);
}

static bool is_of(const struct berth_terminal *terminal, const struct berth_facility *facility,
                  const struct berth_caller *caller, const char *app, const char *id)
{
    return berth_text_equal_secret(terminal->id, strlen(terminal->id), id, strlen(id)) &&
           strcmp(terminal->facility->config.id, facility->config.id) == 0 &&
           strcmp(terminal->caller.user, caller->user) == 0 &&
           terminal->caller.token_id == caller->token_id && strcmp(terminal->app, app) == 0;
}

int berth_terminal_resume(struct berth_terminals *terminals, const struct berth_facility *facility,
                          const struct berth_caller *caller, const char *app, const char *id,
                          struct berth_terminal **ret_terminal, struct berth_error *err)
{
    int64_t until_ms = berth_clock_monotonic_ms() + TAKE_OVER_MS;
    bool in_time = true;
    BERTH_LOCK_SCOPE(lock, &terminals->lock);
    for (;;) {
        struct berth_terminal *terminal = terminals->first;
        while (terminal && !is_of(terminal, facility, caller, app, id))
            terminal = terminal->next;
        if (!terminal)
            return berth_error_set(err, BERTH_E_NOT_FOUND, NO_SESSION_TEXT);
        if (!terminal->is_attached) {
            eventfd_t ignored;
            (void)eventfd_read(terminal->wake, &ignored);
            terminal->is_attached = true;
            terminal->caller = *caller;
            *ret_terminal = terminal;
            return 0;
        }
        if (!in_time)
            return berth_error_set(err, BERTH_E_BUSY, "the session is held by another connection");
        (void)eventfd_write(terminal->wake, 1);
        in_time = berth_cond_wait_until(&terminals->changed, &terminals->lock, until_ms);
    }
}

bool berth_terminal_is_wanted(const struct berth_terminal *terminal)
{
    struct pollfd poll_fd = {.fd = terminal->wake, .events = POLLIN};
    return terminal->wake >= 0 && poll(&poll_fd, 1, 0) > 0;
}

int berth_terminal_confirm(struct berth_terminals *terminals, struct berth_terminal *terminal,
                           struct berth_error *err)
{
    struct berth_facility *facility = terminal->facility;
    int r = berth_changes_check(facility->changes, err);
    if (r == 0 && berth_facility_is_ended(facility))
        r = berth_error_set(err, BERTH_E_CANCELLED,
                            "who may have a terminal is settled otherwise "
                            "now");
    if (r == 0 && facility->config.auth != BERTH_AUTH_OPEN)
        r = berth_identity_confirm(terminals->identity, facility->config.id, &terminal->caller,
                                   err);
    if (r == 0 && terminal->caller.role < BERTH_ROLE_RESEARCHER)
        r = berth_error_set(err, BERTH_E_FORBIDDEN, "the role no longer allows a terminal");
    return r;
}

/* ---- What was said ---- */

void berth_terminal_keep(struct berth_terminal *terminal, enum berth_output stream,
                         const char *data, size_t len)
{
    struct berth_strbuf *replay = &terminal->replay;
    uint32_t bytes = (uint32_t)len;
    if (!terminal->id[0])
        return;
    berth_strbuf_addc(replay, (char)stream);
    berth_strbuf_add(replay, &bytes, sizeof(bytes));
    berth_strbuf_add(replay, data, len);
    if (replay->failed || replay->len <= 2 * BERTH_TERMINAL_REPLAY_MAX)
        return;
    size_t start = 0; /* drop the oldest, now and then */
    while (replay->len - start > BERTH_TERMINAL_REPLAY_MAX) {
        memcpy(&bytes, replay->data + start + 1, sizeof(bytes));
        start += RECORD_HEAD + bytes;
    }
    memmove(replay->data, replay->data + start, replay->len - start);
    berth_strbuf_truncate(replay, replay->len - start);
}

/* ---- Those that nobody is attached to ---- */

/* The first that must end, out of the list. */
static struct berth_terminal *take_due_locked(struct berth_terminals *terminals,
                                              struct berth_error *why)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    for (struct berth_terminal *each = terminals->first; each; each = each->next) {
        if (each->is_attached)
            continue;
        berth_error_clear(why);
        int r = terminals->is_ending
                    ? berth_error_set(why, BERTH_E_CANCELLED, "the gateway is stopping")
                    : berth_terminal_confirm(terminals, each, why);
        if (r == 0 && now_ms - each->detached_ms >= BERTH_TERMINAL_RESUME_MS)
            r = berth_error_set(why, BERTH_E_TIMEOUT, "the client has not come back");
        if (r == 0)
            continue;
        unlink_locked(terminals, each);
        return each;
    }
    return NULL;
}

static bool has_detached_locked(const struct berth_terminals *terminals)
{
    const struct berth_terminal *each = terminals->first;
    while (each && each->is_attached)
        each = each->next;
    return each != NULL;
}

static void *run(void *arg)
{
    struct berth_terminals *terminals = arg;
    (void)pthread_mutex_lock(&terminals->lock);
    for (;;) {
        struct berth_error why = BERTH_ERROR_INIT;
        struct berth_terminal *due = take_due_locked(terminals, &why);
        if (due) {
            (void)pthread_mutex_unlock(&terminals->lock);
            finish(due, why.message);
            (void)pthread_mutex_lock(&terminals->lock);
        } else if (terminals->is_ending) {
            break;
        } else if (has_detached_locked(terminals)) {
            (void)berth_cond_wait_until(&terminals->changed, &terminals->lock,
                                        berth_clock_monotonic_ms() + TICK_MS);
        } else {
            (void)pthread_cond_wait(&terminals->changed, &terminals->lock);
        }
    }
    (void)pthread_mutex_unlock(&terminals->lock);
    return NULL;
}

int berth_terminals_new(struct berth_identity *identity, struct berth_terminals **ret_terminals,
                        struct berth_error *err)
{
    struct berth_terminals *terminals = calloc(1, sizeof(*terminals));
    if (!terminals)
        return berth_error_nomem(err);
    terminals->identity = identity;
    (void)pthread_mutex_init(&terminals->lock, NULL);
    berth_cond_init(&terminals->changed);
    int r = berth_thread_start(&terminals->thread, "berth-terminals", run, terminals, err);
    if (r < 0) {
        (void)pthread_cond_destroy(&terminals->changed);
        (void)pthread_mutex_destroy(&terminals->lock);
        free(terminals);
        return r;
    }
    *ret_terminals = terminals;
    return 0;
}

void berth_terminals_free(struct berth_terminals *terminals)
{
    if (!terminals)
        return;
    {
        BERTH_LOCK_SCOPE(lock, &terminals->lock);
        terminals->is_ending = true;
        (void)pthread_cond_broadcast(&terminals->changed);
    }
    (void)pthread_join(terminals->thread, NULL);
    (void)pthread_cond_destroy(&terminals->changed);
    (void)pthread_mutex_destroy(&terminals->lock);
    free(terminals);
}
