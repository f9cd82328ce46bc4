/* SPDX-License-Identifier: MIT */
/* Reads back what compose_file.c writes; whatever else somebody has put into the file is lost with
 * the next change. */
#include "backends/compose/compose_file.h"
#include "backends/compose/compose_own.h"
#include "base/text.h"
#include "base/yaml_read.h"

#include <string.h>

#define NANO_DIGITS 9

/* The first text that is missing; sticks. */
struct reader {
    const char *missing;
    int rc;
};

/* Undoes what Compose is told by $$. */
static char *plain_text(const char *text)
{
    char *copy = text ? malloc(strlen(text) + 1) : NULL;
    char *end = copy;
    if (!copy)
        return NULL;
    for (; *text; text++) {
        *end++ = *text;
        text += text[0] == '$' && text[1] == '$';
    }
    *end = '\0';
    return copy;
}

static void read_text(struct reader *reader, const cJSON *from, const char *name, char **ret_text)
{
    const char *text = berth_json_string(from, name, NULL);
    if (!text) {
        reader->missing = name;
        return;
    }
    *ret_text = plain_text(text);
    if (!*ret_text)
        reader->rc = BERTH_E_NOMEM;
}

/* "0.500000000", as it is written; 0 where there is none. */
static int64_t read_cpus(const cJSON *from)
{
    const cJSON *number = berth_json_get(from, "cpus");
    const char *text = number && number->valuestring ? number->valuestring : "0.0";
    const char *point = strchr(text, '.');
    int64_t whole = 0;
    int64_t nano = 0;
    char digits[32];
    if (!point || strlen(point + 1) != NANO_DIGITS)
        return 0;
    (void)snprintf(digits, sizeof(digits), "%.*s", (int)(point - text), text);
    if (berth_text_parse_int(digits, 0, INT32_MAX, &whole, NULL) < 0 ||
        berth_text_parse_int(point + 1, 0, INT32_MAX, &nano, NULL) < 0)
        return 0;
    return whole * INT64_C(1000000000) + nano;
}

static int64_t read_gpus(const cJSON *from)
{
    const cJSON *resources = berth_json_get(berth_json_get(from, "deploy"), "resources");
    const cJSON *devices = berth_json_get(berth_json_get(resources, "reservations"), "devices");
    const cJSON *device = cJSON_GetArrayItem(devices, 0);
    return strcmp(berth_json_string(device, "count", ""), "all") == 0
               ? -1
               : berth_json_int(device, "count", 0);
}

/* Those that nobody has asked for are left out. */
static int read_variable(const cJSON *variable, struct berth_compose_service *service,
                         struct berth_error *err)
{
    const char *name = variable->string;
    const char *text = cJSON_GetStringValue(variable);
    if (!text)
        return berth_error_set(err, BERTH_E_CONFLICT, "variable %s is no text", name);
    if (strcmp(name, BERTH_COMPOSE_CUID_VARIABLE) == 0 ||
        strcmp(name, BERTH_COMPOSE_TAGS_VARIABLE) == 0 ||
        (service->boots && strcmp(name, "HOME") == 0 &&
         strcmp(text, BERTH_COMPOSE_MOUNT_TARGET) == 0))
        return 0;
    BERTH_CLEANUP(free) char *value = plain_text(text);
    return value ? berth_compose_service_add_variable(service, name, value, err)
                 : berth_error_nomem(err);
}

static int read_env(const cJSON *from, struct berth_compose_service *service,
                    struct berth_error *err)
{
    int rc = 0;
    const cJSON *variable;
    cJSON_ArrayForEach(variable, berth_json_get(from, "environment"))
    {
        if (rc == 0)
            rc = read_variable(variable, service, err);
    }
    return rc;
}

static int read_ports(const cJSON *from, struct berth_compose_service *service,
                      struct berth_error *err)
{
    int rc = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, berth_json_get(from, "ports"))
    {
        int64_t host = 0;
        int64_t container = berth_json_int(item, "target", 0);
        bool is_udp = strcmp(berth_json_string(item, "protocol", ""), "udp") == 0;
        if (rc == 0)
            rc = berth_text_parse_int(berth_json_string(item, "published", ""), 1, UINT16_MAX,
                                      &host, err);
        if (rc == 0 && (container < 1 || container > UINT16_MAX))
            rc = berth_error_set(err, BERTH_E_CONFLICT, "a port leads nowhere");
        const struct berth_port port = {.host = (uint16_t)host,
                                        .container = (uint16_t)container,
                                        .protocol = is_udp ? BERTH_UDP : BERTH_TCP};
        if (rc == 0)
            rc = berth_compose_service_add_port(service, &port, err);
    }
    return rc;
}

static int read_texts(const cJSON *from, struct berth_compose_service *service,
                      struct berth_error *err)
{
    struct reader reader = {0};
    const cJSON *labels = berth_json_get(from, "labels");
    read_text(&reader, labels, BERTH_LABEL_APP, &service->app);
    read_text(&reader, labels, BERTH_LABEL_USER, &service->user);
    read_text(&reader, labels, BERTH_LABEL_IMAGE, &service->image_label);
    read_text(&reader, labels, BERTH_LABEL_CREATED, &service->created);
    read_text(&reader, from, "container_name", &service->container);
    read_text(&reader, from, "image", &service->image);
    if (berth_json_get(from, "user"))
        read_text(&reader, from, "user", &service->run_as);
    if (reader.missing)
        return berth_error_set(err, BERTH_E_CONFLICT, "there is no %s in it", reader.missing);
    return reader.rc < 0 ? berth_error_nomem(err) : 0;
}

static int read_service(const cJSON *from, struct berth_compose_service *service,
                        struct berth_error *err)
{
    BERTH_CLEANUP(free) char *tags = NULL;
    const cJSON *labels = berth_json_get(from, "labels");
    service->boots = berth_json_get(labels, BERTH_LABEL_BOOT) != NULL;
    service->gpus = read_gpus(from);
    service->asked.cpu_nano = read_cpus(from);
    service->asked.memory_bytes = berth_json_int(from, "mem_limit", 0);
    service->asked.pids = berth_json_int(from, "pids_limit", 0);
    int rc = read_texts(from, service, err);
    if (rc == 0)
        rc = read_env(from, service, err);
    if (rc < 0)
        return rc;
    tags = plain_text(berth_json_string(labels, BERTH_LABEL_TAGS, ""));
    return tags ? berth_compose_service_set_tags(service, tags, err) : berth_error_nomem(err);
}

/* A project of its owner's file: limits are of all of it, and so are the ports. */
static int read_project(const cJSON *tree, const cJSON *summary,
                        struct berth_compose_service *service, struct berth_error *err)
{
    const cJSON *services = berth_json_get(tree, "services");
    const cJSON *main = berth_json_get(services, berth_json_string(summary, "main", ""));
    int rc = read_service(main, service, err);
    service->asked.is_project = true;
    service->asked.cpu_nano = read_cpus(summary);
    service->asked.memory_bytes = berth_json_int(summary, "mem_limit", 0);
    service->asked.pids = berth_json_int(summary, "pids_limit", 0);
    return rc < 0 ? rc : berth_compose_own_ports(services, service, err);
}

static int read_tree(const cJSON *tree, struct berth_compose_service *service,
                     struct berth_error *err)
{
    const cJSON *summary = berth_json_get(tree, "x-berth");
    if (summary)
        return read_project(tree, summary, service, err);
    const cJSON *app = berth_json_get(berth_json_get(tree, "services"), "app");
    int rc = read_service(app, service, err);
    return rc < 0 ? rc : read_ports(app, service, err);
}

int berth_compose_file_read(const char *text, size_t len, struct berth_compose_service *ret_service,
                            struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *tree = NULL;
    BERTH_CLEANUP(compose_service) struct berth_compose_service service = {0};
    int rc = berth_yaml_parse(text, len, &tree, err);
    if (rc == 0)
        rc = read_tree(tree, &service, err);
    if (rc < 0) {
        if (rc != BERTH_E_NOMEM && err)
            err->status = BERTH_E_CONFLICT;
        (void)berth_error_wrap(err, "compose.yaml");
        return rc == BERTH_E_NOMEM ? rc : BERTH_E_CONFLICT;
    }
    *ret_service = service;
    service = (struct berth_compose_service){0};
    return 0;
}
