/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/util.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>

static void *or_die(void *pointer)
{
	if (!pointer) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return pointer;
}

void *util_calloc(size_t n, size_t size)
{
	return or_die(calloc(n ? n : 1, size ? size : 1));
}

void *util_realloc(void *pointer, size_t n, size_t size)
{
	return or_die(reallocarray(pointer, n ? n : 1, size ? size : 1));
}

char *util_strdup(const char *text)
{
	return or_die(strdup(text));
}

char *util_format(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	return or_die(length < 0 ? NULL : text);
}

/* Levenshtein distance, one row at a time; names here are short. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b), diagonal, above;

	if (n >= ARRAY_SIZE(row))
		return n;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			above = row[j];
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[n];
}

const char *util_nearest(const char *text, const char *const *names, size_t n)
{
	size_t limit = strlen(text) / 3;
	const char *best = NULL;

	if (limit < 2)
		limit = 2;
	for (size_t i = 0; i < n; i++) {
		size_t distance = edit_distance(text, names[i]);

		if (distance <= limit && distance < strlen(names[i])) {
			limit = distance ? distance - 1 : 0;
			best = names[i];
		}
	}
	return best;
}

static unsigned long long clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

unsigned long long util_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

unsigned long long util_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec;
}

unsigned long long util_now_us(void)
{
	return util_now_ns() / 1000;
}

unsigned long long util_unix_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int util_read_file(const char *path, size_t max, char **ret_text, size_t *ret_size)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE char *text = NULL;
	size_t size = 0, room = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t got;

		if (room - size < 4096) {
			room = room ? room * 2 : 16384;
			text = util_realloc(text, room + 1, 1);
		}
		got = read(fd, text + size, room - size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		size += (size_t)got;
		if (size > max)
			return -EFBIG;
		if (got == 0)
			break;
	}
	text[size] = '\0';
	*ret_text = TAKE(text);
	if (ret_size)
		*ret_size = size;
	return 0;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t put = write(fd, data, size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		data += put;
		size -= (size_t)put;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_folder_of(const char *path)
{
	CLEANUP_FREE char *copy = util_strdup(path);
	CLEANUP_CLOSE int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

int util_replace_file(const char *path, const void *data, size_t size, unsigned int mode)
{
	CLEANUP_FREE char *temporary = util_format("%s.new", path);
	CLEANUP_CLOSE int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, data, size);
	if (!err && rename(temporary, path) < 0)
		err = -errno;
	if (err) {
		unlink(temporary);
		return err;
	}
	return sync_folder_of(path);
}
