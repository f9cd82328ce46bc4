/* SPDX-License-Identifier: MIT */
#include "gateway/accept.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

#define WEIGHT_MAX 1000

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " \t");
}

/* "1", "0.25" up to the end or a delimiter, in thousandths; 0 for anything else. */
static int parse_weight(const char *text)
{
    if (*text != '0' && *text != '1')
        return 0;
    int weight = (*text++ - '0') * WEIGHT_MAX;
    if (*text == '.') {
        text++;
        for (int unit = WEIGHT_MAX / 10; unit > 0 && berth_is_digit(*text); unit /= 10)
            weight += (*text++ - '0') * unit;
    }
    text = skip_spaces(text);
    return (*text && *text != ',' && *text != ';') || weight > WEIGHT_MAX ? 0 : weight;
}

/* Of one media range, the weight among its parameters. */
static int weight_of(const char *range, const char *end)
{
    const char *parameter = memchr(range, ';', (size_t)(end - range));
    while (parameter) {
        parameter = skip_spaces(parameter + 1);
        if (strncasecmp(parameter, "q=", 2) == 0)
            return parse_weight(parameter + 2);
        parameter = parameter < end ? memchr(parameter, ';', (size_t)(end - parameter)) : NULL;
    }
    return WEIGHT_MAX;
}

int berth_accept_weight(const char *accept, const char *type)
{
    size_t len = strlen(type);
    while (accept && *accept) {
        const char *range = skip_spaces(accept);
        const char *end = range + strcspn(range, ",");
        if (strncasecmp(range, type, len) == 0 && strchr(" \t;,", range[len]))
            return weight_of(range, end); /* strchr finds the end of the text too */
        accept = *end ? end + 1 : NULL;
    }
    return 0;
}
