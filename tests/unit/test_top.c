/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `steerctl top` without a terminal: its model, its keys, and the lines it draws. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/json_print.h"
#include "cli/top_draw.h"
#include "common/util.h"
#include "lib/cli_messages.h"

#define STATUS(packets)                                                                            \
	"{\"node\": \"edge-1\", \"version\": \"7\", \"services\": ["                               \
	"{\"name\": \"shop\", \"packets\": " packets ", \"shares\": ["                             \
	" {\"stack\": \"blue\", \"wanted_share\": 0.9},"                                           \
	" {\"stack\": \"green\", \"wanted_share\": 0.1}]},"                                        \
	"{\"name\": \"dns\", \"packets\": 0, \"shares\": ["                                        \
	" {\"stack\": \"blue\", \"wanted_share\": 1}]}],"                                          \
	" \"stacks\": ["                                                                           \
	"{\"name\": \"blue\", \"up\": true, \"backends\": ["                                       \
	" {\"address\": \"10.1.0.11\", \"weight\": 100, \"up\": true},"                            \
	" {\"address\": \"10.1.0.12\", \"weight\": 300, \"up\": false}]},"                         \
	"{\"name\": \"green\", \"up\": true, \"backends\": ["                                      \
	" {\"address\": \"10.1.0.21\", \"weight\": 100, \"up\": true}]}]}"

/* Of two seconds, from `from` (text of milliseconds) to `to`. */
#define MESSAGE(epoch, from, to)                                                                   \
	"{\"node\": \"edge-1\", \"epoch\": \"" epoch "\", \"from_unix_ms\": " from                 \
	", \"to_unix_ms\": " to ", \"sample_one_in\": 4, \"series\": ["                            \
	"{\"service\": \"shop\", \"stack\": \"blue\", \"backend\": \"10.1.0.11\","                 \
	" \"latencies\": ["                                                                        \
	"  {\"kind\": \"LATENCY_KIND_CONNECT\", \"count\": 100, \"bucket\": [41],"                 \
	"   \"bucket_count\": [100]},"                                                             \
	"  {\"kind\": \"LATENCY_KIND_SERVICE\", \"count\": 100, \"bucket\": [81],"                 \
	"   \"bucket_count\": [100]}],"                                                            \
	" \"errors\": [{\"name\": \"abandoned\", \"value\": 3}]},"                                 \
	"{\"service\": \"dns\", \"stack\": \"blue\", \"backend\": \"10.1.0.11\","                  \
	" \"latencies\": ["                                                                        \
	"  {\"kind\": \"LATENCY_KIND_QUIC_HANDSHAKE\", \"count\": 1, \"bucket\": [1],"             \
	"   \"bucket_count\": [1]}]}],"                                                            \
	"\"backends\": ["                                                                          \
	"{\"stack\": \"blue\", \"backend\": \"10.1.0.11\", \"packets\": 4000, \"counters\": ["     \
	" {\"name\": \"syns\", \"value\": 300}, {\"name\": \"syn_retransmits\", \"value\": 8},"    \
	" {\"name\": \"resets\", \"value\": 5},"                                                   \
	" {\"name\": \"resets_connecting\", \"value\": 1}]},"                                      \
	"{\"stack\": \"blue\", \"backend\": \"10.1.0.12\", \"packets\": 20, \"counters\": ["       \
	" {\"name\": \"syns\", \"value\": 100}]}],"                                                \
	"\"shares\": ["                                                                            \
	"{\"service\": \"shop\", \"stack\": \"blue\", \"new_flows\": 600, \"wanted_share\": 0.9}," \
	"{\"service\": \"shop\", \"stack\": \"green\", \"new_flows\": 200,"                        \
	" \"wanted_share\": 0.1}]}"

static void assert_near(double value, double wanted)
{
	if (!(fabs(value - wanted) <= 1e-9 * (1 + fabs(wanted))))
		fail_msg("%.17g is not %.17g", value, wanted);
}

static void set_status(struct top_model *model, const char *json, uint64_t now_ms)
{
	CLEANUP_JSON json_t *status = cli_message_status(json);

	top_model_set_status(model, status, now_ms);
}

/* A model with a status two seconds old, one now, and one message. */
static struct top_model sample_model(void)
{
	struct top_model model = {0};

	set_status(&model, STATUS("10000"), 1000);
	set_status(&model, STATUS("16000"), 3000);
	top_model_add(&model, cli_message_measured(MESSAGE("1", "100000", "102000")));
	return model;
}

static struct top_row row_of(const struct top_model *model, const char *service, const char *stack,
			     const char *name)
{
	CLEANUP_FREE struct top_row *rows = NULL;
	size_t n = top_model_rows(model, service, stack, MEASURED_SERVICE, &rows);

	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].level == TOP_SERVICE ? rows[i].service
			   : rows[i].level == TOP_STACK ? rows[i].stack
							: rows[i].backend,
			   name) == 0)
			return rows[i];
	fail_msg("no row is called %s", name);
	return (struct top_row){0};
}

static void a_service_has_its_packets_and_the_errors_of_its_stacks(void **state)
{
	struct top_model model = sample_model();
	struct top_row row = row_of(&model, NULL, NULL, "shop");

	(void)state;
	assert_near(row.packets_per_s, 3000);
	assert_near(row.flows_per_s, 400);
	assert_true(isnan(row.wanted));
	assert_int_equal(row.up_n, 2);
	assert_int_equal(row.backends_n, 3);
	assert_near(row.syn_retransmits_per_s, 4);
	assert_near(row.resets_per_s, 3);
	/* Three of the sampled flows in two seconds, one flow in four being sampled. */
	assert_near(row.abandoned_per_s, 6);
	assert_near(top_row_errors(&row), 13);
	top_model_clear(&model);
}

static void a_stack_has_its_share_wanted_and_seen(void **state)
{
	struct top_model model = sample_model();
	struct top_row blue = row_of(&model, "shop", NULL, "blue");
	struct top_row green = row_of(&model, "shop", NULL, "green");

	(void)state;
	assert_near(blue.wanted, 0.9);
	assert_near(blue.seen, 0.75);
	assert_near(blue.flows_per_s, 300);
	assert_near(blue.packets_per_s, 2010);
	assert_near(blue.connect_ns[0], 1114112); /* the middle of bucket 41 */
	assert_true(blue.answer_ns[1] > 33554432 && blue.answer_ns[1] < 37748736);
	assert_near(green.seen, 0.25);
	assert_true(isnan(green.connect_ns[0]));
	assert_near(top_row_errors(&green), 0);
	top_model_clear(&model);
}

static void a_backend_has_its_part_of_the_stack(void **state)
{
	struct top_model model = sample_model();
	struct top_row up = row_of(&model, "shop", "blue", "10.1.0.11");
	struct top_row down = row_of(&model, "shop", "blue", "10.1.0.12");

	(void)state;
	assert_near(up.wanted, 0.25);
	assert_near(up.seen, 0.75);
	assert_near(up.flows_per_s, 150);
	assert_near(up.packets_per_s, 2000);
	assert_int_equal(up.up_n, 1);
	assert_near(down.seen, 0.25);
	assert_int_equal(down.up_n, 0);
	assert_int_equal(down.backends_n, 1);
	top_model_clear(&model);
}

static void a_udp_service_shows_its_quic_handshake(void **state)
{
	struct top_model model = sample_model();
	struct top_row row = row_of(&model, NULL, NULL, "dns");

	(void)state;
	assert_true(row.connect_ns[0] > 32768 && row.connect_ns[0] < 36864);
	top_model_clear(&model);
}

static void nothing_is_known_before_the_first_message(void **state)
{
	struct top_model model = {0};
	struct top_row row;

	(void)state;
	set_status(&model, STATUS("10000"), 1000);
	row = row_of(&model, "shop", NULL, "blue");
	assert_true(isnan(row.flows_per_s));
	assert_true(isnan(row.seen));
	assert_true(isnan(top_row_errors(&row)));
	assert_near(row.wanted, 0.9);
	row = row_of(&model, NULL, NULL, "shop");
	assert_true(isnan(row.packets_per_s));
	top_model_clear(&model);
}

static uint64_t window_samples(const struct top_model *model)
{
	const struct measured_filter filter = {.service = "shop"};
	struct distribution d;

	measured_sum_distribution(&model->window, &filter, MEASURED_CONNECT, &d);
	return distribution_total(&d);
}

static void latencies_are_of_the_last_ten_seconds(void **state)
{
	struct top_model model = sample_model();

	(void)state;
	top_model_add(&model, cli_message_measured(MESSAGE("1", "102000", "104000")));
	top_model_add(&model, cli_message_measured(MESSAGE("1", "104000", "110000")));
	assert_int_equal(window_samples(&model), 300);
	top_model_add(&model, cli_message_measured(MESSAGE("1", "110000", "111000")));
	assert_int_equal(window_samples(&model), 300);
	/* A message longer than the window stays until there is another. */
	top_model_add(&model, cli_message_measured(MESSAGE("1", "111000", "171000")));
	assert_int_equal(window_samples(&model), 100);
	top_model_clear(&model);
}

static void another_epoch_begins_anew(void **state)
{
	struct top_model model = sample_model();

	(void)state;
	top_model_add(&model, cli_message_measured(MESSAGE("2", "102000", "104000")));
	assert_int_equal(window_samples(&model), 100);
	top_model_clear(&model);
}

/* ---- View ---- */

struct fixture {
	struct top_model model;
	struct top_view view;
	struct top_row *rows;
	size_t n;
};

static int setup(void **state)
{
	struct fixture *f = util_calloc(1, sizeof(*f));

	f->model = sample_model();
	top_view_init(&f->view, 1000);
	f->n = top_view_rows(&f->view, &f->model, &f->rows);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->rows);
	top_model_clear(&f->model);
	free(f);
	return 0;
}

static void refresh(struct fixture *f)
{
	free(f->rows);
	f->n = top_view_rows(&f->view, &f->model, &f->rows);
}

static enum top_action press(struct fixture *f, uint32_t key)
{
	enum top_action action = top_view_key(&f->view, key, f->rows, f->n, 10);

	refresh(f);
	return action;
}

static void press_all(struct fixture *f, const char *keys)
{
	for (; *keys; keys++)
		press(f, (uint32_t)*keys);
}

/* "dns dns/blue shop …", the selected one in brackets. */
static void expect_rows(const struct fixture *f, const char *wanted)
{
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < f->n; i++)
		fprintf(out, "%s%s%s%s%s%s%s%s", i ? " " : "", i == f->view.selected ? "[" : "",
			f->rows[i].service, *f->rows[i].stack ? "/" : "", f->rows[i].stack,
			*f->rows[i].backend ? "/" : "", f->rows[i].backend,
			i == f->view.selected ? "]" : "");
	fclose(out);
	assert_string_equal(text, wanted);
}

static void services_are_sorted_with_their_stacks_below(void **state)
{
	struct fixture *f = *state;

	expect_rows(f, "[dns] dns/blue shop shop/blue shop/green");
	press(f, 'r');
	expect_rows(f, "shop shop/green shop/blue [dns] dns/blue");
}

static void figures_sort_from_the_largest_down(void **state)
{
	struct fixture *f = *state;

	while (f->view.sort != TOP_FLOWS)
		press(f, '>');
	expect_rows(f, "shop shop/blue shop/green [dns] dns/blue");
	press(f, 'r');
	expect_rows(f, "[dns] dns/blue shop shop/green shop/blue");
	press(f, 'r');
	/* What has no figure comes last, whichever way. */
	while (f->view.sort != TOP_ANSWER_P99)
		press(f, TOP_KEY_RIGHT);
	expect_rows(f, "shop shop/blue shop/green [dns] dns/blue");
	press(f, 'r');
	expect_rows(f, "shop shop/blue shop/green [dns] dns/blue");
	for (int i = 0; i < 2 * TOP_COLUMN_MAX; i++)
		press(f, '<');
	assert_int_equal(f->view.sort, TOP_NAME);
}

static void enter_opens_and_backspace_goes_back_to_where_it_was(void **state)
{
	struct fixture *f = *state;

	press(f, TOP_KEY_DOWN);
	press(f, TOP_KEY_DOWN);
	expect_rows(f, "dns dns/blue [shop] shop/blue shop/green");
	press(f, TOP_KEY_ENTER);
	expect_rows(f, "[shop/blue] shop/green");
	press(f, TOP_KEY_ENTER);
	expect_rows(f, "[shop/blue/10.1.0.11] shop/blue/10.1.0.12");
	press(f, TOP_KEY_ENTER);
	expect_rows(f, "[shop/blue/10.1.0.11] shop/blue/10.1.0.12");
	press(f, TOP_KEY_BACK);
	expect_rows(f, "[shop/blue] shop/green");
	press(f, TOP_KEY_ESCAPE);
	expect_rows(f, "dns dns/blue [shop] shop/blue shop/green");
	press(f, TOP_KEY_BACK);
	expect_rows(f, "dns dns/blue [shop] shop/blue shop/green");
}

static void the_selection_stays_inside(void **state)
{
	struct fixture *f = *state;

	press(f, TOP_KEY_UP);
	expect_rows(f, "[dns] dns/blue shop shop/blue shop/green");
	press(f, TOP_KEY_PAGE_DOWN);
	expect_rows(f, "dns dns/blue shop shop/blue [shop/green]");
	press(f, TOP_KEY_DOWN);
	expect_rows(f, "dns dns/blue shop shop/blue [shop/green]");
	press(f, TOP_KEY_HOME);
	expect_rows(f, "[dns] dns/blue shop shop/blue shop/green");
	press(f, TOP_KEY_END);
	press(f, TOP_KEY_PAGE_UP);
	expect_rows(f, "[dns] dns/blue shop shop/blue shop/green");
}

static void a_filter_keeps_names_and_what_is_around_them(void **state)
{
	struct fixture *f = *state;

	press_all(f, "/GREE");
	assert_true(f->view.is_typing);
	expect_rows(f, "[shop] shop/green");
	press(f, TOP_KEY_BACK);
	press(f, TOP_KEY_BACK);
	press(f, TOP_KEY_BACK);
	press(f, TOP_KEY_BACK);
	press_all(f, "sho");
	/* What is a command otherwise is a letter here. */
	press(f, TOP_KEY_ENTER);
	assert_false(f->view.is_typing);
	expect_rows(f, "[shop] shop/blue shop/green");
	press_all(f, "/q");
	expect_rows(f, "");
	press(f, TOP_KEY_ESCAPE);
	assert_int_equal(f->n, 5);
	press_all(f, "/blue");
	press(f, TOP_KEY_ENTER);
	expect_rows(f, "dns dns/blue [shop] shop/blue");
	press(f, TOP_KEY_BACK);
	assert_int_equal(f->n, 5);
}

static void a_filter_takes_no_more_than_there_is_room_for(void **state)
{
	struct fixture *f = *state;

	press(f, '/');
	for (int i = 0; i < 100; i++)
		press(f, 'x');
	assert_int_equal(strlen(f->view.filter), TOP_FILTER_MAX - 1);
	for (int i = 0; i < 100; i++)
		press(f, TOP_KEY_BACK);
	assert_string_equal(f->view.filter, "");
}

static void plus_and_minus_change_the_interval_within_limits(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(press(f, '+'), TOP_INTERVAL_CHANGED);
	assert_int_equal(f->view.interval_ms, 2000);
	for (int i = 0; i < 20; i++)
		press(f, '+');
	assert_int_equal(f->view.interval_ms, 60000);
	assert_int_equal(press(f, '+'), TOP_STAY);
	for (int i = 0; i < 20; i++)
		press(f, '-');
	assert_int_equal(f->view.interval_ms, 100);
	assert_int_equal(press(f, '-'), TOP_STAY);
	f->view.interval_ms = 700;
	press(f, '-');
	assert_int_equal(f->view.interval_ms, 500);
	assert_int_equal(press(f, 'q'), TOP_QUIT);
}

static void what_is_open_may_go_away(void **state)
{
	struct fixture *f = *state;

	press(f, TOP_KEY_END);
	press(f, TOP_KEY_ENTER);
	expect_rows(f, "[shop/green/10.1.0.21]");
	set_status(&f->model, "{\"services\": [], \"stacks\": []}", 5000);
	refresh(f);
	press(f, TOP_KEY_DOWN);
	expect_rows(f, "");
	press(f, TOP_KEY_ENTER);
	press(f, TOP_KEY_BACK);
	press(f, TOP_KEY_BACK);
	expect_rows(f, "");
}

/* ---- Lines ---- */

/* Lines, without blanks at their ends. */
static char *draw_text(struct fixture *f, const char *trouble, size_t width, size_t height)
{
	const struct top_state state = {
		.address = "unix:///run/s", .trouble = trouble, .clock = "12:34:56"};
	struct top_screen screen;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	top_draw(&f->view, &f->model, f->rows, f->n, &state, width, height, &screen);
	assert_int_equal(screen.height, height);
	for (size_t i = 0; i < screen.height; i++) {
		int length = (int)strlen(screen.lines[i].text);

		assert_true((size_t)length <= width);
		while (length && screen.lines[i].text[length - 1] == ' ')
			length--;
		fprintf(out, "%.*s\n", length, screen.lines[i].text);
	}
	fclose(out);
	free(screen.lines);
	return text;
}

static void eighty_columns_hold_the_whole_table(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *text = draw_text(f, NULL, 80, 11);

	assert_string_equal(
		text,
		"steerctl top: edge-1, routes version 7, every 1 s, 1 flow in 4 measured 12:34:56\n"
		"all services, by NAME\n"
		"                                                    CONNECT       SERVICE\n"
		"NAME             UP  WANT  SEEN FLOW/S  PKT/S    p50    p99    p50    p99  ERR/S\n"
		"dns             1/2     -     -      0      0 34.8us 36.8us      -      -    7.0\n"
		"  blue          1/2  100%     -      0   2.0k 34.8us 36.8us      -      -    7.0\n"
		"shop            2/3     -     -    400   3.0k 1.11ms 1.18ms 35.7ms 37.7ms     13\n"
		"  blue          1/2 90.0% 75.0%    300   2.0k 1.11ms 1.18ms 35.7ms 37.7ms     13\n"
		"  green         1/1 10.0% 25.0%    100      0      -      -      -      -      0\n"
		"\n"
		"q quit  h help  < > sort  r reverse  / filter  Enter open  Bksp back  p pause\n");
}

static void wide_screens_have_the_errors_apart(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *text = NULL;

	press(f, TOP_KEY_END);
	press(f, TOP_KEY_UP);
	press(f, TOP_KEY_ENTER);
	text = draw_text(f, NULL, 110, 9);
	assert_string_equal(
		text,
		"steerctl top: edge-1, routes version 7, every 1 s, 1 flow in 4 measured           "
		"                    12:34:56\n"
		"service shop, stack blue, by NAME\n"
		"                                                             CONNECT       "
		"SERVICE\n"
		"NAME                      UP  WANT  SEEN FLOW/S  PKT/S    p50    p99    p50    "
		"p99  ERR/S SYNR/S  RST/S ABAN/S\n"
		"10.1.0.11                1/1 25.0% 75.0%    150   2.0k 1.11ms 1.18ms 35.7ms "
		"37.7ms     13    4.0    3.0    6.0\n"
		"10.1.0.12                0/1 75.0% 25.0%     50     10      -      -      -      "
		"-      0      0      0      0\n"
		"\n"
		"\n"
		"q quit  h help  < > sort  r reverse  / filter  Enter open  Bksp back  p pause\n");
}

static void narrow_screens_leave_columns_out(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *text = draw_text(f, NULL, 30, 7);

	assert_string_equal(text, "steerctl top: edge-1, routes v\n"
				  "all services, by NAME\n"
				  "\n"
				  "NAME            UP  WANT  SEEN\n"
				  "dns            1/2     -     -\n"
				  "  blue         1/2  100%     -\n"
				  "q quit  h help  < > sort  r re\n");
}

static void the_screen_says_when_the_daemon_is_gone(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *text = draw_text(f, "Connection refused", 80, 8);

	assert_non_null(strstr(
		text, "\nNo connection, trying again: Connection refused (unix:///run/s)\n"));
	assert_non_null(strstr(text, "\nshop "));
}

static void rows_scroll_with_the_selection(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *top = draw_text(f, NULL, 80, 7), *bottom = NULL;

	assert_non_null(strstr(top, "\ndns "));
	assert_null(strstr(top, "\nshop "));
	press(f, TOP_KEY_END);
	bottom = draw_text(f, NULL, 80, 7);
	assert_null(strstr(bottom, "\ndns "));
	assert_non_null(strstr(bottom, "\n  green "));
}

static void any_size_can_be_drawn(void **state)
{
	struct fixture *f = *state;

	for (size_t width = 0; width < 130; width++) {
		for (size_t height = 0; height < 30; height += 3) {
			CLEANUP_FREE char *text = draw_text(f, "gone", width, height);

			f->view.is_help = !f->view.is_help;
		}
	}
}

static void the_keys_are_in_the_help_of_a_small_screen(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *text = NULL;

	press(f, 'h');
	text = draw_text(f, NULL, 80, 24);
	assert_non_null(strstr(text, "h shows this, q ends."));
	press(f, 'x');
	assert_false(f->view.is_help);
}

static void json_has_rates_latencies_and_backends(void **state)
{
	struct fixture *f = *state;
	CLEANUP_JSON json_t *document = top_model_json(&f->model);
	const json_t *shop = json_array_get(json_object_get(document, "services"), 0);
	const json_t *blue = json_array_get(json_object_get(shop, "stacks"), 0);
	const json_t *green = json_array_get(json_object_get(shop, "stacks"), 1);
	const json_t *down = json_array_get(json_object_get(blue, "backend_list"), 1);

	assert_string_equal(json_text_of(document, "node"), "edge-1");
	assert_int_equal(json_number_of(document, "sample_one_in"), 4);
	assert_near(json_real_of(shop, "new_flows_per_s"), 400);
	assert_near(json_real_of(blue, "seen_share"), 0.75);
	assert_near(json_real_of(json_object_get(blue, "connect"), "p50_ns"), 1114112);
	assert_true(json_is_null(json_object_get(json_object_get(green, "connect"), "p50_ns")));
	assert_string_equal(json_text_of(down, "name"), "10.1.0.12");
	assert_int_equal(json_number_of(down, "backends_up"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_has_its_packets_and_the_errors_of_its_stacks),
		cmocka_unit_test(a_stack_has_its_share_wanted_and_seen),
		cmocka_unit_test(a_backend_has_its_part_of_the_stack),
		cmocka_unit_test(a_udp_service_shows_its_quic_handshake),
		cmocka_unit_test(nothing_is_known_before_the_first_message),
		cmocka_unit_test(latencies_are_of_the_last_ten_seconds),
		cmocka_unit_test(another_epoch_begins_anew),
#define VIEW_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		VIEW_TEST(services_are_sorted_with_their_stacks_below),
		VIEW_TEST(figures_sort_from_the_largest_down),
		VIEW_TEST(enter_opens_and_backspace_goes_back_to_where_it_was),
		VIEW_TEST(the_selection_stays_inside),
		VIEW_TEST(a_filter_keeps_names_and_what_is_around_them),
		VIEW_TEST(a_filter_takes_no_more_than_there_is_room_for),
		VIEW_TEST(plus_and_minus_change_the_interval_within_limits),
		VIEW_TEST(what_is_open_may_go_away),
		VIEW_TEST(eighty_columns_hold_the_whole_table),
		VIEW_TEST(wide_screens_have_the_errors_apart),
		VIEW_TEST(narrow_screens_leave_columns_out),
		VIEW_TEST(the_screen_says_when_the_daemon_is_gone),
		VIEW_TEST(rows_scroll_with_the_selection),
		VIEW_TEST(any_size_can_be_drawn),
		VIEW_TEST(the_keys_are_in_the_help_of_a_small_screen),
		VIEW_TEST(json_has_rates_latencies_and_backends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
