/* SPDX-License-Identifier: MIT */
/*
 * Lets the allocations of cJSON and SQLite fail as the program's own do
 * (unit.h). A test that links with it has passwords hashed at no cost.
 *
 * Threading: before there are threads.
 */
#ifndef BERTH_TESTS_UNIT_ALLOC_LIBRARIES_H
#define BERTH_TESTS_UNIT_ALLOC_LIBRARIES_H

/* Before the first use of either; for the rest of the process. */
void unit_alloc_libraries(void);

#endif
