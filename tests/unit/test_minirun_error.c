/* SPDX-License-Identifier: MIT */
#include "gateway/minirun_error.h"

#include "tests/unit/unit.h"

#include <string.h>

START_TEST(each_status_has_its_code)
{
    static const struct {
        enum berth_status status;
        int http_status;
    } rows[] = {
        {BERTH_OK, 200},
        {BERTH_E_NOMEM, 500},
        {BERTH_E_INTERNAL, 500},
        {BERTH_E_IO, 500},
        {BERTH_E_INVALID, 400},
        {BERTH_E_TOO_LARGE, 413},
        {BERTH_E_UNAUTHORISED, 401},
        {BERTH_E_FORBIDDEN, 403},
        {BERTH_E_NOT_FOUND, 404},
        {BERTH_E_EXISTS, 409},
        {BERTH_E_CONFLICT, 409},
        {BERTH_E_UNSUPPORTED, 400},
        {BERTH_E_THROTTLED, 429},
        {BERTH_E_BUSY, 503},
        {BERTH_E_REFUSED, 500},
        {BERTH_E_UNREACHABLE, 503},
        {BERTH_E_TIMEOUT, 504},
        {BERTH_E_NO_SPACE, 507},
        {BERTH_E_QUOTA, 403},
        {BERTH_E_CANCELLED, 503},
        {BERTH_E_PORT_IN_USE, 409},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct berth_error err = {.status = rows[i].status};
        ck_assert_msg(berth_minirun_dialect.http_status(&err) == rows[i].http_status, "%s",
                      berth_status_name(rows[i].status));
    }
}
END_TEST

static char *read_page(void)
{
    BERTH_CLEANUP(file) FILE *file = fopen(UNIT_ROOT "/docs/minirun-api.md", "re");
    char *page = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(page);
    ck_assert_uint_gt(fread(page, 1, (1 << 20) - 1, file), 0);
    return page;
}

START_TEST(the_page_has_each_code)
{
    BERTH_CLEANUP(free) char *page = read_page();
    for (int status = BERTH_OK; status >= BERTH_E_PORT_IN_USE; status--) {
        const struct berth_error err = {.status = (enum berth_status)status};
        char row[32];
        (void)snprintf(row, sizeof(row), "\n| %d |", berth_minirun_dialect.http_status(&err));
        ck_assert_msg(strstr(page, row), "docs/minirun-api.md lacks the row%s", row);
    }
}
END_TEST

START_TEST(the_envelope_of_an_error)
{
    static struct berth_exchange exchange;
    struct berth_error err = BERTH_ERROR_INIT;
    berth_strbuf_init(&exchange.body, 4096);
    berth_strbuf_adds(&exchange.body, "half an ans");
    (void)!berth_error_set(&err, BERTH_E_NOT_FOUND, "Container '%s' not found", "webapp");
    berth_error_detail(&err, "for the log");
    berth_minirun_dialect.render_error(&exchange, 404, &err);
    ck_assert_int_eq(exchange.status, 404);
    ck_assert_str_eq(exchange.content_type, "application/json");
    ck_assert_str_eq(berth_strbuf_str(&exchange.body),
                     "{\"success\":false,\"error\":\"Container 'webapp' not found\"}");
    berth_strbuf_release(&exchange.body);
}
END_TEST

UNIT_SUITE("minirun_error", each_status_has_its_code, the_page_has_each_code,
           the_envelope_of_an_error)
