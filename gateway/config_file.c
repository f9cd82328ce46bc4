/* SPDX-License-Identifier: MIT */
#include "gateway/config_file.h"

#include "base/limits.h"
#include "base/text.h"
#include "gateway/config_values.h"
#include "gateway/text_file.h"

#include <ini.h>
#include <string.h>

#define FACILITY_PREFIX "facility "
#define SECTION_MAX     63
#define SECTIONS_MAX    16
#define KEYS_MAX        64 /* of one section */

struct reader {
    struct berth_config *config;
    const char *path;
    struct berth_text_file file;
    const struct berth_config_section *section; /* NULL before the first */
    void *target;                               /* what its keys are written to */
    uint64_t seen[SECTIONS_MAX];                /* per section: its keys that were given */
    int result;
    struct berth_error *err;
};

static int fail(struct reader *reader, const char *format, ...) BERTH_PRINTF(2, 3);

static int fail(struct reader *reader, const char *format, ...)
{
    char message[BERTH_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    reader->result = berth_error_set(reader->err, BERTH_E_INVALID, "%s:%u: %s", reader->path,
                                     reader->file.line, message);
    return 0; /* inih's word for failure */
}

static int fail_unknown(struct reader *reader, const char *what, const char *text,
                        const char *nearest)
{
    if (nearest)
        return fail(reader, "unknown %s %s; did you mean %s?", what, text, nearest);
    return fail(reader, "unknown %s %s", what, text);
}

static int fail_unknown_section(struct reader *reader, const char *name)
{
    const char *names[SECTIONS_MAX];
    for (size_t i = 0; i < berth_config_section_count; i++)
        names[i] = berth_config_sections[i].name;
    char word[SECTION_MAX + 1]; /* "facilty" of "facilty demo" */
    (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(name, " "), name);
    return fail_unknown(reader, "section", name,
                        berth_text_nearest(word, names, berth_config_section_count));
}

static int fail_unknown_key(struct reader *reader, const struct berth_config_section *section,
                            const char *name)
{
    const char *names[KEYS_MAX];
    for (size_t i = 0; i < section->count; i++)
        names[i] = section->keys[i].name;
    return fail_unknown(reader, "key", name, berth_text_nearest(name, names, section->count));
}

/* ---- Sections ---- */

/* Which keys of the current section were given already. */
static uint64_t *seen_of_section(struct reader *reader)
{
    return &reader->seen[reader->section - berth_config_sections];
}

static int add_facility(struct reader *reader, const char *id)
{
    struct berth_config *config = reader->config;
    const struct berth_config_section *section = berth_config_find_section("facility", 8);
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_naming_check_facility(id, &err) < 0)
        return fail(reader, "%s", err.message);
    for (size_t i = 0; i < config->facility_count; i++)
        if (strcmp(config->facilities[i].id, id) == 0)
            return fail(reader, "facility %s is defined twice", id);
    if (config->facility_count == BERTH_FACILITIES_MAX)
        return fail(reader, "more than %d facilities", BERTH_FACILITIES_MAX);

    struct berth_facility_config *grown =
        reallocarray(config->facilities, config->facility_count + 1, sizeof(*grown));
    if (!grown)
        return fail(reader, "out of memory");
    config->facilities = grown;
    struct berth_facility_config *facility = &grown[config->facility_count];
    memset(facility, 0, sizeof(*facility));
    facility->id = berth_text_dup(id);
    if (!facility->id)
        return fail(reader, "out of memory");
    config->facility_count++;
    if (berth_config_set_defaults(section, facility, &err) < 0)
        return fail(reader, "%s", err.message);
    reader->section = section;
    reader->target = facility;
    *seen_of_section(reader) = 0;
    return 1;
}

static int enter_section(struct reader *reader, const char *name)
{
    if (strncmp(name, FACILITY_PREFIX, sizeof(FACILITY_PREFIX) - 1) == 0)
        return add_facility(reader, name + sizeof(FACILITY_PREFIX) - 1);
    if (strcmp(name, "facility") == 0)
        return fail(reader, "a facility's section is written [facility ID]");
    reader->section = berth_config_find_section(name, strlen(name));
    reader->target = reader->config;
    return reader->section ? 1 : fail_unknown_section(reader, name);
}

/* Enters the section that the line begins; false if it is refused. */
static bool read_section(struct reader *reader, const char *line)
{
    char name[SECTION_MAX + 1];
    size_t len = strcspn(line + 1, "]");
    if (line[1 + len] != ']')
        return fail(reader, "a section's line must end with ]");
    if (len > SECTION_MAX)
        return fail(reader, "the section's name is longer than %d bytes", SECTION_MAX);
    memcpy(name, line + 1, len);
    name[len] = '\0';
    return enter_section(reader, name);
}

/*
 * inih asks for one line at a time: that is how its line is known. A section is
 * entered here, since inih tells of one only when a key stands in it. White space in
 * front, of all kinds that inih skips, is taken off: it would add an indented line to the
 * value before it.
 */
static char *read_line(char *buffer, int size, void *stream)
{
    struct reader *reader = stream;
    struct berth_error err = BERTH_ERROR_INIT;
    char *line = NULL;
    if (reader->result < 0)
        return NULL;
    if (berth_text_file_next(&reader->file, (size_t)size - 2, &line, &err) < 0) {
        (void)fail(reader, "%s", err.message);
        return NULL;
    }
    if (!line)
        return NULL;
    line += strspn(line, " \t\v\f\r");
    if (line[0] == '[' && !read_section(reader, line))
        return NULL;
    (void)snprintf(buffer, (size_t)size, "%s\n", line);
    return buffer;
}

/* ---- Keys ---- */

/* node.HOSTNAME = ENGINE, node.* = agent */
static int set_node(struct reader *reader, const struct berth_config_key *key, const char *name,
                    const char *value)
{
    const char *hostname = strchr(name, '.') + 1;
    struct berth_error err = BERTH_ERROR_INIT;
    bool is_every_node = strcmp(hostname, "*") == 0;
    if (!is_every_node && berth_naming_check_hostname(name, hostname, &err) < 0)
        return fail(reader, "%s", err.message);
    if (is_every_node && strncmp(value, "agent", 5) != 0)
        return fail(reader, "%s must be agent or agent:PORT: an engine is that of one node", name);
    if (berth_config_set_node(key, reader->target, hostname, value, &err) < 0)
        return fail(reader, "%s %s", name, err.message);
    return 1;
}

static int on_value(void *ctx, const char *section_name, const char *name, const char *value)
{
    struct reader *reader = ctx;
    const struct berth_config_section *section = reader->section;
    if (reader->result < 0)
        return 0;
    if (!section || *section_name == '\0')
        return fail(reader, "key %s stands before the first section", name);
    const struct berth_config_key *key = berth_config_find_key(section, name);
    if (!key)
        return fail_unknown_key(reader, section, name);
    uint64_t bit = UINT64_C(1) << (key - section->keys);
    uint64_t *seen = seen_of_section(reader);
    bool is_repeatable = key->type == BERTH_CONFIG_STRINGS || key->type == BERTH_CONFIG_NODES;
    if ((*seen & bit) && !is_repeatable)
        return fail(reader, "key %s is given twice", name);
    *seen |= bit;
    struct berth_error err = BERTH_ERROR_INIT;
    if (key->type == BERTH_CONFIG_NODES)
        return set_node(reader, key, name, value);
    if (berth_config_set(key, reader->target, value, &err) < 0)
        return fail(reader, "%s %s", name, err.message);
    return 1;
}

int berth_config_read_file(struct berth_config *config, const char *path, struct berth_error *err)
{
    struct reader reader = {.config = config, .path = path, .err = err};
    int r = berth_text_file_open(path, &reader.file, err);
    if (r < 0)
        return r;
    /* Debian's inih takes at run time what is fixed at compile time elsewhere: the room for a line
     * is 200 bytes unless it is told otherwise. */
    ini_use_stack = false;
    ini_max_line = BERTH_CONFIG_LINE_MAX + 2; /* newline and NUL */
    ini_initial_alloc = ini_max_line;
    int line = ini_parse_stream(read_line, &reader, on_value, &reader);
    berth_text_file_close(&reader.file);
    if (reader.result < 0)
        return reader.result;
    if (line < 0)
        return berth_error_nomem(err);
    if (line > 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "%s:%d: the line is no [section], key = value or comment", path,
                               line);
    return 0;
}
