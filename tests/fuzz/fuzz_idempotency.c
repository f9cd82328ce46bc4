/* SPDX-License-Identifier: MIT */
/*
 * The store of kept answers against a model: a sequence of requests that begin
 * and end under a few keys, while time goes on and sometimes back. Two bytes
 * an operation.
 */
#include "facilities/idempotency.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

#define KEYS    4
#define OPS_MAX 40

struct model_key {
    struct berth_idempotency_flight *flight; /* under way */
    unsigned char flight_request;
    bool is_kept;
    unsigned char kept_request;
    int kept_status;
    int64_t kept_at_ms;
};

struct world {
    struct berth_store *store;
    struct berth_idempotency *kept;
    struct model_key keys[KEYS];
    int64_t now_ms;
    char caller[32];
};

static const int64_t steps_ms[] = {0,
                                   1,
                                   60000,
                                   BERTH_IDEMPOTENCY_MS - 1,
                                   BERTH_IDEMPOTENCY_MS,
                                   BERTH_IDEMPOTENCY_MS + 1,
                                   -1,
                                   -60000,
                                   -BERTH_IDEMPOTENCY_MS - 1};

static struct berth_idempotency_key key_of(const struct world *world, size_t i,
                                           unsigned char request)
{
    static const char *const names[KEYS] = {"a", "b", "a", "A"};
    static const char *const facilities[KEYS] = {"demo", "demo", "", "demo"};
    struct berth_idempotency_key key = {
        .caller = world->caller, .facility = facilities[i], .key = names[i]};
    memset(key.request, request, sizeof(key.request));
    return key;
}

static bool is_fresh(const struct world *world, const struct model_key *key)
{
    return key->is_kept && key->kept_at_ms > world->now_ms - BERTH_IDEMPOTENCY_MS;
}

static void begin(struct world *world, size_t i, unsigned char request)
{
    struct model_key *model = &world->keys[i];
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(kept_answer) struct berth_kept_answer answer = {0};
    struct berth_idempotency_flight *flight = NULL;
    const struct berth_idempotency_key key = key_of(world, i, request);
    int r = berth_idempotency_begin(world->kept, &key, world->now_ms, &answer, &flight, &err);
    fuzz_check_error(r, &err);
    if (model->flight) {
        FUZZ_CHECK(r == BERTH_E_CONFLICT);
    } else if (is_fresh(world, model) && model->kept_request != request) {
        FUZZ_CHECK(r == BERTH_E_EXISTS);
    } else if (is_fresh(world, model)) {
        FUZZ_CHECK(r == 0 && !flight && answer.text);
        FUZZ_CHECK(answer.status == model->kept_status);
    } else {
        FUZZ_CHECK(r == 0 && flight && !answer.text);
        model->flight = flight;
        model->flight_request = request;
        return;
    }
    FUZZ_CHECK(!flight);
}

static void forget_old(struct world *world)
{
    for (size_t i = 0; i < KEYS; i++)
        if (!is_fresh(world, &world->keys[i]))
            world->keys[i].is_kept = false;
}

static void end(struct world *world, size_t i, int status)
{
    struct model_key *model = &world->keys[i];
    struct berth_error err = BERTH_ERROR_INIT;
    char type[] = "text/plain";
    char text[] = "done";
    const struct berth_kept_answer answer = {status, type, text};
    if (!model->flight)
        return;
    int r = berth_idempotency_end(world->kept, model->flight, status ? &answer : NULL,
                                  world->now_ms, &err);
    FUZZ_CHECK_MSG(r == 0, err.message);
    model->flight = NULL;
    if (!status)
        return;
    forget_old(world);
    model->is_kept = true;
    model->kept_request = model->flight_request;
    model->kept_status = status;
    model->kept_at_ms = world->now_ms;
}

static void close_world(void);

static struct world *open_world(void)
{
    static struct world world;
    if (!world.store) {
        struct berth_error err = BERTH_ERROR_INIT;
        const struct berth_store_config config = {.data_dir = fuzz_directory()};
        FUZZ_CHECK_MSG(berth_store_open(&config, &world.store, &err) == 0, err.message);
        FUZZ_CHECK(berth_idempotency_new(world.store, &world.kept, &err) == 0);
        world.now_ms = INT64_C(1700000000000);
        FUZZ_CHECK(atexit(close_world) == 0);
    }
    return &world;
}

static void close_world(void)
{
    struct world *world = open_world();
    berth_idempotency_free(world->kept);
    berth_store_close(world->store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct world *world = open_world();
    static unsigned run;
    (void)snprintf(world->caller, sizeof(world->caller), "caller%u", run++);
    world->now_ms += 10 * BERTH_IDEMPOTENCY_MS; /* what was kept before is old */
    memset(world->keys, 0, sizeof(world->keys));
    for (unsigned i = 0; i < OPS_MAX && input.size > 1; i++) {
        uint8_t op = fuzz_byte(&input);
        uint8_t value = fuzz_byte(&input);
        size_t key = op / 3 % KEYS;
        if (op % 3 == 0)
            begin(world, key, value % 3);
        else if (op % 3 == 1)
            end(world, key, value % 4 * 100);
        else
            world->now_ms += steps_ms[value % (sizeof(steps_ms) / sizeof(steps_ms[0]))];
    }
    for (size_t i = 0; i < KEYS; i++)
        end(world, i, 0);
    return 0;
}
