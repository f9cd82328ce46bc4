/* SPDX-License-Identifier: MIT */
/*
 * Users over a real store in a scratch directory. Whatever fails fails the
 * test.
 */
#ifndef BERTH_TESTS_UNIT_IDENTITY_FIXTURE_H
#define BERTH_TESTS_UNIT_IDENTITY_FIXTURE_H

#include "facilities/identity.h"

struct fixture {
    char *dir;
    struct berth_store *store;
    struct berth_identity *identity;
};

/* Opens it, or, after close_fixture(), opens the same store again. */
void open_fixture(struct fixture *fixture);
void close_fixture(struct fixture *fixture);
void reopen_fixture(struct fixture *fixture);
/* Closes it for good. */
void release_fixture(struct fixture *fixture);
BERTH_DEFINE_CLEANUP_VALUE(fixture, struct fixture, release_fixture)

#endif
