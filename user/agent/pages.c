/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/pages.h"

#include "agent/http_accept.h"
#include "agent/metrics_page.h"
#include "common/util.h"

static void *open_metrics(void *userdata, const char *accept, const char **ret_type)
{
	static const struct http_offer offers[] = {
		[METRICS_TEXT] = {"text/plain", ""},
		[METRICS_PROTOBUF] = {"application/vnd.google.protobuf",
				      "proto=io.prometheus.client.MetricFamily;"
				      "encoding=delimited"},
	};
	static const char *const types[] = {
		[METRICS_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
		[METRICS_PROTOBUF] = "application/vnd.google.protobuf; "
				     "proto=io.prometheus.client.MetricFamily; encoding=delimited",
	};
	size_t format = http_accept_best(accept, offers, ARRAY_SIZE(offers));

	*ret_type = types[format];
	return metrics_page_new((enum metrics_format)format, userdata, NULL, page_tables,
				PAGE_TABLES);
}

static ssize_t read_metrics(void *stream, char *buffer, size_t max)
{
	return (ssize_t)metrics_page_read(stream, buffer, max);
}

static void close_metrics(void *stream)
{
	metrics_page_free(stream);
}

static const struct http_stream metrics_stream = {
	.open = open_metrics,
	.read = read_metrics,
	.close = close_metrics,
	.bytes = 2 * METRICS_PIECE,
};

static int render_healthz(void *userdata, FILE *out)
{
	(void)userdata;
	fputs("ok\n", out);
	return 200;
}

static int render_readyz(void *userdata, FILE *out)
{
	bool ready = agent_is_ready(userdata);

	fputs(ready ? "ready\n" : "starting: waiting for the first health checks\n", out);
	return ready ? 200 : 503;
}

int pages_serve(sd_event *loop, const struct node_config *config,
		const struct metrics_source *source, struct http **ret)
{
	void *agent = (void *)source->agent;
	const struct http_page pages[] = {
		{"/metrics", .stream = &metrics_stream, .userdata = (void *)source},
		{"/healthz", "text/plain", render_healthz, .userdata = agent},
		{"/readyz", "text/plain", render_readyz, .userdata = agent},
	};

	*ret = NULL;
	if (!config->http.text)
		return 0;
	return http_new(loop, &config->http, pages, ARRAY_SIZE(pages), NULL, ret);
}
