/* SPDX-License-Identifier: MIT */
/*
 * The files of containers (docs/containers-api.md): uploads and downloads, in
 * both directions as a stream, and never all of it in memory.
 *
 * Threading: on the request's thread.
 */
#ifndef BERTH_GATEWAY_FILES_API_H
#define BERTH_GATEWAY_FILES_API_H

#include "gateway/exchange.h"

int berth_files_upload(struct berth_exchange *exchange, struct berth_error *err);
int berth_files_download(struct berth_exchange *exchange, struct berth_error *err);
int berth_files_download_zip(struct berth_exchange *exchange, struct berth_error *err);

#endif
