/* SPDX-License-Identifier: MIT */
#include "gateway/request_id.h"

#include "base/encoding.h"

#define BITS_62 ((UINT64_C(1) << 62) - 1)

int berth_request_ids_init(struct berth_request_ids *ids, struct berth_error *err)
{
    uint64_t random[2];
    int r = berth_random_bytes(random, sizeof(random), err);
    if (r < 0)
        return r;
    *ids = (struct berth_request_ids){.start = random[0], .seed = random[1]};
    return 0;
}

/* Numbers of 62 bits onto each other, neighbours far apart: each step can be undone. */
static uint64_t scramble(uint64_t x)
{
    x &= BITS_62;
    x ^= x >> 31;
    x = x * UINT64_C(0x9E3779B97F4A7C15) & BITS_62;
    x ^= x >> 29;
    x = x * UINT64_C(0xBF58476D1CE4E5B9) & BITS_62;
    return x ^ x >> 32;
}

static char *put_hex(char *at, uint64_t value, unsigned digits)
{
    for (unsigned shift = digits * 4; shift > 0; shift -= 4)
        *at++ = "0123456789abcdef"[value >> (shift - 4) & 15];
    return at;
}

void berth_request_id_next(struct berth_request_ids *ids, char ret_id[static BERTH_REQUEST_ID_SIZE])
{
    uint64_t count = __atomic_fetch_add(&ids->count, 1, __ATOMIC_RELAXED);
    uint64_t low = scramble(ids->seed + count) | UINT64_C(1) << 63; /* the variant, binary 10 */
    char *at = put_hex(ret_id, ids->start >> 32, 8);
    *at++ = '-';
    at = put_hex(at, ids->start >> 16, 4);
    *at++ = '-';
    *at++ = '8'; /* the version */
    at = put_hex(at, ids->start, 3);
    *at++ = '-';
    at = put_hex(at, low >> 48, 4);
    *at++ = '-';
    at = put_hex(at, low, 12);
    *at = '\0';
}
