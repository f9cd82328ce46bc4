/* SPDX-License-Identifier: MIT */
/* Names of roles. */
#include "facilities/role.h"

#include <string.h>

static const char *const role_names[] = {
    [BERTH_ROLE_NONE] = "none",
    [BERTH_ROLE_VIEWER] = "viewer",
    [BERTH_ROLE_RESEARCHER] = "researcher",
    [BERTH_ROLE_OPERATOR] = "operator",
    [BERTH_ROLE_ADMIN] = "admin",
};

const char *berth_role_name(enum berth_role role)
{
    return role_names[role];
}

int berth_role_parse(const char *name, enum berth_role *ret_role, struct berth_error *err)
{
    for (int role = BERTH_ROLE_VIEWER; role <= BERTH_ROLE_ADMIN; role++) {
        if (strcmp(name, role_names[role]) == 0) {
            *ret_role = (enum berth_role)role;
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID,
                           "role must be viewer, researcher, operator or admin");
}
