/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Attaching an XDP program to interfaces by bpf_link, pinned so that it outlives the agent. */
#ifndef STEER_XDP_LINK_H
#define STEER_XDP_LINK_H

#include <stdbool.h>
#include <stddef.h>

enum xdp_mode {
	XDP_MODE_AUTO, /* native, else generic */
	XDP_MODE_NATIVE,
	XDP_MODE_GENERIC,
};

/*
 * Packets of the interface meet the program from here on. With pin_dir, the link pinned there as
 * link_INTERFACE is updated in place if it still holds the interface; else a new link is made and
 * pinned. Without pin_dir the link lives as long as *ret_fd (-1 with pin_dir), which the caller
 * closes. ret_mode: "native" or "generic". 0 or -errno, with the cause in the log.
 */
int xdp_link_attach(const char *pin_dir, const char *interface, int program_fd, enum xdp_mode mode,
		    const char **ret_mode, int *ret_fd);

/* Removes pinned links of interfaces that are not in the list, which detaches them. */
void xdp_link_prune(const char *pin_dir, char *const *interfaces, size_t n);

/* "native" or "generic", as the interface has XDP now; NULL: it has none. */
const char *xdp_link_mode(unsigned int ifindex);

/* Whether this kernel takes XDP programs that accept frames in several buffers (5.18). */
bool xdp_link_has_frags(void);

#endif
