/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is measured, with no program in the kernel: tables in plain memory, the one hash map that
 * is real, routes as YAML, and packets' part played by the test.
 */
#ifndef STEER_TESTS_TELEMETRY_WORLD_H
#define STEER_TESTS_TELEMETRY_WORLD_H

#include "agent/bank.h"
#include "agent/telemetry.h"

struct telemetry_world {
	sd_event *loop;
	struct datapath_view view;
	struct bank_slots slots;
	struct compiled *banks[STEER_BANKS];
	struct telemetry *telemetry;
};

void telemetry_world_open(struct telemetry_world *world, uint32_t cpus, uint32_t series);
void telemetry_world_close(struct telemetry_world *world);

/* As the agent does: into the idle bank, which becomes the live one. */
void telemetry_world_apply(struct telemetry_world *world, const char *yaml);
void telemetry_world_rollback(struct telemetry_world *world);

/* The agent ends and another starts on the same tables, with these routes saved; NULL: none. */
void telemetry_world_restart(struct telemetry_world *world, const char *yaml);

/* Where packets of this share to this backend count on a CPU; NULL: nowhere. */
struct series *telemetry_world_row(const struct telemetry_world *world, const char *service,
				   const char *stack, const char *address, uint32_t cpu);

/* A packet's latency, as the program counts it. */
void telemetry_world_record(const struct telemetry_world *world, const char *service,
			    const char *stack, const char *address, uint32_t cpu,
			    enum latency_kind kind, uint64_t ns);

/* By labels; NULL: nobody's. *ret_index may be NULL. */
const struct series_totals *telemetry_world_totals(const struct telemetry_world *world,
						   const char *service, const char *stack,
						   const char *backend, size_t *ret_index);

uint32_t telemetry_world_backend(const struct telemetry_world *world, const char *stack,
				 const char *address);
size_t telemetry_world_entries(const struct telemetry_world *world); /* of the map series_of */

#endif
