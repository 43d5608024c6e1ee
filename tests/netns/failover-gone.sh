#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A backend's host is gone under load, without a word: new connections are slow until steerd knows,
# since their SYNs are repeated, and then none is sent there; once it is back, some are.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../failover/lib.sh"

failover_begin failover-gone "blue: 1"
failover_take_out gone "health check: timed out|passive|no next hop" "timeout" blue3
failover_bring_back gone blue3
