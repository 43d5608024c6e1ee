/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An open-loop load generator: new flows at the times of a fixed timetable, whether or not earlier
 * ones were answered, from many client addresses in turn; and flows that are held open and ask
 * again and again. Latency counts from the time in the table. At the end, or on SIGTERM or
 * SIGINT, one line of JSON says how it went.
 */
#include "lab/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_MAX     256
#define SWEEP_US       50000  /* timeouts are looked for, and the log flushed, this often */
#define REOPEN_US      100000 /* until a held flow that failed is opened again */
#define HELD_SPREAD_US 1000   /* between the openings of two held flows */

static const char usage[] =
	"usage: load --target ADDRESS:PORT ... [options]\n"
	"  --sources ADDRESS  first client address of its family (once for each family)\n"
	"  --clients N        client addresses from there on (default 1)\n"
	"  --rate N           new flows a second (default 0: none)\n"
	"  --count N          stop after that many new flows\n"
	"  --duration MS      stop after that time\n"
	"  --held N           flows that stay open (default 0), each asking\n"
	"  --every MS         this often (default 100)\n"
	"  --timeout MS       until a request counts as failed (default 5000)\n"
	"  --udp, --size N    datagrams of N bytes instead of HTTP\n"
	"  --path PATH        default /\n"
	"  --log FILE         a line per request\n"
	"  --stalls FILE      a line for each time that this program itself came late\n";

TAILQ_HEAD(flow_list, flow);

/* A new flow, in the order of the timetable and so of the deadlines. */
struct flow {
	TAILQ_ENTRY(flow) all;
	struct exchange exchange;
};

struct load {
	struct load_options options;
	int epoll, timer;
	uint64_t start_us, next_us, sweep_us;
	uint32_t begun; /* new flows */
	struct flow_list flows;
	struct exchange *held;
	bool stopping;
};

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
	stop_signal = number;
}

static void end_flow(struct load *load, struct exchange *exchange, enum load_result result)
{
	struct flow *flow = (struct flow *)((char *)exchange - offsetof(struct flow, exchange));

	record_add(&load->options, exchange, result);
	exchange_close(exchange);
	TAILQ_REMOVE(&load->flows, flow, all);
	free(flow);
}

static void end_held(struct load *load, struct exchange *exchange, enum load_result result)
{
	record_add(&load->options, exchange, result);
	if (result == LOAD_OK) {
		uint64_t every_us = load->options.every_ms * 1000ULL;

		exchange->due_us += every_us;
		return;
	}
	exchange_close(exchange);
	exchange->first_backend[0] = '\0';
	exchange->due_us = load_now_us() + REOPEN_US;
}

static void end_request(struct load *load, struct exchange *exchange, enum load_result result)
{
	if (exchange->held)
		end_held(load, exchange, result);
	else
		end_flow(load, exchange, result);
}

static void begin_flow(struct load *load)
{
	const struct load_options *options = &load->options;
	struct flow *flow = calloc(1, sizeof(*flow));
	enum load_result result;

	if (!flow)
		return;
	flow->exchange = (struct exchange){
		.fd = -1,
		.target = load->begun % options->targets_n,
		.client = load->begun / options->targets_n % options->clients,
		.due_us = load->next_us,
	};
	TAILQ_INSERT_TAIL(&load->flows, flow, all);
	load->begun++;
	record_lag(load_now_us() - load->next_us);
	result = exchange_open(&flow->exchange, options, load->epoll);
	if (result != LOAD_OK)
		end_flow(load, &flow->exchange, result);
}

static void begin_due(struct load *load, uint64_t now_us)
{
	const struct load_options *options = &load->options;

	while (options->rate && !load->stopping && load->next_us <= now_us) {
		if (options->count && load->begun == options->count) {
			load->stopping = true;
			break;
		}
		begin_flow(load);
		load->next_us = load->start_us + load->begun * 1000000ULL / options->rate;
	}
}

static void run_held(struct load *load, struct exchange *exchange)
{
	enum load_result result = LOAD_OK;

	if (exchange->fd < 0) {
		result = exchange_open(exchange, &load->options, load->epoll);
		if (result != LOAD_OK)
			end_held(load, exchange, result);
	} else if (exchange->state == EXCHANGE_IDLE &&
		   exchange_ask(exchange, &load->options, &result)) {
		end_held(load, exchange, result);
	}
}

static void sweep(struct load *load, uint64_t now_us)
{
	uint64_t timeout_us = load->options.timeout_ms * 1000ULL;
	struct flow *first;

	load->sweep_us = now_us + SWEEP_US;
	while ((first = TAILQ_FIRST(&load->flows)) && first->exchange.due_us + timeout_us <= now_us)
		end_flow(load, &first->exchange, LOAD_TIMEOUT);
	for (uint32_t i = 0; i < load->options.held; i++) {
		struct exchange *exchange = &load->held[i];

		if (exchange->fd >= 0 && exchange->state != EXCHANGE_IDLE &&
		    exchange->due_us + timeout_us <= now_us)
			end_held(load, exchange, LOAD_TIMEOUT);
	}
	record_flush();
}

/* Whatever the timetable has up to now; returns when it has more. */
static uint64_t run_timetable(struct load *load, uint64_t now_us)
{
	uint64_t wake_us = load->sweep_us;

	begin_due(load, now_us);
	for (uint32_t i = 0; i < load->options.held && !load->stopping; i++) {
		struct exchange *exchange = &load->held[i];
		bool waits = exchange->fd >= 0 && exchange->state != EXCHANGE_IDLE;

		if (!waits && exchange->due_us <= now_us)
			run_held(load, exchange);
		else if (!waits && exchange->due_us < wake_us)
			wake_us = exchange->due_us;
	}
	if (load->options.rate && !load->stopping && load->next_us < wake_us)
		wake_us = load->next_us;
	return wake_us;
}

static bool is_over(const struct load *load)
{
	bool held_waits = false;

	if (!load->stopping || !TAILQ_EMPTY(&load->flows))
		return false;
	for (uint32_t i = 0; i < load->options.held; i++)
		held_waits |= load->held[i].fd >= 0 && load->held[i].state == EXCHANGE_WAITING;
	return !held_waits;
}

static void wait_until(struct load *load, uint64_t wake_us)
{
	struct itimerspec when = {
		.it_value = {(time_t)(wake_us / 1000000), (long)(wake_us % 1000000 * 1000)}};
	struct epoll_event events[EVENTS_MAX];
	enum load_result result = LOAD_OK;
	int n;

	timerfd_settime(load->timer, TFD_TIMER_ABSTIME, &when, NULL);
	n = epoll_wait(load->epoll, events, EVENTS_MAX, -1);
	for (int i = 0; i < n; i++) {
		struct exchange *exchange = events[i].data.ptr;

		if (exchange && exchange->fd >= 0 &&
		    exchange_advance(exchange, &load->options, &result))
			end_request(load, exchange, result);
	}
}

static void run(struct load *load)
{
	uint64_t duration_us = load->options.duration_ms * 1000ULL, wake_us;

	load->start_us = load->next_us = load_now_us();
	for (uint32_t i = 0; i < load->options.held; i++)
		load->held[i].due_us = load->start_us + i * HELD_SPREAD_US;
	while (!is_over(load)) {
		uint64_t now_us = load_now_us();

		if (stop_signal || (duration_us && now_us - load->start_us >= duration_us))
			load->stopping = true;
		if (now_us >= load->sweep_us)
			sweep(load, now_us);
		wake_us = run_timetable(load, now_us);
		wait_until(load, wake_us);
		record_wake(wake_us);
	}
}

static bool parse_target(const char *text, union socket_address *ret)
{
	char address[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	in_port_t port = colon ? htons((uint16_t)atoi(colon + 1)) : 0;

	if (!n || n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	*ret = (union socket_address){.in4 = {.sin_family = AF_INET, .sin_port = port}};
	if (address[0] != '[')
		return inet_pton(AF_INET, address, &ret->in4.sin_addr) == 1;
	address[n - 1] = '\0';
	*ret = (union socket_address){.in6 = {.sin6_family = AF_INET6, .sin6_port = port}};
	return inet_pton(AF_INET6, address + 1, &ret->in6.sin6_addr) == 1;
}

static bool parse_source(const char *text, struct load_options *options)
{
	union socket_address *v4 = &options->sources[0], *v6 = &options->sources[1];

	if (inet_pton(AF_INET, text, &v4->in4.sin_addr) == 1)
		v4->in4.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->in6.sin6_addr) == 1)
		v6->in6.sin6_family = AF_INET6;
	else
		return false;
	return true;
}

static bool set_option(struct load_options *options, int option, const char *text)
{
	uint32_t number = (uint32_t)strtoul(text, NULL, 10);

	switch (option) {
	case 't':
		return options->targets_n < TARGETS_MAX &&
		       parse_target(text, &options->targets[options->targets_n++]);
	case 's':
		return parse_source(text, options);
	case 'c':
		options->clients = number;
		return number > 0;
	case 'r':
		options->rate = number;
		return true;
	case 'n':
		options->count = number;
		return true;
	case 'd':
		options->duration_ms = number;
		return true;
	case 'h':
		options->held = number;
		return true;
	case 'e':
		options->every_ms = number;
		return number > 0;
	case 'w':
		options->timeout_ms = number;
		return number > 0;
	case 'u':
		options->udp = true;
		return true;
	case 'z':
		options->size = number;
		return number <= 65000;
	case 'p':
		options->path = text;
		return true;
	case 'l':
		options->log = text;
		return true;
	case 'o':
		options->stalls = text;
		return true;
	default:
		return false;
	}
}

static bool parse(int argc, char **argv, struct load_options *options)
{
	static const struct option names[] = {
		{"target", 1, NULL, 't'}, {"sources", 1, NULL, 's'}, {"clients", 1, NULL, 'c'},
		{"rate", 1, NULL, 'r'},	  {"count", 1, NULL, 'n'},   {"duration", 1, NULL, 'd'},
		{"held", 1, NULL, 'h'},	  {"every", 1, NULL, 'e'},   {"timeout", 1, NULL, 'w'},
		{"udp", 0, NULL, 'u'},	  {"size", 1, NULL, 'z'},    {"path", 1, NULL, 'p'},
		{"log", 1, NULL, 'l'},	  {"stalls", 1, NULL, 'o'},  {NULL, 0, NULL, 0},
	};
	int option;

	*options = (struct load_options){
		.clients = 1, .every_ms = 100, .timeout_ms = 5000, .size = 64, .path = "/"};
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (!set_option(options, option, optarg ? optarg : ""))
			return false;
	}
	return options->targets_n && optind == argc && (options->rate || options->held);
}

static int prepare(struct load *load)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct sigaction action = {.sa_handler = on_signal};
	struct rlimit files = {65536, 65536};

	setrlimit(RLIMIT_NOFILE, &files);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	TAILQ_INIT(&load->flows);
	load->held = calloc(load->options.held + 1, sizeof(*load->held));
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!load->held || load->epoll < 0 || load->timer < 0 ||
	    epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->timer, &event))
		return -errno;
	for (uint32_t i = 0; i < load->options.held; i++) {
		load->held[i].fd = -1;
		load->held[i].held = true;
		load->held[i].target = i % load->options.targets_n;
		load->held[i].client = i / load->options.targets_n % load->options.clients;
	}
	return record_open(&load->options);
}

int main(int argc, char **argv)
{
	struct load load = {};
	int err;

	if (!parse(argc, argv, &load.options)) {
		fputs(usage, stderr);
		return 2;
	}
	err = prepare(&load);
	if (err) {
		fprintf(stderr, "load: %s\n", strerror(-err));
		return 1;
	}
	run(&load);
	record_print(stdout);
	record_close();
	for (uint32_t i = 0; i < load.options.held; i++)
		exchange_close(&load.held[i]);
	free(load.held);
	return 0;
}
