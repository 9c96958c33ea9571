# labrun: build, test, run. `make scenario` and `make test` are all that a fresh checkout needs.
SHELL := /bin/bash
.DEFAULT_GOAL := build

SCENARIO ?= scenarios/vxlan-blocked-8472.yaml
KERNEL ?= 6.1
# Kernels whose images the tests boot.
TEST_KERNELS ?= all
# Tests start Kubernetes' servers: labrun's own, compiled once, or those in the folder LABRUN_CONTROL_PLANE_BIN.
CONTROL_PLANE := $(if $(LABRUN_CONTROL_PLANE_BIN),,--control-plane)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
SWIFT ?= swift
STRIP ?= strip
LABRUN := $(CURDIR)/.build/release/labrun
GUEST := .build/release/guest
REVISION := $(GUEST)/revision

# The manifest reads what sources import, so what SwiftPM remembers of it is not used.
MANIFEST := --manifest-cache none
# One configuration for products and tests, so that no module is compiled twice. Tests see what modules keep to
# themselves, which makes a node's program 2 % larger.
CONFIGURATION := -c release -Xswiftc -enable-testing $(MANIFEST)
# One binary is both programs of a node. What checks the datapath is only in the images of `image verify` and
# `image bench`.
GUEST_PRODUCT := labguest
GUEST_NAMES := labnode datapathd
CHECK_PRODUCT := labverify

PACKAGES := qemu-system-x86 libvirt-daemon libvirt-daemon-driver-qemu libvirt-dev libbpf-dev libelf-dev zlib1g-dev \
	libpcap-dev libnl-3-dev libnl-route-3-dev libnftables-dev nftables libssl-dev libxml2-dev linux-libc-dev pkg-config \
	binutils kmod cpio xz-utils lz4 zstd squashfs-tools busybox-static iproute2 iperf3 iptables debian-archive-keyring \
	ca-certificates patch

PACKETS ?= 1000000
CONFORMANCE ?= .build/conformance
FUZZ_KERNELS ?= 5.10 6.1

# Binaries of a node lie in its RAM: no symbols.
PLACE_GUEST = mkdir -p $(GUEST); for pair in $(GUEST_NAMES:%=$(GUEST_PRODUCT):%) $(CHECK_PRODUCT):$(CHECK_PRODUCT); do \
		from=.build/release/$${pair%:*}; to=$(GUEST)/$${pair\#*:}; \
		[ $$to -nt $$from ] || { $(STRIP) -s -o $$to.new $$from && mv $$to.new $$to; } || exit 1; \
	done

.PHONY: check-bpf build deps bpf image control-plane scenario test check format bench bench-control-plane bench-datapath conformance fuzz man docs soak clean

## build: everything; leaves .build/release/labrun, runnable from any directory
# In one go: the programs' chains of modules keep both processors busy side by side.
build: bpf
	LABRUN_SHIPS_ONLY=1 $(SWIFT) build $(CONFIGURATION)
	@$(PLACE_GUEST)
	@git describe --always --dirty --abbrev=12 > $(REVISION).new 2>/dev/null || echo unknown > $(REVISION).new; \
	cmp -s $(REVISION).new $(REVISION) && rm $(REVISION).new || mv $(REVISION).new $(REVISION)

## deps: installs the system packages that are missing, and opens /dev/net/tun as stock Debian has it
deps:
	@missing=""; for package in $(PACKAGES); do \
		[ "$$(dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null)" = installed ] \
			|| missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "installing:$$missing"; \
		install() { $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; }; \
		ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || $(SUDO) apt-get update -qq || exit 1; \
		install || { $(SUDO) apt-get update -qq && install; } || exit 1; \
	fi
	@if [ -c /dev/net/tun ] && [ "$$(stat -c %a /dev/net/tun)" != 666 ]; then $(SUDO) chmod 0666 /dev/net/tun; fi
	@command -v $(SWIFT) >/dev/null \
		|| { echo "swift 6.3 or later is not on the PATH: https://www.swift.org/install" >&2; exit 1; }

# The objects are embedded by a C target, so they come before every Swift build.
bpf:
	@$(MAKE) --no-print-directory -C bpf

## image: the node image of KERNEL (5.10, 6.1, 6.12, 7.2 or all)
image: build
	$(LABRUN) image build --kernel $(KERNEL)

## control-plane: Kubernetes' servers for labs, compiled from Debian's sources, once
control-plane: deps build
	$(LABRUN) image build --kernel $(KERNEL) --control-plane

## scenario: from a fresh checkout to a report: SCENARIO=FILE, ARGS=options of labrun
scenario: deps build image
	$(LABRUN) scenario $(SCENARIO) $(ARGS)

## test: unit tests, then tests in virtual machines, two labs at a time; FILTER=regular expression, LABRUN_TEST_LANES=1
test: deps build check-bpf
	$(LABRUN) image build --kernel $(TEST_KERNELS) $(CONTROL_PLANE)
	LABRUN=$(LABRUN) LABRUN_GUEST_DIR=$(CURDIR)/$(GUEST) SWIFT=$(SWIFT) FILTER='$(FILTER)' .ci/swift-test $(CONFIGURATION)

## check-bpf: the datapath's BPF programs on this machine's own kernel, as root, in seconds; names what it lacks
check-bpf: build
	@$(GUEST)/labverify selftest; status=$$?; [ $$status -eq 3 ] || exit $$status

## check: format, self-contained BPF headers, a build with warnings as errors and every import declared
check: bpf
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests lab scenarios reports
	$(MAKE) --no-print-directory -C bpf check-headers
	$(SWIFT) build --build-tests $(CONFIGURATION) --explicit-target-dependency-import-check error

## format: lays all Swift sources out as .swift-format says
format:
	$(SWIFT) format format --in-place --recursive --parallel Package.swift Sources Tests lab scenarios reports

## bench: times and sizes as ratios against floors of the same run; the datapath on this machine itself, as root
bench: deps build
	$(LABRUN) image build --kernel $(KERNEL)
	LABRUN=$(LABRUN) LABVERIFY=$(CURDIR)/$(GUEST)/labverify .build/release/labbench $(ROUNDS)

## bench-control-plane: of that, what a control plane costs: labs of three nodes, and one of 16 with 500 pods
bench-control-plane: deps build
	$(LABRUN) image build --kernel $(KERNEL) $(CONTROL_PLANE)
	LABRUN=$(LABRUN) .build/release/labbench control-plane

## conformance: a lab with Kubernetes' own kubelets, then the same pods and faults for the lab's own kubelet and for Kubernetes', and in what they differ; an hour
conformance: deps build
	$(LABRUN) image build --kernel $(KERNEL) --kubelet $(CONTROL_PLANE)
	$(LABRUN) scenario bench/real-kubelet.yaml
	LABRUN=$(LABRUN) .build/release/labbench conformance $(CONFORMANCE)

## bench-datapath: of that, the datapath on this machine itself alone: nanoseconds a packet, throughput, calls a second
bench-datapath: deps build
	LABVERIFY=$(CURDIR)/$(GUEST)/labverify .build/release/labbench datapath

## fuzz: PACKETS fuzzed packets for every BPF program in the kernels of FUZZ_KERNELS
fuzz: build
	$(LABRUN) image verify --kernel $(FUZZ_KERNELS) --fuzz $(PACKETS)

## man: manual page and shell completions, generated into .build/share
man: build
	$(SWIFT) package generate-manual
	@mkdir -p .build/share && cp .build/plugins/GenerateManual/outputs/labrun/labrun.1 .build/share/
	@for shell in bash zsh fish; do $(LABRUN) --generate-completion-script $$shell > .build/share/labrun.$$shell; done
	@ls .build/share

## docs: the generated tables in docs/reference and README.md, and DocC pages of all modules in .build/docc
docs: build
	$(LABRUN) docs
	$(SWIFT) package $(MANIFEST) dump-symbol-graph --minimum-access-level public --skip-synthesized-members
	DOCC="$$(command -v docc || echo "$$(dirname "$$(readlink -f "$$(command -v $(SWIFT))")")/docc")" .ci/docc

## soak: RUNS times the same scenario, each with its verdict and time; fails unless all pass
soak: build
	LABRUN=$(LABRUN) bench/soak $(or $(RUNS),20) $(SCENARIO)

clean:
	rm -rf .build .build-bpf
