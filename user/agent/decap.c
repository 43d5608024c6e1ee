/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/decap.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "agent/pin.h"
#include "agent/rtnl.h"
#include "common/log.h"
#include "common/util.h"
#include "decap.skel.h"

struct decap {
	struct decap_bpf *skeleton;
	int link_fds[NODE_INTERFACES_MAX]; /* only without pin_dir */
	size_t links_n;
	int netlink_fd; /* tells that addresses changed */
	void *buffer;	/* RTNL_RECEIVE_MAX bytes */
	sd_event_source *source;
};

/* This host's addresses, as the map wants them; freed by the caller. */
struct address_list {
	struct decap_address *keys;
	struct decap_local *values;
	size_t n;
};

static bool address_from_socket(const struct sockaddr *from, struct address *ret)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;

	*ret = (struct address){};
	if (from && from->sa_family == AF_INET) {
		ret->bytes[10] = ret->bytes[11] = 0xff;
		memcpy(ret->bytes + 12, &v4->sin_addr, 4);
		return true;
	}
	if (from && from->sa_family == AF_INET6)
		memcpy(ret->bytes, &v6->sin6_addr, 16);
	return from && from->sa_family == AF_INET6;
}

/* Those that another host could send to: not 127.0.0.1, whatever a packet says. */
static int list_addresses(struct address_list *list)
{
	struct ifaddrs *all;
	struct address address;

	if (getifaddrs(&all))
		return -errno;
	list->keys = util_calloc(DECAP_LOCAL_MAX, sizeof(*list->keys));
	list->values = util_calloc(DECAP_LOCAL_MAX, sizeof(*list->values));
	list->n = 0;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!address_from_socket(i->ifa_addr, &address) || address_special(&address))
			continue;
		if (list->n == DECAP_LOCAL_MAX) {
			log_warning("this host has more than %d addresses: tunnels to the others "
				    "are not taken off",
				    DECAP_LOCAL_MAX);
			break;
		}
		memcpy(list->keys[list->n].address, address.bytes, sizeof(address.bytes));
		list->values[list->n++].ifindex = if_nametoindex(i->ifa_name);
	}
	freeifaddrs(all);
	return 0;
}

static bool list_has(const struct address_list *list, const struct decap_address *key)
{
	for (size_t i = 0; i < list->n; i++)
		if (!memcmp(&list->keys[i], key, sizeof(*key)))
			return true;
	return false;
}

/* Takes out of the map what the list has not. */
static void forget_others(int fd, const struct address_list *list)
{
	struct decap_address key, next;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (!list_has(list, &key))
			bpf_map_delete_elem(fd, &key);
	}
}

static int follow_addresses(struct decap *d)
{
	int fd = bpf_map__fd(d->skeleton->maps.decap_local);
	struct address_list list = {};
	int err = list_addresses(&list);

	if (err)
		return log_errno(err, "cannot list this host's addresses");
	forget_others(fd, &list);
	for (size_t i = 0; i < list.n && !err; i++)
		if (bpf_map_update_elem(fd, &list.keys[i], &list.values[i], BPF_ANY))
			err = log_errno(-errno, "cannot write the map of this host's addresses");
	free(list.keys);
	free(list.values);
	return err;
}

/* Which address changed does not matter: messages may be lost, the list is always right. */
static int on_netlink(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct decap *d = userdata;
	bool changed = false;
	ssize_t n;

	(void)source;
	(void)revents;
	while ((n = rtnl_receive(fd, d->buffer)) > 0 || n == -ENOBUFS)
		changed = true;
	if (changed)
		follow_addresses(d);
	return 0;
}

static int watch_addresses(struct decap *d, sd_event *loop)
{
	const unsigned int groups[] = {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};
	int err;

	d->buffer = util_calloc(1, RTNL_RECEIVE_MAX);
	d->netlink_fd = rtnl_open(groups, ARRAY_SIZE(groups));
	if (d->netlink_fd < 0)
		return log_errno(d->netlink_fd, "cannot follow this host's addresses");
	err = sd_event_add_io(loop, &d->source, d->netlink_fd, EPOLLIN, on_netlink, d);
	if (err < 0)
		return log_errno(err, "cannot watch a socket");
	return follow_addresses(d);
}

static int fill_sources(struct decap *d, const struct decap_options *options)
{
	int fd = bpf_map__fd(d->skeleton->maps.decap_sources);

	for (size_t i = 0; i < options->sources_n; i++) {
		const struct address_prefix *source = &options->sources[i];
		struct decap_prefix key = {.bits = source->bits};
		struct decap_source value = {.position = (uint32_t)i};

		memcpy(key.address, source->address.bytes, sizeof(key.address));
		if (bpf_map_update_elem(fd, &key, &value, BPF_ANY))
			return log_errno(-errno, "cannot write the map of tunnel sources");
	}
	return 0;
}

/* The counters of an earlier agent go on, where they still have the same shape. */
static void keep_counters(struct bpf_map *map, const char *pin_dir)
{
	CLEANUP_FREE char *path = util_format("%s/%s", pin_dir, bpf_map__name(map));
	CLEANUP_CLOSE int fd = bpf_obj_get(path);
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map))
		return;
	if (bpf_map__reuse_fd(map, fd))
		log_warning("the counters in %s cannot be taken over: they start at 0", path);
}

static int load(struct decap *d, const char *pin_dir)
{
	struct bpf_map *reasons;
	int err;

	d->skeleton = decap_bpf__open();
	if (!d->skeleton)
		return log_errno(-errno, "cannot open the decapsulator");
	reasons = d->skeleton->maps.decap_reasons;
	bpf_map__set_max_entries(reasons, (uint32_t)libbpf_num_possible_cpus());
	if (pin_dir)
		keep_counters(reasons, pin_dir);
	if (xdp_link_has_frags()) {
		bpf_program__set_flags(d->skeleton->progs.decap, BPF_F_XDP_HAS_FRAGS);
		d->skeleton->rodata->frags = true;
	}
	err = decap_bpf__load(d->skeleton);
	return err ? log_errno(err, "the kernel refuses the decapsulator") : 0;
}

static int attach(struct decap *d, const struct decap_options *options)
{
	for (size_t i = 0; i < options->interfaces_n; i++) {
		const char *mode;
		int fd, err;

		if (d->links_n == NODE_INTERFACES_MAX)
			return log_errno(-E2BIG, "more than %d interfaces", NODE_INTERFACES_MAX);
		err = xdp_link_attach(options->pin_dir, options->interfaces[i], decap_program_fd(d),
				      options->mode, &mode, &fd);
		if (err)
			return err;
		if (fd >= 0)
			d->link_fds[d->links_n++] = fd;
		log_info("%s: tunnels to this host are taken off (%s XDP)", options->interfaces[i],
			 mode);
	}
	return 0;
}

static int pin(const struct decap *d, const char *dir)
{
	const struct {
		const char *name;
		int fd;
	} pins[] = {
		{"decap_local", bpf_map__fd(d->skeleton->maps.decap_local)},
		{"decap_sources", bpf_map__fd(d->skeleton->maps.decap_sources)},
		{"decap_reasons", bpf_map__fd(d->skeleton->maps.decap_reasons)},
		{"decap_prog", decap_program_fd(d)},
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pins) && !err; i++)
		err = pin_replace(dir, pins[i].name, pins[i].fd);
	return err;
}

int decap_open(sd_event *loop, const struct decap_options *options, struct decap **ret)
{
	struct decap *d = util_calloc(1, sizeof(*d));
	int err;

	d->netlink_fd = -1;
	err = load(d, options->pin_dir);
	if (!err)
		err = fill_sources(d, options);
	if (!err)
		err = watch_addresses(d, loop);
	if (!err)
		err = attach(d, options);
	if (!err && options->pin_dir)
		err = pin(d, options->pin_dir);
	if (err) {
		decap_free(d);
		return err;
	}
	*ret = d;
	return 0;
}

void decap_free(struct decap *d)
{
	if (!d)
		return;
	sd_event_source_disable_unref(d->source);
	if (d->netlink_fd >= 0)
		close(d->netlink_fd);
	for (size_t i = 0; i < d->links_n; i++)
		close(d->link_fds[i]);
	decap_bpf__destroy(d->skeleton);
	free(d->buffer);
	free(d);
}

int decap_program_fd(const struct decap *d)
{
	return bpf_program__fd(d->skeleton->progs.decap);
}

void decap_count(const struct decap *d, struct decap_reasons *ret)
{
	int fd = bpf_map__fd(d->skeleton->maps.decap_reasons);
	uint32_t cpus = bpf_map__max_entries(d->skeleton->maps.decap_reasons);
	struct decap_reasons one;

	*ret = (struct decap_reasons){};
	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		if (bpf_map_lookup_elem(fd, &cpu, &one))
			continue;
#define X(name, NAME) ret->name += one.name;
		DECAP_REASONS(X)
#undef X
	}
}
