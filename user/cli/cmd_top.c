/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* top: a live screen, or a document each interval. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/json_print.h"
#include "cli/top_draw.h"
#include "cli/top_feed.h"
#include "cli/top_terminal.h"
#include "cli/watch.h"
#include "common/text.h"
#include "common/util.h"

#define INTERVAL_DEFAULT_MS 1000
#define CLOCK_MS	    1000 /* a screen that shows the time is drawn as often */

struct top {
	struct cli *cli;
	struct top_feed *feed;
	struct top_model model;
	struct top_view view;
	char *trouble;	/* NULL: connected */
	uint64_t count; /* messages to end after; 0: never */
	uint64_t seen;	/* messages */
};

static enum cli_result read_interval(const struct cli *cli, const char *text, uint32_t *ret_ms)
{
	uint32_t ms;

	if (text_parse_duration(text, &ms) < 0 || ms < WATCH_INTERVAL_MIN_MS ||
	    ms > WATCH_INTERVAL_MAX_MS)
		return cli_misuse(cli, "interval '%s' is not a time from 100ms to 60s, as in 2s",
				  text);
	*ret_ms = ms;
	return CLI_DONE;
}

static bool is_over(const struct top *top)
{
	return top->count && top->seen >= top->count;
}

/* ---- Documents ---- */

static enum cli_result print_news(struct top *top, struct top_news *news)
{
	CLEANUP_JSON json_t *document = NULL;

	if (news->trouble) {
		text_make_printable(news->trouble);
		return cli_fail("the connection to %s broke: %s: try again",
				top->cli->target.address, news->trouble);
	}
	if (news->status) {
		top_model_set_status(&top->model, news->status, util_now_ms());
		return CLI_DONE;
	}
	top_model_add(&top->model, TAKE(news->message));
	top->seen++;
	document = top_model_json(&top->model);
	return cli_print_json(document, true);
}

static enum cli_result print_documents(struct top *top)
{
	struct pollfd ready = {.fd = top_feed_fd(top->feed), .events = POLLIN};
	enum cli_result result = CLI_DONE;
	struct top_news news;

	while (!result && !is_over(top)) {
		if (poll(&ready, 1, -1) < 0 && errno != EINTR)
			return cli_fail("cannot wait for the daemon: %m");
		while (!result && !is_over(top) && top_feed_take(top->feed, &news)) {
			result = print_news(top, &news);
			top_news_clear(&news);
		}
	}
	return result;
}

/* ---- Screen ---- */

static void take_news(struct top *top)
{
	struct top_news news;

	while (!is_over(top) && top_feed_take(top->feed, &news)) {
		if (news.trouble || news.status) {
			free(top->trouble);
			top->trouble = TAKE(news.trouble);
		}
		/* A pause holds the figures, not the connection. */
		if (news.status && !top->view.is_paused)
			top_model_set_status(&top->model, news.status, util_now_ms());
		if (news.message && !top->view.is_paused)
			top_model_add(&top->model, TAKE(news.message));
		top->seen += !news.trouble && !news.status;
		top_news_clear(&news);
	}
}

static void draw(struct top *top, struct top_row **ret_rows, size_t *ret_n)
{
	struct top_state state = {.address = top->cli->target.address, .trouble = top->trouble};
	struct top_screen screen;
	size_t width, height;
	time_t now = time(NULL);
	struct tm local;
	char clock[16];

	localtime_r(&now, &local);
	strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	state.clock = clock;
	free(*ret_rows);
	*ret_n = top_view_rows(&top->view, &top->model, ret_rows);
	top_terminal_size(&width, &height);
	top_draw(&top->view, &top->model, *ret_rows, *ret_n, &state, width, height, &screen);
	top_terminal_draw(&screen);
	free(screen.lines);
}

/* True: the user wants to leave. Each key is about the rows that the one before led to. */
static bool take_keys(struct top *top, struct top_row **rows, size_t *n)
{
	size_t width, height;
	uint32_t key;

	while (top_terminal_key(&key)) {
		top_terminal_size(&width, &height);
		switch (top_view_key(&top->view, key, *rows, *n, top_draw_page(height))) {
		case TOP_QUIT:
			return true;
		case TOP_INTERVAL_CHANGED:
			top_feed_set_interval(top->feed, top->view.interval_ms);
			break;
		case TOP_STAY:
			break;
		}
		draw(top, rows, n);
	}
	return false;
}

/* Returns the signal that ends the program, or 0. */
static int take_signal(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo != SIGWINCH)
		return (int)info.ssi_signo;
	top_terminal_resize();
	return 0;
}

/* Returns the signal that ended it, or 0. */
static int run_screen(struct top *top, int signals)
{
	struct pollfd ready[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = top_feed_fd(top->feed), .events = POLLIN},
		{.fd = signals, .events = POLLIN},
	};
	CLEANUP_FREE struct top_row *rows = NULL;
	int ended_by = 0;
	size_t n = 0;

	while (!ended_by && !is_over(top)) {
		draw(top, &rows, &n);
		if (poll(ready, ARRAY_SIZE(ready), CLOCK_MS) < 0)
			continue; /* stopped and continued: drawn anew */
		if (ready[2].revents)
			ended_by = take_signal(signals);
		if (ready[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			break;
		if (ready[0].revents && take_keys(top, &rows, &n))
			break;
		if (ready[1].revents)
			take_news(top);
	}
	return ended_by;
}

static void end_set(sigset_t *set)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaddset(set, ends[i]);
}

/* Whoever sent it sees what it did: the program dies of it. Ctrl-C is a way to leave. */
static void die_of(int signal_number, const sigset_t *before)
{
	if (!signal_number || signal_number == SIGINT)
		return;
	signal(signal_number, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, before, NULL);
	raise(signal_number);
}

static enum cli_result show_screen(struct top *top, const sigset_t *before)
{
	CLEANUP_CLOSE int signals = -1;
	sigset_t set, stop;
	int ended_by;

	end_set(&set);
	sigdelset(&set, SIGTSTP);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return cli_fail("cannot take signals: %m");
	if (top_terminal_open(top->cli->look.colors) < 0)
		return cli_fail("the terminal type '%s' is not known: set TERM, or use -o json",
				getenv("TERM") ?: "");
	/* No other thread has it unblocked: ncurses stops and restores in this one. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
	ended_by = run_screen(top, signals);
	top_terminal_close();
	die_of(ended_by, before);
	return CLI_DONE;
}

static enum cli_result run(struct top *top, const sigset_t *before)
{
	struct cli *cli = top->cli;
	CLEANUP_JSON json_t *status = NULL;
	enum cli_result result;
	int ret;

	/* Says what is wrong with an address or a socket before there is a screen. */
	result = cli_call(cli, "GetStatus", json_object(), &status);
	if (result)
		return result;
	top_model_set_status(&top->model, status, util_now_ms());
	ret = top_feed_start(&cli->target, cli_schema(cli), top->view.interval_ms, &top->feed);
	if (ret < 0)
		return cli_fail("cannot start a thread: %s", strerror(-ret));
	result = cli->json ? print_documents(top) : show_screen(top, before);
	top_feed_stop(top->feed);
	return result;
}

enum cli_result command_top(struct cli *cli, const struct cli_input *input)
{
	const char *interval = input->flags[TOP_INTERVAL], *count = input->flags[TOP_COUNT];
	uint32_t interval_ms = INTERVAL_DEFAULT_MS;
	struct top top = {.cli = cli};
	enum cli_result result = CLI_DONE;
	sigset_t set, before;

	if (interval)
		result = read_interval(cli, interval, &interval_ms);
	if (!result && count && (text_parse_number(count, &top.count) < 0 || !top.count))
		result = cli_misuse(cli, "count '%s' is not a number from 1 on", count);
	if (result)
		return result;
	if (!cli->json && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return cli_fail("top needs a terminal; -o json prints a document for each interval "
				"without one");
	/* Before there are threads, which would otherwise take signals meant for the screen. */
	end_set(&set);
	if (!cli->json)
		pthread_sigmask(SIG_BLOCK, &set, &before);
	top_view_init(&top.view, interval_ms);
	result = run(&top, &before);
	if (!cli->json)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	top_model_clear(&top.model);
	free(top.trouble);
	return result;
}
