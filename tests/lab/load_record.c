/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lab/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STACKS_MAX 32
#define STALL_US   100000 /* a wait that ended later than this was not this program's doing */

static const char *const result_names[LOAD_RESULT_MAX] = {
	[LOAD_OK] = "ok",	    [LOAD_REFUSED] = "refused", [LOAD_RESET] = "reset",
	[LOAD_CLOSED] = "closed",   [LOAD_TIMEOUT] = "timeout", [LOAD_STATUS] = "status",
	[LOAD_STRAYED] = "strayed", [LOAD_LOCAL] = "local",
};

/* What has been seen of one stack; and of each client, by its last answer. */
struct stack_record {
	char name[LOAD_NAME];
	uint64_t answers;
	uint32_t clients;
};

struct samples {
	uint32_t *us;
	size_t n, room;
};

static struct {
	FILE *log, *stalls;
	uint64_t results[2][LOAD_RESULT_MAX]; /* new, held */
	struct stack_record stacks[STACKS_MAX];
	unsigned int stacks_n;
	uint8_t *client_stack[2]; /* by family and client: index + 1 into stacks; 0: not seen */
	uint8_t *client_mixed[2];
	uint32_t clients;
	struct samples latency, lag;
	uint64_t last_ok_us, longest_gap_us;
} record;

uint64_t load_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t unix_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int record_open(const struct load_options *options)
{
	record.clients = options->clients;
	for (unsigned int i = 0; i < 2; i++) {
		record.client_stack[i] = calloc(options->clients, 1);
		record.client_mixed[i] = calloc(options->clients, 1);
		if (!record.client_stack[i] || !record.client_mixed[i])
			return -ENOMEM;
	}
	record.log = options->log ? fopen(options->log, "we") : NULL;
	record.stalls = options->stalls ? fopen(options->stalls, "we") : NULL;
	if ((options->log && !record.log) || (options->stalls && !record.stalls))
		return -errno;
	return 0;
}

static unsigned int find_stack(const char *name)
{
	unsigned int i = 0;

	while (i < record.stacks_n && strcmp(record.stacks[i].name, name) != 0)
		i++;
	if (i == record.stacks_n && i < STACKS_MAX - 1)
		memcpy(record.stacks[record.stacks_n++].name, name, LOAD_NAME);
	return i;
}

static void samples_add(struct samples *samples, uint64_t us)
{
	if (samples->n == samples->room) {
		size_t room = samples->room ? samples->room * 2 : 4096;
		uint32_t *more = realloc(samples->us, room * sizeof(*more));

		if (!more)
			return;
		samples->us = more;
		samples->room = room;
	}
	samples->us[samples->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void record_lag(uint64_t lag_us)
{
	samples_add(&record.lag, lag_us);
}

/* unix time of its beginning, how long in us */
void record_wake(uint64_t wake_us)
{
	uint64_t now_us = load_now_us(), at_us;

	if (!record.stalls || now_us < wake_us + STALL_US)
		return;
	at_us = unix_us() - (now_us - wake_us);
	fprintf(record.stalls, "%llu.%06llu %llu\n", (unsigned long long)at_us / 1000000,
		(unsigned long long)at_us % 1000000, (unsigned long long)(now_us - wake_us));
	fflush(record.stalls);
}

static void add_answer(const struct exchange *exchange, bool v6, uint64_t now_us)
{
	unsigned int stack = find_stack(exchange->stack);
	uint8_t *last = &record.client_stack[v6][exchange->client % record.clients];

	record.stacks[stack].answers++;
	if (*last && *last != stack + 1)
		record.client_mixed[v6][exchange->client % record.clients] = 1;
	*last = (uint8_t)(stack + 1);
	if (record.last_ok_us && now_us - record.last_ok_us > record.longest_gap_us)
		record.longest_gap_us = now_us - record.last_ok_us;
	record.last_ok_us = now_us;
	samples_add(&record.latency, now_us - exchange->due_us);
}

/* unix time, new|held, 4|6, client, result, latency in us, stack, backend */
static void log_request(const struct exchange *exchange, bool v6, const char *result,
			uint64_t latency_us)
{
	uint64_t at_us = unix_us() - latency_us;

	fprintf(record.log, "%llu.%06llu %s %d %u %s %llu %s %s\n",
		(unsigned long long)at_us / 1000000, (unsigned long long)at_us % 1000000,
		exchange->held ? "held" : "new", v6 ? 6 : 4, exchange->client, result,
		(unsigned long long)latency_us, exchange->stack[0] ? exchange->stack : "-",
		exchange->backend[0] ? exchange->backend : "-");
}

void record_add(const struct load_options *options, const struct exchange *exchange,
		enum load_result result)
{
	bool v6 = options->targets[exchange->target].any.sa_family == AF_INET6;
	uint64_t now_us = load_now_us();
	/* A held flow may end before its next request is due. */
	uint64_t latency_us = now_us > exchange->due_us ? now_us - exchange->due_us : 0;

	record.results[exchange->held][result]++;
	if (result == LOAD_OK)
		add_answer(exchange, v6, now_us);
	if (record.log)
		log_request(exchange, v6, result_names[result], latency_us);
}

void record_flush(void)
{
	if (record.log)
		fflush(record.log);
}

static int compare_samples(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static double percentile_ms(const struct samples *samples, double share)
{
	if (!samples->n)
		return 0;
	return samples->us[(size_t)((double)(samples->n - 1) * share)] / 1000.0;
}

static void print_samples(FILE *file, const char *name, struct samples *samples)
{
	if (samples->n)
		qsort(samples->us, samples->n, sizeof(*samples->us), compare_samples);
	fprintf(file, "\"%s\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}, ",
		name, percentile_ms(samples, 0.5), percentile_ms(samples, 0.9),
		percentile_ms(samples, 0.99), percentile_ms(samples, 1));
}

static uint32_t count_clients(void)
{
	uint32_t mixed = 0;

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		for (uint32_t i = 0; i < record.clients; i++) {
			mixed += record.client_mixed[v6][i];
			if (record.client_stack[v6][i])
				record.stacks[record.client_stack[v6][i] - 1].clients++;
		}
	}
	return mixed;
}

static void print_results(FILE *file, const char *name, const uint64_t *results)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < LOAD_RESULT_MAX; i++)
		sum += results[i];
	fprintf(file, "\"%s\": {\"requests\": %llu", name, (unsigned long long)sum);
	for (unsigned int i = 0; i < LOAD_RESULT_MAX; i++) {
		if (i == LOAD_OK || results[i])
			fprintf(file, ", \"%s\": %llu", result_names[i],
				(unsigned long long)results[i]);
	}
	fprintf(file, "}, ");
}

void record_print(FILE *file)
{
	uint32_t mixed = count_clients();

	record_flush();
	fprintf(file, "{");
	print_results(file, "new", record.results[0]);
	print_results(file, "held", record.results[1]);
	fprintf(file, "\"stacks\": {");
	for (unsigned int i = 0; i < record.stacks_n; i++)
		fprintf(file, "%s\"%s\": {\"answers\": %llu, \"clients\": %u}", i ? ", " : "",
			record.stacks[i].name, (unsigned long long)record.stacks[i].answers,
			record.stacks[i].clients);
	fprintf(file, "}, \"clients_of_several_stacks\": %u, ", mixed);
	print_samples(file, "latency_ms", &record.latency);
	print_samples(file, "lag_ms", &record.lag);
	fprintf(file, "\"longest_gap_ms\": %.1f}\n", (double)record.longest_gap_us / 1000);
}

void record_close(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		free(record.client_stack[i]);
		free(record.client_mixed[i]);
	}
	free(record.latency.us);
	free(record.lag.us);
	if (record.log)
		fclose(record.log);
	if (record.stalls)
		fclose(record.stalls);
}
