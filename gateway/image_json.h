/* SPDX-License-Identifier: MIT */
/*
 * An image as `docker images --format json` (26.1) prints it, plus the field
 * CreatedContainerCount: the body of get-images.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_IMAGE_JSON_H
#define BERTH_GATEWAY_IMAGE_JSON_H

#include "backends/image.h"
#include "base/json.h"

/*
 * Adds to an open array one object per tag (repositories sorted, tags in the
 * engine's order), then one per repository known by digest alone; an image
 * with neither has one row of "<none>". container_count: containers made from
 * the image, in the facility's view. Text is as of now_ns (wall); lowers
 * *valid_until_ns to when it changes. What fails is noted in the writer's buffer.
 */
void berth_image_json_add(struct berth_json_writer *w, const struct berth_image *image,
                          size_t container_count, int64_t now_ns, int64_t *valid_until_ns);

#endif
