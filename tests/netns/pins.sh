#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What stands on the host for bpftool: each map under its own name, dumped with named fields, and
# the live program, which can be run.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin pins
lab_up blue:l2
lab_steerd
lab_apply "blue: 1"
lab_get 4 >/dev/null || lab_fail "the VIP does not answer"

# dumped MAP FIELD: bpftool prints the field's name; large maps are not read to their end.
dumped() {
	timeout 20 bpftool map dump pinned "$LAB_PINS/$1" 2>"$LAB_DIR/bpftool" |
		head -n 400 >"$LAB_DIR/dump"
	grep -qF "\"$2\":" "$LAB_DIR/dump" ||
		lab_fail "bpftool shows no field $2 in map $1: $(cat "$LAB_DIR/bpftool")"
	lab_note "$1: $2"
}

dumped limits flow_buckets
dumped control active
dumped flows entry
dumped pending tuple
dumped services split
dumped splits choice
dumped stacks up
dumped rings backend
dumped backends state
dumped backend_counters packets
dumped service_counters bytes
dumped share_counters new_flows
dumped reasons forwarded
dumped samples armed_ns
dumped series data_retransmits
dumped series_generation value
dumped series_of generation
dumped flow_counts syn_retransmits
dumped backend_watch tick_votes
dumped event_rations suppressed
dumped check_reasons sent
expect "the type of tunnel_backends" \
	"$(bpftool -j map show pinned "$LAB_PINS/tunnel_backends" | grep -o '"btf_id"')" '"btf_id"'
for pin in "$LAB_PINS"/*; do
	case ${pin##*/} in
	prog | check_prog | link_client) ;;
	tunnel_backends) ;; # no tunnel here: nothing to dump
	flow_events) ;;	    # a ring buffer has no entries
	*) grep -q "^dumped ${pin##*/} " "$0" || lab_fail "the map ${pin##*/} is not checked here" ;;
	esac
done
[ -e "$LAB_PINS/link_client" ] || lab_fail "link_client is not pinned"
expect "the program's entry point" \
	"$(bpftool -j prog show pinned "$LAB_PINS/prog" | sed 's/.*"name":"\([^"]*\)".*/\1/')" steer

# A SYN to the VIP, by hand.
/usr/bin/python3 - "$LAB_DIR/syn" <<-END
	import socket, struct, sys
	ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0,
	                 socket.inet_aton("198.51.100.7"), socket.inet_aton("$VIP4"))
	total = sum(struct.unpack("!10H", ip))
	total = (total >> 16) + (total & 0xffff)
	ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + ip[12:]
	tcp = struct.pack("!HHIIBBHHH", 40000, 80, 1, 0, 5 << 4, 2, 1000, 0, 0)
	open(sys.argv[1], "wb").write(bytes(12) + b"\x08\x00" + ip + tcp)
END
before=$(lab_counter forwarded)
out=$(bpftool prog run pinned "$LAB_PINS/prog" data_in "$LAB_DIR/syn" repeat 1000) ||
	lab_fail "bpftool cannot run the program"
expect_in "bpftool" "$out" "Return value: 4" # XDP_REDIRECT
[ "$(lab_counter forwarded)" -ge $((before + 1000)) ] || lab_fail "the runs were not counted"
lab_note "$out"
