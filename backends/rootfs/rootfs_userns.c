/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_userns.h"

#include "base/limits.h"
#include "base/text.h"

#include <string.h>

#define ID_MAX (INT64_C(0xffffffff) - 1) /* the last stands for none */

int berth_rootfs_userns_parse(const char *text, struct berth_rootfs_userns *ret_userns,
                              struct berth_error *err)
{
    if (strcmp(text, "none") == 0) {
        *ret_userns = (struct berth_rootfs_userns){0};
        return 0;
    }
    char first_text[16];
    int64_t first = 0;
    int64_t count = 0;
    size_t colon = strcspn(text, ":");
    bool valid = text[colon] && colon < sizeof(first_text);
    if (valid) {
        memcpy(first_text, text, colon);
        first_text[colon] = '\0';
        valid = berth_text_parse_int(first_text, 1, ID_MAX, &first, NULL) == 0 &&
                berth_text_parse_int(text + colon + 1, BERTH_ROOTFS_USERNS_MIN, ID_MAX, &count,
                                     NULL) == 0 &&
                first + count - 1 <= ID_MAX;
    }
    if (!valid)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be none or HOSTUID:COUNT, such as 100000:65536, with a COUNT "
                               "of at least %d",
                               BERTH_ROOTFS_USERNS_MIN);
    *ret_userns = (struct berth_rootfs_userns){(uint32_t)first, (uint32_t)count};
    return 0;
}
