/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_pull.h"

#include "backends/engine/engine.h"

/* Of a layer's fraction, what the download makes; the rest is unpacking. */
#define DOWNLOAD_SHARE 0.7

void berth_pull_release(struct berth_pull *pull)
{
    berth_strbuf_release(&pull->line);
}

static struct berth_pull_layer *layer_of(struct berth_pull *pull, const char *id)
{
    for (size_t i = 0; i < pull->layer_count; i++)
        if (strcmp(pull->layers[i].id, id) == 0)
            return &pull->layers[i];
    if (pull->layer_count == BERTH_PULL_LAYERS_MAX || strlen(id) >= sizeof(pull->layers[0].id))
        return NULL;
    struct berth_pull_layer *layer = &pull->layers[pull->layer_count++];
    memcpy(layer->id, id, strlen(id) + 1);
    return layer;
}

/* Layers whose size is not known yet count as much as the known ones do on average. */
static int percent_of(const struct berth_pull *pull)
{
    double known = 0;
    size_t known_count = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        known += pull->layers[i].size;
        known_count += pull->layers[i].size > 0;
    }
    double average = known_count > 0 ? known / (double)known_count : 1;
    double whole = 0;
    double done = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        double weight = pull->layers[i].size > 0 ? pull->layers[i].size : average;
        whole += weight;
        done += weight * pull->layers[i].done;
    }
    return whole > 0 ? (int)(100 * done / whole) : 0;
}

static double fraction_of(const cJSON *detail)
{
    double current = (double)berth_json_int(detail, "current", 0);
    double total = (double)berth_json_int(detail, "total", 0);
    if (total <= 0 || current <= 0)
        return 0;
    return current < total ? current / total : 1;
}

static void update_layer(struct berth_pull_layer *layer, const char *status, const cJSON *detail)
{
    if (strcmp(status, "Downloading") == 0) {
        int64_t total = berth_json_int(detail, "total", 0);
        if (total > 0)
            layer->size = (double)total;
        layer->done = DOWNLOAD_SHARE * fraction_of(detail);
    } else if (strcmp(status, "Download complete") == 0 ||
               strcmp(status, "Verifying Checksum") == 0) {
        layer->done = DOWNLOAD_SHARE;
    } else if (strcmp(status, "Extracting") == 0) {
        layer->done = DOWNLOAD_SHARE + (1 - DOWNLOAD_SHARE) * fraction_of(detail);
    } else if (strcmp(status, "Pull complete") == 0 || strcmp(status, "Already exists") == 0) {
        layer->done = 1;
    }
}

static void take_digest(struct berth_pull *pull, const char *digest)
{
    size_t len = strlen(digest);
    if (len < sizeof(pull->digest))
        memcpy(pull->digest, digest, len + 1);
}

/* What the engine says went wrong, NULL if nothing did. */
static const char *error_of(const cJSON *object)
{
    const char *brief = berth_json_string(object, "error", NULL);
    const char *message =
        berth_json_string(berth_json_get(object, "errorDetail"), "message", brief);
    if (message && !message[0])
        message = brief && brief[0] ? brief : "the engine gives no reason";
    return message;
}

static void take_object(struct berth_pull *pull, const cJSON *object)
{
    const char *message = error_of(object);
    if (message) {
        pull->failed = true;
        (void)berth_engine_said(BERTH_E_REFUSED, message, &pull->error);
        return;
    }
    const char *status = berth_json_string(object, "status", "");
    static const char digest_prefix[] = "Digest: ";
    if (strncmp(status, digest_prefix, strlen(digest_prefix)) == 0) {
        take_digest(pull, status + strlen(digest_prefix));
        return;
    }
    /* Layers come with progressDetail, "Pulling from library/httpd" (id: the tag) without. */
    const cJSON *detail = berth_json_get(object, "progressDetail");
    const char *id = berth_json_string(object, "id", "");
    struct berth_pull_layer *layer = detail && id[0] ? layer_of(pull, id) : NULL;
    if (layer)
        update_layer(layer, status, detail);
}

static void take_line(struct berth_pull *pull)
{
    const char *line = berth_strbuf_str(&pull->line);
    size_t len = pull->line.len;
    if (pull->line.failed && !pull->failed) {
        pull->failed = true;
        if (pull->line.failed == BERTH_E_NOMEM)
            (void)berth_error_nomem(&pull->error);
        else
            (void)berth_error_set(&pull->error, BERTH_E_UNREACHABLE,
                                  "the engine sent a line without end");
    }
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
        len--;
    if (len == 0 || pull->failed)
        return;
    BERTH_CLEANUP(json) cJSON *object = NULL;
    int rc = berth_json_parse(line, len, &object, &pull->error);
    if (rc < 0) {
        pull->failed = true;
        if (rc != BERTH_E_NOMEM)
            berth_error_set(&pull->error, BERTH_E_UNREACHABLE,
                            "the engine broke off or garbled its answer");
        return;
    }
    take_object(pull, object);
}

void berth_pull_feed(struct berth_pull *pull, const char *data, size_t len)
{
    const char *end = data + len;
    while (data < end) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        const char *stop = newline ? newline : end;
        berth_strbuf_add(&pull->line, data, (size_t)(stop - data));
        if (!newline)
            break;
        take_line(pull);
        berth_strbuf_clear(&pull->line);
        data = newline + 1;
    }
    int percent = percent_of(pull);
    if (percent > pull->percent)
        pull->percent = percent;
}

int berth_pull_finish(struct berth_pull *pull, struct berth_error *err)
{
    take_line(pull);
    berth_strbuf_clear(&pull->line);
    if (!pull->failed) {
        pull->percent = 100;
        return 0;
    }
    if (err)
        *err = pull->error;
    return pull->error.status;
}
