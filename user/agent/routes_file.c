/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/routes_file.h"

#include <errno.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <sys/inotify.h>

#include "common/log.h"
#include "common/routes_yaml.h"
#include "common/util.h"

#define RETRY_US       5000000
#define SETTLE_US      50000 /* editors write in several steps */
#define DIGEST_FILE    "routes-file.sha256"
#define FILE_MAX_BYTES (16 << 20)
#define DIGEST_TEXT    65

struct routes_file {
	const struct node_config *config;
	struct agent *agent;
	char *digest_path;
	char digest[DIGEST_TEXT]; /* of the content last tried */
	sd_event_source *watch;
	sd_event_source *settle;
};

static void digest_text(const char *data, size_t size, char text[DIGEST_TEXT])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	EVP_Digest(data, size, digest, &length, EVP_sha256(), NULL);
	for (unsigned int i = 0; i < length && 2 * i + 2 < DIGEST_TEXT; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static void log_problems(const struct routes_file *file, const struct problems *problems)
{
	CLEANUP_FREE char *text = problems_text(problems, file->config->routes);

	log_error("%s is not applied; the routes stay as they are:\n%s", file->config->routes,
		  text ? text : "");
	events_add(agent_events(file->agent), EVENT_ROUTES, NULL, NULL, NULL,
		   "%s refused: %zu problems, the first: %s", file->config->routes, problems->total,
		   problems->n ? problems->items[0].message : "");
}

/* Not the file's fault: it is tried again as it is. */
static void retry(struct routes_file *file)
{
	file->digest[0] = '\0';
	sd_event_source_set_time_relative(file->settle, RETRY_US);
	sd_event_source_set_enabled(file->settle, SD_EVENT_ONESHOT);
}

static void apply(struct routes_file *file, const char *text, size_t size)
{
	CLEANUP_PROBLEMS struct problems problems = {};
	const struct agent_change change = {.by = "file"};
	struct routes *routes;
	struct plan plan;
	int err = routes_yaml_parse(text, size, &routes, &problems);

	if (!err)
		err = agent_apply(file->agent, routes, &change, &plan, &problems);
	if (err) {
		log_problems(file, &problems);
		if (err == -ENOSPC)
			retry(file);
		return;
	}
	plan_clear(&plan);
	err = util_replace_file(file->digest_path, file->digest, strlen(file->digest), 0600);
	if (err)
		log_errno(err, "cannot note in %s that the routes file was applied",
			  file->digest_path);
}

/* Applies the content unless it was tried before. */
static void look(struct routes_file *file)
{
	CLEANUP_FREE char *text = NULL;
	char digest[DIGEST_TEXT];
	size_t size;
	int err = util_read_file(file->config->routes, FILE_MAX_BYTES, &text, &size);

	if (err) {
		log_errno(err, "cannot read the routes file %s", file->config->routes);
		return;
	}
	digest_text(text, size, digest);
	if (!strcmp(digest, file->digest))
		return;
	memcpy(file->digest, digest, sizeof(digest));
	apply(file, text, size);
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	look(userdata);
	return 0;
}

/* Any change in the folder may have replaced the file, by way of a link for one. */
static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct routes_file *file = userdata;

	(void)source;
	if (event->mask & (IN_MOVE_SELF | IN_DELETE_SELF))
		log_warning("the folder of %s is gone: its changes are not seen until steerd is "
			    "restarted",
			    file->config->routes);
	sd_event_source_set_time_relative(file->settle, SETTLE_US);
	sd_event_source_set_enabled(file->settle, SD_EVENT_ONESHOT);
	return 0;
}

static int watch(struct routes_file *file, sd_event *loop)
{
	CLEANUP_FREE char *copy = util_strdup(file->config->routes);
	int err = sd_event_add_inotify(loop, &file->watch, dirname(copy),
				       IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_MOVE_SELF |
					       IN_DELETE_SELF,
				       on_change, file);

	if (err >= 0)
		err = sd_event_add_time_relative(loop, &file->settle, CLOCK_MONOTONIC, 0, 1,
						 on_settled, file);
	if (err < 0)
		return log_errno(err, "cannot watch the folder of %s", file->config->routes);
	sd_event_source_set_enabled(file->settle, SD_EVENT_OFF);
	return 0;
}

int routes_file_new(sd_event *loop, const struct node_config *config, struct agent *agent,
		    struct routes_file **ret)
{
	struct routes_file *file = util_calloc(1, sizeof(*file));
	CLEANUP_FREE char *applied = NULL;
	int err;

	*file = (struct routes_file){.config = config, .agent = agent};
	file->digest_path = util_format("%s/" DIGEST_FILE, config->state_dir);
	err = watch(file, loop);
	if (err) {
		routes_file_free(file);
		return err;
	}
	if (agent_live(agent) &&
	    util_read_file(file->digest_path, DIGEST_TEXT, &applied, NULL) == 0)
		snprintf(file->digest, sizeof(file->digest), "%s", applied);
	look(file);
	*ret = file;
	return 0;
}

void routes_file_free(struct routes_file *file)
{
	if (!file)
		return;
	sd_event_source_disable_unref(file->watch);
	sd_event_source_disable_unref(file->settle);
	free(file->digest_path);
	free(file);
}
