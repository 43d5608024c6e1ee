/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the far end of a veth: XDP_TX and redirects towards it get lost unless it has a program. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *xdp)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
