/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `steerctl COMMAND --help` says below the synopsis and the summary; up to 80 columns. */
#ifndef STEER_CLI_HELP_TEXT_H
#define STEER_CLI_HELP_TEXT_H

extern const char help_apply[];
extern const char help_split[];
extern const char help_rollback[];
extern const char help_health[];
extern const char help_drain[];
extern const char help_status[];
extern const char help_top[];
extern const char help_histogram[];
extern const char help_sampling[];
extern const char help_events[];
extern const char help_explain[];
extern const char help_call[];
extern const char help_completion[];
extern const char help_version[];
extern const char help_help[];

#endif
