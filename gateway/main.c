/* SPDX-License-Identifier: MIT */
/* The program berth: a gateway to the container hosts of research facilities. */
#include "backends/rootfs/rootfs_keeper.h"
#include "base/clock.h"
#include "gateway/cli.h"

int main(int argc, char **argv)
{
    if (berth_rootfs_keeper_main(argc, argv))
        return 0;
    berth_clock_init();
    return berth_cli_run(argc, argv);
}
