/* SPDX-License-Identifier: MIT */
/*
 * Image references as a Docker engine writes them, cut up and shown as the
 * docker command does (distribution/reference). They come from the engine or
 * were checked before: nothing is refused here.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_NAME_H
#define BERTH_BACKENDS_ENGINE_ENGINE_NAME_H

#include "base/strbuf.h"

/* "[host[:port]/]name[:tag][@digest]"; the parts point into the text, length 0 where absent. */
struct berth_engine_name {
    const char *repository; /* with the host */
    size_t repository_len;
    const char *tag;
    size_t tag_len;
    const char *digest;
    size_t digest_len;
};

struct berth_engine_name berth_engine_name_split(const char *reference);

/* True if both are the same repository, docker.io/library/x being x. */
bool berth_engine_name_same_repository(const struct berth_engine_name *a,
                                       const struct berth_engine_name *b);

/* The reference as people write it: docker.io/library/httpd:2.4, as Podman has it, is httpd:2.4.
 * Points into the reference. */
const char *berth_engine_name_familiar(const char *reference);

/* Appends what `docker ps` shows in IMAGE: the short id, or name and tag without the digest. */
void berth_engine_image_shown(const char *image, const char *image_id, struct berth_strbuf *out);

#endif
