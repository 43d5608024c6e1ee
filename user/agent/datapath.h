/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The steering program and its maps in this kernel: sized, loaded, pinned, taken over from an
 * earlier agent, attached to interfaces. Knows nothing of routes.
 */
#ifndef STEER_DATAPATH_H
#define STEER_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "agent/xdp_link.h"

struct datapath_options {
	const char *pin_dir; /* NULL: nothing is pinned, the kernel forgets all at exit */
	uint32_t services;   /* live at once; slots are twice that */
	uint32_t backends;   /* likewise */
	uint32_t flows;	     /* entries; rounded up to a power of two */
	uint32_t series;     /* (service, stack, backend) measured apart; 0: nothing is measured */
	uint32_t samples;    /* sampled flows at once */
	uint32_t
		flow_ration; /* new entries a CPU and tick; 0: an eighth of the table over all CPUs */
};

/*
 * The maps, mapped into this process; indexes as abi.h says. What the kernel writes is read with
 * __atomic loads, what packets read is written with __atomic stores.
 */
struct datapath_view {
	struct control *control;
	struct vip_table *vips; /* [STEER_BANKS] */
	struct service *services;
	struct split *splits;
	struct stack *stacks;
	struct ring *rings;
	struct backend *backends;
	struct flow_bucket *flows;
	struct traffic *backend_counters;
	struct traffic *service_counters;
	struct share *share_counters;
	struct reasons *reasons;
	struct series *series;	     /* [cpus * series_slots] */
	uint64_t *series_generation; /* [series_slots] */
	struct flow_counts *flow_counts;
	struct flow_sample *samples;
	struct backend_watch *watch;
	int backends_fd;  /* of `backends` */
	int series_of_fd; /* a hash: bpf_map_update_elem() with a series_key and a series_ref */
	int tunnel_backends_fd; /* a hash of tunnel_key and tunnel_backend */
	int flow_events_fd;	/* a ring buffer of flow_event */
	uint32_t cpus;
	uint32_t service_slots; /* of one bank */
	uint32_t split_slots;	/* of one bank */
	uint32_t backend_slots;
	uint32_t share_slots;
	uint32_t flow_buckets;
	uint32_t series_slots;
	uint32_t sample_slots;
	bool has_telemetry;
};

struct datapath;

/*
 * Loads the program. Takes over the maps pinned in pin_dir when they are of this schema and size
 * (*ret_kept), else starts cold and says why in the log. A second agent on the same pins is
 * refused with -EBUSY; a kernel that lacks something needed with -EOPNOTSUPP. Errors are logged.
 */
int datapath_open(const struct datapath_options *options, struct datapath **ret, bool *ret_kept);
void datapath_free(struct datapath *datapath); /* leaves pins and attachments alone */

const struct datapath_view *datapath_view(const struct datapath *datapath);
int datapath_program_fd(const struct datapath *datapath);

/*
 * From here on the interface's packets meet this program: through the pinned link if there is one
 * (replaced without a gap), else through a new one. ret_mode is "native" or "generic". Logs.
 */
int datapath_attach(struct datapath *datapath, const char *interface, enum xdp_mode mode,
		    const char **ret_mode);
/* Removes the pinned links of interfaces that are not in the list any more. */
void datapath_detach_others(struct datapath *datapath, char *const *interfaces, size_t n);

/* Pins program and maps, over what was there; after this a crash loses nothing. Logs. */
int datapath_pin(struct datapath *datapath);

/* Verifier's count of processed instructions; 0: this kernel does not tell (before 5.16). */
uint32_t datapath_verified_instructions(const struct datapath *datapath);

/* 0, or -EOPNOTSUPP with the missing feature and the kernel that has it in the log. */
int datapath_check_kernel(void);

#endif
