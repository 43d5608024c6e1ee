#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A full disk: routes that could not be saved are refused, with the way out, before they go live;
# once there is room they are taken. The last good routes are what a new daemon starts with.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin full-disk
lab_up blue:l2
mkdir -p "$LAB_DIR/tiny"
mount -t tmpfs -o size=64k tmpfs "$LAB_DIR/tiny" || lab_skip "no tmpfs can be mounted"
lab_node_file
sed -i "s,state_dir: .*,state_dir: $LAB_DIR/tiny/state," "$LAB_DIR/edge.yaml"
lab_steerd
lab_apply "blue: 1"

persist_error() {
	lab_status && lab_json "$LAB_DIR/status.json" "d.get('persist_error', '')"
}
expect "persist error with room on the disk" "$(persist_error)" ""

head -c 1M /dev/zero >"$LAB_DIR/tiny/filler" 2>/dev/null
lab_routes "blue: 7" >"$LAB_DIR/seven.yaml"
if out=$(steerctl apply -f "$LAB_DIR/seven.yaml" 2>&1); then
	lab_fail "routes were taken although the disk is full: $out"
fi
expect_in "the refusal" "$out" "the routes cannot be saved in $LAB_DIR/tiny/state"
expect_in "the refusal" "$out" "No space left on device"
expect_in "the live routes" "$(steerctl status --routes)" "blue: 1"
lab_load --target "$TARGET4" --clients 100 --rate $((LAB_RATE / 2)) --count 100
expect "failed requests" "$(lab_failures "$LAB_DIR/load.json")" 0

rm "$LAB_DIR/tiny/filler"
lab_routes "blue: 9" >"$LAB_DIR/nine.yaml"
steerctl apply -f "$LAB_DIR/nine.yaml" >/dev/null || lab_fail "refused with room on the disk"
expect "persist error with room again" "$(persist_error)" ""
lab_kill steerd KILL
rm -rf "$LAB_PINS" # as after a reboot: nothing is left but the disk
lab_steerd
expect_in "the routes after a reboot" "$(steerctl status --routes)" "blue: 9"
lab_wait 15 "all backends to be up" lab_all_up
lab_load --target "$TARGET4" --clients 100 --rate $((LAB_RATE / 2)) --count 100
expect "failed requests after a reboot" "$(lab_failures "$LAB_DIR/load.json")" 0
