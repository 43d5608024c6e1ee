#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `steerctl explain` agrees with what the kernel does, for 10,000 random flows through the live
# program: TCP and UDP, both families, l2 and ipip, with backends up, down and drained, with stacks
# that others take over from, and in panic.
. "$(dirname "$0")/../lab/lib.sh"

readonly FLOWS=${1:-10000}
lab_begin explain
lab_up blue:l2 green:l2 violet:l2
LAB_STACK_MODE[violet]=ipip # nobody receives these packets: where they go is all that is asked
LAB_VIA=direct
lab_steerd
lab_apply "blue: 50, green: 20, violet: 30"

for name in "${LAB_BACKENDS[@]}"; do
	stack=$(lab_stack_of "$name")
	address=$(lab_ip4 "$name")
	[ "${LAB_STACK_MODE[$stack]}" = l2 ] || address=$(lab_ip6 "$name")
	echo "$stack $address ${LAB_STACK_MODE[$stack]} $(lab_mac "$name")"
done >"$LAB_DIR/receivers"

agree() { # WHAT
	local part=$((FLOWS / 6))

	"$LAB_BUILD/tests/lab/flows" "$LAB_PINS" "$STEERD_ADDRESS" $part "$part$SECONDS" \
		"$LAB_DIR/receivers" $VIP4 $VIP6 >"$LAB_DIR/flows.out" ||
		lab_fail "$1: $(cat "$LAB_DIR/flows.out")"
	lab_note "$1: $(cat "$LAB_DIR/flows.out")"
}

agree "all up"
steerctl health "blue/$(lab_ip4 blue1)" down >/dev/null || lab_fail "refused"
agree "a backend down"
steerctl drain green >/dev/null || lab_fail "refused"
agree "a stack drained"
steerctl health green auto >/dev/null
steerctl split shop blue=1 green=1 violet=1 >/dev/null || lab_fail "refused"
agree "other weights"
steerctl health blue auto >/dev/null
lab_apply "blue: 50, green: 20, violet: 30" "failover: [violet, green]"
steerctl health blue down >/dev/null || lab_fail "refused"
agree "a stack taken over from"
steerctl health violet down >/dev/null || lab_fail "refused"
steerctl health green down --force >/dev/null || lab_fail "refused"
agree "panic"
for stack in blue green violet; do
	steerctl health $stack auto >/dev/null
done

out=$(steerctl explain shop tcp 198.51.100.7:4711 $VIP4:80) || lab_fail "explain failed"
for stage in classify affinity policy health balance forward; do
	expect_in "explain" "$out" "$stage"
done
