/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A BPF program as a filter on the packets that the loopback device sends (tc, clsact). */
#ifndef STEER_TC_FILTER_H
#define STEER_TC_FILTER_H

#include <stdbool.h>
#include <stdint.h>

/* The device of this number is `lo` in every network namespace. */
#define TC_FILTER_LOOPBACK 1

/*
 * Where the filter stands among others; what has the same is replaced in one step, so that no
 * packet goes without.
 */
struct tc_filter {
	uint32_t handle;
	uint16_t priority;
	bool made_hook; /* the device had no clsact before, or one that an earlier agent made */
};

/* 0 or -errno. Nothing is logged, nor printed by libbpf. */
int tc_filter_attach(struct tc_filter *filter, int program_fd);

/* The id of the program that is there now; 0: none. */
uint32_t tc_filter_program(const struct tc_filter *filter);

/* Takes it out, and the clsact too where that was made for it and has nothing else. */
void tc_filter_detach(const struct tc_filter *filter);

#endif
