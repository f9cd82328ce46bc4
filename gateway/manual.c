/* SPDX-License-Identifier: MIT */
/* A program of the build: writes the manual page of the commands that begin with a word. */
#include "gateway/cli_internal.h"
#include "gateway/version.h"

#include <string.h>

#define PAGE_MAX (1U << 20)

int main(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : ""; /* "berth", "berth-user" */
    const struct cli_topic *topic = NULL;
    if (strncmp(name, "berth-", strlen("berth-")) == 0)
        topic = cli_find_topic(name + strlen("berth-"));
    if (!topic && strcmp(name, "berth") != 0) {
        (void)fprintf(stderr, "usage: manual berth|berth-COMMAND\n");
        return 2;
    }
    BERTH_CLEANUP(strbuf) struct berth_strbuf page = BERTH_STRBUF_INIT(PAGE_MAX);
    cli_manual_page(topic, BERTH_VERSION, &page);
    return berth_strbuf_check(&page, NULL) == 0 && fputs(berth_strbuf_str(&page), stdout) >= 0 &&
                   fflush(stdout) == 0
               ? 0
               : 1;
}
