/* SPDX-License-Identifier: MIT */
/*
 * The store that tests use, so that all of them can be run with another one.
 *
 * Threading: as the store.
 */
#ifndef BERTH_TESTS_UNIT_STORE_OPEN_H
#define BERTH_TESTS_UNIT_STORE_OPEN_H

#include "facilities/store.h"

/* Opens the store of a directory of the test's own; the same directory again is the same store. */
BERTH_MUST_CHECK int unit_store_open(const char *dir, struct berth_store **ret_store,
                                     struct berth_error *err);

#endif
