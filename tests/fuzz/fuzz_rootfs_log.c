/* SPDX-License-Identifier: MIT */
/*
 * A log as conmon keeps it, of what an app has printed. The first byte says how
 * the rest is cut into pieces (whatever they are, the log means the same) and
 * how much of its tail is wanted, which begins with a line of the file.
 */
#include "backends/rootfs/rootfs_log.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>

#define TEXT_MAX (1U << 20)

static bool take(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    struct berth_strbuf *told = ctx;
    FUZZ_CHECK(stream == BERTH_OUTPUT_STDOUT || stream == BERTH_OUTPUT_STDERR);
    berth_strbuf_add(&told[stream == BERTH_OUTPUT_STDERR], data, len);
    return true;
}

static void tell(const char *data, size_t size, size_t piece, struct berth_strbuf told[2])
{
    BERTH_CLEANUP(rootfs_log) struct berth_rootfs_log log;
    const struct berth_logs_spec spec = {.tail = -1, .timestamps = size % 2 != 0};
    berth_rootfs_log_init(&log, &spec, take, told);
    for (size_t at = 0; at < size; at += piece)
        FUZZ_CHECK(berth_rootfs_log_add(&log, data + at, size - at < piece ? size - at : piece,
                                        NULL) == 0);
    FUZZ_CHECK(berth_rootfs_log_flush(&log, NULL) == 0);
}

static void check_tail(const char *data, size_t size, int64_t tail)
{
    BERTH_CLEANUP(fd) int file = memfd_create("log", MFD_CLOEXEC);
    int64_t at = -1;
    FUZZ_CHECK(file >= 0 && write(file, data, size) == (ssize_t)size);
    FUZZ_CHECK(berth_rootfs_log_seek(file, &tail, &at, NULL) == 0);
    FUZZ_CHECK(at >= 0 && at <= (int64_t)size);
    FUZZ_CHECK(at == 0 || at == (int64_t)size || data[at - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct berth_strbuf whole[] = {BERTH_STRBUF_INIT(TEXT_MAX), BERTH_STRBUF_INIT(TEXT_MAX)};
    struct berth_strbuf cut[] = {BERTH_STRBUF_INIT(TEXT_MAX), BERTH_STRBUF_INIT(TEXT_MAX)};
    if (size == 0 || size > 4096)
        return 0;
    const char *data = (const char *)bytes + 1;
    tell(data, size - 1, size, whole);
    tell(data, size - 1, 1U + bytes[0], cut);
    for (size_t i = 0; i < 2; i++)
        FUZZ_CHECK(whole[i].len == cut[i].len &&
                   memcmp(berth_strbuf_str(&whole[i]), berth_strbuf_str(&cut[i]), cut[i].len) == 0);
    check_tail(data, size - 1, bytes[0] % 8);
    for (size_t i = 0; i < 2; i++) {
        berth_strbuf_release(&whole[i]);
        berth_strbuf_release(&cut[i]);
    }
    return 0;
}
