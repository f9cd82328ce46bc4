/* SPDX-License-Identifier: MIT */
#include "gateway/params.h"

#include "base/encoding.h"
#include "base/text.h"

#include <string.h>

static bool is_clean(const char *text, size_t len)
{
    return !berth_text_has_control(text, len) && berth_text_is_utf8(text, len);
}

/* Decodes "name=value" behind *cursor in the text of params, and moves it on. */
static int add_pair(struct berth_params *params, size_t *cursor, const char *pair, size_t len,
                    const char *repeatable, struct berth_error *err)
{
    const char *equals = memchr(pair, '=', len);
    size_t name_len = equals ? (size_t)(equals - pair) : len;
    const char *value_text = equals ? equals + 1 : pair + len;

    char *name = params->text + *cursor;
    size_t decoded = 0;
    if (!berth_form_decode(pair, name_len, name, &decoded) || !is_clean(name, decoded))
        return berth_error_set(err, BERTH_E_INVALID,
                               "the name of parameter %zu is not valid percent-encoded UTF-8",
                               params->count + 1);
    *cursor += decoded + 1;

    char *value = params->text + *cursor;
    if (!berth_form_decode(value_text, (size_t)(pair + len - value_text), value, &decoded))
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s has a broken percent-escape",
                               name);
    if (!is_clean(value, decoded))
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter %s must be valid UTF-8 without control characters", name);
    if (decoded > BERTH_PARAM_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s must not exceed %d bytes", name,
                               BERTH_PARAM_MAX);
    if (berth_params_get(params, name) && !(repeatable && strcmp(name, repeatable) == 0))
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s is given twice", name);
    if (params->count == BERTH_PARAMS_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "more than %d parameters", BERTH_PARAMS_MAX);
    *cursor += decoded + 1;
    params->items[params->count++] = (struct berth_param){name, value};
    return 0;
}

int berth_params_parse(const char *query, const char *repeatable, struct berth_params *ret_params,
                       struct berth_error *err)
{
    ret_params->count = 0;
    if (!query)
        return 0;
    size_t len = strlen(query);
    if (len > BERTH_TARGET_MAX)
        return berth_error_set(err, BERTH_E_TOO_LARGE, "the query is longer than %d bytes",
                               BERTH_TARGET_MAX);

    size_t cursor = 0;
    for (const char *pair = query, *end = query + len; pair <= end;) {
        const char *stop = memchr(pair, '&', (size_t)(end - pair));
        if (!stop)
            stop = end;
        if (stop > pair) {
            int r = add_pair(ret_params, &cursor, pair, (size_t)(stop - pair), repeatable, err);
            if (r < 0)
                return r;
        }
        pair = stop + 1;
    }
    return 0;
}

const char *berth_params_get(const struct berth_params *params, const char *name)
{
    for (size_t i = 0; i < params->count; i++)
        if (strcmp(params->items[i].name, name) == 0)
            return params->items[i].value;
    return NULL;
}

int berth_params_require(const struct berth_params *params, const char *name,
                         const char **ret_value, struct berth_error *err)
{
    const char *value = berth_params_get(params, name);
    if (!value || value[0] == '\0')
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s is missing", name);
    *ret_value = value;
    return 0;
}

int berth_params_bool(const struct berth_params *params, const char *name, bool otherwise,
                      bool *ret_value, struct berth_error *err)
{
    const char *value = berth_params_get(params, name);
    if (!value) {
        *ret_value = otherwise;
        return 0;
    }
    if (berth_text_parse_bool(value, ret_value, NULL) < 0)
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s must be yes or no", name);
    return 0;
}
