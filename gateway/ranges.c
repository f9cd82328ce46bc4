/* SPDX-License-Identifier: MIT */
#include "gateway/ranges.h"

#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

void berth_file_version_of(const struct stat *status, struct berth_file_version *ret_version)
{
    /* Whoever replaces the file makes another inode; the app may set the time of a change back, but
     * not that of the inode. */
    (void)snprintf(ret_version->etag, sizeof(ret_version->etag),
                   "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%lx\"", (uint64_t)status->st_ino,
                   (uint64_t)status->st_size, (uint64_t)status->st_ctim.tv_sec,
                   (unsigned long)status->st_ctim.tv_nsec);
    ret_version->modified_s = status->st_mtim.tv_sec;
}

/* The only form that is sent, and that senders may send; others are no date here. */
static bool is_date(const char *text, int64_t wall_s)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf date = BERTH_STRBUF_INIT(64);
    berth_clock_add_http(&date, wall_s * BERTH_NS_PER_S);
    return strcmp(text, berth_strbuf_str(&date)) == 0;
}

bool berth_ranges_is_known(const struct berth_file_version *version, const char *if_none_match,
                           const char *if_modified_since)
{
    if (if_none_match)
        return strcmp(if_none_match, "*") == 0 || strstr(if_none_match, version->etag) != NULL;
    return if_modified_since && is_date(if_modified_since, version->modified_s);
}

/* Digits; false where there are none. What is too large for a file is INT64_MAX. */
static bool read_number(const char **text, int64_t *ret_number)
{
    int64_t number = 0;
    if (!berth_is_digit(**text))
        return false;
    for (; berth_is_digit(**text); ++*text)
        number = number > (INT64_MAX - 9) / 10 ? INT64_MAX : number * 10 + (**text - '0');
    *ret_number = number;
    return true;
}

/* "FROM-TO", "FROM-", "-COUNT"; false for anything else. */
static bool read_range(const char *text, int64_t size, struct berth_range *ret_range)
{
    int64_t from = 0;
    int64_t to = INT64_MAX;
    int64_t count = 0;
    bool has_from = read_number(&text, &from);
    if (*text++ != '-')
        return false;
    bool has_to = read_number(&text, has_from ? &to : &count);
    if (*text || (!has_from && !has_to) || to < from)
        return false;
    if (!has_from)
        from = count == 0 ? size : (count < size ? size - count : 0);
    to = to < size ? to + 1 : size;
    *ret_range = (struct berth_range){.from = from, .len = to - from, .is_part = true};
    return true;
}

int berth_ranges_choose(const struct berth_file_version *version, int64_t size, const char *range,
                        const char *if_range, struct berth_range *ret_range,
                        struct berth_error *err)
{
    struct berth_range part;
    *ret_range = (struct berth_range){.len = size};
    if (!range || strncasecmp(range, "bytes=", 6) != 0)
        return 0;
    if (if_range && strcmp(if_range, version->etag) != 0 && !is_date(if_range, version->modified_s))
        return 0;
    if (!read_range(range + 6 + strspn(range + 6, " \t"), size, &part))
        return 0;
    if (part.from >= size)
        return berth_error_set_coded(err, BERTH_E_INVALID, "RANGE_NOT_SATISFIABLE",
                                     "the file has %" PRId64 " bytes", size);
    *ret_range = part;
    return 0;
}
