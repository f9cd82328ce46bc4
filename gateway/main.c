/* SPDX-License-Identifier: MIT */
/* The program: its subcommands and their exit codes (0 done, 1 failed, 2 wrong usage). */
#include "base/clock.h"
#include "gateway/serve.h"
#include "gateway/version.h"

#include <string.h>

int main(int argc, char **argv)
{
    berth_clock_init();
    struct berth_error err = BERTH_ERROR_INIT;
    const char *config = NULL;
    if (argc >= 4 && strcmp(argv[2], "--config") == 0)
        config = argv[3];
    if (argc >= 2 && strcmp(argv[1], "serve") == 0) {
        if (berth_serve(config, &err) == 0)
            return 0;
        (void)fprintf(stderr, "berth: %s\n", err.message);
        return 1;
    }
    return 2;
}
