/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/routes.h"

#include <stdarg.h>

#include "common/text.h"
#include "common/util.h"

/* A hostile document decides what a message quotes: bytes, with the NUL. */
#define PROBLEM_TEXT_MAX 512

static char *printable_copy(const char *text)
{
	CLEANUP_FREE char *copy = strndup(text, PROBLEM_TEXT_MAX - 1);

	if (!copy)
		return util_strdup("");
	text_make_printable(copy);
	return TAKE(copy);
}

void problems_add(struct problems *problems, const char *path, int line, const char *format, ...)
{
	char message[PROBLEM_TEXT_MAX];
	struct problem *problem;
	va_list args;

	problems->total++;
	if (problems->n == PROBLEMS_MAX)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	problems->items = util_realloc(problems->items, problems->n + 1, sizeof(*problem));
	problem = &problems->items[problems->n++];
	problem->path = printable_copy(path ? path : "");
	problem->message = printable_copy(message);
	problem->line = line;
}

void problems_clear(struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++) {
		free(problems->items[i].path);
		free(problems->items[i].message);
	}
	free(problems->items);
	*problems = (struct problems){0};
}

static void print_problem(FILE *out, const struct problem *problem, const char *file)
{
	if (problem->line && file)
		fprintf(out, "%s:%d: ", file, problem->line);
	else if (problem->line)
		fprintf(out, "line %d: ", problem->line);
	else if (problem->path[0])
		fprintf(out, "%s: ", problem->path);
	else if (file)
		fprintf(out, "%s: ", file);
	fprintf(out, "%s\n", problem->message);
}

char *problems_text(const struct problems *problems, const char *file)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < problems->n; i++)
		print_problem(out, &problems->items[i], file);
	if (problems->total > problems->n)
		fprintf(out, "and %zu more\n", problems->total - problems->n);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
