/* SPDX-License-Identifier: MIT */
/*
 * What the PostgreSQL driver is alone with: several gateways on one database,
 * and connections that break. test_store.c has what holds for each driver.
 * The server is BERTH_TEST_POSTGRES, on a unix socket.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "tests/unit/store_jobs.h"
#include "tests/unit/store_open.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#define WAIT_MS 20000

/* Two gateways on one database. */
struct pair {
    char *dirs[2];
    struct berth_store *stores[2];
};

static void open_pair(struct pair *pair)
{
    ck_assert_msg(unit_store_server() != NULL, "BERTH_TEST_POSTGRES is not set");
    pair->dirs[0] = unit_scratch("data");
    pair->dirs[1] = unit_scratch("other");
    for (size_t i = 0; i < 2; i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(unit_store_join(pair->dirs[0], pair->dirs[i], "", &pair->stores[i], &err) ==
                          0,
                      "%s (%s)", err.message, err.detail);
    }
}

static void close_pair(struct pair *pair)
{
    for (size_t i = 0; i < 2; i++) {
        berth_store_close(pair->stores[i]);
        free(pair->dirs[i]);
    }
}

/* Ends the server's side of all connections to the database but the caller's. */
static const char end_others[] = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                                 " WHERE datname = current_database() AND pid <> pg_backend_pid()";

/* ---- News ---- */

struct heard {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    size_t count;
    size_t refused; /* that many are not taken in */
    enum berth_news_subject subjects[16];
    char texts[16][64]; /* FACILITY/KEY */
};

static void init_heard(struct heard *heard)
{
    *heard = (struct heard){0};
    (void)pthread_mutex_init(&heard->mutex, NULL);
    berth_cond_init(&heard->cond);
}

static int hear(const struct berth_store_news *news, void *ctx)
{
    struct heard *heard = ctx;
    BERTH_LOCK_SCOPE(lock, &heard->mutex);
    ck_assert_uint_lt(heard->count, UNIT_COUNT(heard->texts));
    heard->subjects[heard->count] = news->subject;
    (void)snprintf(heard->texts[heard->count], sizeof(heard->texts[0]), "%s/%s", news->facility,
                   news->key);
    heard->count++;
    (void)pthread_cond_broadcast(&heard->cond);
    if (heard->refused == 0)
        return 0;
    heard->refused--;
    return BERTH_E_BUSY;
}

static void wait_for(struct heard *heard, size_t number, enum berth_news_subject subject,
                     const char *text)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + WAIT_MS;
    BERTH_LOCK_SCOPE(lock, &heard->mutex);
    while (heard->count <= number)
        ck_assert_msg(berth_cond_wait_until(&heard->cond, &heard->mutex, deadline_ms),
                      "%zu: %s was not heard", number, text);
    ck_assert_msg(heard->subjects[number] == subject, "%zu: %d", number,
                  (int)heard->subjects[number]);
    ck_assert_str_eq(heard->texts[number], text);
}

/* ctx: const struct berth_store_news * */
static int tell_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_tell(txn, ctx, err);
}

static int tell_then_fail_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    int r = berth_txn_tell(txn, ctx, err);
    ck_assert_int_eq(r, 0);
    return berth_error_set(err, BERTH_E_QUOTA, "no more of these");
}

static void tell(struct berth_store *store, berth_store_job *job, enum berth_news_subject subject,
                 const char *facility, const char *key)
{
    struct berth_store_news news = {.subject = subject, .facility = facility, .key = key};
    (void)!berth_store_write(store, job, &news, NULL);
}

/* The second hears what the first tells, and has heard that it may have missed all before. */
static void open_listening(struct pair *pair, struct heard *heard)
{
    open_pair(pair);
    init_heard(heard);
    ck_assert_int_eq(berth_store_listen(pair->stores[1], hear, heard, NULL), 0);
    wait_for(heard, 0, BERTH_NEWS_ALL, "/");
}

START_TEST(gateways_hear_each_other_and_not_themselves)
{
    struct pair pair;
    struct heard heard;
    open_listening(&pair, &heard);
    tell(pair.stores[1], tell_job, BERTH_NEWS_TOKENS, "", "7");
    tell(pair.stores[0], tell_then_fail_job, BERTH_NEWS_TOKENS, "", "8");
    tell(pair.stores[0], tell_job, BERTH_NEWS_IDENTITY, "", "ana maria");
    wait_for(&heard, 1, BERTH_NEWS_IDENTITY, "/ana maria");
    tell(pair.stores[0], tell_job, BERTH_NEWS_APPROVALS, "lab", "12");
    wait_for(&heard, 2, BERTH_NEWS_APPROVALS, "lab/12");

    /* Whoever was deaf for a while does not know what it has missed. */
    ck_assert_int_gt(read_number(pair.stores[0], end_others), 0);
    wait_for(&heard, 3, BERTH_NEWS_ALL, "/");
    tell(pair.stores[0], tell_job, BERTH_NEWS_IDENTITY, "", "bob");
    wait_for(&heard, 4, BERTH_NEWS_IDENTITY, "/bob");
    berth_store_deafen(pair.stores[1]);
    close_pair(&pair);
    ck_assert_uint_eq(heard.count, 5);
}
END_TEST

START_TEST(what_was_not_taken_in_is_told_again)
{
    struct pair pair;
    struct heard heard;
    open_listening(&pair, &heard);
    (void)pthread_mutex_lock(&heard.mutex);
    heard.refused = 2;
    (void)pthread_mutex_unlock(&heard.mutex);
    tell(pair.stores[0], tell_job, BERTH_NEWS_IDENTITY, "", "ana");
    wait_for(&heard, 1, BERTH_NEWS_IDENTITY, "/ana");
    wait_for(&heard, 2, BERTH_NEWS_ALL, "/");
    wait_for(&heard, 3, BERTH_NEWS_ALL, "/");
    close_pair(&pair);
    ck_assert_uint_eq(heard.count, 4);
}
END_TEST

START_TEST(news_that_are_too_long_fail_the_change)
{
    struct pair pair;
    char key[2000];
    open_pair(&pair);
    memset(key, 'x', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    struct berth_store_news news = {.subject = BERTH_NEWS_IDENTITY, .facility = "", .key = key};
    ck_assert_int_eq(berth_store_write(pair.stores[0], tell_job, &news, NULL), BERTH_E_TOO_LARGE);
    close_pair(&pair);
}
END_TEST

/* ---- What one alone holds ---- */

static bool hold(struct berth_store *store, const char *name)
{
    bool held = false;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_store_hold(store, name, &held, &err) == 0, "%s", err.message);
    return held;
}

static int holds_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    (void)err;
    *(bool *)ctx = berth_txn_holds(txn, "sampler:lab");
    return 0;
}

static bool holds(struct berth_store *store)
{
    bool answer = false;
    ck_assert_int_eq(berth_store_write(store, holds_job, &answer, NULL), 0);
    return answer;
}

START_TEST(one_gateway_holds_what_one_alone_may_do)
{
    struct pair pair;
    open_pair(&pair);
    ck_assert(hold(pair.stores[0], "sampler:lab"));
    ck_assert(hold(pair.stores[0], "sampler:lab")); /* asked again, it is held once */
    ck_assert(!hold(pair.stores[1], "sampler:lab"));
    ck_assert(hold(pair.stores[1], "sampler:other"));
    ck_assert(holds(pair.stores[0]) && !holds(pair.stores[1]));
    berth_store_let_go(pair.stores[0], "sampler:lab");
    ck_assert(!holds(pair.stores[0]));
    ck_assert(hold(pair.stores[1], "sampler:lab"));
    close_pair(&pair);
}
END_TEST

START_TEST(what_is_held_goes_with_the_connection)
{
    struct pair pair;
    open_pair(&pair);
    ck_assert(hold(pair.stores[0], "sampler:lab"));
    ck_assert_int_gt(read_number(pair.stores[1], end_others), 0);
    int64_t deadline_ms = berth_clock_monotonic_ms() + WAIT_MS;
    while (!hold(pair.stores[1], "sampler:lab")) /* once the server's side has ended */
        ck_assert_int_lt(berth_clock_monotonic_ms(), deadline_ms);
    ck_assert(!holds(pair.stores[0])); /* known in the job, whatever was believed before */
    ck_assert(!hold(pair.stores[0], "sampler:lab"));
    close_pair(&pair);
}
END_TEST

/* ---- One writer ---- */

#define THREADS    4 /* of each gateway */
#define INCREMENTS 25

/* Reads, then writes what it has read, as jobs do. */
static int increment_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    (void)ctx;
    int64_t number = 0;
    int r = berth_txn_run(txn, "SELECT requested_ns FROM image_request WHERE image = 'a'", NULL, 0,
                          take_int, &number, NULL, err);
    const struct berth_value value = berth_value_int(number + 1);
    return r < 0
               ? r
               : berth_txn_run(txn, "UPDATE image_request SET requested_ns = $1 WHERE image = 'a'",
                               &value, 1, NULL, NULL, NULL, err);
}

struct load {
    struct pair pair;
    atomic_int number;
    atomic_int failures;
};

static void *load_main(void *arg)
{
    struct load *load = arg;
    int own = atomic_fetch_add(&load->number, 1);
    for (int i = 0; i < INCREMENTS; i++)
        if (berth_store_write(load->pair.stores[own % 2], increment_job, NULL, NULL) < 0)
            atomic_fetch_add(&load->failures, 1);
    return NULL;
}

START_TEST(gateways_write_one_after_the_other)
{
    struct load load = {0};
    pthread_t threads[2 * THREADS];
    open_pair(&load.pair);
    ck_assert_int_eq(write_row(load.pair.stores[0], "a", NULL), 0);
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        ck_assert_int_eq(berth_thread_start(&threads[i], "load", load_main, &load, NULL), 0);
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        (void)pthread_join(threads[i], NULL);
    ck_assert_int_eq(load.failures, 0);
    ck_assert_int_eq(read_number(load.pair.stores[1], "SELECT requested_ns FROM image_request"),
                     1 + 2 * THREADS * INCREMENTS);
    close_pair(&load.pair);
}
END_TEST

/* ---- Connections ---- */

START_TEST(idle_connections_may_be_lost)
{
    struct pair pair;
    open_pair(&pair);
    ck_assert_int_eq(write_row(pair.stores[0], "a", NULL), 0);
    ck_assert_int_eq(read_number(pair.stores[0], count_rows), 1);
    ck_assert_int_gt(read_number(pair.stores[1], end_others), 0);
    ck_assert_int_eq(read_number(pair.stores[0], count_rows), 1);
    ck_assert_int_eq(write_row(pair.stores[0], "b", NULL), 0);
    ck_assert_int_eq(read_number(pair.stores[1], count_rows), 2);
    close_pair(&pair);
}
END_TEST

/* Its connection ends in the middle; ctx: the other gateway's store. */
static int cut_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    ck_assert_int_eq(add(txn, "cut", err), 0);
    ck_assert_int_gt(read_number(ctx, end_others), 0);
    int r = add(txn, "after", err);
    ck_assert_int_eq(r, BERTH_E_UNREACHABLE);
    ck_assert_int_eq(add(txn, "still", NULL), BERTH_E_UNREACHABLE);
    return r;
}

START_TEST(a_connection_lost_in_a_job_loses_what_shared_its_transaction)
{
    struct pair pair;
    open_pair(&pair);
    struct writer writers[] = {
        {.store = pair.stores[0], .job = add_job, .ctx = constant("before")},
        {.store = pair.stores[0], .job = cut_job, .ctx = pair.stores[1]},
        {.store = pair.stores[0], .job = add_job, .ctx = constant("next")},
    };
    static const int results[] = {BERTH_E_UNREACHABLE, BERTH_E_UNREACHABLE, 0};
    run_together(writers, UNIT_COUNT(writers));
    for (size_t i = 0; i < UNIT_COUNT(writers); i++)
        ck_assert_msg(writers[i].result == results[i], "writer %zu: %d %s", i, writers[i].result,
                      writers[i].err.message);
    ck_assert_ptr_nonnull(strstr(writers[0].err.message, "nothing was changed"));
    ck_assert_int_eq(read_number(pair.stores[0], count_rows), 1);
    close_pair(&pair);
}
END_TEST

#define READERS 40

struct crowd {
    struct berth_store *store;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool go;
    atomic_int reading;
    atomic_int failures;
};

static int crowd_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    (void)txn;
    (void)err;
    struct crowd *crowd = ctx;
    BERTH_LOCK_SCOPE(lock, &crowd->mutex);
    atomic_fetch_add(&crowd->reading, 1);
    (void)pthread_cond_broadcast(&crowd->cond);
    while (!crowd->go)
        (void)pthread_cond_wait(&crowd->cond, &crowd->mutex);
    return 0;
}

static void *crowd_main(void *arg)
{
    struct crowd *crowd = arg;
    if (berth_store_read(crowd->store, crowd_job, crowd, NULL) < 0)
        atomic_fetch_add(&crowd->failures, 1);
    return NULL;
}

static const char count_connections[] =
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_type = 'client backend'";

START_TEST(connections_are_bounded_and_few_are_kept)
{
    struct pair pair;
    pthread_t threads[READERS];
    open_pair(&pair);
    struct crowd crowd = {.store = pair.stores[0]};
    (void)pthread_mutex_init(&crowd.mutex, NULL);
    berth_cond_init(&crowd.cond);
    for (size_t i = 0; i < READERS; i++)
        ck_assert_int_eq(berth_thread_start(&threads[i], "crowd", crowd_main, &crowd, NULL), 0);
    {
        BERTH_LOCK_SCOPE(lock, &crowd.mutex);
        while (crowd.reading < 23)
            (void)pthread_cond_wait(&crowd.cond, &crowd.mutex);
    }
    /* The other gateway has two: one that writes, and the one that asks. What was there before them
     * goes at the server's own pace. */
    int64_t deadline_ms = berth_clock_monotonic_ms() + WAIT_MS;
    while (read_number(pair.stores[1], count_connections) > 23 + 1 + 2)
        ck_assert_int_lt(berth_clock_monotonic_ms(), deadline_ms);
    ck_assert_int_eq(read_number(pair.stores[1], count_connections), 23 + 1 + 2);
    {
        BERTH_LOCK_SCOPE(lock, &crowd.mutex);
        crowd.go = true;
        (void)pthread_cond_broadcast(&crowd.cond);
    }
    for (size_t i = 0; i < READERS; i++)
        (void)pthread_join(threads[i], NULL);
    ck_assert_int_eq(crowd.failures, 0);
    deadline_ms = berth_clock_monotonic_ms() + WAIT_MS;
    while (read_number(pair.stores[1], count_connections) > 5 + 1 + 2)
        ck_assert_int_lt(berth_clock_monotonic_ms(), deadline_ms);
    close_pair(&pair);
}
END_TEST

/* ---- A commit whose answer is lost ---- */

/* Stands between a store and the server, and lets go of connections when told. */
struct proxy {
    char server[108];
    char folder[90];
    int listener;
    atomic_bool cut_commit; /* the next commit is passed on, its answer is not */
    atomic_bool closed;     /* nobody is let in any more */
    pthread_t thread;
};

static int open_socket(const char *path, bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (listening) {
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(listen(fd, 16), 0);
    } else {
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    }
    return fd;
}

/* False: the connection has ended. */
static bool pass_on(struct proxy *proxy, int from, int to, bool is_client, bool *dropping)
{
    char bytes[65536];
    ssize_t len = read(from, bytes, sizeof(bytes));
    if (len <= 0)
        return false;
    if (is_client && atomic_load(&proxy->cut_commit) && memmem(bytes, (size_t)len, "; COMMIT", 8)) {
        atomic_store(&proxy->cut_commit, false);
        *dropping = true;
    }
    if (!is_client && *dropping)
        return false;
    return write(to, bytes, (size_t)len) == len;
}

struct passage {
    struct proxy *proxy;
    int client;
};

static void *passage_main(void *arg)
{
    struct passage *passage = arg;
    int server = open_socket(passage->proxy->server, false);
    bool dropping = false;
    for (;;) {
        struct pollfd fds[] = {{.fd = passage->client, .events = POLLIN},
                               {.fd = server, .events = POLLIN}};
        ck_assert_int_gt(poll(fds, 2, -1), 0);
        if (fds[0].revents && !pass_on(passage->proxy, passage->client, server, true, &dropping))
            break;
        if (fds[1].revents && !pass_on(passage->proxy, server, passage->client, false, &dropping))
            break;
    }
    (void)close(server);
    (void)close(passage->client);
    free(passage);
    return NULL;
}

static void *proxy_main(void *arg)
{
    struct proxy *proxy = arg;
    for (;;) {
        int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0)
            return NULL;
        struct passage *passage = malloc(sizeof(*passage));
        *passage = (struct passage){.proxy = proxy, .client = client};
        pthread_t thread;
        if (atomic_load(&proxy->closed)) {
            (void)close(client);
            free(passage);
            continue;
        }
        ck_assert_int_eq(berth_thread_start(&thread, "passage", passage_main, passage, NULL), 0);
        (void)pthread_detach(thread);
    }
}

/* words: those of a connection string that lead to the proxy. */
static void start_proxy(struct proxy *proxy, const char *dir, char *words, size_t size)
{
    char path[108];
    char port[16] = "5432";
    const char *host = strstr(unit_store_server(), "host=/");
    const char *told = strstr(unit_store_server(), "port=");
    ck_assert_msg(host != NULL, "BERTH_TEST_POSTGRES is not on a unix socket");
    if (told)
        (void)snprintf(port, sizeof(port), "%.*s", (int)strspn(told + 5, "0123456789"), told + 5);
    (void)snprintf(proxy->server, sizeof(proxy->server), "%.*s/.s.PGSQL.%s",
                   (int)strcspn(host + 5, " "), host + 5, port);
    (void)snprintf(proxy->folder, sizeof(proxy->folder), "%s", dir);
    (void)snprintf(path, sizeof(path), "%s/.s.PGSQL.1", proxy->folder);
    (void)snprintf(words, size, "host=%s port=1", proxy->folder);
    atomic_store(&proxy->cut_commit, false);
    atomic_store(&proxy->closed, false);
    proxy->listener = open_socket(path, true);
    ck_assert_int_eq(berth_thread_start(&proxy->thread, "proxy", proxy_main, proxy, NULL), 0);
}

static void stop_proxy(struct proxy *proxy)
{
    (void)shutdown(proxy->listener, SHUT_RDWR);
    (void)pthread_join(proxy->thread, NULL);
    (void)close(proxy->listener);
}

START_TEST(a_commit_whose_answer_is_lost_is_asked_after)
{
    struct proxy proxy;
    char words[128];
    struct pair pair;
    open_pair(&pair);
    berth_store_close(pair.stores[1]);
    start_proxy(&proxy, pair.dirs[1], words, sizeof(words));
    ck_assert_int_eq(unit_store_join(pair.dirs[0], pair.dirs[1], words, &pair.stores[1], NULL), 0);
    ck_assert_int_eq(write_row(pair.stores[1], "first", NULL), 0);
    atomic_store(&proxy.cut_commit, true);
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(write_row(pair.stores[1], "second", &err) == 0, "%s (%s)", err.message,
                  err.detail);
    ck_assert(!atomic_load(&proxy.cut_commit));
    ck_assert_int_eq(read_number(pair.stores[0], count_rows), 2);

    /* What the session held went with it, though the commit was made. */
    bool is_held[2] = {true, true};
    atomic_store(&proxy.cut_commit, true);
    for (size_t i = 2; i-- > 0;)
        ck_assert_int_eq(berth_store_hold(pair.stores[i], "sampler:f", &is_held[i], NULL), 0);
    ck_assert(!atomic_load(&proxy.cut_commit));
    ck_assert(is_held[0] && !is_held[1]);
    close_pair(&pair);
    stop_proxy(&proxy);
}
END_TEST

/* The server itself ends the connection in the middle of the commit, which it takes back. */
START_TEST(a_commit_that_was_not_made_is_known_not_to_be)
{
    static const char *const statements[] = {
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10);"
        " RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON image_request DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW WHEN (NEW.image = 'deadly') EXECUTE FUNCTION die()",
    };
    struct pair pair;
    struct berth_error err = BERTH_ERROR_INIT;
    open_pair(&pair);
    for (size_t i = 0; i < UNIT_COUNT(statements); i++)
        ck_assert_int_eq(write_statement(pair.stores[0], statements[i], NULL), 0);
    ck_assert_int_eq(write_row(pair.stores[0], "deadly", &err), BERTH_E_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "nothing was changed"));
    ck_assert_int_eq(write_row(pair.stores[0], "harmless", NULL), 0);
    ck_assert_int_eq(read_number(pair.stores[1], count_rows), 1);
    close_pair(&pair);
}
END_TEST

START_TEST(a_commit_that_cannot_be_asked_after_is_unknown)
{
    struct proxy proxy;
    char words[128];
    struct pair pair;
    struct berth_error err = BERTH_ERROR_INIT;
    open_pair(&pair);
    berth_store_close(pair.stores[1]);
    start_proxy(&proxy, pair.dirs[1], words, sizeof(words));
    ck_assert_int_eq(unit_store_join(pair.dirs[0], pair.dirs[1], words, &pair.stores[1], NULL), 0);
    atomic_store(&proxy.cut_commit, true);
    atomic_store(&proxy.closed, true);
    ck_assert_int_eq(write_row(pair.stores[1], "who knows", &err), BERTH_E_IO);
    ck_assert_str_eq(err.code, "COMMIT_UNKNOWN");
    ck_assert_int_eq(write_row(pair.stores[1], "no", &err), BERTH_E_UNREACHABLE);
    close_pair(&pair);
    stop_proxy(&proxy);
}
END_TEST

/* ---- Settings and texts ---- */

START_TEST(settings_that_do_not_work_are_told_without_secrets)
{
    static const struct {
        const char *conninfo;
        int status;
        const char *said;
    } rows[] = {
        {"host=/nonexistent password=s3cret", BERTH_E_UNREACHABLE, "cannot be reached"},
        {"host=/nonexistent password=s3cret nonsense=1", BERTH_E_INVALID, "connection string"},
        {"postgresql://ana:s3cret@db:port/x", BERTH_E_UNREACHABLE, "cannot be reached"},
        {"postgresql://ana:x@s3cret@db/x", BERTH_E_INVALID, "connection string"},
        {"postgresql://ana:s3cret/x@db/x", BERTH_E_INVALID, "connection string"},
        {"postgres://ana:1/s3cret@db/x", BERTH_E_INVALID, "connection string"},
        {"postgresql://ana:x@s3cret/x@db/x", BERTH_E_INVALID, "connection string"},
        {"host=/nonexistent password=s3cret://a/b@c", BERTH_E_UNREACHABLE, "cannot be reached"},
        {"postgresql:///x?host=/nonexistent&application_name=a@b", BERTH_E_UNREACHABLE,
         "cannot be reached"},
        {"password='s3cret", BERTH_E_INVALID, "connection string"},
    };
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_store_config config = {.data_dir = dir};
        struct berth_store *store = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        config.postgres.conninfo = rows[i].conninfo;
        ck_assert_msg(berth_store_open(&config, &store, &err) == rows[i].status, "%s: %s",
                      rows[i].conninfo, err.message);
        ck_assert_msg(strstr(err.message, rows[i].said) != NULL, "%s: %s", rows[i].conninfo,
                      err.message);
        ck_assert_msg(!strstr(err.message, "s3cret") && !strstr(err.detail, "s3cret"), "%s (%s)",
                      err.message, err.detail);
    }
}
END_TEST

static int add_malformed_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    (void)ctx;
    return add(txn, "a\xFF\xC3(", err);
}

START_TEST(malformed_text_is_mended)
{
    struct pair pair;
    open_pair(&pair);
    ck_assert_int_eq(berth_store_write(pair.stores[0], add_malformed_job, NULL, NULL), 0);
    ck_assert_int_eq(read_number(pair.stores[1],
                                 "SELECT count(*) FROM image_request"
                                 " WHERE image = 'a' || chr(65533) || chr(65533) || '('"),
                     1);
    close_pair(&pair);
}
END_TEST

START_TEST(rows_tell_when_they_were_changed)
{
    struct pair pair;
    open_pair(&pair);
    ck_assert_int_eq(write_row(pair.stores[0], "a", NULL), 0);
    ck_assert_int_eq(
        write_statement(pair.stores[0], "UPDATE image_request SET state = 'rejected'", NULL), 0);
    ck_assert_int_eq(read_number(pair.stores[1], "SELECT count(*) FROM image_request"
                                                 " WHERE updated_at > created_at"),
                     1);
    close_pair(&pair);
}
END_TEST

UNIT_SUITE("store_postgres", gateways_hear_each_other_and_not_themselves,
           what_was_not_taken_in_is_told_again, news_that_are_too_long_fail_the_change,
           one_gateway_holds_what_one_alone_may_do, what_is_held_goes_with_the_connection,
           gateways_write_one_after_the_other, idle_connections_may_be_lost,
           a_connection_lost_in_a_job_loses_what_shared_its_transaction,
           connections_are_bounded_and_few_are_kept, a_commit_whose_answer_is_lost_is_asked_after,
           a_commit_that_was_not_made_is_known_not_to_be,
           a_commit_that_cannot_be_asked_after_is_unknown,
           settings_that_do_not_work_are_told_without_secrets, malformed_text_is_mended,
           rows_tell_when_they_were_changed)
