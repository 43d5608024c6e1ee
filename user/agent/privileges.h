/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the agent keeps of root's powers once it has opened what it needs: CAP_BPF, CAP_NET_ADMIN,
 * CAP_PERFMON and CAP_NET_RAW (CAP_SYS_ADMIN instead of the first and third on kernels without
 * them), no way to gain others, and a list of allowed system calls. Any other call fails with
 * EPERM. See privileges.c for the list and why each group is on it.
 */
#ifndef STEER_PRIVILEGES_H
#define STEER_PRIVILEGES_H

/*
 * For the calling thread and those it starts later: call it while there is only one. 0, or -errno
 * when capabilities could not be given up (logged). Where the kernel has no system-call filter,
 * or the build has AddressSanitizer, which needs more calls, the filter is left out with a line
 * in the log.
 *
 * After it there is no exec, no privileged port, and no file that root's override alone opens.
 */
int privileges_drop(void);

#endif
