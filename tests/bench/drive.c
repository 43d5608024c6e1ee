/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "bench/drive.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/ethernet.h>
#include <time.h>

#include "abi.h"
#include "agent/xdp_link.h"
#include "bench/harness.h"
#include "common/log.h"
#include "common/util.h"
#include "harness.skel.h"

#define CALIBRATION_STEPS 100000

struct drive {
	struct harness_bpf *skeleton;
	uint32_t next; /* carries on, so that new flows stay new from run to run */
	uint32_t verdict;
	uint32_t sequence, sequence_step;
};

int drive_open(uint32_t floor_buckets, struct drive **ret)
{
	struct drive *d = util_calloc(1, sizeof(*d));
	struct bpf_program *program;
	int err;

	d->skeleton = harness_bpf__open();
	if (!d->skeleton) {
		free(d);
		return log_errno(-errno, "cannot open the harness");
	}
	d->skeleton->rodata->floor_mask = floor_buckets - 1;
	bpf_map__set_max_entries(d->skeleton->maps.floor_table, floor_buckets);
	/* Programs that tail-call each other must agree on this flag. */
	if (xdp_link_has_frags())
		bpf_object__for_each_program(program, d->skeleton->obj)
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	err = harness_bpf__load(d->skeleton);
	if (err) {
		drive_close(d);
		return log_errno(err, "the kernel refuses the harness");
	}
	*ret = d;
	return 0;
}

void drive_close(struct drive *d)
{
	if (!d)
		return;
	harness_bpf__destroy(d->skeleton);
	free(d);
}

int drive_program_fd(const struct drive *d, enum drive_program program)
{
	const struct bpf_program *const programs[DRIVE_PROGRAM_MAX] = {
		[DRIVE_NULL] = d->skeleton->progs.null_pass,
		[DRIVE_GROW] = d->skeleton->progs.null_grow,
		[DRIVE_GROW_TWICE] = d->skeleton->progs.null_grow_twice,
		[DRIVE_4IN4] = d->skeleton->progs.floor_4in4,
		[DRIVE_4IN4_INLINE] = d->skeleton->progs.floor_4in4_inline,
		[DRIVE_4IN6] = d->skeleton->progs.floor_4in6,
		[DRIVE_6IN6] = d->skeleton->progs.floor_6in6,
		[DRIVE_BUCKET] = d->skeleton->progs.floor_bucket,
	};

	return bpf_program__fd(programs[program]);
}

static int set_target(struct drive *d, int program_fd)
{
	uint32_t slot = 0;
	int fd = bpf_map__fd(d->skeleton->maps.target);

	if (bpf_map_update_elem(fd, &slot, &program_fd, BPF_ANY))
		return log_errno(-errno, "the program does not go into the harness");
	return 0;
}

bool drive_is_ipv6(const struct packet *packet)
{
	return packet->data[12] == ETHERTYPE_IPV6 >> 8 &&
	       packet->data[13] == (ETHERTYPE_IPV6 & 255);
}

void drive_settings(const struct packet *packet, uint32_t flows, struct harness_settings *ret)
{
	bool v6 = drive_is_ipv6(packet);
	const uint8_t *address = packet->data + HARNESS_ADDRESS_AT(v6);

	*ret = (struct harness_settings){
		.mask = flows == DRIVE_EVER_NEW ? UINT32_MAX : flows - 1,
	};
	memcpy(v6 ? (uint8_t *)&ret->address_rest : (uint8_t *)&ret->address_rest + 4,
	       v6 ? address : address + 4, 4);
	memcpy((uint8_t *)&ret->ports_rest + 2, packet->data + HARNESS_PORTS_AT(v6) + 2, 2);
	memcpy(&ret->protocol_be, packet->data + 12, 2);
	memcpy(ret->packet, packet->data, sizeof(ret->packet));
}

int drive_run(struct drive *d, int program_fd, const struct packet *packet, uint32_t flows,
	      uint32_t packets, double *ret_ns)
{
	struct harness_settings *settings = &d->skeleton->bss->settings;
	const struct bpf_program *program = drive_is_ipv6(packet) ? d->skeleton->progs.drive_ipv6
								  : d->skeleton->progs.drive_ipv4;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet->data,
		    .data_size_in = (__u32)packet->size,
		    .repeat = (int)((packets + HARNESS_BATCH - 1) / HARNESS_BATCH));
	int err = set_target(d, program_fd);

	if (err)
		return err;
	drive_settings(packet, flows, settings);
	settings->next = d->next;
	settings->sequence = d->sequence;
	settings->sequence_step = d->sequence_step;
	settings->numbered = d->sequence_step != 0;
	err = bpf_prog_test_run_opts(bpf_program__fd(program), &run);
	if (err)
		return log_errno(err, "the harness does not run");
	d->next = settings->next;
	d->sequence = settings->sequence;
	d->verdict = run.retval;
	*ret_ns = (double)run.duration / HARNESS_BATCH;
	return 0;
}

void drive_number(struct drive *d, uint32_t step)
{
	d->sequence = 0;
	d->sequence_step = step;
}

uint32_t drive_verdict(const struct drive *d)
{
	return d->verdict;
}

uint64_t drive_calibrate_ns(void)
{
	volatile uint64_t result;
	struct timespec from, to;
	uint64_t x = 1;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < CALIBRATION_STEPS; i++)
		x = x * 0x9e3779b97f4a7c15ULL + (x >> 32);
	result = x;
	(void)result;
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (uint64_t)(to.tv_sec - from.tv_sec) * 1000000000ULL +
	       (uint64_t)(to.tv_nsec - from.tv_nsec);
}
