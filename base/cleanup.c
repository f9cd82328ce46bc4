/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"

#include <errno.h>

void berth_fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    (void)close(*fd);
    errno = saved;
    *fd = -1;
}
