/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The real program with its real tables, for packets made by hand. Nothing is pinned or attached;
 * routes come as YAML, health and next hops are set by the test. Everything runs on one CPU, so
 * that what is counted by CPU is told apart. What goes wrong here ends the process with a message.
 */
#ifndef STEER_TESTS_FIXTURE_H
#define STEER_TESTS_FIXTURE_H

#include <linux/bpf.h>

#include "agent/bank.h"
#include "agent/datapath.h"
#include "lib/packet.h"

/* Test packets arrive on the loopback device; a backend behind it is answered by XDP_TX. */
#define FIXTURE_IFINDEX 1
#define FIXTURE_MTU	1500
#define FIXTURE_SOURCE4 "192.0.2.1" /* outer sources */
#define FIXTURE_SOURCE6 "2001:db8:ffff::1"

struct fixture {
	struct datapath *datapath;
	const struct datapath_view *view;
	struct bank_slots slots;
	struct compiled *banks[STEER_BANKS]; /* what each holds; NULL: nothing */
	uint64_t version;
	unsigned int cpu;
};

struct fixture_sizes {
	uint32_t flows;	      /* entries; 0: 4096 */
	uint32_t flow_ration; /* 0: no limit worth the name */
	uint32_t services;    /* 0: 64 */
	uint32_t backends;    /* 0: 512 */
	bool no_telemetry;
};

/* What became of one packet. */
struct outcome {
	uint32_t action; /* XDP_* */
	int reason;	 /* REASON_*; -1: none was counted, or more than one */
	struct packet out;
};

void fixture_open(struct fixture *fixture, const struct fixture_sizes *sizes);
void fixture_close(struct fixture *fixture);

/*
 * The idle bank gets these routes, and becomes the live one. Backends met for the first time are
 * healthy, behind FIXTURE_IFINDEX, with MACs 06:00:…:SLOT and 02:00:…:SLOT (as source).
 */
void fixture_apply(struct fixture *fixture, const char *yaml);

/* The live routes' backend; its slot in view->backends. address "": a local stack's own. */
uint32_t fixture_slot(const struct fixture *fixture, const char *stack, const char *address);
struct backend *fixture_backend(const struct fixture *fixture, const char *stack,
				const char *address);

/* Stores the state as the agent does, without touching rings and splits. */
void fixture_set_state(const struct fixture *fixture, const char *stack, const char *address,
		       uint8_t state);

/* For every backend of the stack. */
void fixture_set_stack_state(const struct fixture *fixture, const char *stack, uint8_t state);

/* Brings stack.up, rings and splits in step with the backends' states. */
void fixture_overlay(const struct fixture *fixture, const char *stack);

/* An outer source other than the default, the lowest `bits` of which vary by flow. */
void fixture_set_source(const struct fixture *fixture, uint32_t slot, const char *address,
			uint8_t bits);

/* The index of a live service, without the bank. */
uint32_t fixture_service(const struct fixture *fixture, const char *name);

/* Forgets every flow. */
void fixture_forget_flows(const struct fixture *fixture);

/* All counters of the map, over CPUs. */
struct reasons fixture_reasons(const struct fixture *fixture);
struct traffic fixture_backend_traffic(const struct fixture *fixture, uint32_t slot);
struct traffic fixture_service_traffic(const struct fixture *fixture, const char *name);
uint64_t fixture_new_flows(const struct fixture *fixture, const char *service, const char *stack);

/* Runs the program once over the packet, which must have 14 bytes at least. */
void fixture_send(const struct fixture *fixture, const struct packet *in, struct outcome *ret);

/* The slot of the backend that a forwarded packet went to, by its destination MAC; -1: none. */
int fixture_receiver(const struct outcome *outcome);

/* Binds this thread to one CPU of those it may use; its number. */
unsigned int fixture_bind_cpu(void);

/* fixture_send() for any XDP program. */
void fixture_run_program(int program_fd, const struct packet *in, uint32_t *ret_action,
			 struct packet *ret_out);

/* "forwarded" and so on; "nothing, or several" for -1. */
const char *fixture_reason_name(int reason);

#endif
