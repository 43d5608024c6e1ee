/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Each case is a child process that drops its privileges and then tries things. */
#include "agent/privileges.h"

#include "agent/http.h"
#include "agent/state.h"
#include "common/log.h"
#include "common/util.h"

#include <bpf/bpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <linux/io_uring.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

static char folder[64]; /* of a test's own */

/* 0, or -errno of what failed. */
typedef int (*attempt)(void);

static int error_of(long result)
{
	return result < 0 ? -errno : 0;
}

static int stream_over(int family, const struct sockaddr *address, socklen_t size)
{
	CLEANUP_CLOSE int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CLEANUP_CLOSE int client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CLEANUP_CLOSE int server = -1;
	struct sockaddr_storage bound;
	socklen_t bound_size = sizeof(bound);
	char byte = 'a';

	if (listener < 0 || client < 0 || bind(listener, address, size) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&bound, &bound_size) < 0 ||
	    connect(client, (struct sockaddr *)&bound, bound_size) < 0)
		return -errno;
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0 || send(server, &byte, 1, 0) < 0 || recv(client, &byte, 1, 0) < 0)
		return -errno;
	return 0;
}

static int use_tcp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	int err = stream_over(AF_INET, (struct sockaddr *)&address, sizeof(address));

	return err ? err : stream_over(AF_INET6, (struct sockaddr *)&address6, sizeof(address6));
}

static int use_unix_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int err;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	err = stream_over(AF_UNIX, (struct sockaddr *)&address, sizeof(address));
	if (!err)
		err = error_of(chmod(address.sun_path, 0660));
	return err ? err : error_of(unlink(address.sun_path));
}

static int use_netlink(void)
{
	CLEANUP_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr header;
		struct ifinfomsg body;
	} request = {.header = {.nlmsg_len = sizeof(request),
				.nlmsg_type = RTM_GETLINK,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	char answer[8192];

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 ||
	    recv(fd, answer, sizeof(answer), 0) <= 0)
		return -errno;
	return if_nametoindex("lo") ? 0 : -errno;
}

static int use_loop(void)
{
	CLEANUP_CLOSE int watch = inotify_init1(IN_CLOEXEC);
	sd_event *loop = NULL;
	int err = sd_event_new(&loop);
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	if (err >= 0)
		err = sd_event_add_signal(loop, NULL, SIGUSR1, NULL, NULL);
	if (err >= 0)
		err = sd_event_add_time_relative(loop, NULL, CLOCK_MONOTONIC, 1000, 0, NULL,
						 (void *)(intptr_t)7);
	if (err >= 0 && inotify_add_watch(watch, folder, IN_CLOSE_WRITE) < 0)
		err = -errno;
	if (err >= 0)
		err = sd_event_loop(loop); /* ends with the timer */
	sd_event_unref(loop);
	return err == 7 ? 0 : err ? err : -EIO;
}

static void *name_itself(void *userdata)
{
	*(int *)userdata = -prctl(PR_SET_NAME, "worker");
	return NULL;
}

static int use_threads(void)
{
	pthread_t thread;
	int result = -1, err = pthread_create(&thread, NULL, name_itself, &result);

	if (!err)
		err = pthread_join(thread, NULL);
	return err ? -err : result;
}

static int use_bpf(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	CLEANUP_CLOSE int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test", 4, 8, 1, &options);
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2},
		{.code = BPF_JMP | BPF_EXIT},
	};
	CLEANUP_CLOSE int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "test", "GPL", pass, 2, NULL);
	void *memory;

	if (map < 0 || program < 0)
		return -errno;
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	return memory == MAP_FAILED ? -errno : error_of(munmap(memory, 4096));
}

static int use_state(void)
{
	sd_event *loop = NULL;
	struct state *state = NULL;
	int err = sd_event_new(&loop);

	if (err >= 0)
		err = state_open(folder, loop, &state);
	if (!err)
		err = state_save_overrides(state, NULL, 0, NULL, NULL);
	if (!err)
		err = state_flush(state);
	state_free(state);
	sd_event_unref(loop);
	return err;
}

static int use_http(void)
{
	struct node_endpoint endpoint = {.text = (char *)"test"};
	struct http *http = NULL;
	sd_event *loop = NULL;
	int err = sd_event_new(&loop);

	if (err >= 0)
		err = address_parse("127.0.0.1", &endpoint.address);
	if (!err)
		err = http_new(loop, &endpoint, NULL, 0, NULL, &http);
	if (!err)
		err = sd_event_run(loop, 1000) < 0 ? -EIO : 0;
	http_free(http);
	sd_event_unref(loop);
	return err;
}

/* A server with all of gRPC's threads, and a client that finds no such method there. */
static int use_grpc(void)
{
	CLEANUP_FREE char *address = util_format("unix:%s/grpc", folder);
	gpr_timespec soon = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
					 gpr_time_from_seconds(10, GPR_TIMESPAN));
	grpc_server_credentials *insecure = grpc_insecure_server_credentials_create();
	grpc_channel_credentials *trusting = grpc_insecure_credentials_create();
	grpc_completion_queue *queue;
	grpc_connectivity_state seen;
	grpc_channel *channel;
	grpc_server *server;
	grpc_event event;

	grpc_init();
	queue = grpc_completion_queue_create_for_next(NULL);
	server = grpc_server_create(NULL, NULL);
	grpc_server_register_completion_queue(server, queue, NULL);
	if (!grpc_server_add_http2_port(server, address, insecure))
		return -EIO;
	grpc_server_start(server);
	channel = grpc_channel_create(address, trusting, NULL);
	while ((seen = grpc_channel_check_connectivity_state(channel, 1)) != GRPC_CHANNEL_READY) {
		grpc_channel_watch_connectivity_state(channel, seen, soon, queue, NULL);
		event = grpc_completion_queue_next(queue, soon, NULL);
		if (event.type != GRPC_OP_COMPLETE || !event.success)
			return -ETIMEDOUT;
	}
	grpc_channel_destroy(channel);
	grpc_server_shutdown_and_notify(server, queue, NULL);
	event = grpc_completion_queue_next(queue, soon, NULL);
	return event.type == GRPC_OP_COMPLETE ? 0 : -ETIMEDOUT;
}

static int ask_for_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	return sysconf(_SC_NPROCESSORS_ONLN) > 0 ? 0 : -EIO;
}

static int try_execve(void)
{
	char *const none[] = {NULL};

	return error_of(execve("/nonexistent", none, none));
}

static int try_fork(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return error_of(child);
}

static int try_vfork(void)
{
	long child = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		_exit(0);
	return error_of(child);
}

static int try_ptrace(void)
{
	return error_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_mount(void)
{
	return error_of(mount("none", folder, "tmpfs", 0, NULL));
}

static int try_unshare(void)
{
	return error_of(unshare(CLONE_FILES));
}

static int try_setns(void)
{
	return error_of(setns(-1, 0));
}

static int try_kexec(void)
{
	return error_of(syscall(SYS_kexec_load, 0, 0, NULL, 0));
}

static int try_init_module(void)
{
	return error_of(syscall(SYS_init_module, NULL, 0, ""));
}

static int try_finit_module(void)
{
	return error_of(syscall(SYS_finit_module, -1, "", 0));
}

static int try_open_by_handle(void)
{
	return error_of(syscall(SYS_open_by_handle_at, -1, NULL, 0));
}

static int try_process_memory(void)
{
	return error_of(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0));
}

static int try_memfd(void)
{
	return error_of(syscall(SYS_memfd_create, "x", 0));
}

static int try_io_uring(void)
{
	struct io_uring_params params = {0};

	return error_of(syscall(SYS_io_uring_setup, 1, &params));
}

static int try_keys(void)
{
	return error_of(syscall(SYS_keyctl, 0, -3, 0)); /* KEYCTL_GET_KEYRING_ID */
}

static int try_kill(void)
{
	return error_of(syscall(SYS_kill, getpid(), 0));
}

static int try_signal_to_parent(void)
{
	return error_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int try_dumpable(void)
{
	return error_of(prctl(PR_SET_DUMPABLE, 1));
}

static int try_packet_socket(void)
{
	return error_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int try_terminal_input(void)
{
	return error_of(ioctl(-1, 0x5412 /* TIOCSTI */, "x"));
}

static int try_mknod(void)
{
	CLEANUP_FREE char *path = util_format("%s/fifo", folder);

	return error_of(mknod(path, S_IFIFO | 0600, 0));
}

static int try_limits_of_parent(void)
{
	struct rlimit limit;

	return error_of(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit));
}

/* Runs the attempt in a child, after privileges_drop() where `dropped`. */
static int in_child(attempt act, bool dropped)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		log_set_level((enum log_level)0);
		if (dropped && privileges_drop())
			_exit(255);
		_exit(-act());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status))
		fail_msg("died of signal %d", WTERMSIG(status));
	assert_int_not_equal(WEXITSTATUS(status), 255);
	return -WEXITSTATUS(status);
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/steerd-test-privileges.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	CLEANUP_FREE char *command = util_format("rm -rf %s", folder);

	(void)state;
	return system(command);
}

static void need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("skipped: needs root\n");
	skip();
}

static void the_agents_work_goes_on_without_privileges(void **state)
{
	const struct {
		const char *name;
		attempt attempt;
	} cases[] = {
		{"tcp", use_tcp},	  {"unix socket", use_unix_socket},
		{"netlink", use_netlink}, {"event loop", use_loop},
		{"threads", use_threads}, {"bpf", use_bpf},
		{"state", use_state},	  {"http", use_http},
		{"gRPC", use_grpc},	  {"limits", ask_for_limits},
	};

	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int err = in_child(cases[i].attempt, true);

		if (err)
			fail_msg("%s: %s", cases[i].name, strerror(-err));
	}
}

/* `before`: what the same call gives without the filter, so that EPERM is the filter's word. */
static void what_it_never_does_is_refused(void **state)
{
	const struct {
		const char *name;
		attempt attempt;
		int before;
	} cases[] = {
		{"execve", try_execve, -ENOENT},
		{"fork", try_fork, 0},
		{"vfork", try_vfork, 0},
		{"ptrace", try_ptrace, 0},
		{"unshare", try_unshare, 0},
		{"setns", try_setns, -EBADF},
		{"open_by_handle_at", try_open_by_handle, -EFAULT},
		{"process_vm_readv", try_process_memory, 0},
		{"memfd_create", try_memfd, 0},
		{"kill", try_kill, 0},
		{"tgkill of another", try_signal_to_parent, 0},
		{"prctl of other kinds", try_dumpable, 0},
		{"a packet socket", try_packet_socket, 0},
		{"ioctl of other kinds", try_terminal_input, -EBADF},
		{"mknod", try_mknod, 0},
		{"prlimit of another", try_limits_of_parent, 0},
		{"mount", try_mount, 1},
		{"kexec_load", try_kexec, 1},
		{"init_module", try_init_module, 1},
		{"finit_module", try_finit_module, 1},
		{"io_uring_setup", try_io_uring, 1},
		{"keyctl", try_keys, 1},
	};

	(void)state;
	need_root();
#ifdef __SANITIZE_ADDRESS__
	print_message("skipped: no filter under AddressSanitizer\n");
	skip();
#endif
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int before = cases[i].before, without, with;

		/* 1: capabilities alone, or this kernel, may have refused it before. */
		without = before <= 0 ? in_child(cases[i].attempt, false) : before;
		if (without != before)
			fail_msg("%s, unfiltered: %s", cases[i].name, strerror(-without));
		if (!strcmp(cases[i].name, "mknod"))
			assert_int_equal(teardown(state) | setup(state), 0);
		with = in_child(cases[i].attempt, true);
		if (with != -EPERM)
			fail_msg("%s: %s", cases[i].name, strerror(-with));
	}
}

static uint64_t status_field(const char *name)
{
	CLEANUP_FREE char *text = NULL;
	const char *at;

	if (util_read_file("/proc/self/status", 1 << 16, &text, NULL))
		return 0;
	at = strstr(text, name);
	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

#define BIT(capability) (1ull << (capability))
#define KEPT		(BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW))

static int check_capabilities(uint64_t expected)
{
	if (status_field("\nCapEff:\t") != expected || status_field("\nCapPrm:\t") != expected ||
	    status_field("\nCapBnd:\t") || status_field("\nCapInh:\t") ||
	    status_field("\nCapAmb:\t") || status_field("\nNoNewPrivs:\t") != 1)
		return -EBADE;
	return 0;
}

static int check_four_are_kept(void)
{
	return check_capabilities(KEPT);
}

static void only_the_four_capabilities_are_left(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(check_four_are_kept, true), 0);
}

static int check_none_is_invented(void)
{
	capng_get_caps_process();
	capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF, CAP_NET_RAW, -1);
	if (capng_apply(CAPNG_SELECT_CAPS) || privileges_drop())
		return -EIO;
	return check_capabilities((KEPT & ~(BIT(CAP_BPF) | BIT(CAP_NET_RAW))) | BIT(CAP_SYS_ADMIN));
}

/* As in a container that was given CAP_SYS_ADMIN and not the capabilities it was split into. */
static void sys_admin_is_kept_only_in_the_place_of_bpf(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(check_none_is_invented, false), 0);
}

static int check_without_setpcap(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF, CAP_NET_ADMIN, -1);
	if (capng_apply(CAPNG_SELECT_CAPS) || privileges_drop())
		return -EIO;
	return status_field("\nCapEff:\t") == (BIT(CAP_BPF) | BIT(CAP_NET_ADMIN)) ? 0 : -EBADE;
}

static void a_process_that_had_little_keeps_it(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(check_without_setpcap, false), 0);
}

static int check_without_root(void)
{
	if (setgid(65534) < 0 || setuid(65534) < 0 || privileges_drop())
		return -EIO;
	return status_field("\nCapEff:\t") || status_field("\nNoNewPrivs:\t") != 1 ? -EBADE : 0;
}

static void a_process_without_any_can_drop_them_too(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(check_without_root, false), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_agents_work_goes_on_without_privileges),
		TEST(what_it_never_does_is_refused),
		TEST(only_the_four_capabilities_are_left),
		TEST(sys_admin_is_kept_only_in_the_place_of_bpf),
		TEST(a_process_that_had_little_keeps_it),
		TEST(a_process_without_any_can_drop_them_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
