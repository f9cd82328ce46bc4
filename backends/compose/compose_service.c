/* SPDX-License-Identifier: MIT */
#include "backends/compose/compose_service.h"

#include "base/clock.h"
#include "base/text.h"

#include <string.h>

#define CREATED_MAX_BYTES 64
#define CREATED_DIGITS    9

void berth_compose_service_release(struct berth_compose_service *service)
{
    free(service->app);
    free(service->user);
    free(service->container);
    free(service->image);
    free(service->image_label);
    free(service->run_as);
    free(service->created);
    berth_container_release(&service->asked);
    *service = (struct berth_compose_service){0};
}

int berth_compose_service_set(char **slot, const char *text, struct berth_error *err)
{
    char *copy = berth_text_dup(text);
    if (!copy)
        return berth_error_nomem(err);
    free(*slot);
    *slot = copy;
    return 0;
}

/* ---- Variables ---- */

static void free_variable(struct berth_container_variable *variable)
{
    free(variable->name);
    free(variable->value);
}

int berth_compose_service_add_variable(struct berth_compose_service *service, const char *name,
                                       const char *value, struct berth_error *err)
{
    struct berth_container *asked = &service->asked;
    struct berth_container_variable *env =
        reallocarray(asked->env, asked->env_count + 1, sizeof(*env));
    if (!env)
        return berth_error_nomem(err);
    asked->env = env;
    struct berth_container_variable variable = {berth_text_dup(name), berth_text_dup(value)};
    if (!variable.name || !variable.value) {
        free_variable(&variable);
        return berth_error_nomem(err);
    }
    env[asked->env_count++] = variable;
    return 0;
}

static void remove_variable(struct berth_container *asked, size_t i)
{
    free_variable(&asked->env[i]);
    asked->env_count--;
    memmove(&asked->env[i], &asked->env[i + 1], (asked->env_count - i) * sizeof(*asked->env));
}

/* Those that berth itself gives every app. */
static bool is_own(const char *name)
{
    return strcmp(name, BERTH_COMPOSE_CUID_VARIABLE) == 0 ||
           strcmp(name, BERTH_COMPOSE_TAGS_VARIABLE) == 0;
}

static int merge_variable(struct berth_compose_service *service,
                          const struct berth_variable *variable, struct berth_error *err)
{
    struct berth_container *asked = &service->asked;
    const char *name = variable->name;
    if (!name[0] || strchr(name, '='))
        return berth_error_set_coded(err, BERTH_E_INVALID, "INVALID_ENV",
                                     "the name of a variable must not be empty, or have = in it");
    if (is_own(name))
        return berth_error_set_coded(err, BERTH_E_INVALID, "INVALID_ENV",
                                     "variable %s is set by the gateway", name);
    size_t i = 0;
    while (i < asked->env_count && strcmp(asked->env[i].name, name) != 0)
        i++;
    if (i < asked->env_count && !variable->value)
        remove_variable(asked, i);
    else if (i < asked->env_count)
        return berth_compose_service_set(&asked->env[i].value, variable->value, err);
    else if (variable->value)
        return berth_compose_service_add_variable(service, name, variable->value, err);
    return 0;
}

static int merge_env(struct berth_compose_service *service, const struct berth_variables *env,
                     struct berth_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < env->count; i++)
        rc = merge_variable(service, &env->items[i], err);
    return rc;
}

/* ---- Tags ---- */

static int add_tag(struct berth_container *asked, const char *tag, size_t len,
                   struct berth_error *err)
{
    if (len == 0 || memchr(tag, ',', len))
        return berth_error_set_coded(err, BERTH_E_INVALID, "INVALID_TAGS",
                                     "a tag must not be empty, or have a comma in it");
    char **tags = reallocarray((void *)asked->tags, asked->tag_count + 1, sizeof(*tags));
    if (!tags)
        return berth_error_nomem(err);
    asked->tags = tags;
    tags[asked->tag_count] = strndup(tag, len);
    if (!tags[asked->tag_count])
        return berth_error_nomem(err);
    asked->tag_count++;
    return 0;
}

static void clear_tags(struct berth_container *asked)
{
    while (asked->tag_count > 0)
        free(asked->tags[--asked->tag_count]);
}

static int replace_tags(struct berth_container *asked, const struct berth_tags *tags,
                        struct berth_error *err)
{
    int rc = 0;
    clear_tags(asked);
    for (size_t i = 0; rc == 0 && i < tags->count; i++)
        rc = add_tag(asked, tags->items[i], strlen(tags->items[i]), err);
    return rc;
}

int berth_compose_service_set_tags(struct berth_compose_service *service, const char *joined,
                                   struct berth_error *err)
{
    int rc = 0;
    clear_tags(&service->asked);
    while (rc == 0 && *joined) {
        size_t len = strcspn(joined, ",");
        rc = add_tag(&service->asked, joined, len, err);
        joined += len + (joined[len] == ',');
    }
    return rc;
}

void berth_compose_service_join_tags(const struct berth_compose_service *service,
                                     struct berth_strbuf *out)
{
    for (size_t i = 0; i < service->asked.tag_count; i++)
        berth_strbuf_addf(out, "%s%s", i ? "," : "", service->asked.tags[i]);
}

/* ---- Ports ---- */

int berth_compose_service_add_port(struct berth_compose_service *service,
                                   const struct berth_port *port, struct berth_error *err)
{
    struct berth_container *asked = &service->asked;
    if (port->host == 0 || port->container == 0)
        return berth_error_set_coded(err, BERTH_E_INVALID, "INVALID_PORT",
                                     "a port is a number from 1 to 65535");
    for (size_t i = 0; i < asked->port_count; i++)
        if (asked->ports[i].host == port->host && asked->ports[i].protocol == port->protocol)
            return berth_error_set_coded(err, BERTH_E_INVALID, "DUPLICATE_PORT",
                                         "port %u/%s of the host is given twice", port->host,
                                         berth_protocol_name(port->protocol));
    struct berth_port *ports = reallocarray(asked->ports, asked->port_count + 1, sizeof(*ports));
    if (!ports)
        return berth_error_nomem(err);
    asked->ports = ports;
    ports[asked->port_count++] = *port;
    return 0;
}

static int replace_ports(struct berth_compose_service *service, const struct berth_ports *ports,
                         struct berth_error *err)
{
    int rc = 0;
    service->asked.port_count = 0;
    for (size_t i = 0; rc == 0 && i < ports->count; i++)
        rc = berth_compose_service_add_port(service, &ports->items[i], err);
    return rc;
}

void berth_compose_service_join_ports(const struct berth_compose_service *service,
                                      struct berth_strbuf *out)
{
    for (size_t i = 0; i < service->asked.port_count; i++) {
        const struct berth_port *port = &service->asked.ports[i];
        berth_strbuf_addf(out, "%s%u/%s", i ? "," : "", port->host,
                          berth_protocol_name(port->protocol));
    }
}

/* ---- The whole ---- */

int berth_compose_service_apply(struct berth_compose_service *service,
                                const struct berth_container_change *change,
                                struct berth_error *err)
{
    struct berth_container *asked = &service->asked;
    int rc = merge_env(service, &change->env, err);
    if (rc == 0 && change->tags)
        rc = replace_tags(asked, change->tags, err);
    if (rc == 0 && change->ports)
        rc = replace_ports(service, change->ports, err);
    if (rc == 0 && change->image)
        rc = berth_compose_service_set(&service->image_label, change->image_label, err);
    if (change->cpu_nano >= 0)
        asked->cpu_nano = change->cpu_nano;
    if (change->memory_bytes >= 0)
        asked->memory_bytes = change->memory_bytes;
    if (change->pids >= 0)
        asked->pids = change->pids;
    return rc;
}

static int set_created(struct berth_compose_service *service, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(CREATED_MAX_BYTES);
    berth_clock_add_rfc3339(&text, berth_clock_wall_ns(), CREATED_DIGITS);
    int rc = berth_strbuf_check(&text, err);
    return rc < 0 ? rc : berth_compose_service_set(&service->created, berth_strbuf_str(&text), err);
}

int berth_compose_service_init(const struct berth_create_spec *spec, const char *image,
                               const char *container, struct berth_compose_service *ret_service,
                               struct berth_error *err)
{
    const struct berth_container_spec *asked = spec->container;
    const struct berth_container_change change = {
        .env = asked ? asked->env : (struct berth_variables){0},
        .tags = asked ? &asked->tags : NULL,
        .ports = asked ? &asked->ports : NULL,
        .cpu_nano = spec->cpu_nano,
        .memory_bytes = spec->memory_bytes,
        .pids = spec->pids,
    };
    BERTH_CLEANUP(compose_service)
    struct berth_compose_service service = {
        .app = berth_text_dup(spec->app),
        .user = berth_text_dup(spec->user),
        .container = berth_text_dup(container),
        .image = berth_text_dup(image),
        .image_label = berth_text_dup(spec->image_label),
        .run_as = berth_text_dup(spec->run_as),
        .gpus = spec->gpus,
        .boots = asked && !asked->compose,
    };
    if (!service.app || !service.user || !service.container || !service.image ||
        !service.image_label || (spec->run_as && !service.run_as))
        return berth_error_nomem(err);
    int rc = set_created(&service, err);
    if (rc == 0)
        rc = berth_compose_service_apply(&service, &change, err);
    if (rc < 0)
        return rc;
    *ret_service = service;
    service = (struct berth_compose_service){0};
    return 0;
}

void berth_compose_service_inherit(struct berth_compose_service *service,
                                   struct berth_compose_service *before)
{
    struct berth_container asked = before->asked;
    before->asked = service->asked;
    service->asked = asked;
    if (before->boots) { /* its limits were asked for, too */
        service->boots = true;
    } else {
        service->asked.cpu_nano = before->asked.cpu_nano;
        service->asked.memory_bytes = before->asked.memory_bytes;
        service->asked.pids = before->asked.pids;
    }
    char *created = before->created;
    before->created = service->created;
    service->created = created;
}
