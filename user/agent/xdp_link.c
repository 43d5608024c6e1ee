/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/xdp_link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>

#include "common/log.h"
#include "common/util.h"

#define LINK_PREFIX "link_"

/* File names on bpffs may not contain dots; VLAN interfaces do. */
static char *link_path(const char *pin_dir, const char *interface)
{
	char *path = util_format("%s/" LINK_PREFIX "%s", pin_dir, interface);

	for (char *c = path + strlen(pin_dir); *c; c++)
		if (*c == '.')
			*c = '_';
	return path;
}

static int create_link(unsigned int ifindex, int program_fd, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);

	return bpf_link_create(program_fd, (int)ifindex, BPF_XDP, &options);
}

static const char *attach_hint(int err)
{
	if (err == -EBUSY || err == -EEXIST)
		return " (another XDP program holds it: see `ip link show` and `bpftool net`)";
	if (err == -EOPNOTSUPP)
		return " (the driver has no native XDP: set xdp.mode to auto or generic)";
	if (err == -EINVAL || err == -ERANGE)
		return " (the driver refuses it: an MTU too large for XDP, or LRO on?)";
	return "";
}

static int attach_new(const char *interface, unsigned int ifindex, int program_fd,
		      enum xdp_mode mode, const char **ret_mode)
{
	int fd = -EOPNOTSUPP;

	if (mode != XDP_MODE_GENERIC) {
		fd = create_link(ifindex, program_fd, XDP_FLAGS_DRV_MODE);
		*ret_mode = "native";
	}
	if (fd < 0 && fd != -EBUSY && fd != -EEXIST && mode != XDP_MODE_NATIVE) {
		if (mode == XDP_MODE_AUTO)
			log_warning("%s: native XDP: %s%s; generic XDP is used, which is slower",
				    interface, strerror(-fd), attach_hint(fd));
		fd = create_link(ifindex, program_fd, XDP_FLAGS_SKB_MODE);
		*ret_mode = "generic";
	}
	if (fd < 0)
		return log_errno(fd, "cannot attach to %s%s", interface, attach_hint(fd));
	return fd;
}

const char *xdp_link_mode(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query))
		return NULL;
	if (query.attach_mode == XDP_ATTACHED_DRV)
		return "native";
	return query.attach_mode == XDP_ATTACHED_SKB ? "generic" : NULL;
}

/* True if the pinned link was there, holds this interface in a wanted mode, and was updated. */
static bool update_pinned(const char *path, unsigned int ifindex, int program_fd,
			  enum xdp_mode mode, const char **ret_mode)
{
	CLEANUP_CLOSE int fd = bpf_obj_get(path);
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	const char *now = xdp_link_mode(ifindex);
	int err;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) || info.xdp.ifindex != ifindex ||
	    !now)
		return false;
	if ((mode == XDP_MODE_NATIVE && strcmp(now, "native")) ||
	    (mode == XDP_MODE_GENERIC && strcmp(now, "generic")))
		return false;
	err = bpf_link_update(fd, program_fd, NULL);
	if (err) {
		log_warning("cannot replace the program of %s in place: %s", path, strerror(-err));
		return false;
	}
	*ret_mode = now;
	return true;
}

int xdp_link_attach(const char *pin_dir, const char *interface, int program_fd, enum xdp_mode mode,
		    const char **ret_mode, int *ret_fd)
{
	unsigned int ifindex = if_nametoindex(interface);
	CLEANUP_FREE char *path = NULL;
	CLEANUP_CLOSE int fd = -1;
	int err;

	*ret_fd = -1;
	if (!ifindex)
		return log_errno(-ENODEV, "interface %s", interface);
	if (pin_dir) {
		path = link_path(pin_dir, interface);
		if (update_pinned(path, ifindex, program_fd, mode, ret_mode))
			return 0;
		unlink(path); /* of an interface that is gone, or in another mode: detaches */
	}
	fd = attach_new(interface, ifindex, program_fd, mode, ret_mode);
	if (fd < 0)
		return fd;
	if (!pin_dir) {
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
	err = bpf_obj_pin(fd, path);
	return err ? log_errno(err, "cannot pin %s", path) : 0;
}

void xdp_link_prune(const char *pin_dir, char *const *interfaces, size_t n)
{
	DIR *dir = opendir(pin_dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		CLEANUP_FREE char *path = util_format("%s/%s", pin_dir, entry->d_name);
		bool wanted = strncmp(entry->d_name, LINK_PREFIX, strlen(LINK_PREFIX)) != 0;

		for (size_t i = 0; i < n && !wanted; i++) {
			CLEANUP_FREE char *other = link_path(pin_dir, interfaces[i]);

			wanted = !strcmp(path, other);
		}
		if (!wanted && unlink(path) == 0)
			log_info("%s is no longer in the node file: detached",
				 entry->d_name + strlen(LINK_PREFIX));
	}
	if (dir)
		closedir(dir);
}

bool xdp_link_has_frags(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_XDP_HAS_FRAGS);
	CLEANUP_CLOSE int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "probe", "GPL", pass,
					     ARRAY_SIZE(pass), &options);

	return fd >= 0;
}
