/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stands at the gates of backends: notes when each SYN came there, and is told when to let frames
 * through no more and whom to send a signal, so that faults and what follows have one clock.
 *
 *   gate NOTES COMMANDS BACKEND=NAMESPACE:INTERFACE ...
 *
 * A line of notes: nanoseconds of CLOCK_MONOTONIC, backend, client, its port, sequence number.
 * A client's first SYN and its repeats are told apart by port and sequence number.
 *
 * Commands are lines "ID VERB ARGUMENT ..." from a FIFO, and are answered by "ID MONOTONIC_NS
 * REALTIME_NS" once done, with the times just before.
 *   lose N BACKEND ...   from now on of N frames in 256 either way
 *   signal N PID ...
 *   note 0|1             whether SYNs are noted; they are at first
 *   look                 nothing but the answer
 */
#include "failover/gate.h"

#include "gate.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BACKENDS_MAX  16
#define LINE_MAX_SIZE 512
#define LOOK_MS	      100 /* between two looks for notes */

struct gates;

struct gate {
	char name[32];
	struct gate_bpf *skeleton;
	const struct gates *all;
};

struct gates {
	struct gate gate[BACKENDS_MAX];
	unsigned int n;
	struct ring_buffer *rings;
	FILE *notes;
	bool silent;
	int commands;
	char line[LINE_MAX_SIZE];
	size_t line_used;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int take_note(void *context, void *data, size_t size)
{
	const struct gate *gate = context;
	const struct gate_note *note = data;
	char source[INET_ADDRSTRLEN];

	(void)size;
	if (gate->all->silent)
		return 0;
	inet_ntop(AF_INET, &note->source_be, source, sizeof(source));
	fprintf(gate->all->notes, "%" PRIu64 " %s %s %u %u\n", (uint64_t)note->at_ns, gate->name,
		source, ntohs(note->port_be), ntohl(note->sequence_be));
	return 0;
}

static int enter(const char *namespace)
{
	char path[128];
	int fd, r;

	snprintf(path, sizeof(path), "/run/netns/%s", namespace);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	return r;
}

/* In the namespace that this is in now; takes the place of any XDP program that is there. */
static int attach(const struct gate_bpf *skeleton, int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(skeleton->progs.gate_out));
	int r;

	r = bpf_xdp_attach(ifindex, bpf_program__fd(skeleton->progs.gate_in), XDP_FLAGS_DRV_MODE,
			   NULL);
	if (r == 0)
		r = bpf_tc_hook_create(&hook);
	return r == 0 ? bpf_tc_attach(&hook, &options) : r;
}

static int gate_open(struct gates *gates, struct gate *gate, const char *namespace,
		     const char *interface)
{
	unsigned int ifindex;
	int r = enter(namespace);

	if (r < 0)
		return r;
	ifindex = if_nametoindex(interface);
	if (!ifindex)
		return -errno;
	gate->all = gates;
	gate->skeleton = gate_bpf__open_and_load();
	if (!gate->skeleton)
		return -errno;
	r = attach(gate->skeleton, (int)ifindex);
	if (r < 0)
		return r;
	if (gates->rings)
		return ring_buffer__add(gates->rings, bpf_map__fd(gate->skeleton->maps.notes),
					take_note, gate);
	gates->rings = ring_buffer__new(bpf_map__fd(gate->skeleton->maps.notes), take_note, gate,
					NULL);
	return gates->rings ? 0 : -errno;
}

static void write_notes(const struct gates *gates)
{
	ring_buffer__consume(gates->rings);
	fflush(gates->notes);
}

static struct gate *gate_find(struct gates *gates, const char *name)
{
	for (unsigned int i = 0; i < gates->n; i++) {
		if (strcmp(gates->gate[i].name, name) == 0)
			return &gates->gate[i];
	}
	return NULL;
}

static int lose(struct gates *gates, uint32_t of_256, char *names)
{
	char *name;

	while ((name = strsep(&names, " "))) {
		struct gate *gate = gate_find(gates, name);

		if (!gate)
			return -ENOENT;
		gate->skeleton->bss->lost_of_256 = of_256;
	}
	return 0;
}

/* What came up to now still goes by what was said before. */
static int set_silent(struct gates *gates, bool silent)
{
	write_notes(gates);
	gates->silent = silent;
	return 0;
}

static int send_signals(int number, char *pids)
{
	char *pid;

	while ((pid = strsep(&pids, " "))) {
		if (atoi(pid) < 2)
			return -EINVAL;
		if (kill(atoi(pid), number))
			return -errno;
	}
	return 0;
}

/* What came before the answer is noted by then. */
static void obey(struct gates *gates, char *line)
{
	uint64_t monotonic_ns = now_ns(CLOCK_MONOTONIC), real_ns = now_ns(CLOCK_REALTIME);
	const char *id = strsep(&line, " "), *verb = strsep(&line, " ");
	const char *number = strsep(&line, " ");
	int r = -EINVAL;

	if (verb && strcmp(verb, "look") == 0)
		r = 0;
	else if (number && strcmp(verb, "note") == 0)
		r = set_silent(gates, atoi(number) == 0);
	else if (line && strcmp(verb, "lose") == 0)
		r = lose(gates, (uint32_t)atoi(number), line);
	else if (line && strcmp(verb, "signal") == 0)
		r = send_signals(atoi(number), line);
	write_notes(gates);
	if (r < 0)
		printf("%s failed: %s\n", id, strerror(-r));
	else
		printf("%s %" PRIu64 " %" PRIu64 "\n", id, monotonic_ns, real_ns);
	fflush(stdout);
}

static void read_commands(struct gates *gates)
{
	ssize_t n = read(gates->commands, gates->line + gates->line_used,
			 sizeof(gates->line) - gates->line_used);
	char *end;

	if (n <= 0)
		return;
	gates->line_used += (size_t)n;
	while ((end = memchr(gates->line, '\n', gates->line_used))) {
		size_t size = (size_t)(end - gates->line) + 1;

		*end = '\0';
		obey(gates, gates->line);
		gates->line_used -= size;
		memmove(gates->line, end + 1, gates->line_used);
	}
	if (gates->line_used == sizeof(gates->line))
		gates->line_used = 0; /* no command is that long */
}

static void run(struct gates *gates)
{
	struct pollfd commands = {.fd = gates->commands, .events = POLLIN};

	while (!stopping) {
		if (poll(&commands, 1, LOOK_MS) > 0)
			read_commands(gates);
		write_notes(gates);
	}
}

/* "BACKEND=NAMESPACE:INTERFACE" */
static int gate_parse(struct gates *gates, char *text)
{
	struct gate *gate = &gates->gate[gates->n];
	const char *name = strsep(&text, "="), *namespace = strsep(&text, ":");
	int r;

	if (!text || gates->n == BACKENDS_MAX)
		return -EINVAL;
	snprintf(gate->name, sizeof(gate->name), "%s", name);
	gates->n++;
	r = gate_open(gates, gate, namespace, text);
	if (r < 0)
		fprintf(stderr, "gate: %s: %s\n", name, strerror(-r));
	return r;
}

/* What the rings had no room for would look like SYNs that never came. */
static int gates_end(struct gates *gates)
{
	uint64_t lost = 0;

	ring_buffer__free(gates->rings);
	for (unsigned int i = 0; i < gates->n; i++) {
		if (gates->gate[i].skeleton)
			lost += gates->gate[i].skeleton->bss->notes_lost;
		gate_bpf__destroy(gates->gate[i].skeleton);
	}
	if (gates->notes)
		fclose(gates->notes);
	if (lost)
		fprintf(stderr, "gate: %" PRIu64 " SYNs were not noted\n", lost);
	return lost != 0;
}

int main(int argc, char **argv)
{
	static struct gates gates;
	struct sigaction action = {.sa_handler = on_signal};
	int r = 0;

	if (argc < 4)
		return fputs("usage: gate NOTES COMMANDS BACKEND=NAMESPACE:INTERFACE ...\n",
			     stderr),
		       2;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* Whoever reads it may empty it, too. */
	gates.notes = fopen(argv[1], "ae");
	/* For writing, too: the FIFO shall not end with its first writer. */
	gates.commands = open(argv[2], O_RDWR | O_CLOEXEC);
	if (!gates.notes || gates.commands < 0) {
		perror("gate");
		return 1;
	}
	for (int i = 3; i < argc && r == 0; i++)
		r = gate_parse(&gates, argv[i]);
	if (r == 0) {
		puts("ready");
		fflush(stdout);
		run(&gates);
	}
	return gates_end(&gates) || r < 0;
}
