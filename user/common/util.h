/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cleanup attributes and the few helpers that every file wants. */
#ifndef STEER_UTIL_H
#define STEER_UTIL_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void util_freep(void *pointer)
{
	free(*(void **)pointer);
}

static inline void util_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void util_fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* An owning local: NULL or -1 at first, released at the end of its scope unless taken. */
#define CLEANUP_FREE   __attribute__((cleanup(util_freep)))
#define CLEANUP_CLOSE  __attribute__((cleanup(util_closep)))
#define CLEANUP_FCLOSE __attribute__((cleanup(util_fclosep)))

/* Hands the ownership of a local on. */
#define TAKE(pointer)                                                                              \
	({                                                                                         \
		__typeof__(pointer) taken_ = (pointer);                                            \
		(pointer) = NULL;                                                                  \
		taken_;                                                                            \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

/* Out of memory ends these programs: nothing they could still do would be right. */
void *util_calloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *util_realloc(void *pointer, size_t n, size_t size) __attribute__((returns_nonnull));
char *util_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *util_format(const char *format, ...)
	__attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/*
 * The name in names[0..n) that `text` was most likely meant to be (edit distance at most a third
 * of its length, two at least), or NULL. For "did you mean".
 */
const char *util_nearest(const char *text, const char *const *names, size_t n);

/* Milliseconds: CLOCK_MONOTONIC, and since 1970. */
unsigned long long util_now_ms(void);
unsigned long long util_now_us(void); /* the former, in microseconds */
unsigned long long util_now_ns(void); /* as bpf_ktime_get_ns() */
unsigned long long util_unix_ms(void);

/* Whole file into a NUL-terminated buffer; -EFBIG above `max` bytes, else 0 or -errno. */
int util_read_file(const char *path, size_t max, char **ret_text, size_t *ret_size);

/*
 * Replaces a file so that a reader, or a crash, finds the old or the new content, never a part:
 * temporary file in the same folder, fsync, rename, fsync of the folder. 0 or -errno; on an error
 * the old file stands and the temporary one is gone.
 */
int util_replace_file(const char *path, const void *data, size_t size, unsigned int mode);

#endif
