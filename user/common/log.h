/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Log lines on standard error, with the syslog level in front (sd-daemon(3)) when that is not a
 * terminal, so that the journal files them right. Thread-safe.
 */
#ifndef STEER_LOG_H
#define STEER_LOG_H

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

void log_set_level(enum log_level level); /* lines above it are dropped; default INFO */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Logs "MESSAGE: strerror" and is the code: `return log_errno(err, "cannot open %s", path);` */
#define log_errno(code, format, ...)                                                               \
	({                                                                                         \
		int log_code_ = (code);                                                            \
		log_error(format ": %s", ##__VA_ARGS__, strerror(-log_code_));                     \
		log_code_;                                                                         \
	})

#endif
