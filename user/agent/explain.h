/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the datapath would do with a packet, worked out from the live tables the way bpf/ does it,
 * without touching them.
 */
#ifndef STEER_EXPLAIN_H
#define STEER_EXPLAIN_H

#include "agent/bank.h"
#include "common/routes.h"

#define EXPLAIN_STAGES_MAX  12
#define EXPLAIN_VERDICT_MAX 256

struct explain_stage {
	const char *name; /* "classify", "affinity", "policy", "health", "balance", "forward" */
	char verdict[EXPLAIN_VERDICT_MAX];
};

struct explanation {
	struct explain_stage stages[EXPLAIN_STAGES_MAX];
	size_t stages_n;
	enum steer_reason reason;
	char service[STEER_NAME]; /* "" where it does not come to that, here and below */
	char stack[STEER_NAME];
	bool has_backend;
	uint32_t slot; /* of the backend */
	struct address backend;
};

/*
 * For an unfragmented packet of the flow that is no ICMP and no SYN after a FIN; of a flow that
 * is to be reset, one that is neither SYN nor RST. `live`: the routes of the live bank, for words
 * only; NULL where this agent does not know them.
 */
void explain_packet(const struct datapath_view *view, const struct compiled *live,
		    const struct flow_tuple *tuple, struct explanation *ret);

const char *explain_reason_name(enum steer_reason reason);

#endif
