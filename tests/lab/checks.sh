# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# What every way of forwarding must carry.

readonly BIG_MB=${LAB_BIG_MB:-6}

check_download() {
	local family=$1

	lab_get "$family" /files/big >"$LAB_DIR/got" || lab_fail "no download over IPv$family"
	cmp "$LAB_DIR/files/big" "$LAB_DIR/got" || lab_fail "the download over IPv$family differs"
}

check_upload() {
	local family=$1 host=$VIP4 copy found=0

	[ "$family" = 4 ] || host="[$VIP6]"
	rm -f "$LAB_DIR"/*/put/up
	lab_in client curl -fsS -m 20 -T "$LAB_DIR/files/big" "http://$host/put/up" ||
		lab_fail "no upload over IPv$family"
	for copy in "$LAB_DIR"/*/put/up; do
		if cmp -s "$LAB_DIR/files/big" "$copy"; then
			found=$((found + 1))
		fi
	done
	expect "backends that have the upload over IPv$family whole" $found 1
}

# Datagrams as large as the client's link takes.
check_udp() {
	local family=$1 target=$TARGET4 size=1472

	[ "$family" = 4 ] || { target=$TARGET6 && size=1452; }
	lab_load --udp --size 64 --target "$target" --clients 200 --rate $((LAB_RATE / 2)) --count 200
	expect "failed small datagrams over IPv$family" "$(lab_failures "$LAB_DIR/load.json")" 0
	lab_load --udp --size $size --target "$target" --clients 200 --rate $((LAB_RATE / 2)) --count 200
	expect "failed large datagrams over IPv$family" "$(lab_failures "$LAB_DIR/load.json")" 0
}

# check_traffic STACK ...: these and no others answer, everything passes, whole and intact.
check_traffic() {
	local family stacks

	head -c ${BIG_MB}M /dev/urandom >"$LAB_DIR/files/big"
	stacks=$(printf '%s\n' "$@" | sort | xargs)
	for family in 4 6; do
		lab_load --target "$([ $family = 4 ] && echo "$TARGET4" || echo "$TARGET6")" \
			--clients 400 --rate $((LAB_RATE / 2)) --count 400
		expect "failed requests over IPv$family" "$(lab_failures "$LAB_DIR/load.json")" 0
		expect "stacks that answered over IPv$family" \
			"$(lab_json "$LAB_DIR/load.json" '" ".join(sorted(d["stacks"]))')" "$stacks"
		for _ in 1 2 3; do
			check_download $family
			check_upload $family
		done
		check_udp $family
	done
	expect "wrong TCP checksums" "$(lab_checksum_errors)" 0
	expect "packets dropped as too big" "$(lab_counter too_big)" 0
	expect "packets dropped for want of a backend" "$(lab_counter no_backend)" 0
	lab_note "TCP, UDP, downloads and uploads of $BIG_MB MB over IPv4 and IPv6: intact"
}

# check_split SHARE STACK: the stack has that share of the clients.
check_split() {
	local share

	lab_load --target "$TARGET4" --target "$TARGET6" --clients 1000 --rate "$LAB_RATE" --count 2000
	expect "failed requests" "$(lab_failures "$LAB_DIR/load.json")" 0
	share=$(lab_share "$LAB_DIR/load.json" "$2")
	expect_share "share of $2" "$share" "$1" 2000
	lab_note "$2 has $share of 2000 clients; wanted $1"
}
