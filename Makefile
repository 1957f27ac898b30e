# cubby: `make` builds the library and the program into build/, `make check` tests them, `make demo` shows them at work.
#
# Layers are folders of src/, one archive each. A layer may call only what its unit tests link: those in its DEPS line, and what they bring. What it may
# include is less, and stands in tests/layers.sh, which `make tidy` runs.

# The commands are shown short: V=1 shows them whole, -s not at all.
hide := $(if $(filter 1,$(V)),,@)
ifeq ($(V),1)
say :=
else ifneq ($(findstring s,$(firstword -$(MAKEFLAGS))),)
say := @
else
say = @printf '%-7s %s\n' $(1) $(2);
endif

VERSION   := 0.1.0
SOVERSION := 0

BUILD  ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
PREFIX ?= /usr/local
OPT    ?= -O2 -g

comma := ,
# make SAN=address,undefined (or thread): the same targets, built with sanitizers, in a folder of its own.
ifdef SAN
BUILD := build-$(subst $(comma),-,$(SAN))
# gcc's own manual: sanitizers make -Wmaybe-uninitialized see what is not there. The plain build has it on.
SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer $(if $(findstring clang,$(CC)),,-Wno-maybe-uninitialized)
OPT := -O1 -g
endif
# libFuzzer's instrumentation: see the target fuzz.
ifdef FUZZER
CC := clang
BUILD := build-fuzz
SANFLAGS := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT := -O1 -g
endif
ifdef COVERAGE
BUILD := build-coverage
SANFLAGS := --coverage -fprofile-update=atomic
TESTFLAGS := -include tests/coverage.h
OPT := -O0 -g
endif

WARN     := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef
CPPFLAGS := -D_GNU_SOURCE -Iinclude -Isrc $(XCPPFLAGS)
CFLAGS   := -std=c11 $(OPT) $(WARN) $(SANFLAGS) $(XCFLAGS)
LDFLAGS  := $(SANFLAGS) $(XLDFLAGS)
LIBS     := -llz4 -lxxhash -lpthread

LAYERS     := api mail store tree log mime codec os base
DEPS_base  := base
DEPS_os    := os base
DEPS_codec := codec base
DEPS_mime  := mime base
DEPS_log   := log os base
DEPS_tree  := tree os base
DEPS_store := store tree log os base
DEPS_mail  := mail store tree log mime codec os base
DEPS_api   := $(LAYERS)

TOOL_LIBS  := -lz -llzma -lzstd -lbz2 -lpthread

LIB_SRC  := $(foreach l,$(LAYERS),$(wildcard src/$(l)/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
TOOL_SRC := $(wildcard tools/*.c tools/archive/*.c tools/archive/*/*.c)
TOOL_OBJ := $(TOOL_SRC:%.c=$(BUILD)/%.o)
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
PROG_SRC := $(wildcard tests/model/test_*.c tests/crash/test_*.c tests/corrupt/test_*.c tests/fault/test_*.c tests/check/test_*.c)
PROG_BIN := $(PROG_SRC:%.c=$(BUILD)/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
HEADERS  := $(wildcard include/*.h src/*/*.h)
MAN      := $(wildcard man/*.1 man/*.3 man/*.5 man/*.7)

.PHONY: all lib programs check test coverage soak fuzz fuzz-programs demo bench headers tidy install clean deps
all: deps $(BUILD)/cubby $(BUILD)/libcubby.a $(BUILD)/libcubby.so $(BUILD)/cubby.pc

# What a fresh machine lacks is installed when that is possible, else named.
deps:
	@.ci/deps

lib: $(BUILD)/libcubby.a $(BUILD)/libcubby.so

# ---- objects and layers -----------------------------------------------------------------------------------------------------------

$(BUILD)/src/%.o: src/%.c | deps
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -MMD -MP -c $< -o $@

$(BUILD)/tools/%.o: tools/%.c | deps
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -D_GNU_SOURCE -Iinclude -Itools $(XCPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/%.o: tests/%.c | deps
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) -Itests -Itools $(TESTFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

define layer_archive
$(BUILD)/lib$(1).a: $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/$(1)/*.c))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR,$$@)$(AR) rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_archive,$(l))))

$(BUILD)/libcubby.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(BUILD)/libcubby.so.$(VERSION): $(LIB_OBJ)
	$(call say,LD,$@)$(CC) -shared $(LDFLAGS) -Wl,-soname,libcubby.so.$(SOVERSION) $(if $(SAN),,-Wl,--no-undefined) $^ $(LIBS) -o $@

$(BUILD)/libcubby.so: $(BUILD)/libcubby.so.$(VERSION)
	$(hide)ln -sf libcubby.so.$(VERSION) $(BUILD)/libcubby.so.$(SOVERSION)
	$(hide)ln -sf libcubby.so.$(SOVERSION) $@

$(BUILD)/cubby: $(TOOL_OBJ) $(BUILD)/libcubby.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) $^ $(LIBS) $(TOOL_LIBS) -o $@

$(BUILD)/cubby.pc: cubby.pc.in
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' $< > $@

# ---- tests ------------------------------------------------------------------------------------------------------------------------

# tests/unit/LAYER/test_FILE.c links LAYER and what lies below it, nothing else.
define unit_rule
$(BUILD)/tests/unit/$(1)/test_%: $(BUILD)/tests/unit/$(1)/test_%.o $(foreach d,$(DEPS_$(1)),$(BUILD)/lib$(d).a)
	$$(call say,LD,$$@)$$(CC) $$(LDFLAGS) $$^ $$(LIBS) $$$$(pkg-config --libs check) -o $$@
endef
$(foreach l,$(LAYERS),$(eval $(call unit_rule,$(l))))

$(BUILD)/tests/unit/tools/test_%: $(BUILD)/tests/unit/tools/test_%.o $(filter-out $(BUILD)/tools/cubby.o,$(TOOL_OBJ)) $(BUILD)/libcubby.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) $^ $(LIBS) $(TOOL_LIBS) $$(pkg-config --libs check) -o $@

# Programs that test the whole library, with the simulated disk and the scenarios beside them.
SIM_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/crash/sim_*.c tests/crash/scenario_*.c))
# Where libfuse3 is there, a disk that records what is written to it; else that test skips.
$(BUILD)/tests/model/test_blocks.o: CPPFLAGS += $(shell pkg-config --cflags fuse3 2>/dev/null)
$(BUILD)/tests/model/test_blocks: LIBS += $(shell pkg-config --libs fuse3 2>/dev/null)
CORRUPT_BIN := $(filter $(BUILD)/tests/corrupt/%,$(PROG_BIN))
FAULT_BIN := $(filter $(BUILD)/tests/fault/%,$(PROG_BIN))
CHECK_BIN := $(filter $(BUILD)/tests/check/%,$(PROG_BIN))
$(filter-out $(CORRUPT_BIN) $(FAULT_BIN) $(CHECK_BIN),$(PROG_BIN)): $(BUILD)/%: $(BUILD)/%.o $(SIM_OBJ) $(BUILD)/libcubby.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/tests/fault/test_posix: FAULT_LD := -Wl,--wrap=pread -Wl,--wrap=pwrite
$(FAULT_BIN): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/fault/fault_table.o $(SIM_OBJ) $(BUILD)/libcubby.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) $(FAULT_LD) $^ $(LIBS) -o $@

CHECK_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/check/test_%,$(wildcard tests/check/*.c)))
$(CHECK_BIN): $(BUILD)/%: $(BUILD)/%.o $(CHECK_OBJ) $(BUILD)/tests/fault/fault_table.o $(SIM_OBJ) $(BUILD)/libcubby.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

CORRUPT_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/corrupt/test_%,$(wildcard tests/corrupt/*.c)))
$(CORRUPT_BIN): $(BUILD)/%: $(BUILD)/%.o $(CORRUPT_OBJ) $(BUILD)/libcubby.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

# A fuzz target without a fuzzer runs over files: its corpus.
# In the fuzzer's process exit would be a crash: usage errors call it.
$(BUILD)/tests/fuzz/fuzz_cli: FUZZ_LD := -Wl,--wrap=exit
# The simulated disk is not what is fuzzed: it costs less, and says nothing of what is new, without instruments.
ifdef FUZZER
$(SIM_OBJ) $(BUILD)/tests/fault/fault_table.o: CFLAGS := $(filter-out -fsanitize% -fno-sanitize%,$(CFLAGS))
endif
$(BUILD)/tests/fuzz/fuzz_ops: $(BUILD)/tests/fault/fault_table.o $(BUILD)/tests/fuzz/ops_run.o $(BUILD)/tests/fuzz/ops_world.o
# An archive, so that a target has only what it needs: the fuzzer looks at all of a program after each run.
$(BUILD)/libtools.a: $(filter-out $(BUILD)/tools/cubby.o,$(TOOL_OBJ))
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(FUZZ_BIN): $(BUILD)/%: $(BUILD)/%.o $(if $(FUZZER),,$(BUILD)/tests/fuzz/replay.o) $(SIM_OBJ) $(BUILD)/libtools.a $(BUILD)/libcubby.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) $(if $(FUZZER),-fsanitize=fuzzer) $(FUZZ_LD) $^ $(LIBS) $(TOOL_LIBS) -o $@

.SECONDARY:

fuzz-programs: deps $(FUZZ_BIN)
# make fuzz FUZZ_SECONDS=15 [ONLY=mime]: every target from its corpus on.
fuzz: deps
	@.ci/deps clang "libclang-rt-$$(clang -dumpversion 2>/dev/null | cut -d. -f1)-dev"
	@$(MAKE) -s FUZZER=1 fuzz-programs
	@BUILD=build-fuzz tests/fuzz/run.sh

# Everything that `check` runs, built and not run.
programs: all $(UNIT_BIN) $(PROG_BIN) $(FUZZ_BIN) $(BUILD)/demogen

test: check
check: programs
	@BUILD=$(BUILD) PLANT_CC='$(CC) $(CPPFLAGS) $(CFLAGS)' PLANT_LD='$(LDFLAGS)' tests/run.sh

# Which lines and branches of the library the tests reach. What counts them is slow: no test has to be quick.
coverage: deps
	@.ci/deps gcovr python3
	@rm -rf build-coverage/coverage.json && find build-coverage -name '*.gcda' -delete 2>/dev/null || true
	@CK_TIMEOUT_MULTIPLIER=8 $(MAKE) -s COVERAGE=1 check; status=$$?; BUILD=build-coverage tests/coverage.sh && exit $$status

# make soak [CUBBY_SOAK_SECONDS=600] [SOAK="crash kill"]: tests without an end, going on where the last run stopped.
soak: programs
	@BUILD=$(BUILD) tests/soak.sh $(SOAK)

$(BUILD)/demogen: tests/demo/demogen.c tests/demo/demogen_text.h | deps
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -D_GNU_SOURCE $(CFLAGS) $< -o $@

demo: all $(BUILD)/demogen
	@BUILD=$(BUILD) MBOX="$(MBOX)" tests/demo/demo.sh

$(BUILD)/bench/%: bench/%.c $(BUILD)/libcubby.a
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< $(BUILD)/libcubby.a $(LIBS) -o $@

bench: all $(BUILD)/demogen $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))
	@BUILD=$(BUILD) MBOX="$(MBOX)" bench/run.sh

# ---- style ------------------------------------------------------------------------------------------------------------------------

# Every header compiles alone, as C and as C++ (the public ones).
headers: deps
	@for h in $(HEADERS); do $(CC) $(CPPFLAGS) -std=c11 $(WARN) -x c -fsyntax-only $$h || exit 1; done
	@for h in $(wildcard include/*.h); do $(CXX) -Iinclude -Wall -Wextra -Werror -x c++ -fsyntax-only $$h || exit 1; done
	@echo "headers: $(words $(HEADERS)) compile alone"

# tests/tidy.h cannot be before the file that defines what it redefines.
TIDY := xargs -P 2 -n 4 sh -c 'exec clang-tidy --quiet "$$@" --
tidy: deps
	@.ci/deps clang-tidy
	@tests/layers.sh
	@echo $(filter-out src/base/error.c,$(LIB_SRC)) | $(TIDY) $(CPPFLAGS) -include tests/tidy.h -std=c11' tidy
	@echo src/base/error.c | $(TIDY) $(CPPFLAGS) -std=c11' tidy
	@echo $(TOOL_SRC) | $(TIDY) -D_GNU_SOURCE -Iinclude -Itools -std=c11' tidy

# ---- installing -------------------------------------------------------------------------------------------------------------------

install: all
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	$(hide)install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(hide)install -m 755 $(BUILD)/cubby $(DESTDIR)$(PREFIX)/bin/
	$(hide)install -m 644 include/cubby.h include/cubby_vfs.h $(DESTDIR)$(PREFIX)/include/
	$(hide)install -m 644 $(BUILD)/libcubby.a $(DESTDIR)$(PREFIX)/lib/
	$(hide)install -m 755 $(BUILD)/libcubby.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/
	$(hide)ln -sf libcubby.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libcubby.so.$(SOVERSION)
	$(hide)ln -sf libcubby.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libcubby.so
	$(hide)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' cubby.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/cubby.pc
	$(hide)for m in $(MAN); do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/} || exit 1; done
	$(hide)install -m 644 tools/completion/cubby.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/cubby
	$(hide)install -m 644 tools/completion/_cubby $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_cubby
	@[ -n "$(DESTDIR)" ] || ldconfig 2>/dev/null || true # so that the shared library is found

clean:
	rm -rf build build-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
