/* SPDX-License-Identifier: MIT */
#include "tests/unit/store_open.h"

int unit_store_open(const char *dir, struct berth_store **ret_store, struct berth_error *err)
{
    const struct berth_store_config config = {.data_dir = dir};
    return berth_store_open(&config, ret_store, err);
}
