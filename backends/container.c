/* SPDX-License-Identifier: MIT */
#include "backends/container.h"

#include <stdlib.h>

const char *berth_protocol_name(enum berth_protocol protocol)
{
    return protocol == BERTH_UDP ? "udp" : "tcp";
}

void berth_texts_release(struct berth_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free((void *)texts->items);
    *texts = (struct berth_texts){0};
}

void berth_services_release(struct berth_services *services)
{
    for (size_t i = 0; i < services->count; i++)
        free(services->items[i].name);
    free(services->items);
    *services = (struct berth_services){0};
}

void berth_container_release(struct berth_container *container)
{
    for (size_t i = 0; i < container->env_count; i++) {
        free(container->env[i].name);
        free(container->env[i].value);
    }
    for (size_t i = 0; i < container->tag_count; i++)
        free(container->tags[i]);
    free(container->env);
    free((void *)container->tags);
    free(container->ports);
    *container = (struct berth_container){0};
}
