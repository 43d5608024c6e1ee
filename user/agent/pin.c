/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/pin.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "common/log.h"
#include "common/util.h"

int pin_replace(const char *dir, const char *name, int fd)
{
	CLEANUP_FREE char *path = util_format("%s/%s", dir, name);
	CLEANUP_FREE char *fresh = util_format("%s/%s_new", dir, name);
	int err;

	unlink(fresh);
	err = bpf_obj_pin(fd, fresh);
	if (!err && rename(fresh, path) < 0)
		err = -errno;
	return err ? log_errno(err, "cannot pin %s", path) : 0;
}
