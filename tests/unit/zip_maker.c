/* SPDX-License-Identifier: MIT */
#include "tests/unit/zip_maker.h"

#include <check.h>
#include <sys/mman.h>
#include <unistd.h>

#define UTF8_FLAG 0x800U
#define MOST      (64U << 20)
#define DOS_TIME  ((uint64_t)0x5821 << 16) /* 2024-01-01 */

static void put(struct berth_strbuf *out, uint64_t value, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        berth_strbuf_addc(out, (char)(value >> (8 * i)));
}

static uint32_t crc32_of(const char *text, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)text[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0);
    }
    return ~crc;
}

void zip_begin(struct zip_maker *zip)
{
    *zip = (struct zip_maker){0};
    berth_strbuf_init(&zip->content, MOST);
    berth_strbuf_init(&zip->directory, MOST);
}

/* What local header and directory have in common, from the version needed on. */
static void put_common(struct berth_strbuf *out, const struct zip_entry *entry, const char *name)
{
    size_t len = entry->text ? strlen(entry->text) : 0;
    size_t name_len = entry->name_len ? entry->name_len : strlen(name);
    put(out, 20, 2);
    put(out, UTF8_FLAG | entry->flags, 2);
    put(out, entry->method, 2);
    put(out, DOS_TIME, 4);
    put(out, crc32_of(entry->text ? entry->text : "", len) + entry->crc_off, 4);
    put(out, len, 4);
    put(out, entry->claimed ? (uint64_t)entry->claimed : len, 4);
    put(out, name_len, 2);
    put(out, 0, 2);
}

void zip_add(struct zip_maker *zip, const struct zip_entry *entry)
{
    mode_t mode = entry->mode ? entry->mode : (S_IFREG | 0644);
    size_t name_len = entry->name_len ? entry->name_len : strlen(entry->name);
    const char *local = entry->local ? entry->local : entry->name;
    if (!entry->shares) {
        zip->last = zip->content.len;
        berth_strbuf_adds(&zip->content, "PK\3\4");
        put_common(&zip->content, entry, local);
        berth_strbuf_add(&zip->content, local, entry->name_len ? name_len : strlen(local));
        berth_strbuf_adds(&zip->content, entry->text ? entry->text : "");
    }
    berth_strbuf_adds(&zip->directory, "PK\1\2");
    put(&zip->directory, 3 << 8 | 20, 2); /* made by Unix */
    put_common(&zip->directory, entry, entry->name);
    put(&zip->directory, 0, 6);
    put(&zip->directory, (uint64_t)mode << 16, 4);
    put(&zip->directory, zip->last, 4);
    berth_strbuf_add(&zip->directory, entry->name, name_len);
    zip->count++;
}

static int finish(struct zip_maker *zip, unsigned count, bool is_64)
{
    size_t begin = zip->content.len;
    berth_strbuf_add(&zip->content, berth_strbuf_str(&zip->directory), zip->directory.len);
    if (is_64) {
        size_t end = zip->content.len;
        berth_strbuf_adds(&zip->content, "PK\6\6");
        put(&zip->content, 44, 8);
        put(&zip->content, 45 | 45 << 16, 4);
        put(&zip->content, 0, 8);
        put(&zip->content, count, 8);
        put(&zip->content, count, 8);
        put(&zip->content, zip->directory.len, 8);
        put(&zip->content, begin, 8);
        berth_strbuf_adds(&zip->content, "PK\6\7");
        put(&zip->content, 0, 4);
        put(&zip->content, end, 8);
        put(&zip->content, 1, 4);
    }
    berth_strbuf_adds(&zip->content, "PK\5\6");
    put(&zip->content, 0, 4);
    put(&zip->content, is_64 ? 0xFFFF : count, 2);
    put(&zip->content, is_64 ? 0xFFFF : count, 2);
    put(&zip->content, is_64 ? 0xFFFFFFFF : zip->directory.len, 4);
    put(&zip->content, is_64 ? 0xFFFFFFFF : begin, 4);
    put(&zip->content, 0, 2);

    int fd = memfd_create("archive", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert(!zip->content.failed && !zip->directory.failed);
    ck_assert_int_eq(write(fd, zip->content.data, zip->content.len), (ssize_t)zip->content.len);
    berth_strbuf_release(&zip->content);
    berth_strbuf_release(&zip->directory);
    return fd;
}

int zip_end(struct zip_maker *zip)
{
    return finish(zip, zip->count, false);
}

int zip_end_counted(struct zip_maker *zip, unsigned count)
{
    return finish(zip, count, false);
}

int zip_end_64(struct zip_maker *zip)
{
    return finish(zip, zip->count, true);
}

int zip_of(const struct zip_entry *entry)
{
    struct zip_maker zip;
    zip_begin(&zip);
    zip_add(&zip, entry);
    return zip_end(&zip);
}
