/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/top_terminal.h"

#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>

#include "common/util.h"

/* term.h has macros of these names. */
#undef lines
#undef columns

#define ESCAPE_MS 25 /* between an escape alone and one that begins a key's code */

/* What undoes everything, for a handler that may call next to nothing. */
static struct {
	SCREEN *screen;
	struct termios before;
	char undo[64]; /* bytes to the terminal */
	size_t undo_n;
} terminal;

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* Runs once; the signal strikes again when it returns. */
static void restore_in_crash(int signal_number)
{
	ssize_t written = write(STDOUT_FILENO, terminal.undo, terminal.undo_n);

	(void)written;
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
	raise(signal_number);
}

static void add_undo(const char *name)
{
	const char *code = tigetstr(name);

	if (!code || code == (char *)-1 || strlen(code) >= sizeof(terminal.undo) - terminal.undo_n)
		return;
	memcpy(terminal.undo + terminal.undo_n, code, strlen(code));
	terminal.undo_n += strlen(code);
}

static void prepare_for_crash(void)
{
	const struct sigaction action = {.sa_handler = restore_in_crash,
					 .sa_flags = (int)SA_RESETHAND};

	terminal.undo_n = 0;
	add_undo("sgr0");
	add_undo("cnorm");
	add_undo("rmkx");
	add_undo("rmcup");
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		sigaction(crashes[i], &action, NULL);
}

static void begin_colors(void)
{
	start_color();
	use_default_colors();
	init_pair(TOP_LOOK_BAD, COLOR_RED, -1);
	init_pair(TOP_LOOK_TITLE, COLOR_CYAN, -1);
}

static bool has_color;

int top_terminal_open(bool colors)
{
	tcgetattr(STDIN_FILENO, &terminal.before);
	terminal.screen = newterm(NULL, stdout, stdin);
	if (!terminal.screen)
		return -ENOTTY;
	prepare_for_crash();
	has_color = colors && has_colors();
	if (has_color)
		begin_colors();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	return 0;
}

void top_terminal_close(void)
{
	if (!terminal.screen)
		return;
	endwin();
	delscreen(terminal.screen);
	terminal.screen = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		signal(crashes[i], SIG_DFL);
}

void top_terminal_resize(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
	clearok(curscr, TRUE);
}

void top_terminal_size(size_t *ret_width, size_t *ret_height)
{
	*ret_width = (size_t)getmaxx(stdscr);
	*ret_height = (size_t)getmaxy(stdscr);
}

static attr_t attributes(const struct top_line *line)
{
	static const attr_t looks[] = {
		[TOP_LOOK_PLAIN] = A_NORMAL,   [TOP_LOOK_TITLE] = A_BOLD,
		[TOP_LOOK_HEADER] = A_REVERSE, [TOP_LOOK_STRONG] = A_BOLD,
		[TOP_LOOK_BAD] = A_BOLD,       [TOP_LOOK_FAINT] = A_DIM,
	};
	attr_t look = looks[line->look];

	if (has_color && (line->look == TOP_LOOK_BAD || line->look == TOP_LOOK_TITLE))
		look |= (attr_t)COLOR_PAIR(line->look);
	return line->is_selected ? look | A_REVERSE : look;
}

static void draw_line(const struct top_line *line, int row, size_t width)
{
	int length = (int)strlen(line->text);

	attrset(attributes(line));
	mvaddnstr(row, 0, line->text, length);
	/* A line that stands out does so in all its length. */
	if (line->is_selected || line->look == TOP_LOOK_HEADER)
		for (size_t i = (size_t)length; i < width; i++)
			addch(' ');
	if (line->mark_n)
		mvchgat(row, (int)line->mark, (int)line->mark_n, A_REVERSE | A_BOLD | A_UNDERLINE,
			0, NULL);
}

void top_terminal_draw(const struct top_screen *screen)
{
	erase();
	for (size_t i = 0; i < screen->height; i++)
		draw_line(&screen->lines[i], (int)i, screen->width);
	attrset(A_NORMAL);
	refresh();
}

bool top_terminal_key(uint32_t *ret_key)
{
	static const struct {
		int code;
		enum top_key key;
	} keys[] = {
		{KEY_UP, TOP_KEY_UP},	      {KEY_DOWN, TOP_KEY_DOWN},
		{KEY_PPAGE, TOP_KEY_PAGE_UP}, {KEY_NPAGE, TOP_KEY_PAGE_DOWN},
		{KEY_HOME, TOP_KEY_HOME},     {KEY_END, TOP_KEY_END},
		{KEY_LEFT, TOP_KEY_LEFT},     {KEY_RIGHT, TOP_KEY_RIGHT},
		{KEY_ENTER, TOP_KEY_ENTER},   {'\r', TOP_KEY_ENTER},
		{'\n', TOP_KEY_ENTER},	      {KEY_BACKSPACE, TOP_KEY_BACK},
		{0x7f, TOP_KEY_BACK},	      {'\b', TOP_KEY_BACK},
		{0x1b, TOP_KEY_ESCAPE},
	};
	int code = getch();

	if (code == ERR)
		return false;
	*ret_key = code < 0x100 ? (uint32_t)code : 0;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].code == code)
			*ret_key = keys[i].key;
	return true;
}
