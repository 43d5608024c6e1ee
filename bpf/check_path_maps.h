/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps that health checks go by. Of its own there is one, of 64 bytes a CPU. */
#ifndef STEER_CHECK_PATH_MAPS_H
#define STEER_CHECK_PATH_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

/* The one of maps.h that packets go by, which the agent puts in this one's place. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

/* Key: CPU. Writer: checks on that CPU. Reader: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct check_reasons);
} check_reasons SEC(".maps");

#endif
