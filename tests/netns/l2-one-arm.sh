#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: l2 with one interface for everything: packets leave where they came in (XDP_TX).
LAB_ARM=one
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../lab/checks.sh"

lab_begin l2-one-arm
lab_up blue:l2 green:l2
lab_steerd
lab_apply "blue: 70, green: 30"
check_traffic blue green
check_split 0.3 green
