#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A backend's process is killed under load: new connections are refused there until steerd knows,
# then none is sent there; once it runs again, some are.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../failover/lib.sh"

failover_begin failover-killed "blue: 1"
failover_take_out killed "health check: connection refused|passive" "refused|reset|closed" blue2
failover_bring_back killed blue2
