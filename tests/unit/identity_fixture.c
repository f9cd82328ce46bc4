/* SPDX-License-Identifier: MIT */
#include "tests/unit/identity_fixture.h"

#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"

void open_fixture(struct fixture *fixture)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (!fixture->dir)
        fixture->dir = unit_scratch("data");
    ck_assert_msg(unit_store_open(fixture->dir, &fixture->store, &err) == 0, "%s", err.message);
    ck_assert_msg(berth_identity_open(fixture->store, &fixture->identity, &err) == 0, "%s",
                  err.message);
}

void close_fixture(struct fixture *fixture)
{
    berth_identity_close(fixture->identity);
    berth_store_close(fixture->store);
}

void reopen_fixture(struct fixture *fixture)
{
    close_fixture(fixture);
    open_fixture(fixture);
}

void release_fixture(struct fixture *fixture)
{
    close_fixture(fixture);
    free(fixture->dir);
}
