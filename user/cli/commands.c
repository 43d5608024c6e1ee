/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/commands.h"

#include "cli/help_text.h"
#include "common/util.h"

const struct args_flag commands_globals[GLOBAL_MAX] = {
	[GLOBAL_ADDRESS] = {.name = "address", .letter = 'a', .value = "ADDRESS"},
	[GLOBAL_CERT] = {.name = "cert", .value = "FILE"},
	[GLOBAL_KEY] = {.name = "key", .value = "FILE"},
	[GLOBAL_CA] = {.name = "ca", .value = "FILE"},
	[GLOBAL_TIMEOUT] = {.name = "timeout", .value = "SECONDS"},
	[GLOBAL_OUTPUT] = {.name = "output", .letter = 'o', .value = "table|json"},
	[GLOBAL_HELP] = {.name = "help", .letter = 'h'},
};

static const struct args_flag apply_flags[] = {
	[APPLY_FILE] = {.name = "file", .letter = 'f', .value = "FILE"},
	[APPLY_DRY_RUN] = {.name = "dry-run"},
};

static const struct args_flag split_flags[] = {
	[SPLIT_DRY_RUN] = {.name = "dry-run"},
	[SPLIT_SEGMENT] = {.name = "segment", .value = "SEGMENT", .is_later = true},
};

static const struct args_flag health_flags[] = {
	[HEALTH_FORCE] = {.name = "force"},
	[HEALTH_TTL] = {.name = "ttl", .value = "TIME"},
};

static const struct args_flag drain_flags[] = {
	[DRAIN_DEADLINE] = {.name = "deadline", .value = "TIME"},
	[DRAIN_WAIT] = {.name = "wait"},
	[DRAIN_FORCE] = {.name = "force"},
	[DRAIN_TTL] = {.name = "ttl", .value = "TIME"},
};

static const struct args_flag status_flags[] = {[STATUS_ROUTES] = {.name = "routes"}};

static const struct args_flag events_flags[] = {
	[EVENTS_FOLLOW] = {.name = "follow", .letter = 'f'},
	[EVENTS_AFTER] = {.name = "after", .value = "SEQUENCE"},
	[EVENTS_KIND] = {.name = "kind", .letter = 'k', .value = "KIND"},
};

static const struct args_flag histogram_flags[] = {
	[HISTOGRAM_SERVICE] = {.name = "service", .letter = 's', .value = "SERVICE"},
	[HISTOGRAM_STACK] = {.name = "stack", .value = "STACK"},
	[HISTOGRAM_BACKEND] = {.name = "backend", .value = "ADDRESS"},
	[HISTOGRAM_KIND] = {.name = "kind", .letter = 'k', .value = "KIND"},
	[HISTOGRAM_FOR] = {.name = "for", .value = "TIME"},
	[HISTOGRAM_COMPARE] = {.name = "compare", .letter = 'c', .value = "STACK,STACK"},
};

static const struct args_flag top_flags[] = {
	[TOP_INTERVAL] = {.name = "interval", .letter = 'i', .value = "TIME"},
	[TOP_COUNT] = {.name = "count", .letter = 'n', .value = "N"},
};

static const struct args_flag call_flags[] = {[CALL_LIST] = {.name = "list"}};

#define FLAGS(array) .flags = (array), .flags_n = ARRAY_SIZE(array)

const struct cli_command commands[] = {
	{
		.name = "apply",
		.synopsis = "apply -f FILE [--dry-run]",
		.summary = "replace the whole routes document, atomically",
		.help = help_apply,
		.run = command_apply,
		FLAGS(apply_flags),
	},
	{
		.name = "split",
		.synopsis = "split SERVICE STACK=WEIGHT... [--dry-run]",
		.summary = "change the weights of one service",
		.help = help_split,
		.args_min = 2,
		.args_max = SIZE_MAX,
		.run = command_split,
		FLAGS(split_flags),
	},
	{
		.name = "rollback",
		.synopsis = "rollback [SERVICE]",
		.summary = "go back to the routes before the last change, at once",
		.help = help_rollback,
		.args_max = 1,
		.run = command_rollback,
	},
	{
		.name = "health",
		.synopsis = "health STACK[/ADDRESS] up|down|auto [--force] [--ttl TIME]",
		.summary = "override what health checks say",
		.help = help_health,
		.args_min = 2,
		.args_max = 2,
		.run = command_health,
		FLAGS(health_flags),
	},
	{
		.name = "drain",
		.synopsis = "drain STACK[/ADDRESS] [--deadline TIME] [--wait] [--force] "
			    "[--ttl TIME]",
		.summary = "no new flows; established ones stay, for a while or for good",
		.help = help_drain,
		.args_min = 1,
		.args_max = 1,
		.run = command_drain,
		FLAGS(drain_flags),
	},
	{
		.name = "status",
		.synopsis = "status [--routes]",
		.summary = "what is live: routes, health, counters",
		.help = help_status,
		.run = command_status,
		FLAGS(status_flags),
	},
	{
		.name = "top",
		.synopsis = "top [--interval TIME] [--count N]",
		.summary = "live screen: shares, rates, latencies, errors",
		.help = help_top,
		.run = command_top,
		FLAGS(top_flags),
	},
	{
		.name = "histogram",
		.synopsis = "histogram [--service S] [--stack S] [--backend A] [--kind KIND] "
			    "[--for TIME] [--compare STACK,STACK]",
		.summary = "how long clients wait: percentiles and the shape",
		.help = help_histogram,
		.run = command_histogram,
		FLAGS(histogram_flags),
	},
	{
		.name = "sampling",
		.synopsis = "sampling [auto|off|N]",
		.summary = "which share of new flows is measured",
		.help = help_sampling,
		.args_max = 1,
		.run = command_sampling,
	},
	{
		.name = "events",
		.synopsis = "events [-f] [--kind KIND] [--after SEQUENCE]",
		.summary = "the event log",
		.help = help_events,
		.run = command_events,
		FLAGS(events_flags),
	},
	{
		.name = "explain",
		.synopsis = "explain SERVICE PROTO CLIENT:PORT VIP:PORT",
		.summary = "every stage's verdict for a packet, from the live tables",
		.help = help_explain,
		.args_min = 4,
		.args_max = 4,
		.run = command_explain,
	},
	{
		.name = "call",
		.synopsis = "call METHOD [JSON] | call --list",
		.summary = "any method of the daemon, through reflection",
		.help = help_call,
		.args_max = 2,
		.run = command_call,
		FLAGS(call_flags),
	},
	{
		.name = "completion",
		.synopsis = "completion bash|zsh",
		.summary = "print the completion script of a shell",
		.help = help_completion,
		.args_min = 1,
		.args_max = 1,
		.run = command_completion,
	},
	{
		.name = "version",
		.synopsis = "version",
		.summary = "print the version of steerctl",
		.help = help_version,
		.run = command_version,
	},
	{
		.name = "help",
		.synopsis = "help [COMMAND]",
		.summary = "what the commands are, or what one does",
		.help = help_help,
		.args_max = 1,
		.run = command_help,
	},
};
const size_t commands_n = ARRAY_SIZE(commands);

const struct cli_command *commands_find(const char *name)
{
	for (size_t i = 0; i < commands_n; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

bool commands_is_later(const char *name)
{
	static const char *const later[] = {"detect",  "stack",	 "rollout", "recommendation",
					    "approve", "reject", "signal",  "audit"};

	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		if (strcmp(later[i], name) == 0)
			return true;
	return false;
}

const char *const *commands_names(void)
{
	static const char *names[ARRAY_SIZE(commands)];

	for (size_t i = 0; i < commands_n; i++)
		names[i] = commands[i].name;
	return names;
}
