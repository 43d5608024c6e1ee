/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list is what the agent's work needs, by kind of work, with the calls that glibc, libbpf,
 * gRPC, OpenSSL and libmicrohttpd make on its behalf. To extend it: run what fails under
 * `strace -f -Z` (calls that failed), look for EPERM, and add the call to the group whose work it
 * does; where only some uses of it are needed, to the rules with arguments.
 */
#include "agent/privileges.h"

#include "common/log.h"
#include "common/util.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define CLEANUP_FILTER __attribute__((cleanup(filter_freep)))

#define CLONE_NAMESPACES                                                                           \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

#ifdef __SANITIZE_ADDRESS__
static const bool has_address_sanitizer = true;
#else
static const bool has_address_sanitizer = false;
#endif

static const char *const groups[] = {
	/* memory */
	"brk mmap mprotect munmap mremap madvise membarrier",

	/* threads; new ones come by clone, see below */
	"futex futex_waitv set_robust_list get_robust_list rseq set_tid_address sched_yield "
	"sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler getcpu gettid "
	"getpid getppid exit exit_group restart_syscall",

	/* signals */
	"rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait sigaltstack "
	"signalfd4",

	/* clocks */
	"clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time timerfd_create "
	"timerfd_settime timerfd_gettime",

	/* the loop, and what goes through any descriptor */
	"read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close "
	"close_range dup dup2 dup3 fcntl pipe pipe2 poll ppoll select pselect6 epoll_create "
	"epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2 inotify_init1 "
	"inotify_add_watch inotify_rm_watch sendfile",

	/* sockets, once there; socket() is below */
	"socketpair bind listen accept accept4 connect getsockname getpeername getsockopt "
	"setsockopt sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown",

	/* state, pins, the unix socket, certificates, /proc and /sys; permissions judge the rest */
	"open openat openat2 stat lstat fstat newfstatat statx statfs fstatfs access faccessat "
	"faccessat2 getdents64 readlink readlinkat getcwd lseek mkdir mkdirat rmdir rename "
	"renameat renameat2 unlink unlinkat fsync fdatasync ftruncate fallocate flock umask chmod "
	"fchmod fchmodat",

	/* what libraries ask the kernel when they start */
	"getuid geteuid getgid getegid getrandom uname sysinfo getrusage getrlimit capget",

	/* the datapath; what bpf() may do is up to the capabilities */
	"bpf",
};

static const int socket_families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

/* Of terminals (isatty), of sockets, and of interfaces by name. */
static const unsigned int ioctls[] = {TCGETS,	    FIONREAD,	   FIONBIO,
				      SIOCGIFINDEX, SIOCGIFNAME,   SIOCGIFFLAGS,
				      SIOCGIFMTU,   SIOCGIFHWADDR, SIOCETHTOOL};

static const int prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA};

static void filter_freep(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

/* Names that this architecture or this libseccomp does not have are none to allow. */
static int allow_groups(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		CLEANUP_FREE char *copy = util_strdup(groups[i]);
		char *rest = copy, *name;

		while ((name = strsep(&rest, " "))) {
			int number = seccomp_syscall_resolve_name(name), err = 0;

			if (number != __NR_SCMP_ERROR)
				err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Allows the call where one argument has this value, under this mask. */
static int allow_where(scmp_filter_ctx filter, int number, unsigned int argument, uint64_t mask,
		       uint64_t value)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
				SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value));
}

/*
 * A thread of this process in the same namespaces, never a process. The arguments of clone3 lie
 * in memory, out of a filter's sight: without it, glibc takes clone.
 */
static int allow_threads(scmp_filter_ctx filter)
{
	int err = allow_where(filter, SCMP_SYS(clone), 0, CLONE_THREAD | CLONE_NAMESPACES,
			      CLONE_THREAD);

	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* abort() and raise() */
	if (!err)
		err = allow_where(filter, SCMP_SYS(tgkill), 0, UINT32_MAX, (uint32_t)getpid());
	return err;
}

static int allow_by_argument(scmp_filter_ctx filter)
{
	int err = allow_threads(filter);

	for (size_t i = 0; i < ARRAY_SIZE(socket_families) && !err; i++)
		err = allow_where(filter, SCMP_SYS(socket), 0, UINT32_MAX,
				  (uint32_t)socket_families[i]);
	for (size_t i = 0; i < ARRAY_SIZE(ioctls) && !err; i++)
		err = allow_where(filter, SCMP_SYS(ioctl), 1, UINT32_MAX, ioctls[i]);
	for (size_t i = 0; i < ARRAY_SIZE(prctls) && !err; i++)
		err = allow_where(filter, SCMP_SYS(prctl), 0, UINT32_MAX, (uint32_t)prctls[i]);
	/* This process's own limits only. */
	if (!err)
		err = allow_where(filter, SCMP_SYS(prlimit64), 0, UINT32_MAX, 0);
	return err;
}

static int load_filter(void)
{
	CLEANUP_FILTER scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	/* A tree instead of a chain of comparisons; without it, it is only slower. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	err = allow_groups(filter);
	if (!err)
		err = allow_by_argument(filter);
	return err ? err : seccomp_load(filter);
}

static void filter_calls(void)
{
	int err;

	if (has_address_sanitizer) {
		log_warning("no system-call filter: this build has AddressSanitizer");
		return;
	}
	err = load_filter();
	if (err)
		log_warning("no system-call filter: %s", strerror(-err));
}

static bool has(unsigned int capability)
{
	return capng_have_capability(CAPNG_PERMITTED, capability);
}

static int drop_capabilities(void)
{
	unsigned int wanted[] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_NET_RAW};
	unsigned int kept[ARRAY_SIZE(wanted)];
	size_t n = 0;
	bool may_bound;

	if (capng_get_caps_process())
		return -EIO;
	if (!has(CAP_BPF))
		wanted[0] = CAP_SYS_ADMIN; /* which includes it */
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (has(wanted[i]))
			kept[n++] = wanted[i];
	may_bound = has(CAP_SETPCAP);

	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < n; i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
	/* The bounding set first: it takes CAP_SETPCAP, which goes with the rest. */
	if (may_bound && capng_apply(CAPNG_SELECT_BOUNDS))
		return -EPERM;
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

int privileges_drop(void)
{
	int err = drop_capabilities();

	if (err)
		return log_errno(err, "cannot give up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return log_errno(-errno, "cannot rule out new privileges");
	filter_calls();
	return 0;
}
