#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A backend's process is stopped under load: its kernel still accepts connections, nobody answers.
# Once steerd knows, none is sent there; once it goes on, some are.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../failover/lib.sh"

failover_begin failover-stopped "blue: 1"
failover_take_out stopped "health check: timed out|passive" "timeout|reset" blue1
failover_bring_back stopped blue1
