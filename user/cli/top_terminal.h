/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The terminal of `steerctl top`, by ncurses. One at a time. */
#ifndef STEER_CLI_TOP_TERMINAL_H
#define STEER_CLI_TOP_TERMINAL_H

#include "cli/top_draw.h"

/* Takes over standard input and output; -ENOTTY: TERM says nothing that is known. */
int top_terminal_open(bool colors);
/* As it was before; harmless where it was not opened. */
void top_terminal_close(void);

/* Follows the size that the terminal has now. */
void top_terminal_resize(void);
void top_terminal_size(size_t *ret_width, size_t *ret_height);
void top_terminal_draw(const struct top_screen *screen);

/* The next key typed, as top_view_key() takes it; false: none. */
bool top_terminal_key(uint32_t *ret_key);

#endif
