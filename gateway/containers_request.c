/* SPDX-License-Identifier: MIT */
#include "gateway/containers_request.h"

#include "base/text.h"
#include "gateway/containers_error.h"

#include <inttypes.h>
#include <string.h>

#define FIELD_MAX 192 /* the name of a field in the details */

struct decoder {
    struct berth_containers_body *body;
    const struct berth_facility_config *policy;
    struct berth_strbuf *details;
    struct berth_error *err;
};

/* ---- Refusals ---- */

/* item is what stood in that field, or NULL. */
BERTH_PRINTF(5, 6)
static int refuse(struct decoder *decoder, const char *code, const char *field, const cJSON *item,
                  const char *format, ...)
{
    char message[BERTH_ERROR_MESSAGE_MAX];
    BERTH_CLEANUP(free) char *provided = item ? cJSON_PrintUnformatted(item) : NULL;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    berth_containers_error_details(decoder->details, field, provided);
    return berth_error_set_coded(decoder->err, BERTH_E_INVALID, code, "%s", message);
}

/* A whole number in these bounds. */
static bool read_whole(const cJSON *item, int64_t min, int64_t max, int64_t *ret_value)
{
    double value = item ? item->valuedouble : 0;
    if (!cJSON_IsNumber(item) || !(value >= (double)min && value <= (double)max) ||
        (double)(int64_t)value != value)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

/* ---- Image and owner ---- */

static int decode_image(struct decoder *decoder, const cJSON *item)
{
    struct berth_containers_body *body = decoder->body;
    struct berth_error why = BERTH_ERROR_INIT;
    if (!cJSON_IsString(item))
        return refuse(decoder, "INVALID_IMAGE", "image", item, "image must be text");
    if (berth_image_ref_parse("image", item->valuestring, NULL, &body->image, &why) < 0)
        return refuse(decoder, "INVALID_IMAGE", "image", item, "%s", why.message);
    body->request.image = &body->image;
    return 0;
}

static int decode_owner(struct decoder *decoder, const cJSON *item)
{
    struct berth_error why = BERTH_ERROR_INIT;
    if (!cJSON_IsString(item))
        return refuse(decoder, "INVALID_OWNER", "owner", item, "owner must be text");
    if (berth_naming_check_user("owner", item->valuestring, &why) < 0)
        return refuse(decoder, "INVALID_OWNER", "owner", item, "%s", why.message);
    decoder->body->request.owner = item->valuestring;
    return 0;
}

/* ---- Variables ---- */

static bool is_variable_name(const char *name)
{
    size_t len = 0;
    while (berth_is_alnum(name[len]) || name[len] == '_')
        len++;
    return len > 0 && len <= BERTH_VARIABLE_NAME_MAX && name[len] == '\0' &&
           !berth_is_digit(name[0]);
}

/* What every container is told by berth itself. */
static bool is_own_name(const char *name)
{
    return strcmp(name, "CONTAINER_UID") == 0 || strcmp(name, "TAGS") == 0;
}

static int decode_variable(struct decoder *decoder, const cJSON *item)
{
    struct berth_variables *env = &decoder->body->request.spec.env;
    const char *name = item->string;
    char field[FIELD_MAX];
    (void)snprintf(field, sizeof(field), "env.%.*s",
                   (int)berth_text_utf8_prefix(name, strnlen(name, BERTH_VARIABLE_NAME_MAX)), name);
    if (!is_variable_name(name))
        return refuse(decoder, "INVALID_ENV", field, item,
                      "env: a variable's name has letters, digits and underscores, begins with no "
                      "digit, and is at most %d characters long",
                      BERTH_VARIABLE_NAME_MAX);
    if (is_own_name(name))
        return refuse(decoder, "INVALID_ENV", field, item, "env: %s is set by berth", name);
    if (!cJSON_IsString(item) && !cJSON_IsNull(item))
        return refuse(decoder, "INVALID_ENV", field, item,
                      "env: a variable's value is text, or null for none");
    if (cJSON_IsString(item) && strlen(item->valuestring) > BERTH_VARIABLE_VALUE_MAX)
        return refuse(decoder, "INVALID_ENV", field, NULL,
                      "env: a variable's value is at most %d bytes long", BERTH_VARIABLE_VALUE_MAX);
    for (size_t i = 0; i < env->count; i++)
        if (strcmp(decoder->body->env[i].name, name) == 0)
            return refuse(decoder, "INVALID_ENV", field, item, "env: %s is given twice", name);
    decoder->body->env[env->count++] =
        (struct berth_variable){name, cJSON_IsString(item) ? item->valuestring : NULL};
    return 0;
}

static int decode_env(struct decoder *decoder, const cJSON *object)
{
    struct berth_containers_body *body = decoder->body;
    int count = cJSON_GetArraySize(object);
    if (!cJSON_IsObject(object))
        return refuse(decoder, "INVALID_ENV", "env", object, "env must be an object");
    if (count > BERTH_VARIABLES_MAX)
        return refuse(decoder, "INVALID_ENV", "env", NULL, "env has more than %d variables",
                      BERTH_VARIABLES_MAX);
    body->env = calloc((size_t)count + 1, sizeof(*body->env));
    if (!body->env)
        return berth_error_nomem(decoder->err);
    body->request.spec.env.items = body->env;
    int r = 0;
    for (const cJSON *item = object->child; r == 0 && item; item = item->next)
        r = decode_variable(decoder, item);
    return r;
}

/* ---- Tags ---- */

static bool is_tag(const cJSON *item)
{
    size_t len = cJSON_IsString(item) ? strlen(item->valuestring) : 0;
    return len > 0 && len <= BERTH_CONTAINER_TAG_MAX && !strchr(item->valuestring, ',') &&
           !berth_text_has_control(item->valuestring, len);
}

static int decode_tags(struct decoder *decoder, const cJSON *array)
{
    struct berth_containers_body *body = decoder->body;
    int count = cJSON_GetArraySize(array);
    char field[FIELD_MAX];
    if (!cJSON_IsArray(array) || count > BERTH_CONTAINER_TAGS_MAX)
        return refuse(decoder, "INVALID_TAG", "tags", cJSON_IsArray(array) ? NULL : array,
                      "tags must be a list of at most %d tags", BERTH_CONTAINER_TAGS_MAX);
    body->tags = calloc((size_t)count + 1, sizeof(*body->tags));
    if (!body->tags)
        return berth_error_nomem(decoder->err);
    struct berth_tags *tags = &body->request.spec.tags;
    tags->items = body->tags;
    body->request.has_tags = true;
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        (void)snprintf(field, sizeof(field), "tags[%zu]", tags->count);
        if (!is_tag(item))
            return refuse(decoder, "INVALID_TAG", field, item,
                          "a tag is text of 1 to %d bytes without commas and control characters",
                          BERTH_CONTAINER_TAG_MAX);
        body->tags[tags->count++] = item->valuestring;
    }
    return 0;
}

/* ---- Resources ---- */

static int decode_cpus(struct decoder *decoder, const cJSON *item)
{
    struct berth_container_request *request = &decoder->body->request;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.01 && item->valuedouble <= 4096))
        return refuse(decoder, "INVALID_RESOURCES", "resources.cpus", item,
                      "resources.cpus must be a number from 0.01 to 4096");
    request->cpu_nano = (int64_t)(item->valuedouble * 1e9 + 0.5);
    int64_t most = decoder->policy->cpu_nano;
    if (most > 0 && request->cpu_nano > most)
        return refuse(decoder, "LIMIT_EXCEEDED", "resources.cpus", item,
                      "resources.cpus: this facility gives at most %g", (double)most / 1e9);
    return 0;
}

static int decode_memory(struct decoder *decoder, const cJSON *item)
{
    int64_t bytes = 0;
    bool is_size = cJSON_IsString(item)
                       ? berth_text_parse_size(item->valuestring, &bytes, NULL) == 0
                       : read_whole(item, 1, INT64_C(1) << 53, &bytes);
    if (!is_size || bytes < BERTH_CONTAINER_MEMORY_MIN)
        return refuse(decoder, "INVALID_RESOURCES", "resources.memory", item,
                      "resources.memory must be a size such as \"4096m\" or \"4g\", or a number of "
                      "bytes, and at least %d MiB",
                      BERTH_CONTAINER_MEMORY_MIN >> 20);
    int64_t most = decoder->policy->memory_bytes;
    if (most > 0 && bytes > most)
        return refuse(decoder, "LIMIT_EXCEEDED", "resources.memory", item,
                      "resources.memory: this facility gives at most %" PRId64 " bytes", most);
    decoder->body->request.memory_bytes = bytes;
    return 0;
}

static int decode_pids(struct decoder *decoder, const cJSON *item)
{
    int64_t pids = 0;
    if (!read_whole(item, 1, BERTH_CONTAINER_PIDS_MAX, &pids))
        return refuse(decoder, "INVALID_RESOURCES", "resources.pids", item,
                      "resources.pids must be a whole number from 1 to %d",
                      BERTH_CONTAINER_PIDS_MAX);
    int64_t most = decoder->policy->pids;
    if (most > 0 && pids > most)
        return refuse(decoder, "LIMIT_EXCEEDED", "resources.pids", item,
                      "resources.pids: this facility gives at most %" PRId64, most);
    decoder->body->request.pids = pids;
    return 0;
}

static int decode_resources(struct decoder *decoder, const cJSON *object)
{
    static const struct {
        const char *name;
        int (*decode)(struct decoder *decoder, const cJSON *item);
    } fields[] = {{"cpus", decode_cpus}, {"memory", decode_memory}, {"pids", decode_pids}};
    char name[FIELD_MAX];
    if (!cJSON_IsObject(object))
        return refuse(decoder, "INVALID_RESOURCES", "resources", object,
                      "resources must be an object");
    for (const cJSON *item = object->child; item; item = item->next) {
        size_t i = 0;
        while (i < sizeof(fields) / sizeof(fields[0]) && strcmp(fields[i].name, item->string) != 0)
            i++;
        if (i == sizeof(fields) / sizeof(fields[0])) {
            (void)snprintf(name, sizeof(name), "resources.%.64s", item->string);
            return refuse(decoder, "UNKNOWN_FIELD", name, item, "there is no field %s", name);
        }
        int r = cJSON_IsNull(item) ? 0 : fields[i].decode(decoder, item);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- Ports ---- */

static int check_port_fields(struct decoder *decoder, const cJSON *object, const char *field)
{
    char name[FIELD_MAX];
    if (!cJSON_IsObject(object))
        return refuse(decoder, "INVALID_PORT", field, object, "%s must be an object", field);
    for (const cJSON *item = object->child; item; item = item->next) {
        if (strcmp(item->string, "host") == 0 || strcmp(item->string, "container") == 0 ||
            strcmp(item->string, "protocol") == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%.32s.%.64s", field, item->string);
        return refuse(decoder, "UNKNOWN_FIELD", name, item, "there is no field %s", name);
    }
    return 0;
}

static int decode_number(struct decoder *decoder, const cJSON *object, const char *field,
                         const char *member, uint16_t *ret_port)
{
    const cJSON *item = berth_json_get(object, member);
    char name[FIELD_MAX];
    int64_t port = 0;
    (void)snprintf(name, sizeof(name), "%.32s.%s", field, member);
    if (!read_whole(item, 1, UINT16_MAX, &port))
        return refuse(decoder, "INVALID_PORT", name, item, "%s must be a whole number from 1 to %d",
                      name, UINT16_MAX);
    *ret_port = (uint16_t)port;
    return 0;
}

static int decode_protocol(struct decoder *decoder, const cJSON *object, const char *field,
                           enum berth_protocol *ret_protocol)
{
    const cJSON *item = berth_json_get(object, "protocol");
    char name[FIELD_MAX];
    const char *word = item && cJSON_IsString(item) ? item->valuestring : "";
    *ret_protocol = strcmp(word, "udp") == 0 ? BERTH_UDP : BERTH_TCP;
    if (!item || cJSON_IsNull(item) || strcmp(word, berth_protocol_name(*ret_protocol)) == 0)
        return 0;
    (void)snprintf(name, sizeof(name), "%.32s.protocol", field);
    return refuse(decoder, "INVALID_PORT", name, item, "%s must be tcp or udp", name);
}

static int decode_port(struct decoder *decoder, const cJSON *object)
{
    struct berth_ports *ports = &decoder->body->request.spec.ports;
    struct berth_port port = {0};
    char field[FIELD_MAX];
    (void)snprintf(field, sizeof(field), "ports[%zu]", ports->count);
    int r = check_port_fields(decoder, object, field);
    if (r == 0)
        r = decode_number(decoder, object, field, "host", &port.host);
    if (r == 0)
        r = decode_number(decoder, object, field, "container", &port.container);
    if (r == 0)
        r = decode_protocol(decoder, object, field, &port.protocol);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ports->count; i++)
        if (ports->items[i].host == port.host && ports->items[i].protocol == port.protocol)
            return refuse(decoder, "DUPLICATE_PORT", field, object,
                          "%s: port %u/%s of the host is given twice", field, port.host,
                          berth_protocol_name(port.protocol));
    decoder->body->ports[ports->count++] = port;
    return 0;
}

static int decode_ports(struct decoder *decoder, const cJSON *array)
{
    struct berth_containers_body *body = decoder->body;
    int count = cJSON_GetArraySize(array);
    if (!cJSON_IsArray(array) || count > BERTH_CONTAINER_PORTS_MAX)
        return refuse(decoder, "INVALID_PORT", "ports", cJSON_IsArray(array) ? NULL : array,
                      "ports must be a list of at most %d ports", BERTH_CONTAINER_PORTS_MAX);
    body->ports = calloc((size_t)count + 1, sizeof(*body->ports));
    if (!body->ports)
        return berth_error_nomem(decoder->err);
    body->request.spec.ports.items = body->ports;
    body->request.has_ports = true;
    int r = 0;
    for (const cJSON *item = array->child; r == 0 && item; item = item->next)
        r = decode_port(decoder, item);
    return r;
}

/* ---- The owner's own compose file ---- */

static int decode_compose(struct decoder *decoder, const cJSON *item)
{
    if (!cJSON_IsString(item))
        return refuse(decoder, "INVALID_REQUEST", "compose", item,
                      "compose must be the text of a compose file");
    decoder->body->request.spec.compose = item->valuestring;
    return 0;
}

/* Image and ports come of the file. */
static int check_project(struct decoder *decoder)
{
    const struct berth_container_request *request = &decoder->body->request;
    const char *field = request->image ? "image" : request->has_ports ? "ports" : NULL;
    if (!field)
        return 0;
    return refuse(decoder, "INVALID_REQUEST", field, berth_json_get(decoder->body->json, field),
                  "%s cannot be given beside compose, which says it", field);
}

/* ---- The whole ---- */

#define CREATE BERTH_CONTAINERS_CREATE
#define CHANGE BERTH_CONTAINERS_CHANGE
#define PORTS  BERTH_CONTAINERS_PORTS

static const struct field {
    const char *name;
    unsigned kinds;
    int (*decode)(struct decoder *decoder, const cJSON *item);
} fields[] = {
    {"image", CREATE | CHANGE, decode_image},
    {"env", CREATE | CHANGE, decode_env},
    {"tags", CREATE | CHANGE, decode_tags},
    {"resources", CREATE | CHANGE, decode_resources},
    {"ports", CREATE | CHANGE | PORTS, decode_ports},
    {"owner", CREATE, decode_owner},
    {"compose", CREATE | CHANGE, decode_compose},
};

static const struct field *find_field(const char *name, unsigned kind)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if ((fields[i].kinds & kind) && strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static int parse(struct decoder *decoder, const struct berth_strbuf *text)
{
    struct berth_error why = BERTH_ERROR_INIT;
    struct berth_containers_body *body = decoder->body;
    if (!berth_text_is_utf8(berth_strbuf_str(text), text->len))
        return berth_error_set_coded(decoder->err, BERTH_E_INVALID, "MALFORMED_JSON",
                                     "the body is not UTF-8");
    int r = berth_json_parse(berth_strbuf_str(text), text->len, &body->json, &why);
    if (r == BERTH_E_NOMEM)
        return berth_error_nomem(decoder->err);
    if (r < 0)
        return berth_error_set_coded(decoder->err, BERTH_E_INVALID, "MALFORMED_JSON",
                                     "the body: %s", why.message);
    return cJSON_IsObject(body->json)
               ? 0
               : berth_error_set_coded(decoder->err, BERTH_E_INVALID, "MALFORMED_JSON",
                                       "the body must be a JSON object");
}

static int decode_members(struct decoder *decoder, enum berth_containers_kind kind)
{
    for (const cJSON *item = decoder->body->json->child; item; item = item->next) {
        const struct field *field = find_field(item->string, kind);
        char name[FIELD_MAX];
        (void)snprintf(name, sizeof(name), "%.64s", item->string);
        if (!field)
            return refuse(decoder, "UNKNOWN_FIELD", name, item, "there is no field %s", name);
        if (berth_json_get(decoder->body->json, item->string) != item)
            return refuse(decoder, "INVALID_REQUEST", name, item, "%s is given twice", name);
        int r = cJSON_IsNull(item) ? 0 : field->decode(decoder, item);
        if (r < 0)
            return r;
    }
    return 0;
}

static int decode(struct decoder *decoder, enum berth_containers_kind kind,
                  const struct berth_strbuf *text)
{
    const struct berth_container_request *request = &decoder->body->request;
    int r = parse(decoder, text);
    if (r == 0)
        r = decode_members(decoder, kind);
    if (r == 0 && request->spec.compose)
        return check_project(decoder);
    if (r == 0 && kind == CREATE && !request->image)
        return refuse(decoder, "MISSING_IMAGE", "image", NULL, "Image is required");
    if (r == 0 && kind == PORTS && !request->has_ports)
        return refuse(decoder, "INVALID_PORT", "ports", NULL, "Ports are required");
    return r;
}

int berth_containers_body_decode(enum berth_containers_kind kind, const struct berth_strbuf *text,
                                 const struct berth_facility_config *policy,
                                 struct berth_containers_body *ret_body,
                                 struct berth_strbuf *details, struct berth_error *err)
{
    *ret_body = (struct berth_containers_body){0};
    struct decoder decoder = {.body = ret_body, .policy = policy, .details = details, .err = err};
    int r = decode(&decoder, kind, text);
    if (r < 0)
        berth_containers_body_release(ret_body);
    return r;
}

void berth_containers_body_release(struct berth_containers_body *body)
{
    free(body->env);
    free(body->tags);
    free(body->ports);
    cJSON_Delete(body->json);
    *body = (struct berth_containers_body){0};
}
