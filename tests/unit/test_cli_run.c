/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whole command lines: what they print, where, and how they end. No daemon runs here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "common/util.h"

static char folder[32];

struct ending {
	int status; /* exit status */
	char *out;
	char *error;
};

static char *path_of(const char *name)
{
	return util_format("%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
	CLEANUP_FREE char *path = path_of(name);

	assert_int_equal(util_replace_file(path, text, strlen(text), 0600), 0);
}

static char *read_file(const char *name)
{
	CLEANUP_FREE char *path = path_of(name);
	char *text;

	assert_int_equal(util_read_file(path, 1 << 20, &text, NULL), 0);
	return text;
}

static void redirect(FILE *stream, const char *name)
{
	CLEANUP_FREE char *path = path_of(name);

	if (!freopen(path, "w", stream))
		_exit(99);
}

/* Runs `body` in a process of its own, which writes to the files "out" and "error". */
static struct ending run_apart(int (*body)(char **words), char **words)
{
	struct ending ending;
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		redirect(stdout, "out");
		redirect(stderr, "error");
		status = body(words);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	ending.status = WEXITSTATUS(status);
	ending.out = read_file("out");
	ending.error = read_file("error");
	return ending;
}

static int run_steerctl(char **words)
{
	int argc = 0;

	while (words[argc])
		argc++;
	return (int)cli_run(argc, words);
}

#define RUN(...) run_apart(run_steerctl, (char *[]){(char *)"steerctl", __VA_ARGS__, NULL})

static void free_ending(struct ending *ending)
{
	free(ending->out);
	free(ending->error);
}

/* The command line is refused with these lines, and prints nothing else. */
static void expect_error(struct ending ending, int status, const char *error)
{
	assert_string_equal(ending.error, error);
	assert_string_equal(ending.out, "");
	assert_int_equal(ending.status, status);
	free_ending(&ending);
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_cli_run.XXXXXX");
	unsetenv("STEERD_ADDRESS");
	unsetenv("STEERD_CERT");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {"out", "error", "routes.yaml", "script"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP_FREE char *path = path_of(names[i]);

		unlink(path);
	}
	return rmdir(folder);
}

static void wrong_commands_name_the_nearest_one(void **state)
{
	(void)state;
	expect_error(RUN("statsu"), CLI_MISUSED,
		     "steerctl: unknown command 'statsu' (did you mean 'status'?) (see steerctl "
		     "help)\n");
	expect_error(RUN("help", "aply"), CLI_MISUSED,
		     "steerctl: unknown command 'aply' (did you mean 'apply'?) (see steerctl help "
		     "--help)\n");
}

static void what_belongs_to_a_later_version_is_refused(void **state)
{
	(void)state;
	expect_error(RUN("detect"), CLI_MISUSED,
		     "steerctl: not supported yet: detect (see steerctl help)\n");
	expect_error(RUN("split", "shop", "green=1", "--segment", "eu"), CLI_MISUSED,
		     "steerctl: not supported yet: --segment (see steerctl split --help)\n");
}

static void wrong_arguments_are_named(void **state)
{
	(void)state;
	expect_error(RUN("split", "shop"), CLI_MISUSED,
		     "steerctl: usage: steerctl split SERVICE STACK=WEIGHT... [--dry-run] (see "
		     "steerctl split --help)\n");
	expect_error(RUN("split", "shop", "a=1", "a=2"), CLI_MISUSED,
		     "steerctl: stack 'a' is named twice (see steerctl split --help)\n");
	expect_error(RUN("split", "sh\xff", "a=1"), CLI_MISUSED,
		     "steerctl: argument 1 is not printable UTF-8 text (see steerctl split "
		     "--help)\n");
	expect_error(RUN("drain", "blue", "--deadline", "5"), CLI_MISUSED,
		     "steerctl: deadline '5' is not a time of 1s at least, as in 5m (see steerctl "
		     "drain --help)\n");
	expect_error(RUN("drain", "blue", "--deadline", "200ms"), CLI_MISUSED,
		     "steerctl: deadline '200ms' is not a time of 1s at least, as in 5m (see "
		     "steerctl drain --help)\n");
	expect_error(RUN("health", "blue", "down", "--ttl", "soon"), CLI_MISUSED,
		     "steerctl: ttl 'soon' is not a time of 1s at least, as in 5m (see steerctl "
		     "health --help)\n");
	expect_error(RUN("health", "blue", "drain"), CLI_MISUSED,
		     "steerctl: draining has a command of its own: steerctl drain blue (see "
		     "steerctl health --help)\n");
	expect_error(RUN("explain", "-", "tcp", "10.0.0.1:1", "[::1]:80"), CLI_MISUSED,
		     "steerctl: client and VIP must be of one family: 10.0.0.1 and ::1 (see "
		     "steerctl explain --help)\n");
	expect_error(RUN("-o", "yaml", "status"), CLI_MISUSED,
		     "steerctl: output 'yaml' is not table or json (see steerctl status --help)\n");
	expect_error(
		RUN("--address", "edge-1:9450", "status"), CLI_MISUSED,
		"steerctl: edge-1:9450 is reached with mutual TLS only: it needs a certificate, "
		"its key and the CA of the server: give --cert, --key and --ca, or STEERD_CERT, "
		"STEERD_KEY and STEERD_CA (see steerctl status --help)\n");
}

static void wrong_measurements_are_named(void **state)
{
	(void)state;
	expect_error(RUN("histogram", "--kind", "conect"), CLI_MISUSED,
		     "steerctl: kind 'conect' is none of connect, response, service, last-byte, "
		     "quic-handshake and quic-spin (did you mean 'connect'?) (see steerctl "
		     "histogram --help)\n");
	expect_error(RUN("histogram", "--compare", "blue"), CLI_MISUSED,
		     "steerctl: 'blue' is not STACK,STACK, as in blue,green (see steerctl "
		     "histogram --help)\n");
	expect_error(RUN("histogram", "-c", "blue,blue"), CLI_MISUSED,
		     "steerctl: stack 'blue' cannot be compared with itself (see steerctl "
		     "histogram --help)\n");
	expect_error(RUN("histogram", "-c", "blue,green", "--stack", "red"), CLI_MISUSED,
		     "steerctl: --compare names the stacks: --stack cannot be there, too (see "
		     "steerctl histogram --help)\n");
	expect_error(RUN("histogram", "--for", "10"), CLI_MISUSED,
		     "steerctl: '10' is not a time from 100ms to 24h, as in 10s (see steerctl "
		     "histogram --help)\n");
	expect_error(RUN("histogram", "--backend", "blue"), CLI_MISUSED,
		     "steerctl: 'blue' is not the address of a backend, as in 10.1.0.11 (see "
		     "steerctl histogram --help)\n");
	expect_error(RUN("sampling", "0"), CLI_MISUSED,
		     "steerctl: '0' is not auto, off, or a number from 1 to 65536: one new flow in "
		     "so many (see steerctl sampling --help)\n");
	expect_error(RUN("events", "--kind", "flow,bckend"), CLI_MISUSED,
		     "steerctl: kind 'bckend' is none of routes, backend, interface, agent and "
		     "flow (did you mean 'backend'?) (see steerctl events --help)\n");
	expect_error(RUN("top", "--interval", "50ms"), CLI_MISUSED,
		     "steerctl: interval '50ms' is not a time from 100ms to 60s, as in 2s (see "
		     "steerctl top --help)\n");
	expect_error(RUN("top", "-n", "0"), CLI_MISUSED,
		     "steerctl: count '0' is not a number from 1 on (see steerctl top --help)\n");
	expect_error(RUN("top"), CLI_FAILED,
		     "steerctl: top needs a terminal; -o json prints a document for each interval "
		     "without one\n");
}

static void no_command_is_wrong_usage_and_help_is_not(void **state)
{
	struct ending ending = run_apart(run_steerctl, (char *[]){(char *)"steerctl", NULL});

	(void)state;
	assert_int_equal(ending.status, CLI_MISUSED);
	assert_non_null(strstr(ending.error, "  rollback    go back"));
	free_ending(&ending);
	ending = RUN("--help");
	assert_int_equal(ending.status, CLI_DONE);
	assert_string_equal(ending.error, "");
	assert_non_null(strstr(ending.out, "  rollback    go back"));
	free_ending(&ending);
	ending = RUN("split", "--help");
	assert_int_equal(ending.status, CLI_DONE);
	assert_non_null(strstr(ending.out, "steerctl split shop blue=95 green=5"));
	free_ending(&ending);
}

static void every_error_of_a_routes_file_is_a_line_with_its_place(void **state)
{
	CLEANUP_FREE char *path = path_of("routes.yaml"), *wanted = NULL;

	(void)state;
	write_file("routes.yaml", "stacks:\n"
				  "  blue: {backends: [{address: 10.1.0.11}]}\n"
				  "services:\n"
				  "  shop: {vips: [203.0.113.10], ports: [80], split: {bleu: 1}}\n"
				  "  dns: {vips: [203.0.113.11], ports: [53], split: {blue: 0}}\n");
	struct ending ending = RUN("apply", "-f", path);

	assert_int_equal(ending.status, CLI_FAILED);
	wanted = util_format("%s:4: ", path);
	assert_memory_equal(ending.error, wanted, strlen(wanted));
	assert_non_null(strstr(ending.error, "did you mean 'blue'?"));
	assert_non_null(strstr(ending.error, "routes.yaml:5: "));
	free_ending(&ending);
}

static void a_daemon_that_does_not_answer_is_said_to_be_missing(void **state)
{
	CLEANUP_FREE char *address = util_format("unix://%s/sock", folder), *wanted = NULL;

	(void)state;
	wanted = util_format(
		"steerctl: no steerd answers on %s: is it running? (systemctl status "
		"steerd; another address: --address or STEERD_ADDRESS): No such file or "
		"directory\n",
		address);
	expect_error(RUN("-a", address, "status"), CLI_FAILED, wanted);
	setenv("STEERD_ADDRESS", address, 1);
	expect_error(RUN("events", "-f"), CLI_FAILED, wanted);
	expect_error(RUN("call", "--list"), CLI_FAILED, wanted);
	unsetenv("STEERD_ADDRESS");
}

/* With an address for a word. */
static int call_patiently(char **words)
{
	struct cli cli = {.target.address = words[0],
			  .timeout_ms = CLI_TIMEOUT_DEFAULT_MS,
			  .patience_ms = 1000};
	uint64_t since_ms = util_now_ms();
	json_t *reply = NULL;
	enum cli_result result = cli_call(&cli, "GetStatus", json_object(), &reply);

	return util_now_ms() - since_ms < 1000 ? 98 : (int)result;
}

static void one_that_may_come_back_is_waited_for_in_vain(void **state)
{
	CLEANUP_FREE char *address = util_format("unix://%s/sock", folder), *wanted = NULL;

	(void)state;
	wanted = util_format(
		"steerctl: no steerd answers on %s: waiting up to 1 s for it to come back\n"
		"steerctl: no steerd answers on %s: is it running? (systemctl status "
		"steerd; another address: --address or STEERD_ADDRESS): No such file or "
		"directory\n",
		address, address);
	expect_error(run_apart(call_patiently, (char *[]){address, NULL}), CLI_FAILED, wanted);
}

static int run_bash(char **words)
{
	execvp("bash", words);
	return 99;
}

/* What bash offers for these words, the last of which is being typed. */
static char *complete(const char *words)
{
	struct ending script = RUN("completion", "bash"), ending;
	CLEANUP_FREE char *text = NULL, *path = path_of("script");

	/* Names come from a daemon: here, from this one. */
	text = util_format("%s\n_steerctl_names() { printf '%%s\\n' $1-a $1-b; }\n"
			   "COMP_WORDS=(steerctl %s)\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
			   "_steerctl\necho ${COMPREPLY[*]}\n",
			   script.out, words);
	free_ending(&script);
	write_file("script", text);
	ending = run_apart(run_bash, (char *[]){(char *)"bash", (char *)"--norc", path, NULL});
	assert_string_equal(ending.error, "");
	assert_int_equal(ending.status, 0);
	free(ending.error);
	return ending.out;
}

static void bash_completes_commands_options_and_names(void **state)
{
	static const struct {
		const char *words, *wanted;
	} cases[] = {
		{"ro", "rollback\n"},
		{"-o json sta", "status\n"},
		{"-o ''", "table json\n"},
		{"rollback ''", "services-a services-b\n"},
		{"--timeout 3 drain stacks-a", "stacks-a\n"},
		{"health stacks-a ''", "up down auto\n"},
		{"split shop ''", "stacks-a= stacks-b=\n"},
		{"explain - ''", "tcp udp\n"},
		{"apply --d", "--dry-run\n"},
		{"events -f --f", "--follow\n"},
		{"completion z", "zsh\n"},
		{"histogram --kind con", "connect\n"},
		{"histogram -s ''", "services-a services-b\n"},
		{"histogram -c stacks-a", "stacks-a\n"},
		{"histogram -c stacks-a,", "stacks-a,stacks-a stacks-a,stacks-b\n"},
		{"histogram --compare stacks-b,stacks-a --f", "--for\n"},
		{"sampling a", "auto\n"},
		{"events --kind fl", "flow\n"},
		{"top --int", "--interval\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *offered = complete(cases[i].words);

		assert_string_equal(offered, cases[i].wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_commands_name_the_nearest_one),
		cmocka_unit_test(what_belongs_to_a_later_version_is_refused),
		cmocka_unit_test(wrong_arguments_are_named),
		cmocka_unit_test(wrong_measurements_are_named),
		cmocka_unit_test(no_command_is_wrong_usage_and_help_is_not),
		cmocka_unit_test(every_error_of_a_routes_file_is_a_line_with_its_place),
		cmocka_unit_test(a_daemon_that_does_not_answer_is_said_to_be_missing),
		cmocka_unit_test(one_that_may_come_back_is_waited_for_in_vain),
		cmocka_unit_test(bash_completes_commands_options_and_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
