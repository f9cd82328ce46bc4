/* SPDX-License-Identifier: MIT */
#include "gateway/notify.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_MAX 1024

/* A path, or an abstract name behind '@'. False: there is nobody to tell. */
static bool find_manager(struct sockaddr_un *address, socklen_t *len)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || (path[0] != '/' && path[0] != '@'))
        return false;
    size_t length = strlen(path);
    if (length >= sizeof(address->sun_path))
        return false;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, length);
    if (path[0] == '@')
        address->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

static void send_message(const char *message, size_t message_len)
{
    struct sockaddr_un address;
    socklen_t len;
    if (!find_manager(&address, &len))
        return;
    BERTH_CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        sendto(fd, message, message_len, MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0)
        berth_log(BERTH_LOG_WARNING, "the service manager cannot be told: error %d", errno);
}

void berth_notify(const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (len <= 0)
        return;
    if ((size_t)len >= sizeof(message))
        len = (int)berth_text_utf8_prefix(message, sizeof(message) - 1);
    send_message(message, (size_t)len);
}

void berth_notify_reloading(void)
{
    berth_notify("RELOADING=1\nMONOTONIC_USEC=%" PRId64, berth_clock_monotonic_ns() / 1000);
}

int64_t berth_notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    int64_t limit_us = 0;
    int64_t process = getpid();
    if (!usec || berth_text_parse_int(usec, 1, INT64_MAX, &limit_us, NULL) < 0)
        return 0;
    if (pid && (berth_text_parse_int(pid, 1, INT32_MAX, &process, NULL) < 0 || process != getpid()))
        return 0;
    int64_t half_ms = limit_us / 2000;
    return half_ms > 0 ? half_ms : 1;
}
