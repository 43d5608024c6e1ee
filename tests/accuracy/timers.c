/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "accuracy/timers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/prctl.h>

uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void put(struct timers *timers, size_t place, struct timer *timer)
{
	timers->heap[place] = timer;
	timer->place = place;
}

static void rise(struct timers *timers, size_t place)
{
	struct timer *timer = timers->heap[place];

	for (; place > 1 && timers->heap[place / 2]->due_ns > timer->due_ns; place /= 2)
		put(timers, place, timers->heap[place / 2]);
	put(timers, place, timer);
}

static void sink(struct timers *timers, size_t place)
{
	struct timer *timer = timers->heap[place];

	for (size_t child = 2 * place; child <= timers->n; child = 2 * place) {
		if (child < timers->n &&
		    timers->heap[child + 1]->due_ns < timers->heap[child]->due_ns)
			child++;
		if (timers->heap[child]->due_ns >= timer->due_ns)
			break;
		put(timers, place, timers->heap[child]);
		place = child;
	}
	put(timers, place, timer);
}

int timers_set(struct timers *timers, struct timer *timer, uint64_t due_ns)
{
	if (timers->n + 2 > timers->size) {
		size_t size = timers->size ? 2 * timers->size : 64;
		struct timer **heap = reallocarray(timers->heap, size, sizeof(struct timer *));

		if (!heap)
			return -ENOMEM;
		timers->heap = heap;
		timers->size = size;
	}
	timers_cancel(timers, timer);
	timer->due_ns = due_ns;
	put(timers, ++timers->n, timer);
	rise(timers, timers->n);
	return 0;
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;
	struct timer *last;

	if (!place)
		return;
	timer->place = 0;
	last = timers->heap[timers->n--];
	if (last == timer)
		return;
	put(timers, place, last);
	rise(timers, place);
	sink(timers, last->place);
}

struct timer *timers_take_due(struct timers *timers, uint64_t now_ns)
{
	struct timer *first;

	if (!timers->n || timers->heap[1]->due_ns > now_ns)
		return NULL;
	first = timers->heap[1];
	timers_cancel(timers, first);
	return first;
}

const struct timespec *timers_wait(const struct timers *timers, struct timespec *space)
{
	uint64_t now_ns = clock_now_ns(), left_ns;

	if (!timers->n)
		return NULL;
	left_ns = timers->heap[1]->due_ns > now_ns ? timers->heap[1]->due_ns - now_ns : 0;
	*space = (struct timespec){.tv_sec = (time_t)(left_ns / NS_PER_S),
				   .tv_nsec = (long)(left_ns % NS_PER_S)};
	return space;
}

void timers_free(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){};
}

void timers_be_precise(void)
{
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

uint64_t chance_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

double chance_share(uint64_t *state)
{
	return (double)((chance_next(state) >> 11) + 1) * 0x1p-53;
}

double chance_exponential(uint64_t *state, double mean)
{
	return -mean * log(chance_share(state));
}

/* By Box and Muller, "A note on the generation of random normal deviates", 1958. */
double chance_lognormal(uint64_t *state, double median, double sigma)
{
	double radius = sqrt(-2 * log(chance_share(state)));

	return median * exp(sigma * radius * cos(2 * M_PI * chance_share(state)));
}
