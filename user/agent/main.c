/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* steerd: puts the parts together, and takes them apart in order when told to stop. */
#include <errno.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/api.h"
#include "agent/node_config.h"
#include "agent/options.h"
#include "agent/otlp.h"
#include "agent/pages.h"
#include "agent/privileges.h"
#include "agent/routes_file.h"
#include "common/log.h"
#include "common/routes_check.h"
#include "common/routes_yaml.h"
#include "common/util.h"
#include "rpc/server.h"

#define DRAIN_MS      3000
#define READY_POLL_US 10000

struct daemon {
	struct node_config config;
	sd_event *loop;
	struct agent *agent;
	struct routes_file *routes_file;
	struct metrics_source source;
	struct otlp *otlp;
	struct http *http;
	struct rpc_server *server;
	bool draining;
};

static void on_drained(void *userdata)
{
	struct daemon *daemon = userdata;

	sd_event_exit(daemon->loop, 0);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct daemon *daemon = userdata;

	(void)source;
	if (daemon->draining)
		return sd_event_exit(daemon->loop, 0);
	daemon->draining = true;
	log_info("%s: stopping; steering goes on without the agent",
		 strsignal((int)info->ssi_signo));
	sd_notify(0, "STOPPING=1");
	rpc_server_drain(daemon->server, DRAIN_MS, on_drained, daemon);
	return 0;
}

static int take_signals(struct daemon *daemon)
{
	static const int signals[] = {SIGTERM, SIGINT};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int err = sd_event_add_signal(daemon->loop, NULL, signals[i], on_signal, daemon);

		if (err < 0)
			return log_errno(err, "cannot take signals");
	}
	return 0;
}

static int on_ready_poll(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;

	if (!agent_is_ready(daemon->agent)) {
		sd_event_source_set_time(source, usec + READY_POLL_US);
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	rpc_server_set_serving(daemon->server, true);
	sd_notify(0, "READY=1");
	return 0;
}

static int listen_everywhere(struct daemon *daemon)
{
	const struct node_config *config = &daemon->config;
	CLEANUP_FREE char *error = NULL;
	int err = rpc_server_listen_unix(daemon->server, config->listen_unix, 0660, &error);

	if (!err && config->listen_tcp.text)
		err = rpc_server_listen_tcp(daemon->server, config->listen_tcp.text,
					    config->tcp_cert, config->tcp_key,
					    config->tcp_client_ca, &error);
	if (err)
		log_error("%s", error ? error : strerror(-err));
	return err;
}

/* What shows and sends metrics. */
static int start_metrics(struct daemon *daemon)
{
	struct otlp_options options = {
		.config = &daemon->config.otlp,
		.source = &daemon->source,
		.tables = page_tables,
		.tables_n = PAGE_TABLES,
		.node = daemon->config.node,
		.version = STEER_VERSION,
		.start_ns = agent_view(daemon->agent)->control->epoch_ns,
	};
	int err;

	daemon->source.agent = daemon->agent;
	daemon->source.telemetry = agent_telemetry(daemon->agent);
	err = otlp_new(daemon->loop, &options, &daemon->otlp);
	daemon->source.otlp = daemon->otlp;
	if (err)
		return err;
	return pages_serve(daemon->loop, &daemon->config, &daemon->source, &daemon->http);
}

/* Capabilities go before gRPC starts threads, which would keep them. */
static int start(struct daemon *daemon)
{
	int err = take_signals(daemon);

	if (!err)
		err = agent_new(daemon->loop, &daemon->config, &daemon->agent);
	if (!err)
		err = start_metrics(daemon);
	if (!err && daemon->config.routes)
		err = routes_file_new(daemon->loop, &daemon->config, daemon->agent,
				      &daemon->routes_file);
	if (!err)
		err = privileges_drop();
	if (!err)
		err = rpc_server_new(daemon->loop, NULL, &daemon->server);
	if (err)
		return err;
	api_register(daemon->server, daemon->agent);
	err = listen_everywhere(daemon);
	if (!err)
		err = sd_event_add_time_relative(daemon->loop, NULL, CLOCK_MONOTONIC, 0, 1,
						 on_ready_poll, daemon);
	return err < 0 ? err : 0;
}

static int run(struct daemon *daemon)
{
	int err = sd_event_default(&daemon->loop);

	if (err < 0)
		return log_errno(err, "cannot make an event loop");
	sd_event_set_watchdog(daemon->loop, true);
	err = start(daemon);
	if (!err)
		err = sd_event_loop(daemon->loop);
	rpc_server_free(daemon->server);
	http_free(daemon->http);
	otlp_free(daemon->otlp);
	routes_file_free(daemon->routes_file);
	agent_free(daemon->agent);
	sd_event_unref(daemon->loop);
	return err;
}

static int load_config(const char *path, struct node_config *config)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	CLEANUP_FREE char *text = NULL;
	int err = node_config_load(path, config, &problems);

	if (err) {
		text = problems_text(&problems, path);
		fprintf(stderr, "%s\n", text ? text : strerror(-err));
	}
	return err;
}

static int check_routes_file(const struct node_config *config)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	CLEANUP_ROUTES struct routes *routes = NULL;
	CLEANUP_FREE char *text = NULL;
	struct routes_limits limits;
	int err = routes_yaml_load(config->routes, &routes, &problems);

	node_config_routes_limits(config, &limits);
	if (!err)
		err = routes_check(routes, &limits, &problems);
	if (err) {
		text = problems_text(&problems, config->routes);
		fputs(text ? text : strerror(-err), stderr);
	}
	return err;
}

static int check_files(const char *path, const struct node_config *config)
{
	int err = config->routes ? check_routes_file(config) : 0;

	if (!err)
		printf("%s is valid%s%s\n", path, config->routes ? ", and so is " : "",
		       config->routes ? config->routes : "");
	return err;
}

int main(int argc, char **argv)
{
	CLEANUP_FREE char *error = NULL;
	struct daemon daemon = {};
	struct options options;
	int err;

	if (options_parse(argc, argv, &options, &error)) {
		fprintf(stderr, "%s\n", error);
		return 2;
	}
	if (options.action == OPTIONS_HELP || options.action == OPTIONS_VERSION) {
		puts(options.action == OPTIONS_HELP ? options_usage : "steerd " STEER_VERSION);
		return 0;
	}
	log_set_level(options.log_level);
	err = load_config(options.config, &daemon.config);
	if (!err && options.action == OPTIONS_CHECK)
		err = check_files(options.config, &daemon.config);
	else if (!err)
		err = run(&daemon);
	node_config_clear(&daemon.config);
	return err ? 1 : 0;
}
