/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the agent keeps of root's powers once it has opened what it needs: CAP_BPF, CAP_PERFMON,
 * CAP_NET_ADMIN and CAP_NET_RAW, as far as it had them (CAP_SYS_ADMIN if that was what it had in
 * the place of CAP_BPF), no way to gain others, and a list of allowed system calls. Any other
 * call fails with EPERM. See privileges.c for the list, and why each group is on it.
 */
#ifndef STEER_PRIVILEGES_H
#define STEER_PRIVILEGES_H

/*
 * For the calling thread and those it starts later: call it before there are threads that stay.
 * 0, or -errno when capabilities could not be given up (logged). Where the kernel has no
 * system-call filter, or the build has AddressSanitizer, which needs more calls, the filter is
 * left out with a line in the log.
 *
 * After it there is no new process, no port below 1024, no file that only root's override of
 * permissions opens, and no looking for other programs' BPF objects by their ids.
 */
int privileges_drop(void);

#endif
