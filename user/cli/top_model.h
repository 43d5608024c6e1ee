/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `steerctl top` knows: the live routes and the telemetry of the last seconds, and rows made
 * of it. Pure: messages and the time come in as parameters.
 */
#ifndef STEER_CLI_TOP_MODEL_H
#define STEER_CLI_TOP_MODEL_H

#include <jansson.h>

#include "cli/measured.h"

#define TOP_WINDOW_MS 10000 /* what latencies and shares seen are about; rates: the last message */

struct top_backend {
	char *address;
	bool up;
	double wanted; /* share of the stack, by weight */
};

struct top_stack {
	char *name;
	struct top_backend *backends;
	size_t n;
	size_t up_n;
};

struct top_share {
	char *stack;
	double wanted;
};

struct top_service {
	char *name;
	struct top_share *shares;
	size_t n;
	uint64_t packets;
	double packets_per_s; /* NAN: not known yet */
};

struct top_model {
	char *node;
	uint64_t version; /* of the routes */
	struct top_service *services;
	size_t services_n;
	struct top_stack *stacks;
	size_t stacks_n;
	uint64_t status_ms; /* when the status came; 0: none yet */

	struct measured **messages; /* of the window, oldest first; never empty once one came */
	size_t messages_n;
	struct measured_sum window;
	struct measured_sum last; /* of the last message only */
	double last_s;		  /* how long that one was, seconds */
};

void top_model_clear(struct top_model *model);

/* A GetStatusResponse with all its fields. now_ms: any clock that never goes back. */
void top_model_set_status(struct top_model *model, const json_t *status, uint64_t now_ms);

/* Takes the message over. Another epoch, or another node, empties the window. */
void top_model_add(struct top_model *model, struct measured *message);

/* The latest message; NULL: none came yet. */
const struct measured *top_model_message(const struct top_model *model);

enum top_level { TOP_SERVICE, TOP_STACK, TOP_BACKEND };

/* NAN where a figure is not known. */
struct top_row {
	enum top_level level;
	const char *service; /* names belong to the model */
	const char *stack;   /* "" for a service */
	const char *backend; /* "" for a service and a stack */
	size_t up_n;
	size_t backends_n;
	double wanted;
	double seen;
	double flows_per_s;
	double packets_per_s;
	double connect_ns[2]; /* p50 and p99 */
	double answer_ns[2];  /* likewise, of the kind asked for */
	double syn_retransmits_per_s;
	double resets_per_s;
	double abandoned_per_s; /* estimated: of sampled flows, times one in so many */
};

double top_row_errors(const struct top_row *row); /* all three, a second */

/*
 * Every service, each followed by its stacks; or the stacks of a service; or the backends of one
 * of its stacks. As the routes have them; names that are not there have no rows. `answer`: the
 * kind of answer_ns of TCP. The caller frees the array, which is valid until the model changes.
 */
size_t top_model_rows(const struct top_model *model, const char *service, const char *stack,
		      enum measured_kind answer, struct top_row **ret_rows);

const struct top_service *top_model_service(const struct top_model *model, const char *name);
const struct top_stack *top_model_stack(const struct top_model *model, const char *name);

/* All of it, for programs; the caller's reference. */
json_t *top_model_json(const struct top_model *model);

#endif
