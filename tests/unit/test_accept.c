/* SPDX-License-Identifier: MIT */
#include "gateway/accept.h"

#include "tests/unit/unit.h"

static const struct {
    const char *name;
    const char *accept;
    int weight; /* of application/json */
} rows[] = {
    {"no header", NULL, 0},
    {"empty", "", 0},
    {"named", "application/json", 1000},
    {"any case", "Application/JSON", 1000},
    {"not a wildcard", "*/*", 0},
    {"nor half a one", "application/*", 0},
    {"not a longer type", "application/json-seq", 0},
    {"not a shorter one", "application/jso", 0},
    {"not the end of one", "x-application/json", 0},
    {"among others", "text/html, application/json , */*;q=0.1", 1000},
    {"with a weight", "application/json;q=0.25", 250},
    {"with spaces and a further parameter", "application/json ; charset=utf-8 ; Q=0.5", 500},
    {"refused", "application/json;q=0", 0},
    {"refused at length", "application/json;q=0.000, text/plain", 0},
    {"the next one's weight is not its own", "application/json, text/plain;q=0.1", 1000},
    {"more than three digits", "application/json;q=0.1239", 0},
    {"above one", "application/json;q=1.5", 0},
    {"no number", "application/json;q=high", 0},
    {"empty items", ",, ,application/json", 1000},
    {"a lone semicolon", "application/json;", 1000},
};

START_TEST(each_row)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int weight = berth_accept_weight(rows[i].accept, "application/json");
        ck_assert_msg(weight == rows[i].weight, "%s: %d", rows[i].name, weight);
    }
}
END_TEST

UNIT_SUITE("accept", each_row)
