/* SPDX-License-Identifier: MIT */
/* The program berth: a gateway to the container hosts of research facilities. */
#include "base/clock.h"
#include "gateway/cli.h"

int main(int argc, char **argv)
{
    berth_clock_init();
    return berth_cli_run(argc, argv);
}
