/* SPDX-License-Identifier: MIT */
#include "base/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void berth_network_of(const char *address, char ret_network[static BERTH_NETWORK_SIZE])
{
    struct in6_addr in6;
    char text[INET6_ADDRSTRLEN];
    (void)snprintf(ret_network, BERTH_NETWORK_SIZE, "%s", address);
    if (inet_pton(AF_INET6, address, &in6) != 1)
        return;
    if (IN6_IS_ADDR_V4MAPPED(&in6)) {
        if (inet_ntop(AF_INET, &in6.s6_addr[12], text, sizeof(text)))
            (void)snprintf(ret_network, BERTH_NETWORK_SIZE, "%s", text);
        return;
    }
    memset(&in6.s6_addr[8], 0, 8);
    if (inet_ntop(AF_INET6, &in6, text, sizeof(text)))
        (void)snprintf(ret_network, BERTH_NETWORK_SIZE, "%s/64", text);
}
