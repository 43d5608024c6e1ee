# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Clients: single requests, loads, and who was answered by whom.

# lab_get FAMILY [PATH]: over a new connection, from the client's own address.
lab_get() {
	local host=$VIP4

	[ "$1" = 4 ] || host="[$VIP6]"
	lab_in client curl -fsS -m "${LAB_GET_TIMEOUT:-5}" "http://$host${2:-/}"
}

# lab_load OPTIONS ...: to its end; the summary is in $LAB_DIR/load.json.
lab_load() {
	lab_in client timeout -k 5 120 "$LAB_BUILD/tests/lab/load" --sources "$CLIENTS4" \
		--sources "$CLIENTS6" "$@" >"$LAB_DIR/load.json" || lab_fail "the load generator failed"
}

# lab_load_start NAME OPTIONS ...: until lab_load_stop NAME; log and summary: NAME.requests, NAME.json.
lab_load_start() {
	local name=$1

	shift
	lab_spawn "$name" client sh -c 'out=$1; shift; exec "$@" >"$out"' sh "$LAB_DIR/$name.json" \
		"$LAB_BUILD/tests/lab/load" --sources "$CLIENTS4" --sources "$CLIENTS6" \
		--log "$LAB_DIR/$name.requests" "$@"
	lab_wait 10 "the load to begin" test -s "$LAB_DIR/$name.requests"
}

lab_load_stop() {
	lab_kill "$1" TERM
	[ -s "$LAB_DIR/$1.json" ] || lab_fail "the load '$1' left no summary"
}

# lab_failures FILE: how many requests of a summary were not answered well.
lab_failures() {
	lab_json "$1" 'sum(v for k in ("new", "held") for r, v in d[k].items()
		if r not in ("requests", "ok"))'
}

# lab_share FILE STACK: of the clients in a summary, those whose last answer came from it.
lab_share() {
	lab_json "$1" "d['stacks'].get('$2', {}).get('clients', 0) /
		max(1, sum(s['clients'] for s in d['stacks'].values()))"
}

# expect_share WHAT SHARE WANTED CLIENTS: within what chance allows (four standard deviations).
expect_share() {
	awk -v share="$2" -v wanted="$3" -v n="$4" 'BEGIN {
		margin = 4 * sqrt(wanted * (1 - wanted) / n)
		exit !(share >= wanted - margin && share <= wanted + margin)
	}' || lab_fail "$1 is $2; wanted $3 within chance of $4 clients"
}

# Checksums that were wrong on arrival: the sign that a rewritten packet was not finished well.
lab_checksum_errors() {
	local name

	for name in client "${LAB_BACKENDS[@]}"; do
		lab_in "$name" cat /proc/net/snmp
	done | awk '/^Tcp: [0-9]/ { n += $NF } END { print n + 0 }'
}

# lab_census NAME: each of 1000 clients asks once; $LAB_DIR/NAME has "family/client stack", sorted.
lab_census() {
	lab_load --target "$TARGET4" --target "$TARGET6" --clients 500 --rate "$LAB_RATE" \
		--count 1000 --log "$LAB_DIR/$1.requests"
	expect "failed requests" "$(lab_failures "$LAB_DIR/load.json")" 0
	awk '{ print $3 "/" $4, $7 }' "$LAB_DIR/$1.requests" | sort >"$LAB_DIR/$1"
	expect "clients seen" "$(wc -l <"$LAB_DIR/$1")" 1000
}

# lab_left BEFORE AFTER STACK: how many of a census' clients left it.
lab_left() {
	join "$LAB_DIR/$1" "$LAB_DIR/$2" | awk -v from="$3" '$2 == from && $3 != from' | wc -l
}

# lab_same BEFORE AFTER WHAT
lab_same() {
	cmp -s "$LAB_DIR/$1" "$LAB_DIR/$2" ||
		lab_fail "$3: $(join "$LAB_DIR/$1" "$LAB_DIR/$2" | awk '$2 != $3' | wc -l) clients changed stack"
}
