/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The decapsulator's maps. Sizes at the defaults: 5 KiB and what the addresses take. */
#ifndef STEER_DECAP_MAPS_H
#define STEER_DECAP_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

/*
 * This host's own addresses: tunnels to others are none of ours. Writer: agent, as addresses come
 * and go. Reader: every packet that is a tunnel.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DECAP_LOCAL_MAX);
	__type(key, struct decap_address);
	__type(value, struct decap_local);
} decap_local SEC(".maps");

/* Who may send us tunnels. Writer: agent, from the node file. Reader: tunnels to this host. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DECAP_SOURCES_MAX);
	__type(key, struct decap_prefix);
	__type(value, struct decap_source);
} decap_sources SEC(".maps");

/* Key: CPU. Writer: packets on that CPU. Reader: agent. 64 bytes a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct decap_reasons);
} decap_reasons SEC(".maps");

#endif
