/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * verify OBJECT...: loads each BPF object and prints, for each of its programs, one line
 * "NAME INSTRUCTIONS": what the running kernel's verifier walked through to accept it. A refusal
 * prints the end of the verifier's log on standard error, and the exit status is 1.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#define LOG_STATS 4	     /* BPF_LOG_STATS of linux/bpf_verifier.h: one summary, no trace */
#define LOG_SIZE  (16 << 20) /* a refusal is loaded again with the trace of one whole path */
#define LOG_TAIL  6000
#define LIMIT	  1024 /* stands for every size in `limits`; not 0, which prunes the program */

static int print_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

/* The variable of this name in the section `.rodata`; NULL if there is none. */
static const struct btf_var_secinfo *rodata_find(const struct btf *btf, const char *name)
{
	const struct btf_var_secinfo *var;
	const struct btf_type *section;
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -1;

	if (id < 0)
		return NULL;
	section = btf__type_by_id(btf, id);
	var = btf_var_secinfos(section);
	for (int i = 0; i < btf_vlen(section); i++, var++) {
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (strcmp(btf__name_by_offset(btf, type->name_off), name) == 0)
			return var;
	}
	return NULL;
}

/* Every size in the object's `limits`, if it has them, becomes LIMIT; telemetry is on. */
static void rodata_set(struct bpf_object *object)
{
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_var_secinfo *var = rodata_find(btf, "limits");
	const struct btf_var_secinfo *telemetry = rodata_find(btf, "has_telemetry");
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	const void *before;
	size_t size;
	char *data;

	if (!var || !map)
		return;
	before = bpf_map__initial_value(map, &size);
	data = malloc(size);
	if (data) {
		memcpy(data, before, size);
		for (__u32 at = 0; at + sizeof(__u32) <= var->size; at += sizeof(__u32))
			*(__u32 *)(data + var->offset + at) = LIMIT;
		if (telemetry)
			data[telemetry->offset] = true;
		bpf_map__set_initial_value(map, data, size);
	}
	free(data);
}

static struct bpf_object *object_open(const char *path, char *log, int level)
{
	struct bpf_object *object = bpf_object__open(path);
	struct bpf_program *program;

	if (!object)
		return NULL;
	rodata_set(object);
	bpf_object__for_each_program(program, object)
	{
		bpf_program__set_log_level(program, level);
		bpf_program__set_log_buf(program, log, LOG_SIZE);
	}
	return object;
}

/* Only one program is loaded at a time, since they share the log. */
static int program_verify(const char *path, const char *name, char *log, int level)
{
	struct bpf_object *object = object_open(path, log, level);
	struct bpf_program *program;
	const char *processed;
	int err = -ENOMEM;

	log[0] = '\0';
	if (!object)
		return -errno;
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, strcmp(bpf_program__name(program), name) == 0);
	err = bpf_object__load(object);
	processed = strstr(log, "processed ");
	if (!err && processed) {
		fprintf(stderr, "%s: %s\n", name, log);
		printf("%s %lu\n", name, strtoul(processed + strlen("processed "), NULL, 10));
	}
	bpf_object__close(object);
	return err;
}

static int object_verify(const char *path, char *log)
{
	struct bpf_object *object = object_open(path, log, LOG_STATS);
	struct bpf_program *program;
	int failed = 0;

	if (!object) {
		fprintf(stderr, "%s: cannot open: %s\n", path, strerror(errno));
		return -errno;
	}
	bpf_object__for_each_program(program, object)
	{
		const char *name = bpf_program__name(program);
		size_t length;
		int err = program_verify(path, name, log, LOG_STATS);

		if (!err)
			continue;
		failed = err;
		program_verify(path, name, log, LOG_STATS | 1);
		length = strlen(log);
		fprintf(stderr, "%s\n%s: the verifier refuses program '%s': %s\n",
			length > LOG_TAIL ? log + length - LOG_TAIL : log, path, name,
			strerror(-err));
	}
	bpf_object__close(object);
	return failed;
}

int main(int argc, char **argv)
{
	char *log = malloc(LOG_SIZE);
	int failed = 0;

	if (!log || argc < 2) {
		fprintf(stderr, "usage: verify OBJECT...\n");
		return 2;
	}
	setlinebuf(stdout); /* in order with standard error, where both go to one file */
	libbpf_set_print(print_warning);
	for (int i = 1; i < argc; i++)
		failed |= object_verify(argv[i], log) != 0;
	free(log);
	if (failed)
		fprintf(stderr, "some program above is refused by the verifier\n");
	return failed;
}
