/* SPDX-License-Identifier: MIT */
/*
 * The store that tests use: the embedded one, or, where BERTH_TEST_POSTGRES is
 * a connection string of a server that lets databases be made, a database for
 * each directory there.
 *
 * Threading: as the store.
 */
#ifndef BERTH_TESTS_UNIT_STORE_OPEN_H
#define BERTH_TESTS_UNIT_STORE_OPEN_H

#include "facilities/store.h"

/* Opens the store of a directory of the test's own; the same directory again is the same store. */
BERTH_MUST_CHECK int unit_store_open(const char *dir, struct berth_store **ret_store,
                                     struct berth_error *err);

/* Makes the database of the directory, where there is to be one: with unit_store_open() it takes no
 * memory that a test could make fail. */
void unit_store_make(const char *dir);

/* Opens the store of a directory in PostgreSQL as a gateway with another directory does; words are
 * added to the connection string. */
BERTH_MUST_CHECK int unit_store_join(const char *dir, const char *own_dir, const char *words,
                                     struct berth_store **ret_store, struct berth_error *err);

/* The connection string, or NULL where the store is the embedded one. */
const char *unit_store_server(void);

#endif
