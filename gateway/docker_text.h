/* SPDX-License-Identifier: MIT */
/*
 * Text as docker's command line 26.1 prints it: ages, sizes, shortened and
 * quoted strings, and the state of a container. The rules, oddities
 * included, are those of docker/go-units 0.4, docker/cli's formatter package,
 * moby's container.State and Go's strconv.
 *
 * All functions append to a berth_strbuf. Text that moves with the clock is
 * made for the moment now_ns, and lowers *valid_until_ns to the moment (not
 * included) up to which it stays the same; callers start from INT64_MAX.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_DOCKER_TEXT_H
#define BERTH_GATEWAY_DOCKER_TEXT_H

#include "backends/app.h"
#include "base/json.h"

/* Adds the text to the object being written, then empties it for the next member; a failure of the
 * text becomes the writer's. */
void berth_docker_add_member(struct berth_json_writer *w, const char *name,
                             struct berth_strbuf *text);

/* The time from since_ns to now_ns in words: "3 seconds", "About a minute", "2 weeks". */
void berth_docker_add_age(struct berth_strbuf *out, int64_t since_ns, int64_t now_ns,
                          int64_t *valid_until_ns);

/* Decimal units with that many significant digits (1 to 17): "168MB", "1e+03kB". */
void berth_docker_add_size(struct berth_strbuf *out, double bytes, int digits);

/* Binary units with four significant digits: "29.92MiB". */
void berth_docker_add_binary_size(struct berth_strbuf *out, double bytes);

/* At most columns (2 or more) columns of the text, the last one "…" when it was cut. */
void berth_docker_add_shortened(struct berth_strbuf *out, const char *text, size_t columns);

/* The same within double quotes, escaped as Go's strconv.Quote does. */
void berth_docker_add_quoted(struct berth_strbuf *out, const char *text, size_t columns);

/* The twelve characters docker shows of an id, without an algorithm's prefix ("sha256:"). */
void berth_docker_add_short_id(struct berth_strbuf *out, const char *id);

/* A part of a borrowed string. */
struct berth_docker_slice {
    const char *text;
    size_t len;
};

/* "docker.io/library/httpd" (len bytes, no tag or digest) as docker shows it: "httpd". */
struct berth_docker_slice berth_docker_familiar_name(const char *name, size_t len);

/* Column STATUS: "Up 3 seconds (healthy)", "Exited (0) 2 hours ago". */
void berth_docker_add_status(struct berth_strbuf *out, const struct berth_app *app, int64_t now_ns,
                             int64_t *valid_until_ns);

#endif
