/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* steerctl: the command line of steerd. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return (int)cli_run(argc, argv);
}
