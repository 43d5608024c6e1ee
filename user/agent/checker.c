/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/checker.h"

#include "agent/check_peers.h"
#include "agent/check_schedule.h"
#include "agent/mix.h"
#include "common/log.h"
#include "common/util.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/resource.h>

#define TIMER_ACCURACY_US 1000
#define PRIORITY	  (SD_EVENT_PRIORITY_NORMAL + 10) /* of all that checks do */
#define COMPLAINT_US	  60000000ULL

enum check_phase {
	CHECK_SLEEPING, /* `timer` is when the next one is due, or its turn */
	CHECK_WAITING,	/* due, in the checker's queue */
	CHECK_RUNNING,	/* `probe` is open, `timer` is its end */
};

struct check {
	LIST_ENTRY(check) all;
	TAILQ_ENTRY(check) queue;
	struct checker *checker;
	check_callback callback;
	void *userdata;
	struct address address; /* for the log */
	struct probe_target target;
	struct probe_target direct; /* the second to be asked; means something with `both` only */
	bool both;
	bool is_second; /* it is being asked */
	char *where;	/* the first one's way, for details; "": there is but the direct one */
	uint32_t timeout_ms;
	struct check_peer *peer;
	struct check_schedule schedule;
	enum check_phase phase;
	bool urgent;	/* the next one is to start as soon as it may */
	bool has_turn;	/* of its peer; `timer` is when */
	bool prolonged; /* this one has been given its timeout again */
	struct probe probe;
	sd_event_source *io; /* while running */
	sd_event_source *timer;
};

struct checker {
	sd_event *event;
	sd_event_source *pump; /* fires when waiting checks may start */
	LIST_HEAD(check_list, check) checks;
	TAILQ_HEAD(check_queue, check) queue;
	struct check_peers *peers;
	struct probe_tls *tls; /* NULL: nobody has wanted it yet */
	uint32_t in_flight_max;
	uint64_t burst_start_us;
	uint32_t burst_used;
	uint64_t random;
	uint64_t complained_us; /* 0: never */
	struct checker_stats stats;
};

static uint64_t checker_now(const struct checker *checker)
{
	uint64_t now_us = 0;

	sd_event_now(checker->event, CLOCK_MONOTONIC, &now_us);
	return now_us;
}

static uint64_t checker_random(struct checker *checker)
{
	checker->random += 0x9e3779b97f4a7c15ULL;
	return mix64(checker->random);
}

static void pump_arm(struct checker *checker)
{
	uint64_t at_us = checker_now(checker);

	if (TAILQ_EMPTY(&checker->queue) || checker->stats.in_flight >= checker->in_flight_max ||
	    sd_event_source_get_enabled(checker->pump, NULL) > 0)
		return;
	if (checker->burst_used >= CHECKER_BURST)
		at_us = checker->burst_start_us + CHECKER_BURST_MS * 1000;
	sd_event_source_set_time(checker->pump, at_us);
	sd_event_source_set_enabled(checker->pump, SD_EVENT_ONESHOT);
}

static void check_timer_set(struct check *check, uint64_t at_us)
{
	sd_event_source_set_time(check->timer, at_us);
	sd_event_source_set_enabled(check->timer, SD_EVENT_ONESHOT);
}

static void check_enqueue(struct check *check)
{
	struct checker *checker = check->checker;

	check->phase = CHECK_WAITING;
	if (check->urgent)
		TAILQ_INSERT_HEAD(&checker->queue, check, queue);
	else
		TAILQ_INSERT_TAIL(&checker->queue, check, queue);
	checker->stats.waiting++;
	pump_arm(checker);
}

static void check_dequeue(struct check *check)
{
	TAILQ_REMOVE(&check->checker->queue, check, queue);
	check->checker->stats.waiting--;
	check->phase = CHECK_SLEEPING;
}

static void check_sleep(struct check *check)
{
	const struct check_schedule *schedule = &check->schedule;

	check->phase = CHECK_SLEEPING;
	check_timer_set(check, check->urgent ? check_schedule_earliest_us(schedule)
					     : check_schedule_next_us(
						       schedule, checker_random(check->checker)));
}

static void check_close(struct check *check)
{
	check->io = sd_event_source_disable_unref(check->io);
	probe_close(&check->probe);
	check->checker->stats.in_flight--;
	pump_arm(check->checker);
}

static void complain(struct checker *checker, const struct check *check, const char *detail)
{
	uint64_t now_us = checker_now(checker);
	char text[ADDRESS_TEXT_MAX];

	checker->stats.skipped++;
	if (checker->complained_us && now_us - checker->complained_us < COMPLAINT_US)
		return;
	checker->complained_us = now_us;
	log_warning("health check of %s could not be made: %s (%llu such so far; backends keep the "
		    "health they have)",
		    address_text(&check->address, text), detail,
		    (unsigned long long)checker->stats.skipped);
}

/* The callback may free the check: nothing may touch it afterwards. */
static void check_finish(struct check *check, enum probe_result result, const char *detail)
{
	const char *where = check->is_second ? "directly" : check->where;
	char kept[CHECK_DETAIL_MAX];

	if (detail[0] && where[0])
		snprintf(kept, sizeof(kept), "%s (%s)", detail, where);
	else
		snprintf(kept, sizeof(kept), "%s", detail);
	check_close(check);
	check_sleep(check);
	if (result == PROBE_SKIPPED) {
		complain(check->checker, check, kept);
		return;
	}
	check->checker->stats.finished++;
	check->checker->stats.passed += result == PROBE_PASSED;
	check->callback(check->userdata, result == PROBE_PASSED, kept);
}

static uint32_t probe_epoll_events(const struct probe *probe)
{
	/* poll's and epoll's bits are the same by definition of epoll_ctl(2). */
	return (uint32_t)(unsigned short)probe->stream.events;
}

static struct probe_target *asked(struct check *check)
{
	return check->is_second ? &check->direct : &check->target;
}

static bool check_ask(struct check *check);

/* True while it goes on, the second way; else the check is finished and may be gone. */
static bool check_conclude(struct check *check, enum probe_result result)
{
	if (result != PROBE_PASSED || !check->both || check->is_second) {
		check_finish(check, result, check->probe.detail);
		return false;
	}
	check->io = sd_event_source_disable_unref(check->io);
	probe_close(&check->probe);
	check->is_second = true;
	return check_ask(check);
}

/* True while it goes on; else the check is finished and may be gone. */
static bool check_advance(struct check *check)
{
	short events = check->probe.stream.events;
	enum probe_result result = probe_advance(&check->probe, asked(check));
	int r = 0;

	if (result != PROBE_PENDING)
		return check_conclude(check, result);
	if (events != check->probe.stream.events)
		r = sd_event_source_set_io_events(check->io, probe_epoll_events(&check->probe));
	if (r >= 0)
		return true;
	check_finish(check, PROBE_SKIPPED, strerror(-r));
	return false;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source;
	(void)fd;
	(void)revents;
	check_advance(userdata);
	return 0;
}

/* Begins one exchange. True while it goes on; else the check is finished and may be gone. */
static bool check_ask(struct check *check)
{
	enum probe_result result = probe_start(&check->probe, asked(check));
	int r;

	if (result != PROBE_PENDING)
		return check_conclude(check, result);
	r = sd_event_add_io(check->checker->event, &check->io, check->probe.stream.fd,
			    probe_epoll_events(&check->probe), on_io, check);
	if (r >= 0)
		r = sd_event_source_set_priority(check->io, PRIORITY);
	if (r >= 0)
		return true;
	check_finish(check, PROBE_SKIPPED, strerror(-r));
	return false;
}

/* False: its turn comes later. */
static bool check_takes_turn(struct check *check, uint64_t now_us)
{
	uint64_t turn_us = now_us;

	if (!check->has_turn)
		turn_us = check_schedule_turn_us(&check->peer->free_us, now_us);
	check->has_turn = turn_us > now_us;
	if (check->has_turn)
		check_timer_set(check, turn_us);
	return !check->has_turn;
}

static void check_start(struct check *check)
{
	struct checker *checker = check->checker;
	uint64_t now_us = util_now_us(); /* the loop's time is as old as what it did last */

	check_dequeue(check);
	if (!check_takes_turn(check, now_us))
		return;
	check->phase = CHECK_RUNNING;
	check_schedule_start(&check->schedule, now_us);
	check->urgent = check->prolonged = check->is_second = false;
	checker->stats.started++;
	checker->stats.in_flight++;
	if (check_ask(check))
		check_timer_set(check, now_us + check->timeout_ms * 1000ULL);
}

/*
 * This loop having been busy is not the backend's fault: an answer that lies unread still counts,
 * and where the timer came late by a good part of the timeout, the check gets it once more.
 */
static void check_time_out(struct check *check, uint64_t due_us)
{
	uint64_t timeout_us = check->timeout_ms * 1000ULL;
	uint64_t now_us = util_now_us(); /* the loop's time is as old as what it did last */
	char detail[PROBE_DETAIL_MAX];

	if (!check_advance(check))
		return;
	if (now_us - due_us > timeout_us / 4 + TIMER_ACCURACY_US && !check->prolonged) {
		check->prolonged = true;
		check_timer_set(check, now_us + timeout_us);
		return;
	}
	snprintf(detail, sizeof(detail), "timed out after %u ms%s", check->timeout_ms,
		 probe_progress(&check->probe));
	check_finish(check, PROBE_FAILED, detail);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct check *check = userdata;

	(void)source;
	if (check->phase == CHECK_RUNNING)
		check_time_out(check, usec);
	else if (check->phase == CHECK_SLEEPING)
		check_enqueue(check);
	return 0;
}

static int on_pump(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct checker *checker = userdata;
	uint64_t now_us = checker_now(checker);

	(void)source;
	(void)usec;
	if (now_us - checker->burst_start_us >= CHECKER_BURST_MS * 1000) {
		checker->burst_start_us = now_us;
		checker->burst_used = 0;
	}
	while (!TAILQ_EMPTY(&checker->queue) && checker->burst_used < CHECKER_BURST &&
	       checker->stats.in_flight < checker->in_flight_max) {
		checker->burst_used++;
		check_start(TAILQ_FIRST(&checker->queue));
	}
	pump_arm(checker);
	return 0;
}

/* Checks get half of the descriptors at most: the rest of the agent needs some, too. */
static uint32_t in_flight_limit(uint32_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 2 >= wanted)
		return wanted;
	return limit.rlim_cur >= 2 ? (uint32_t)(limit.rlim_cur / 2) : 1;
}

/* A timer that is off; -errno. */
static int timer_new(sd_event *event, uint64_t accuracy_us, sd_event_time_handler_t handler,
		     void *userdata, sd_event_source **ret_timer)
{
	sd_event_source *timer = NULL;
	int r = sd_event_add_time(event, &timer, CLOCK_MONOTONIC, 0, accuracy_us, handler,
				  userdata);

	if (r >= 0)
		r = sd_event_source_set_enabled(timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(timer, PRIORITY);
	if (r < 0) {
		sd_event_source_disable_unref(timer);
		return r;
	}
	*ret_timer = timer;
	return 0;
}

int checker_new(sd_event *event, uint32_t in_flight_max, struct checker **ret_checker)
{
	struct checker *checker = util_calloc(1, sizeof(*checker));
	int r;

	LIST_INIT(&checker->checks);
	TAILQ_INIT(&checker->queue);
	checker->peers = check_peers_new();
	checker->event = sd_event_ref(event);
	checker->in_flight_max = in_flight_limit(in_flight_max ? in_flight_max
							       : CHECKER_IN_FLIGHT_MAX);
	if (getrandom(&checker->random, sizeof(checker->random), GRND_NONBLOCK) < 0)
		checker->random = util_now_ms();
	r = timer_new(event, 1, on_pump, checker, &checker->pump);
	if (r < 0) {
		checker_free(checker);
		return r;
	}
	*ret_checker = checker;
	return 0;
}

void checker_free(struct checker *checker)
{
	if (!checker)
		return;
	while (!LIST_EMPTY(&checker->checks))
		check_free(LIST_FIRST(&checker->checks));
	sd_event_source_disable_unref(checker->pump);
	sd_event_unref(checker->event);
	check_peers_free(checker->peers);
	probe_tls_free(checker->tls);
	free(checker);
}

static bool is_one_word(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

static bool is_fit(const char *text)
{
	return !text || (text[0] && is_one_word(text));
}

static bool texts_are_fit(const struct check_target *target)
{
	size_t body = target->body ? strlen(target->body) : 1;

	return is_fit(target->path) && (!target->path || target->path[0] == '/') &&
	       is_fit(target->host) && is_fit(target->server_name) && body >= 1 &&
	       body <= HEALTH_BODY_MAX;
}

char *check_way_text(const struct check_way *way, uint16_t port)
{
	char address[ADDRESS_TEXT_MAX];
	bool ipv4 = address_is_ipv4(&way->probe.vip);

	return util_format("through %s at %s%s%s:%u", way->mode, ipv4 ? "" : "[",
			   address_text(&way->probe.vip, address), ipv4 ? "" : "]", port);
}

static bool target_is_valid(const struct check_target *target)
{
	return target->port && target->interval_ms && target->timeout_ms &&
	       target->type > HEALTH_NONE && target->type < HEALTH_TYPE_MAX &&
	       texts_are_fit(target);
}

static void probe_init(const struct checker *checker, struct probe_target *probe,
		       const struct check_target *target, const struct check_way *way)
{
	const struct probe_question question = {.type = target->type,
						.path = target->path,
						.host = target->host,
						.body = target->body,
						.status_min = target->status_min,
						.status_max = target->status_max,
						.service = target->service,
						.server_name = target->server_name,
						.tls = target->tls ? checker->tls : NULL};

	probe_target_init(probe, &target->address, target->port, way ? &way->probe : NULL,
			  &question);
}

/* -ENOMEM: there is no TLS to be had. */
static int check_set_ways(struct check *check, struct checker *checker,
			  const struct check_target *target)
{
	int err = target->tls && !checker->tls ? probe_tls_new(&checker->tls) : 0;

	if (err)
		return err;
	check->both = target->both && target->way;
	check->where = target->way ? check_way_text(target->way, target->port) : util_strdup("");
	probe_init(checker, &check->target, target, target->way);
	if (check->both)
		probe_init(checker, &check->direct, target, NULL);
	return 0;
}

static void check_forget_ways(struct check *check)
{
	probe_target_clear(&check->target);
	probe_target_clear(&check->direct);
	free(check->where);
}

int checker_add(struct checker *checker, const struct check_target *target, check_callback callback,
		void *userdata, struct check **ret_check)
{
	struct check *check;
	int r;

	if (!target_is_valid(target))
		return -EINVAL;
	check = util_calloc(1, sizeof(*check));
	r = check_set_ways(check, checker, target);
	if (r) {
		free(check);
		return r;
	}
	r = timer_new(checker->event, TIMER_ACCURACY_US, on_timer, check, &check->timer);
	if (r) {
		check_forget_ways(check);
		free(check);
		return r;
	}
	check->checker = checker;
	check->callback = callback;
	check->userdata = userdata;
	check->address = target->address;
	check->peer = check_peers_get(checker->peers, &target->address, target->port);
	check_schedule_init(&check->schedule, &target->address, target->port, target->interval_ms);
	check->timeout_ms = target->timeout_ms;
	check->probe.stream.fd = -1;
	LIST_INSERT_HEAD(&checker->checks, check, all);
	check_enqueue(check);
	*ret_check = check;
	return 0;
}

void check_free(struct check *check)
{
	if (!check)
		return;
	if (check->phase == CHECK_WAITING)
		check_dequeue(check);
	else if (check->phase == CHECK_RUNNING)
		check_close(check);
	LIST_REMOVE(check, all);
	sd_event_source_disable_unref(check->timer);
	check_peer_put(check->peer);
	check_forget_ways(check);
	free(check);
}

/* Only where nothing else says when it wakes. */
static void check_reschedule(struct check *check)
{
	if (check->phase == CHECK_SLEEPING && !check->has_turn)
		check_sleep(check);
}

void check_doubt(struct check *check, bool doubted)
{
	if (!check || check->schedule.doubted == doubted)
		return;
	check->schedule.doubted = doubted;
	if (!check->urgent)
		check_reschedule(check);
}

void check_now(struct check *check)
{
	if (!check || check->urgent)
		return;
	check->urgent = true;
	if (check->phase == CHECK_WAITING) {
		TAILQ_REMOVE(&check->checker->queue, check, queue);
		TAILQ_INSERT_HEAD(&check->checker->queue, check, queue);
	}
	check_reschedule(check);
}

void checker_get_stats(const struct checker *checker, struct checker_stats *ret_stats)
{
	*ret_stats = checker->stats;
}
