/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What WatchTelemetry says, message by message, and sums of messages. A message is sparse; a sum
 * has a full histogram for each kind that occurred. Pure.
 */
#ifndef STEER_CLI_MEASURED_H
#define STEER_CLI_MEASURED_H

#include "cli/distribution.h"

/* In the order in which they are shown. */
enum measured_kind {
	MEASURED_CONNECT,
	MEASURED_RESPONSE,
	MEASURED_SERVICE,
	MEASURED_LAST_BYTE,
	MEASURED_QUIC_HANDSHAKE,
	MEASURED_QUIC_SPIN,
	MEASURED_KIND_MAX
};
extern const char *const measured_kind_names[MEASURED_KIND_MAX]; /* "connect", "last-byte", … */

struct measured_counter {
	char *name;
	uint64_t value;
};

struct measured_counters {
	struct measured_counter *item;
	size_t n;
};

struct measured_latency {
	enum measured_kind kind;
	uint64_t count;
	uint64_t sum_ns;
	uint32_t *bucket; /* below LATENCY_BUCKETS */
	uint64_t *bucket_count;
	size_t n;
};

/*
 * About one (service, stack, backend); "" stands for all of them. What the protocol says of the
 * sampled flows has all three, of all flows to a backend no service, of shares no backend.
 */
struct measured_item {
	char *service;
	char *stack;
	char *backend;
	struct measured_latency *latencies;
	size_t latencies_n;
	struct measured_counters errors;   /* of sampled flows */
	struct measured_counters left_out; /* of sampled flows */
	struct measured_counters flows;	   /* of all TCP flows */
	uint64_t packets;
	uint64_t bytes;
	uint64_t new_flows;
	double wanted_share;
	bool has_share; /* new_flows and wanted_share were said */
};

struct measured {
	char *node;
	uint64_t epoch;
	uint64_t epoch_unix_ms;
	uint64_t started_unix_ms;
	uint64_t from_unix_ms;
	uint64_t to_unix_ms;
	uint32_t sample_one_in; /* 0: none */
	bool more;		/* the next message is about the same interval */
	struct measured_item *items;
	size_t n;
};

void measured_free(struct measured *message); /* accepts NULL */

/* Adds another part of the same interval, and empties it. */
void measured_append(struct measured *message, struct measured *part);

/* Finds a counter; 0 where there is none. */
uint64_t measured_counter(const struct measured_counters *counters, const char *name);
void measured_counters_add(struct measured_counters *counters, const char *name, uint64_t value);
void measured_counters_clear(struct measured_counters *counters);

/* One (service, stack, backend) of a sum. */
struct measured_total {
	char *service;
	char *stack;
	char *backend;
	struct distribution *kinds[MEASURED_KIND_MAX]; /* NULL: none */
	struct measured_counters errors;
	struct measured_counters left_out;
	struct measured_counters flows;
	uint64_t packets;
	uint64_t bytes;
	uint64_t new_flows;
	double wanted_share; /* as the last message said */
};

/* Rising by service, stack, backend. Zero-initialise. */
struct measured_sum {
	struct measured_total **totals;
	size_t n;
};

void measured_sum_clear(struct measured_sum *sum);
void measured_sum_add(struct measured_sum *sum, const struct measured *message);
/* A message that was added before. */
void measured_sum_subtract(struct measured_sum *sum, const struct measured *message);

/* What is asked for; NULL: of any. */
struct measured_filter {
	const char *service;
	const char *stack;
	const char *backend;
};
bool measured_matches(const struct measured_filter *filter, const struct measured_total *total);

const struct measured_total *measured_sum_find(const struct measured_sum *sum, const char *service,
					       const char *stack, const char *backend);

/* Adds up a kind over all that match. */
void measured_sum_distribution(const struct measured_sum *sum, const struct measured_filter *filter,
			       enum measured_kind kind, struct distribution *ret);
/* Likewise the counters of sampled flows, into lists the caller clears. */
void measured_sum_counters(const struct measured_sum *sum, const struct measured_filter *filter,
			   struct measured_counters *ret_errors,
			   struct measured_counters *ret_left_out);

#define CLEANUP_MEASURED_SUM	  __attribute__((cleanup(measured_sum_clear)))
#define CLEANUP_MEASURED_COUNTERS __attribute__((cleanup(measured_counters_clear)))
#define CLEANUP_MEASURED	  __attribute__((cleanup(measured_freep)))
static inline void measured_freep(struct measured **message)
{
	measured_free(*message);
}

#endif
