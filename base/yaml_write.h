/* SPDX-License-Identifier: MIT */
/*
 * Writing YAML 1.1 that people read: block style, a key a line. Every text is
 * quoted, so that none is taken for a number, a word or a command.
 *
 * Threading: a writer belongs to its buffer's owner.
 */
#ifndef BERTH_BASE_YAML_WRITE_H
#define BERTH_BASE_YAML_WRITE_H

#include "base/json.h"

#include <yaml.h>

/* A failure sticks, and is told by berth_yaml_close(). */
struct berth_yaml_writer {
    yaml_emitter_t emitter;
    struct berth_strbuf *out;
    bool failed;
    bool is_text_bad; /* why it failed */
};

/* Begins a document that is a map; berth_yaml_close() is due in any case. */
void berth_yaml_open(struct berth_yaml_writer *w, struct berth_strbuf *out);

/* name is quoted where it must be; NULL within a list. */
void berth_yaml_open_map(struct berth_yaml_writer *w, const char *name);
void berth_yaml_close_map(struct berth_yaml_writer *w);
void berth_yaml_open_list(struct berth_yaml_writer *w, const char *name);
void berth_yaml_close_list(struct berth_yaml_writer *w);
void berth_yaml_add_string(struct berth_yaml_writer *w, const char *name, const char *value);
/* A number or a word of YAML (true), as it is. */
void berth_yaml_add_plain(struct berth_yaml_writer *w, const char *name, const char *value);
void berth_yaml_add_int(struct berth_yaml_writer *w, const char *name, int64_t value);
/* The whole tree; a number by its own text where it has one (base/yaml_read.h). */
void berth_yaml_add_json(struct berth_yaml_writer *w, const char *name, const cJSON *value);

/* Ends the document. BERTH_E_NOMEM, BERTH_E_TOO_LARGE; BERTH_E_INVALID: a text was not UTF-8. */
BERTH_MUST_CHECK int berth_yaml_close(struct berth_yaml_writer *w, struct berth_error *err);

#endif
