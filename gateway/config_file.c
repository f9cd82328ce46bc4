/* SPDX-License-Identifier: MIT */
#include "gateway/config_file.h"

#include "base/text.h"
#include "gateway/config_keys.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

#define FACILITY_PREFIX "facility "
#define SECTION_MAX     63
#define KEYS_MAX        64 /* of one section */

struct reader {
    struct berth_config *config;
    const char *path;
    FILE *file;
    unsigned line;                              /* of the text that inih was given last */
    const struct berth_config_section *section; /* NULL before the first */
    void *target;                               /* what its keys are written to */
    uint64_t seen;                              /* its keys that were given, by index */
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
                                     reader->line, message);
    return 0; /* inih's word for failure */
}

static int fail_unknown(struct reader *reader, const char *what, const char *text,
                        const char *const *names, size_t count)
{
    const char *nearest = berth_text_nearest(text, names, count);
    if (nearest)
        return fail(reader, "unknown %s %s; did you mean %s?", what, text, nearest);
    return fail(reader, "unknown %s %s", what, text);
}

static int fail_unknown_section(struct reader *reader, const char *name)
{
    const char *names[16];
    for (size_t i = 0; i < berth_config_section_count; i++)
        names[i] = berth_config_sections[i].name;
    return fail_unknown(reader, "section", name, names, berth_config_section_count);
}

static int fail_unknown_key(struct reader *reader, const struct berth_config_section *section,
                            const char *name)
{
    const char *names[KEYS_MAX];
    for (size_t i = 0; i < section->count; i++)
        names[i] = section->keys[i].name;
    return fail_unknown(reader, "key", name, names, section->count);
}

/* ---- Sections ---- */

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
    return 1;
}

static int enter_section(struct reader *reader, const char *name)
{
    reader->seen = 0;
    reader->section = NULL;
    if (strncmp(name, FACILITY_PREFIX, sizeof(FACILITY_PREFIX) - 1) == 0)
        return add_facility(reader, name + sizeof(FACILITY_PREFIX) - 1);
    if (strcmp(name, "facility") == 0)
        return fail(reader, "a facility's section is written [facility ID]");
    reader->section = berth_config_find_section(name, strlen(name));
    reader->target = reader->config;
    return reader->section ? 1 : fail_unknown_section(reader, name);
}

/*
 * inih asks for one line at a time: that is how its line is known. A section is
 * entered here, since inih tells of one only when a key stands in it.
 */
static char *read_line(char *line, int size, void *stream)
{
    struct reader *reader = stream;
    if (reader->result < 0 || !fgets(line, size, reader->file))
        return NULL;
    reader->line++;
    size_t len = strlen(line);
    if (len + 1 == (size_t)size && line[len - 1] != '\n' && !feof(reader->file)) {
        (void)fail(reader, "the line is longer than %d bytes", size - 2);
        return NULL;
    }
    const char *start = line + strspn(line, " \t");
    size_t name_len = *start == '[' ? strcspn(start + 1, "]\r\n") : 0;
    if (*start == '[' && start[1 + name_len] == ']') {
        char name[SECTION_MAX + 1];
        if (name_len > SECTION_MAX) {
            (void)fail(reader, "the section's name is too long");
            return NULL;
        }
        memcpy(name, start + 1, name_len);
        name[name_len] = '\0';
        if (!enter_section(reader, name))
            return NULL;
    }
    return line;
}

/* ---- Keys ---- */

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
    if ((reader->seen & bit) && key->type != BERTH_CONFIG_STRINGS)
        return fail(reader, "key %s is given twice", name);
    reader->seen |= bit;
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_config_set(key, reader->target, value, &err) < 0)
        return fail(reader, "%s %s", name, err.message);
    return 1;
}

int berth_config_read_file(struct berth_config *config, const char *path, struct berth_error *err)
{
    BERTH_CLEANUP(file) FILE *file = fopen(path, "re");
    if (!file)
        return berth_error_set_errno(err, BERTH_E_INVALID, errno, "%s cannot be read: %m", path);
    struct reader reader = {.config = config, .path = path, .file = file, .err = err};
    int line = ini_parse_stream(read_line, &reader, on_value, &reader);
    if (reader.result < 0)
        return reader.result;
    if (ferror(file))
        return berth_error_set(err, BERTH_E_IO, "%s cannot be read", path);
    if (line != 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "%s:%d: the line is no [section], key = value or comment", path,
                               line);
    return 0;
}
