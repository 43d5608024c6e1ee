/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_schedule.h"

#include "agent/mix.h"

#define DOUBT_DIVISOR  4
#define JITTER_DIVISOR 20

void check_schedule_init(struct check_schedule *schedule, const struct address *address,
			 uint16_t port, uint32_t interval_ms)
{
	uint64_t hash = mix_bytes(address->bytes, sizeof(address->bytes), port);

	*schedule = (struct check_schedule){.interval_ms = interval_ms,
					    .phase = (uint32_t)(hash >> 32)};
}

void check_schedule_start(struct check_schedule *schedule, uint64_t now_us)
{
	schedule->starts++;
	schedule->started_us = now_us;
}

uint64_t check_schedule_next_us(const struct check_schedule *schedule, uint64_t random)
{
	uint64_t interval_us = schedule->interval_ms * 1000ULL;
	uint64_t jitter_us = interval_us / JITTER_DIVISOR, delay_us;

	if (schedule->doubted)
		delay_us = interval_us / DOUBT_DIVISOR;
	else if (schedule->starts == 1)
		delay_us = CHECK_GAP_US +
			   (uint64_t)((unsigned __int128)interval_us * schedule->phase >> 32);
	else
		delay_us = interval_us - jitter_us + random % (2 * jitter_us + 1);
	return schedule->started_us + (delay_us < CHECK_GAP_US ? CHECK_GAP_US : delay_us);
}

uint64_t check_schedule_earliest_us(const struct check_schedule *schedule)
{
	return schedule->starts ? schedule->started_us + CHECK_GAP_US : 0;
}

uint64_t check_schedule_turn_us(uint64_t *free_us, uint64_t now_us)
{
	uint64_t turn_us = *free_us > now_us ? *free_us : now_us;

	*free_us = turn_us + CHECK_GAP_US;
	return turn_us;
}
