#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: l2, one interface in and others out: TCP and UDP of both families reach the stacks by
# weight, and large files pass both ways.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../lab/checks.sh"

lab_begin l2
lab_up blue:l2 green:l2
lab_steerd
lab_apply "blue: 70, green: 30"
check_traffic blue green
check_split 0.3 green
