/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/tc_filter.h"

#include "agent/rtnl.h"
#include "common/util.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <poll.h>
#include <sys/socket.h>

#define WAIT_MS 2000

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static void print_again(const libbpf_print_fn_t *before)
{
	libbpf_set_print(*before);
}

/* That a clsact is there already, or a filter is not, is nothing to tell people of. */
#define SILENCE_LIBBPF                                                                             \
	__attribute__((cleanup(print_again), unused))                                              \
	libbpf_print_fn_t before_ = libbpf_set_print(print_nothing)

static struct bpf_tc_hook hook_on(enum bpf_tc_attach_point point)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = TC_FILTER_LOOPBACK,
		.attach_point = point,
	};
}

uint32_t tc_filter_program(const struct tc_filter *filter)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = filter->handle, .priority = filter->priority);
	struct bpf_tc_hook hook = hook_on(BPF_TC_EGRESS);
	SILENCE_LIBBPF;

	return bpf_tc_query(&hook, &options) ? 0 : options.prog_id;
}

int tc_filter_attach(struct tc_filter *filter, int program_fd)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = filter->handle, .priority = filter->priority,
		    .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE);
	struct bpf_tc_hook hook = hook_on(BPF_TC_EGRESS);
	bool was_there = tc_filter_program(filter);
	SILENCE_LIBBPF;
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST)
		return err;
	filter->made_hook |= !err || was_there;
	return bpf_tc_attach(&hook, &options);
}

static int on_filter(const struct nlmsghdr *message, void *userdata)
{
	bool *found = userdata;

	*found |= message->nlmsg_type == RTM_NEWTFILTER;
	return MNL_CB_OK;
}

static int read_filters(int fd, bool *found)
{
	CLEANUP_FREE void *buffer = util_calloc(1, RTNL_RECEIVE_MAX);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	int r = MNL_CB_OK;

	while (r == MNL_CB_OK) {
		ssize_t n = rtnl_receive(fd, buffer);

		if (n < 0 || (n == 0 && poll(&wait, 1, WAIT_MS) <= 0))
			return -EIO;
		if (n > 0)
			r = mnl_cb_run(buffer, (size_t)n, 0, 0, on_filter, found);
	}
	return r < 0 ? -errno : 0;
}

/* Whether there are filters on one side of the clsact; where the kernel will not say, there are. */
static bool has_filters(uint32_t side)
{
	_Alignas(struct nlmsghdr) char buffer[RTNL_REQUEST_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	CLEANUP_CLOSE int fd = rtnl_open(NULL, 0);
	struct tcmsg *tc;
	bool found = false;

	message->nlmsg_type = RTM_GETTFILTER;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	tc = mnl_nlmsg_put_extra_header(message, sizeof(*tc));
	tc->tcm_ifindex = TC_FILTER_LOOPBACK;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, side);
	if (fd < 0 || send(fd, message, message->nlmsg_len, 0) < 0)
		return true;
	return read_filters(fd, &found) || found;
}

void tc_filter_detach(const struct tc_filter *filter)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = filter->handle, .priority = filter->priority);
	struct bpf_tc_hook egress = hook_on(BPF_TC_EGRESS);
	struct bpf_tc_hook both = hook_on(BPF_TC_INGRESS | BPF_TC_EGRESS);
	SILENCE_LIBBPF;

	bpf_tc_detach(&egress, &options);
	if (filter->made_hook && !has_filters(TC_H_MIN_INGRESS) && !has_filters(TC_H_MIN_EGRESS))
		bpf_tc_hook_destroy(&both);
}
