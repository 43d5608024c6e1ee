#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# chaos.sh [OPTION ...]: the lab under a steady load, and everything that goes wrong in it by a
# schedule that follows from SEED. Root only. Options are those of tools/chaos/chaos.py, --plan
# apart; SEED and TIME of the environment count where they are not among them. CHAOS_DETECTION is
# the bound that is judged by, CHAOS_RATE new flows a second. `make chaos` calls this.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/lib.sh"

# The plan for this lab: as a user writes one, but for the names of the namespaces.
plan() {
	local name stack fault=$LAB_ROOT/tests/chaos/fault.sh

	sed -e "s,@FAULT@,CHAOS_DIR=$LAB_DIR BUILD=$LAB_BUILD $fault,g" \
		-e "s,@STEERCTL@,$LAB_BUILD/steerctl,g" -e "s,@LOG@,$LAB_DIR/steady.requests,g" \
		-e "s,@STALLS@,$LAB_DIR/stalls," -e "s,@DETECTION@,${CHAOS_DETECTION:-600ms}," "$LAB_ROOT/tests/chaos/plan.yaml"
	echo "stacks:"
	for name in "${LAB_BACKENDS[@]}"; do
		[ "$(lab_stack_of "$name")" = "${stack:-}" ] || {
			stack=$(lab_stack_of "$name")
			echo "  $stack:"
		}
		case ${LAB_STACK_MODE[$stack]} in
		ipip) echo "    $name: \"$(lab_ip6 "$name")\"" ;;
		*) echo "    $name: $(lab_ip4 "$name")" ;;
		esac
	done
}

options=(--save "$LAB_BUILD" "$@")
[ -z "${TIME:-}" ] || options=(--time "$TIME" "${options[@]}")
[ -z "${SEED:-}" ] || options=(--seed "$SEED" "${options[@]}")
lab_begin chaos
/usr/bin/python3 -c 'import yaml' 2>/dev/null || lab_skip "python3-yaml is not installed (make deps)"
chaos_up
plan >"$LAB_DIR/plan.yaml"

# The faults are undone before the lab goes.
stop() {
	trap '' INT TERM HUP
	kill -TERM "$pid" 2>/dev/null
	wait "$pid"
	exit "$1"
}

/usr/bin/python3 "$LAB_ROOT/tools/chaos/chaos.py" --plan "$LAB_DIR/plan.yaml" "${options[@]}" &
pid=$!
trap 'stop 130' INT
trap 'stop 143' TERM HUP
wait "$pid"
status=$?
[ $status -ne 0 ] || lab_load_stop steady
exit $status
