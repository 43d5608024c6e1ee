/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

static const char *scale(uint64_t value, const char *unit, char *text)
{
	static const char prefixes[] = " kMGTPE";
	double scaled = (double)value;
	int power = 0;

	if (value < 1000) {
		snprintf(text, FORMAT_MAX, *unit ? "%" PRIu64 " %s" : "%" PRIu64 "%s", value, unit);
		return text;
	}
	/* From 999.95 on, one decimal would round to 1000.0. */
	while (scaled >= 999.95 && prefixes[power + 1]) {
		scaled /= 1000;
		power++;
	}
	snprintf(text, FORMAT_MAX, "%.1f %c%s", scaled, prefixes[power], unit);
	return text;
}

const char *format_count(uint64_t count, char *text)
{
	return scale(count, "", text);
}

const char *format_bytes(uint64_t bytes, char *text)
{
	return scale(bytes, "B", text);
}

const char *format_duration(uint64_t ms, char *text)
{
	uint64_t s = ms / 1000, min = s / 60, h = min / 60, d = h / 24;

	if (d)
		snprintf(text, FORMAT_MAX, "%" PRIu64 " d %" PRIu64 " h", d, h % 24);
	else if (h)
		snprintf(text, FORMAT_MAX, "%" PRIu64 " h %" PRIu64 " min", h, min % 60);
	else if (min)
		snprintf(text, FORMAT_MAX, "%" PRIu64 " min %" PRIu64 " s", min, s % 60);
	else
		snprintf(text, FORMAT_MAX, "%" PRIu64 " s", s);
	return text;
}

const char *format_share(double share, char *text)
{
	double percent = share * 100;

	if (percent > 0 && percent < 0.05)
		snprintf(text, FORMAT_MAX, "<0.1 %%");
	else if (percent < 100 && percent >= 99.95)
		snprintf(text, FORMAT_MAX, ">99.9 %%");
	else
		snprintf(text, FORMAT_MAX, "%.1f %%", percent);
	return text;
}

/* value: at least 1, or all there is; three digits of it. */
static int decimals(double value)
{
	if (value >= 99.95)
		return 0;
	return value >= 9.995 ? 1 : 2;
}

static const char *latency(double ns, const char *blank, char *text)
{
	static const char *const units[] = {"us", "ms", "s"};
	double value = fabs(ns) / 1000;
	size_t unit = 0;

	if (!isfinite(ns)) {
		snprintf(text, FORMAT_MAX, "-");
		return text;
	}
	while (value >= 999.5 && unit < 2) {
		value /= 1000;
		unit++;
	}
	snprintf(text, FORMAT_MAX, "%s%.*f%s%s", ns < 0 ? "-" : "", value ? decimals(value) : 0,
		 value, blank, units[unit]);
	return text;
}

const char *format_latency(double ns, char *text)
{
	return latency(ns, " ", text);
}

const char *format_latency_short(double ns, char *text)
{
	return latency(ns, "", text);
}

const char *format_rate(double rate, char *text)
{
	static const char prefixes[] = " kMGTPE";
	int power = 0;

	if (!isfinite(rate)) {
		snprintf(text, FORMAT_MAX, "-");
		return text;
	}
	while (rate >= 999.5 && prefixes[power + 1]) {
		rate /= 1000;
		power++;
	}
	if (power)
		snprintf(text, FORMAT_MAX, "%.*f%c", rate < 99.95, rate, prefixes[power]);
	else if (rate > 0 && rate < 0.05)
		snprintf(text, FORMAT_MAX, "<0.1");
	else
		snprintf(text, FORMAT_MAX, "%.*f", rate > 0 && rate < 9.95, rate);
	return text;
}

const char *format_time(uint64_t unix_ms, char *text)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm local;
	size_t length;

	localtime_r(&seconds, &local);
	length = strftime(text, FORMAT_MAX, "%Y-%m-%d %H:%M:%S", &local);
	snprintf(text + length, FORMAT_MAX - length, ".%03u", (unsigned int)(unix_ms % 1000));
	return text;
}
