/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "bench/live.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <time.h>

#include "agent/xdp_link.h"
#include "bench/drive.h"
#include "common/log.h"
#include "common/util.h"
#include "harness.skel.h"

#define SETUP                                                                                      \
	"ip link add gen0 type veth peer name near0 && "                                           \
	"ip link add away0 type veth peer name sink0 && "                                          \
	"for i in gen0 near0 away0 sink0; do "                                                     \
	"ip link set $i addrgenmode none && ip link set $i up || exit 1; done"

struct live {
	struct harness_bpf *skeleton;
	uint32_t gen, near, away, sink;
	int near_link, gen_link, sink_link; /* the programs on these */
	uint32_t next;			    /* as in struct drive */
};

static int load(struct live *l)
{
	struct bpf_program *program;
	int err;

	l->skeleton = harness_bpf__open();
	if (!l->skeleton)
		return log_errno(-errno, "cannot open the harness");
	if (xdp_link_has_frags())
		bpf_object__for_each_program(program, l->skeleton->obj)
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	err = harness_bpf__load(l->skeleton);
	return err ? log_errno(err, "the kernel refuses the harness") : 0;
}

static int attach(uint32_t ifindex, const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(bpf_program__fd(program), (int)ifindex, BPF_XDP, &options);

	return fd < 0 ? log_errno(fd, "cannot attach to an interface of the bench") : fd;
}

/* Far ends need a program of their own, or what is transmitted to them is lost. */
static int attach_all(struct live *l)
{
	l->gen_link = attach(l->gen, l->skeleton->progs.sink);
	l->sink_link = attach(l->sink, l->skeleton->progs.sink);
	l->near_link = attach(l->near, l->skeleton->progs.floor_tx);
	return l->gen_link < 0 || l->sink_link < 0 || l->near_link < 0 ? -EIO : 0;
}

static int make_interfaces(struct live *l)
{
	if (unshare(CLONE_NEWNET))
		return log_errno(-errno, "cannot make a network namespace");
	if (system(SETUP)) {
		log_error("cannot make veth pairs for live frames");
		return -EIO;
	}
	l->gen = if_nametoindex("gen0");
	l->near = if_nametoindex("near0");
	l->away = if_nametoindex("away0");
	l->sink = if_nametoindex("sink0");
	return 0;
}

int live_open(struct live **ret)
{
	struct live *l = util_calloc(1, sizeof(*l));
	int err;

	l->near_link = l->gen_link = l->sink_link = -1;
	err = make_interfaces(l);
	if (!err)
		err = load(l);
	if (!err)
		err = attach_all(l);
	if (err) {
		live_close(l);
		return err;
	}
	*ret = l;
	return 0;
}

void live_close(struct live *l)
{
	if (!l)
		return;
	util_closep(&l->near_link);
	util_closep(&l->gen_link);
	util_closep(&l->sink_link);
	harness_bpf__destroy(l->skeleton);
	free(l);
}

uint32_t live_near(const struct live *l)
{
	return l->near;
}

uint32_t live_away(const struct live *l)
{
	return l->away;
}

int live_floor_fd(const struct live *l, uint32_t action)
{
	return bpf_program__fd(action == XDP_TX ? l->skeleton->progs.floor_tx
						: l->skeleton->progs.floor_redirect);
}

static uint64_t count_sunk(const struct live *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < HARNESS_CPUS; i++)
		sum += __atomic_load_n(&l->skeleton->bss->sunk[i], __ATOMIC_RELAXED);
	return sum;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int live_run(struct live *l, int program_fd, const struct packet *packet, uint32_t flows,
	     uint32_t frames, double *ret_mpps, double *ret_lost)
{
	struct harness_settings *settings = &l->skeleton->bss->settings;
	const struct bpf_program *generator = drive_is_ipv6(packet)
						      ? l->skeleton->progs.generate_ipv6
						      : l->skeleton->progs.generate_ipv4;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet->data,
		    .data_size_in = (__u32)packet->size, .repeat = (int)frames,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int err = bpf_link_update(l->near_link, program_fd, NULL);
	uint64_t sunk = count_sunk(l);
	double start, seconds;

	if (err)
		return log_errno(err, "cannot put the program on an interface of the bench");
	drive_settings(packet, flows, settings);
	settings->next = l->next;
	settings->generator = l->gen;
	settings->away = l->away;
	start = now_s();
	err = bpf_prog_test_run_opts(bpf_program__fd(generator), &run);
	seconds = now_s() - start;
	if (err)
		return log_errno(err, "this kernel makes no live frames (Linux 5.18)");
	l->next = settings->next;
	sunk = count_sunk(l) - sunk;
	*ret_mpps = (double)sunk / seconds / 1e6;
	*ret_lost = 1 - (double)sunk / frames;
	return 0;
}
