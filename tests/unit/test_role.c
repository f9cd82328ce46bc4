/* SPDX-License-Identifier: MIT */
#include "facilities/role.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(roles_are_named_and_parsed)
{
    static const struct {
        const char *name;
        enum berth_role role;
    } rows[] = {
        {"viewer", BERTH_ROLE_VIEWER},
        {"researcher", BERTH_ROLE_RESEARCHER},
        {"operator", BERTH_ROLE_OPERATOR},
        {"admin", BERTH_ROLE_ADMIN},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        enum berth_role role = BERTH_ROLE_NONE;
        ck_assert_msg(berth_role_parse(rows[i].name, &role, NULL) == 0, "%s", rows[i].name);
        ck_assert_msg(role == rows[i].role, "%s", rows[i].name);
        ck_assert_str_eq(berth_role_name(role), rows[i].name);
    }
    ck_assert_str_eq(berth_role_name(BERTH_ROLE_NONE), "none");
}
END_TEST

START_TEST(other_words_are_refused)
{
    static const char *const rows[] = {"", "none", "Viewer", "viewer ", "root"};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        enum berth_role role = BERTH_ROLE_VIEWER;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(berth_role_parse(rows[i], &role, &err) == BERTH_E_INVALID, "'%s'", rows[i]);
        ck_assert_int_eq(role, BERTH_ROLE_VIEWER);
        ck_assert_ptr_nonnull(strstr(err.message, "researcher"));
    }
}
END_TEST

START_TEST(operators_see_all)
{
    for (int role = BERTH_ROLE_NONE; role <= BERTH_ROLE_ADMIN; role++) {
        struct berth_caller caller = {.role = (enum berth_role)role};
        ck_assert_int_eq(berth_caller_sees_all(&caller),
                         role == BERTH_ROLE_OPERATOR || role == BERTH_ROLE_ADMIN);
    }
}
END_TEST

UNIT_SUITE("role", roles_are_named_and_parsed, other_words_are_refused, operators_see_all)
