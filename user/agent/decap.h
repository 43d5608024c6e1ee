/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decapsulator on this host's interfaces (bpf/decap.bpf.c): takes IP-in-IP off packets that
 * the told sources sent to this host's own addresses, which are followed as they change.
 */
#ifndef STEER_DECAP_H
#define STEER_DECAP_H

#include "abi.h"
#include "agent/node_config.h"
#include "agent/xdp_link.h"

#include <systemd/sd-event.h>

struct decap_options {
	const char *pin_dir; /* NULL: nothing is pinned, the kernel forgets all at exit */
	enum xdp_mode mode;
	char (*interfaces)[IF_NAMESIZE];
	size_t interfaces_n;
	const struct address_prefix *sources; /* at most DECAP_SOURCES_MAX */
	size_t sources_n;
};

struct decap;

/*
 * Loads, fills, attaches, and pins decap_prog, decap_local, decap_sources, decap_reasons and
 * link_INTERFACE, in that order, so that no packet meets an empty map. Links that an earlier agent
 * pinned stay and get the new program; its counters go on, too. The caller has pin_dir to itself
 * (datapath_open()). Takes its own reference to the loop. 0, or -errno with the cause in the log.
 */
int decap_open(sd_event *loop, const struct decap_options *options, struct decap **ret);
void decap_free(struct decap *decap); /* leaves pins and pinned links alone; accepts NULL */

int decap_program_fd(const struct decap *decap);

/* Packets by what became of them, over all CPUs. */
void decap_count(const struct decap *decap, struct decap_reasons *ret_reasons);

#endif
