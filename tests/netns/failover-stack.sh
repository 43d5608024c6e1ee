#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# All four hosts of a stack are gone under load: the other stack has all new connections, until
# they are back.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../failover/lib.sh"

failover_begin failover-stack "blue: 1, green: 1"
failover_take_out gone "health check: timed out|passive|no next hop" "timeout" blue{1..4}
expect "stacks that answered last" \
	"$(tail -n 50 "$LAB_DIR/steady.requests" | awk '$5 == "ok" { print $7 }' | sort -u | xargs)" green
failover_bring_back gone blue{1..4}
