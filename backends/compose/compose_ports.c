/* SPDX-License-Identifier: MIT */
/* Whether ports of the host are free: on the engine, and on the host itself. */
#include "backends/compose/compose_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define PORT_TEXT 16

int berth_compose_ports_lock(const struct berth_compose *compose, int *ret_fd,
                             struct berth_error *err)
{
    return berth_compose_projects_lock(compose->data, ret_fd, err);
}

static bool has_port(const struct berth_container *container, const struct berth_port *port)
{
    for (size_t i = 0; container && i < container->port_count; i++)
        if (container->ports[i].host == port->host &&
            container->ports[i].protocol == port->protocol)
            return true;
    return false;
}

static int in_use(const struct berth_port *port, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_PORT_IN_USE, "port %u/%s of the host is in use", port->host,
                           berth_protocol_name(port->protocol));
}

/* ---- The engine's containers ---- */

/* Whether a label "8080/tcp,9000/udp" names the port. */
static bool is_in_label(const char *label, const struct berth_port *port)
{
    char wanted[PORT_TEXT];
    (void)snprintf(wanted, sizeof(wanted), "%u/%s", port->host,
                   berth_protocol_name(port->protocol));
    size_t wanted_len = strlen(wanted);
    while (*label) {
        size_t len = strcspn(label, ",");
        if (len == wanted_len && strncmp(label, wanted, len) == 0)
            return true;
        label += len + (label[len] == ',');
    }
    return false;
}

/* entry: of GET /containers/json. Ports are those of what runs; the label holds always. */
static bool holds_port(const cJSON *entry, const struct berth_port *port)
{
    const cJSON *published;
    cJSON_ArrayForEach(published, berth_json_get(entry, "Ports"))
    {
        if (berth_json_int(published, "PublicPort", 0) == port->host &&
            strcmp(berth_json_string(published, "Type", ""), berth_protocol_name(port->protocol)) ==
                0)
            return true;
    }
    return is_in_label(berth_json_string(berth_json_get(entry, "Labels"), BERTH_LABEL_PORTS, ""),
                       port);
}

static bool is_of_project(const cJSON *entry, const char *cuid)
{
    const char *project =
        berth_json_string(berth_json_get(entry, "Labels"), BERTH_COMPOSE_LABEL, "");
    return strcmp(project, cuid) == 0;
}

/* ---- The host ---- */

static bool can_bind(const struct berth_port *port, const struct sockaddr *address, socklen_t len)
{
    int yes = 1;
    bool is_tcp = port->protocol == BERTH_TCP;
    BERTH_CLEANUP(fd)
    int fd = socket(address->sa_family, (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    if (fd < 0) /* the host does not have such addresses */
        return true;
    /* Connections that are ending are no obstacle to the engine, either; who listens is. */
    if (is_tcp)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (address->sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
    return bind(fd, address, len) == 0 || errno != EADDRINUSE;
}

static bool is_free_on_host(const struct berth_port *port)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port->host)};
    const struct sockaddr_in6 any6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port->host), .sin6_addr = IN6ADDR_ANY_INIT};
    return can_bind(port, (const struct sockaddr *)&any, sizeof(any)) &&
           can_bind(port, (const struct sockaddr *)&any6, sizeof(any6));
}

/* ---- Both ---- */

static int check_port(const struct berth_port *port, const char *cuid, const cJSON *entries,
                      struct berth_error *err)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        if (!is_of_project(entry, cuid) && holds_port(entry, port))
            return in_use(port, err);
    }
    return is_free_on_host(port) ? 0 : in_use(port, err);
}

int berth_compose_ports_check(const struct berth_compose *compose, const char *cuid,
                              const struct berth_container *asked,
                              const struct berth_container *before, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < asked->port_count; i++) {
        const struct berth_port *port = &asked->ports[i];
        if (has_port(before, port))
            continue;
        if (!entries)
            rc = berth_engine_get_json(compose->host.engine, "/containers/json?all=1", &entries,
                                       err);
        if (rc == 0)
            rc = check_port(port, cuid, entries, err);
    }
    return rc;
}
