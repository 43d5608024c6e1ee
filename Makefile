# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make            build everything into build/
# make deps       install the Debian packages that building and testing need
# make test       run every test (root); `make SAN=1 test` with sanitizers
# make demo       the lab, to play with; `make demo AUTO=1` runs through and judges itself
# make bench      what a packet costs, beside the floor; what the control plane costs
# make accuracy   what telemetry says beside the truth
# make failover   how long a dead backend is sent to, and what clients lose
# make chaos      faults by a schedule that follows from a seed: `SEED=7 TIME=10m make chaos`
# make vmtest     the same program on old kernels, in QEMU
# make lint       formatting, clang-tidy, cppcheck and the like; `make format` formats
# make install    honours PREFIX and DESTDIR; `make uninstall`
# make clean      removes the build folders

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

ifdef SAN
BUILD ?= build-san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
BUILD ?= build
PREFIX ?= /usr/local
GEN := $(BUILD)/gen

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PKGS := libbpf yaml-0.1 jansson libsystemd libmicrohttpd libcap-ng libseccomp libmnl \
	smartcols libprotobuf-c openssl libnghttp2
CC := gcc
CLANG ?= clang
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wpointer-arith -Wformat=2 -Wundef
CPPFLAGS := -D_GNU_SOURCE -DSTEER_VERSION='"$(VERSION)"' -Ibpf -Iuser -I$(GEN)
CFLAGS := -std=gnu17 -O2 -g $(WARN) $(SANFLAGS)
# Generated code is not ours to warn about.
GENCFLAGS := -std=gnu17 -O2 -g -w $(SANFLAGS)
BPF_CFLAGS := -target bpf -mcpu=v3 -std=gnu17 -O2 -g -fno-strict-aliasing -Wall -Wextra -Werror \
	-Wno-unused-parameter -Ibpf -I/usr/include/$(shell gcc -print-multiarch)
LIBS = $(shell pkg-config --libs $(PKGS)) -lgrpc -lgpr -lm -pthread
CURSES = $(shell pkg-config --libs ncursesw)

.PHONY: all deps check-deps test unit-test bpf-test netns-test demo bench accuracy failover chaos vmtest \
	lint format install uninstall clean
all: $(BUILD)/steerd $(BUILD)/steerctl $(BUILD)/tests

# ---- packages ----

deps:
	tools/deps.sh install

check-deps:
	@tools/deps.sh check || { echo "installing what is missing (make deps)"; $(MAKE) deps; }

# ---- generated ----

PROTOS := $(patsubst proto/%,%,$(wildcard proto/*/v1/*.proto proto/*/*/v1/*.proto \
	proto/*/*/v1alpha/*.proto))
# What is only sent to others has no service here, and no place in reflection.
SENT_PROTOS := io/prometheus/client/metrics.proto opentelemetry/metrics.proto
PB_C := $(patsubst %.proto,$(GEN)/%.pb-c.c,$(PROTOS) $(SENT_PROTOS))
PB_H := $(PB_C:.c=.h)
PROTOSET := $(GEN)/steerd.protoset
DESCRIPTOR_PROTO := /usr/include/google/protobuf/descriptor.proto
SKELETONS := $(GEN)/steer.skel.h $(GEN)/decap.skel.h $(GEN)/check_path.skel.h
GENERATED := $(PB_H) $(SKELETONS) $(GEN)/methods.h $(GEN)/google/protobuf/descriptor.pb-c.h

$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h: proto/%.proto
	@mkdir -p $(GEN)
	protoc-c --proto_path=proto --c_out=$(GEN) $<

$(GEN)/google/protobuf/descriptor.pb-c.c $(GEN)/google/protobuf/descriptor.pb-c.h &: \
		$(DESCRIPTOR_PROTO)
	@mkdir -p $(GEN)
	protoc-c --proto_path=/usr/include --c_out=$(GEN) $<

$(PROTOSET): $(PROTOS:%=proto/%)
	@mkdir -p $(@D)
	protoc --proto_path=proto --include_imports --descriptor_set_out=$@ $(PROTOS)

# The typed method table and the embedded descriptors (tools/gen_methods.py).
$(GEN)/methods.c $(GEN)/methods.h &: tools/gen_methods.py $(PROTOSET)
	/usr/bin/python3 tools/gen_methods.py $(PROTOSET) $(GEN)/methods

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@
	llvm-strip -g $@ 2>/dev/null || true

$(GEN)/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	bpftool gen skeleton $< name $*_bpf > $@

# ---- userspace ----

COMMON_O := $(patsubst %.c,$(BUILD)/%.o,$(wildcard user/common/*.c))
RPC_O := $(patsubst %.c,$(BUILD)/%.o,$(wildcard user/rpc/*.c))
AGENT_O := $(patsubst %.c,$(BUILD)/%.o,$(filter-out user/agent/main.c,$(wildcard user/agent/*.c)))
CLI_O := $(patsubst %.c,$(BUILD)/%.o,$(filter-out user/cli/main.c,$(wildcard user/cli/*.c)))
GEN_O := $(PB_C:.c=.o) $(GEN)/methods.o $(GEN)/google/protobuf/descriptor.pb-c.o
ARCHIVES := $(BUILD)/libagent.a $(BUILD)/libcli.a $(BUILD)/librpc.a $(BUILD)/libcommon.a \
	$(BUILD)/libgen.a

$(BUILD)/libcommon.a: $(COMMON_O)
$(BUILD)/librpc.a: $(RPC_O)
$(BUILD)/libagent.a: $(AGENT_O)
$(BUILD)/libcli.a: $(CLI_O)
$(BUILD)/libgen.a: $(GEN_O)
$(BUILD)/lib%.a:
	@rm -f $@
	ar rcs $@ $^

# Generated headers come first; after that, -MMD knows who includes what.
$(BUILD)/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# What says the version is compiled again when that changes.
VERSIONED := $(addprefix $(BUILD)/user/,agent/main.o agent/api_status.o cli/help.o)
$(VERSIONED): $(BUILD)/version
.PHONY: always
$(BUILD)/version: always
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@

$(GEN)/%.o: $(GEN)/%.c | $(GENERATED)
	$(CC) $(CPPFLAGS) $(GENCFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/steerd: $(BUILD)/user/agent/main.o $(ARCHIVES)
$(BUILD)/steerctl: $(BUILD)/user/cli/main.o $(ARCHIVES)
$(BUILD)/steerctl: LIBS += $(CURSES)
$(BUILD)/steerd $(BUILD)/steerctl:
	$(CC) $(SANFLAGS) $< -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS) -o $@

# ---- tests ----

UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
BPF_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bpf/test_*.c))
TEST_LIB_O := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/lib/*.c))

.PHONY: $(BUILD)/tests
$(BUILD)/tests: $(UNIT_TESTS) $(BPF_TESTS)

$(BUILD)/tests/unit/% $(BUILD)/tests/bpf/%: CPPFLAGS += -Itests
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TEST_LIB_O) $(ARCHIVES)
	$(CC) $(SANFLAGS) $< $(TEST_LIB_O) -Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(LIBS) $(CURSES) -lcmocka -o $@

# What the lab of network namespaces runs (tests/lab/lib.sh).
LAB_PROGRAMS := $(addprefix $(BUILD)/tests/lab/,load udp_echo flows)
LAB := $(LAB_PROGRAMS) $(BUILD)/tests/lab/pass.bpf.o
CHAOS := $(BUILD)/tests/chaos/fault.bpf.o
$(BUILD)/tests: $(LAB) $(CHAOS)

$(BUILD)/tests/lab/%.o: CPPFLAGS += -Itests
$(BUILD)/tests/lab/load: $(addprefix $(BUILD)/tests/lab/,load.o load_exchange.o load_record.o)
$(BUILD)/tests/lab/udp_echo: $(BUILD)/tests/lab/udp_echo.o
$(BUILD)/tests/lab/load $(BUILD)/tests/lab/udp_echo:
	$(CC) $(SANFLAGS) $^ -o $@

$(BUILD)/tests/lab/flows: $(BUILD)/tests/lab/flows.o $(BUILD)/tests/lib/packet.o $(ARCHIVES)
	$(CC) $(SANFLAGS) $(filter %.o,$^) -Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(LIBS) -o $@

$(BUILD)/tests/lab/%.bpf.o: tests/lab/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/chaos/%.bpf.o: tests/chaos/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

# Clients and backends that know the truth about latency (tests/accuracy/lib.sh).
ACCURACY := $(addprefix $(BUILD)/tests/accuracy/,server client wire)
$(BUILD)/tests: $(ACCURACY)
$(BUILD)/tests/accuracy/%.o: CPPFLAGS += -Itests
$(ACCURACY): $(BUILD)/tests/accuracy/%: $(addprefix $(BUILD)/tests/accuracy/,%.o channel.o timers.o)
	$(CC) $(SANFLAGS) $^ -lssl -lcrypto -lm -o $@

accuracy: $(ACCURACY) $(LAB) $(BUILD)/steerd $(BUILD)/steerctl
	BUILD=$(BUILD) tests/accuracy/accuracy.sh

# Faults at the backends' gates, and what comes there (tests/failover/lib.sh).
GATE := $(BUILD)/tests/failover/gate
FLOOD := $(BUILD)/tests/failover/flood
$(BUILD)/tests: $(GATE) $(FLOOD)

$(BUILD)/tests/failover/%.bpf.o: tests/failover/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -Itests -MMD -MP -c $< -o $@

$(GEN)/gate.skel.h: $(BUILD)/tests/failover/gate.bpf.o
	@mkdir -p $(@D)
	bpftool gen skeleton $< name gate_bpf > $@

$(BUILD)/tests/failover/gate.o: CPPFLAGS += -Itests
$(BUILD)/tests/failover/gate.o: | $(GEN)/gate.skel.h
$(GATE): $(BUILD)/tests/failover/gate.o
	$(CC) $(SANFLAGS) $^ -lbpf -o $@

$(FLOOD): $(BUILD)/tests/failover/flood.o
	$(CC) $(SANFLAGS) $^ -o $@

failover: $(GATE) $(FLOOD) $(LAB) $(BUILD)/steerd $(BUILD)/steerctl
	BUILD=$(BUILD) tests/failover/failover.sh $(FAILOVER)

# Faults by a schedule (tests/chaos/chaos.sh); the schedule of a run that failed is in $(BUILD).
chaos: $(CHAOS) $(LAB) $(BUILD)/tests/accuracy/wire $(BUILD)/steerd $(BUILD)/steerctl
	BUILD=$(BUILD) SEED=$(SEED) TIME=$(TIME) tests/chaos/chaos.sh $(if $(REPLAY),--replay $(REPLAY))

test: check-deps
	$(MAKE) all
	BUILD=$(BUILD) tests/run.sh

unit-test bpf-test netns-test:
	$(MAKE) all
	BUILD=$(BUILD) tests/run.sh $(@:-test=)

demo: check-deps
	$(MAKE) $(BUILD)/steerd $(BUILD)/steerctl $(LAB)
	BUILD=$(BUILD) AUTO=$(AUTO) tools/demo/demo.sh

# ---- bench ----

BENCH_O := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %.bpf.c %/push.c, \
	$(wildcard tests/bench/*.c)) tests/lib/fixture.c tests/lib/packet.c)

$(BUILD)/tests/bench/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -Itests/bench -MMD -MP -c $< -o $@

$(GEN)/harness.skel.h: $(BUILD)/tests/bench/harness.bpf.o
	@mkdir -p $(@D)
	bpftool gen skeleton $< name harness_bpf > $@

$(filter $(BUILD)/tests/bench/%,$(BENCH_O)): | $(GEN)/harness.skel.h
$(BUILD)/tests/lib/% $(BUILD)/tests/bench/%: CPPFLAGS += -Itests
$(BUILD)/tests/bench/bench: $(BENCH_O) $(ARCHIVES)
	$(CC) $(SANFLAGS) $(BENCH_O) -Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(LIBS) -o $@

$(BUILD)/tests/bench/push: $(BUILD)/tests/bench/push.o $(BUILD)/tests/lib/packet.o $(ARCHIVES)
	$(CC) $(SANFLAGS) $(filter %.o,$^) -Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(LIBS) -o $@

bench: $(BUILD)/tests/bench/bench $(BUILD)/tests/bench/push $(BUILD)/steerd $(BUILD)/steerctl $(LAB)
	$<
	@echo
	BUILD=$(BUILD) tests/bench/control.sh || [ $$? -eq 77 ]

# ---- old kernels ----

KERNELS ?= 5.10 6.1 6.12

$(BUILD)/vmtest/verify: $(BUILD)/vmtest/verify.o
	$(CC) $(SANFLAGS) $< -lbpf -o $@

vmtest: all $(BUILD)/vmtest/verify
	vmtest/run.py $(BUILD) $(KERNELS)

# ---- hygiene ----

lint:
	$(MAKE) $(GENERATED) $(GEN)/harness.skel.h $(GEN)/gate.skel.h
	LINT_CPPFLAGS='$(filter-out -DSTEER_VERSION=%,$(CPPFLAGS))' LINT_BPF_FLAGS='$(BPF_CFLAGS)' \
		tools/lint.sh

format:
	clang-format -i $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')

# ---- installing ----

DEST = $(DESTDIR)$(PREFIX)
DOC = $(DEST)/share/doc/steerd
EXAMPLES := routes.yaml steerd.yaml
UNIT := lib/systemd/system/steerd.service
INSTALLED = bin/steerd bin/steerctl share/man/man8/steerd.8 share/man/man1/steerctl.1 $(UNIT) \
	share/bash-completion/completions/steerctl share/zsh/site-functions/_steerctl

install: $(BUILD)/steerd $(BUILD)/steerctl
	install -D -t $(DEST)/bin $^
	install -D -m 644 -t $(DEST)/share/man/man8 docs/steerd.8
	install -D -m 644 -t $(DEST)/share/man/man1 docs/steerctl.1
	install -D -m 644 -t $(DOC) LICENSE $(EXAMPLES:%=tools/examples/%) \
		tools/prometheus/alerts.yaml tools/grafana/steerd.json
	$(BUILD)/steerctl completion bash | \
		install -D -m 644 /dev/stdin $(DEST)/share/bash-completion/completions/steerctl
	$(BUILD)/steerctl completion zsh | \
		install -D -m 644 /dev/stdin $(DEST)/share/zsh/site-functions/_steerctl
	sed 's,/usr/local,$(PREFIX),g' tools/steerd.service | \
		install -D -m 644 /dev/stdin $(DEST)/$(UNIT)

# What people wrote themselves stays: /etc/steerd, /var/lib/steerd, and the pins.
uninstall:
	rm -f $(INSTALLED:%=$(DEST)/%)
	rm -rf $(DOC)

clean:
	rm -rf build build-san

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
