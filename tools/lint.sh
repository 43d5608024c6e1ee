#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# lint.sh: what `make lint` checks. Says what it checked, shows what it found, and fails then.
# LINT_CPPFLAGS, LINT_BPF_FLAGS: what user/ and bpf/ are compiled with; generated headers are there.
set -u
cd "$(dirname "$0")/.." || exit
readonly LINES_MAX=650 JOBS=$(nproc)
readonly USER_FLAGS="-std=gnu17 $LINT_CPPFLAGS -DSTEER_VERSION=\"\" -Itests"
readonly LICENSE_LINE='SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
findings=0

# Files of the repository whose names match a pattern, tracked or about to be.
files() {
	git -c safe.directory='*' ls-files --cached --others --exclude-standard -- "$@" |
		while read -r file; do
			[ ! -f "$file" ] || echo "$file"
		done
}

# check NAME FUNCTION: the function's output is the findings; empty, of some files at least, and
# a status of 0 is good.
check() {
	local name=$1 started=$SECONDS

	checked=0
	if "$2" >"$work/output" 2>&1 && [ ! -s "$work/output" ] && [ "$checked" -gt 0 ]; then
		printf 'ok      %-16s %4d files %3d s\n' "$name" "$checked" $((SECONDS - started))
	else
		findings=$((findings + 1))
		printf 'FAILED  %-16s %4d files %3d s\n' "$name" "$checked" $((SECONDS - started))
		cat "$work/output"
	fi
}

over() {
	mapfile -t list
	checked=${#list[@]}
}

check_format() {
	over < <(files '*.c' '*.h')
	clang-format --dry-run -Werror "${list[@]}"
}

# tidy OPTION FLAGS, with the files on standard input, each in a process of its own.
tidy() {
	xargs -P "$JOBS" -I '{}' clang-tidy --quiet $1 '{}' -- $2 2>"$work/tidy.log" && return
	grep -v 'warnings.* generated' "$work/tidy.log"
	return 1
}

check_tidy() {
	over < <(files 'user/*.c' 'vmtest/*.c')
	printf '%s\n' "${list[@]}" | tidy "" "$USER_FLAGS"
}

# Sanitizers see what tests really do; the analyser would take as long again for them.
check_tidy_tests() {
	over < <(files 'tests/*.c' ':!tests/*.bpf.c')
	printf '%s\n' "${list[@]}" | tidy '--checks=-clang-analyzer-*' "$USER_FLAGS"
}

check_tidy_bpf() {
	over < <(files '*.bpf.c')
	printf '%s\n' "${list[@]}" |
		tidy --checks=-misc-unused-parameters "$LINT_BPF_FLAGS -Itests -Itests/bench"
}

# Suppressed: what comes of not knowing __attribute__((cleanup)), or designated initialisers of a
# struct with a union; NULL as an int; walking a struct's fields by pointer; readdir();
# mmap() of no file.
check_cppcheck() {
	over < <(files 'user/*.c' 'tests/*.c' 'vmtest/*.c' ':!tests/*.bpf.c')
	cppcheck --quiet -j "$JOBS" --error-exitcode=1 --inline-suppr --std=c11 \
		--enable=warning,performance,portability --library=posix,tools/cppcheck.cfg \
		--suppress={leakReturnValNotUsed,memleak,resourceLeak,legacyUninitvar} \
		--suppress={varFuncNullUB,objectIndex,readdirCalled,invalidFunctionArg} \
		-D_GNU_SOURCE -DSTEER_VERSION='""' -Ibpf -Iuser -Itests \
		--template='{file}:{line}: {severity}: {message} [{id}]' "${list[@]}"
}

scripts() {
	files | while read -r file; do
		! head -n 1 "$file" | grep -aqE "$1" || echo "$file"
	done
}

check_shell() {
	local status=0

	over < <(scripts '^#!.*/(ba|busybox )?sh')
	for file in "${list[@]}"; do
		bash -n "$file" || status=1
	done
	return $status
}

check_python() {
	over < <(files '*.py')
	PYTHONPYCACHEPREFIX=$work/cache /usr/bin/python3 -W error -m py_compile "${list[@]}"
}

# All but prose, and lists that have no way to hold a comment.
check_license() {
	over < <(files ':!*.md' ':!LICENSE' ':!tools/debian-packages.txt')
	for file in "${list[@]}"; do
		head -n 3 "$file" | grep -qF "$LICENSE_LINE" || echo "$file: no line '$LICENSE_LINE'"
	done
}

check_length() {
	over < <(files '*.c' '*.h' '*.sh' '*.py')
	wc -l "${list[@]}" | awk -v max=$LINES_MAX \
		'$2 != "total" && $1 > max { print $2 ": " $1 " lines, more than " max }'
}

check_spaces() {
	over < <(files)
	grep -nIE '[[:space:]]+$' "${list[@]}" | sed 's/$/ <- blank at the end of the line/'
	for file in "${list[@]}"; do
		[ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] ||
			echo "$file: no newline at the end"
	done
}

check clang-format check_format
check clang-tidy check_tidy
check clang-tidy-tests check_tidy_tests
check clang-tidy-bpf check_tidy_bpf
check cppcheck check_cppcheck
check bash check_shell
check python check_python
check license check_license
check length check_length
check spaces check_spaces
if [ $findings -gt 0 ]; then
	echo "lint: $findings checks found something"
	exit 1
fi
echo "lint: nothing found"
