/* SPDX-License-Identifier: MIT */
#include "gateway/docker_ports.h"

#include <string.h>

static int compare_ports(const void *left, const void *right)
{
    const struct berth_app_port *a = left, *b = right;
    if (a->container_port != b->container_port)
        return a->container_port < b->container_port ? -1 : 1;
    int by_ip = strcmp(a->ip, b->ip);
    if (by_ip != 0)
        return by_ip;
    if (a->host_port != b->host_port)
        return a->host_port < b->host_port ? -1 : 1;
    return strcmp(a->protocol, b->protocol);
}

/* Neighbouring ports of one address and protocol, published under their own numbers or not at all.
 */
struct port_group {
    const struct berth_app_port *first;
    uint16_t last;
};

/* Published under another number: such ports stand alone and come last. */
static bool is_mapped(const struct berth_app_port *port)
{
    return port->ip[0] && port->host_port != port->container_port;
}

static bool belongs_to(const struct berth_app_port *port, const struct port_group *group)
{
    return strcmp(group->first->ip, port->ip) == 0 &&
           strcmp(group->first->protocol, port->protocol) == 0;
}

static void add_separator(struct berth_strbuf *out, size_t *shown)
{
    if ((*shown)++ > 0)
        berth_strbuf_adds(out, ", ");
}

static void add_group(struct berth_strbuf *out, const struct port_group *group, size_t *shown)
{
    const struct berth_app_port *first = group->first;
    char numbers[sizeof("65535-65535")];
    if (group->last == first->container_port)
        (void)snprintf(numbers, sizeof(numbers), "%u", first->container_port);
    else
        (void)snprintf(numbers, sizeof(numbers), "%u-%u", first->container_port, group->last);
    add_separator(out, shown);
    if (first->ip[0])
        berth_strbuf_addf(out, "%s:%s->", first->ip, numbers);
    berth_strbuf_addf(out, "%s/%s", numbers, first->protocol);
}

/* A gap closes a group and writes it; those still open at the end follow in order of appearance. */
static void add_sorted_ports(struct berth_strbuf *out, const struct berth_app_port *ports,
                             size_t count, struct port_group *groups)
{
    size_t shown = 0, group_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct berth_app_port *port = &ports[i];
        if (is_mapped(port))
            continue;
        struct port_group *group = groups;
        while (group < groups + group_count && !belongs_to(port, group))
            group++;
        if (group == groups + group_count) {
            group_count++;
        } else if (port->container_port == group->last + 1) {
            group->last = port->container_port;
            continue;
        } else {
            add_group(out, group, &shown);
        }
        *group = (struct port_group){port, port->container_port};
    }
    for (size_t i = 0; i < group_count; i++)
        add_group(out, &groups[i], &shown);
    for (size_t i = 0; i < count; i++) {
        if (!is_mapped(&ports[i]))
            continue;
        add_separator(out, &shown);
        berth_strbuf_addf(out, "%s:%u->%u/%s", ports[i].ip, ports[i].host_port,
                          ports[i].container_port, ports[i].protocol);
    }
}

void berth_docker_add_ports(struct berth_strbuf *out, const struct berth_app_port *ports,
                            size_t count)
{
    if (count == 0)
        return;
    BERTH_CLEANUP(free) struct berth_app_port *sorted = malloc(count * sizeof(*sorted));
    BERTH_CLEANUP(free) struct port_group *groups = malloc(count * sizeof(*groups));
    if (!sorted || !groups) {
        out->failed = BERTH_E_NOMEM;
        return;
    }
    memcpy(sorted, ports, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_ports);
    add_sorted_ports(out, sorted, count, groups);
}
