# What newcomers, testers and CI run. Needs Rust, git and make; each target installs the Debian packages
# that it needs and that are missing.

CARGO ?= cargo
.DEFAULT_GOAL := help
# Every target that says what it is for.
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*\#\#.*/\1/p' $(MAKEFILE_LIST))

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: ## collect three days of three machines from a folder into the buffer; needs no server
	@tests/install-test-tools.sh compiler
	@CARGO="$(CARGO)" demo/demo.sh

demo-central: ## the same over FTP into PostgreSQL, with an outage of PostgreSQL half-way
	@tests/install-test-tools.sh compiler
	@tests/install-test-tools.sh demo
	@CARGO="$(CARGO)" demo/demo-central.sh

test: ## run all tests, against real FTP servers and a real PostgreSQL
	@tests/install-test-tools.sh
	$(CARGO) test --locked
	$(CARGO) test --locked --features crash-points --test crash_points

test-openssh: ## the SFTP tests with the OpenSSH of Debian 13; as root
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh package
	CARGO="$(CARGO)" tests/openssh.sh trixie

anomalies: ## the long form of the anomalies' tests: 400 ordinary machine weeks, each flaw in all kinds of shifts, 400 days line by line
	$(CARGO) test --locked --test suite anomalies_planned:: -- --ignored --nocapture

deletions: ## the long form of the deletions' test: 4,000 random histories from a new seed; SEED= HISTORIES=
	CU_AGENT_SEED=$(or $(SEED),$(shell date +%s)) CU_AGENT_HISTORIES=$(or $(HISTORIES),4000) $(CARGO) test --locked \
	    --test suite deletion::invariant_5_holds_at_every_step_of_random_histories -- --nocapture

test-package: ## test the Debian package in real Debian systems; as root
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh package
	cross/build.sh aarch64
	$(CARGO) test --locked --test package

test-package-all: ## the long form: each architecture on Debian 12 and 13, and the upgrade of each from 12 to 13; as root
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh package
	cross/build.sh aarch64 armv6
	$(CARGO) test --locked --test package -- --include-ignored

test-page: ## test the status page in a headless Chromium; screenshots in target/page-screenshots
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh page
	$(CARGO) test --locked --test page

test-page-all: ## the long form: every page on every screen, light and dark, in both languages, of 0 to 40 machines, in every state, all by axe-core
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh page
	$(CARGO) test --locked --test page matrix:: -- --ignored --nocapture

pictures: ## make the pictures of the README again, from a plant of six machines in a headless Chromium
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh pictures
	$(CARGO) test --locked --test page pictures:: -- --ignored --nocapture

test-containers: ## start the container image for real in podman: another user's folder, health, end; as root
	@tests/install-test-tools.sh containers
	cross/build.sh x86_64
	tests/containers/run.sh

test-update: ## test self-update, in real Debian systems too; as root
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh package
	$(CARGO) test --locked --features crash-points --test update

test-fleet: ## forty gateways, two of them real Debian systems that lose their power at each step of a bad update; as root, long
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh package
	$(CARGO) test --locked --features crash-points --test update fleet:: -- --ignored --nocapture

MAJORS ?= 13 14 15 16 17 18

test-postgres: ## test all that speaks to central on each major of PostgreSQL; MAJORS="13 18" FILTERS="central_tls::"
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh postgres
	CARGO="$(CARGO)" FILTERS="$(FILTERS)" tests/postgres/run.sh $(MAJORS)

torture: ## writing machines and random faults of all kinds, for ten minutes; SECONDS= SEED=
	@tests/install-test-tools.sh
	SECONDS=$(or $(SECONDS),600) SEED=$(SEED) $(CARGO) test --locked --test torture -- --nocapture

soak: ## torture for eight hours
	@$(MAKE) --no-print-directory torture SECONDS=$(or $(SECONDS),28800) SEED=$(SEED)

fuzz: ## run each fuzz target for a minute, if nightly Rust is installed; SECONDS=
	@tests/install-test-tools.sh compiler
	@FUZZ_SECONDS=$(or $(SECONDS),60) fuzz/run.sh

bench: ## benchmark parsing and analysis, in bytes and events per second
	@tests/install-test-tools.sh compiler
	$(CARGO) bench --locked --bench day

bench-e2e: ## 60 files from FTP into PostgreSQL, cold and warm, compared with curl and COPY
	@tests/install-test-tools.sh
	$(CARGO) bench --locked --bench e2e

bench-guard: ## compare instruction counts of the hot paths with benches/instructions.txt
	@tests/install-test-tools.sh guard
	$(CARGO) bench --locked --bench guard

bench-guard-update: ## record the current instruction counts; REASON="why a path may cost more"
	@[ -n "$(REASON)" ] || { echo 'say why: make bench-guard-update REASON="..."'; exit 2; }
	@tests/install-test-tools.sh guard
	$(CARGO) bench --locked --bench guard -- --update "$(REASON)"

bench-fleet: ## 200 agents back after 30 days into one PostgreSQL, then polling; AGENTS= DAYS= MINUTES= POLL= MAX_CONNECTIONS= POOL= PARTED=1 TLS=1
	@tests/install-test-tools.sh
	AGENTS=$(AGENTS) DAYS=$(DAYS) MINUTES=$(MINUTES) POLL=$(POLL) MAX_CONNECTIONS=$(MAX_CONNECTIONS) POOL=$(POOL) PARTED=$(PARTED) TLS=$(TLS) \
	    $(CARGO) bench --locked --bench fleet

bench-memory: ## resident memory after weeks of polls and on a huge day, per build; CYCLES= ROUNDS= BUILDS=name=path,...
	@tests/install-test-tools.sh
	CYCLES=$(CYCLES) ROUNDS=$(ROUNDS) BUILDS=$(BUILDS) $(CARGO) bench --locked --bench memory

bench-start: ## time from exec to the first reading, and of `status`, with a year in the buffer; BUILDS=name=path,...
	@tests/install-test-tools.sh
	BUILDS=$(BUILDS) $(CARGO) bench --locked --bench start

bench-wear: ## bytes written to the SD card per working day, polled every 5 minutes, every 30 s, and idle; as root; WEAR="5min 30s idle"
	@tests/install-test-tools.sh
	WEAR="$(or $(WEAR),5min 30s idle)" $(CARGO) bench --locked --bench wear

bench-year: ## 40 machines and 300 days in the buffer: size, polls, pages, reports, replay; MACHINES= DAYS=
	@tests/install-test-tools.sh compiler
	MACHINES=$(MACHINES) DAYS=$(DAYS) $(CARGO) bench --locked --bench year

bench-slow-link: ## 60 waiting sessions, and days that grow, over a link of 100 ms and 64 kB per second
	@tests/install-test-tools.sh
	$(CARGO) bench --locked --bench slow_link

bench-many-files: ## a folder of 20,000 files: memory of the first reading, processor time of a quiet poll; BUILDS=name=path,...
	@tests/install-test-tools.sh
	BUILDS=$(BUILDS) $(CARGO) bench --locked --bench many_files

bench-sftp: ## 60 files over a line of 100 ms and a file of 100 MB, beside OpenSSH's client
	@tests/install-test-tools.sh
	$(CARGO) bench --locked --bench sftp

bench-far-line: ## FTP over a line of 50 ms: a first morning of 60 files beside rclone, quiet polls; as root
	@tests/install-test-tools.sh
	@tests/install-test-tools.sh far-line
	$(CARGO) bench --locked --bench far_line

bench-views: ## views and API queries over three years of 40 machines and 10^7 pieces, cold and warm (minutes, 3 GB of disk); MACHINES= DAYS= PIECES= SCATTERED=1 PLANS=1
	@tests/install-test-tools.sh
	MACHINES=$(MACHINES) DAYS=$(DAYS) PIECES=$(PIECES) SCATTERED=$(SCATTERED) PLANS=$(PLANS) $(CARGO) bench --locked --bench views

TARGETS ?= aarch64 armv7 armv6 x86_64

cross: ## build static binaries for aarch64, armv7, armv6 and x86_64 gateways; TARGETS=aarch64 for one
	@tests/install-test-tools.sh cross
	cross/build.sh $(TARGETS)
	cross/check.sh $(TARGETS)

deb: TARGETS = arm64 armhf amd64

deb: ## build Debian packages for arm64, armhf and amd64; TARGETS=arm64 for one, DEB_VERSION=
	@tests/install-test-tools.sh cross
	@tests/install-test-tools.sh deb
	packaging/build.sh $(TARGETS)

reproducible: ## build twice, by two users in two places, and compare the bytes; TARGETS=aarch64 for one; as root
	@tests/install-test-tools.sh cross
	@tests/install-test-tools.sh deb
	@tests/install-test-tools.sh reproducible
	cross/reproducible.sh $(TARGETS)

release: ## make everything that is published into target/release-VERSION; VERSION= KEY= GPG_KEY= OUT= PREVIOUS= ROLLOUT=
	@[ -n "$(VERSION)" ] || { echo 'say which: make release VERSION=0.2.0 KEY=cu-agent.key GPG_KEY=releases@plant.example'; exit 2; }
	@tests/install-test-tools.sh cross
	@tests/install-test-tools.sh deb
	@tests/install-test-tools.sh release
	packaging/release.sh $(foreach key,$(KEY),--key "$(key)") $(if $(GPG_KEY),--gpg-key "$(GPG_KEY)") \
	    $(if $(OUT),--out "$(OUT)") $(if $(PREVIOUS),--previous "$(PREVIOUS)") $(if $(ROLLOUT),--rollout "$(ROLLOUT)") "$(VERSION)"

# On an emulated board; DEB= names an arm64 package instead of the one that is built from here.
on_board = deb=$(DEB); \
    [ -n "$$deb" ] || { $(MAKE) --no-print-directory deb TARGETS=arm64 && \
        deb=$$(ls -t "$${CARGO_TARGET_DIR:-$$PWD/target}"/deb/cu-agent_*_arm64.deb | head -n 1); } && \
    DEB=$$deb N=$(N) SEED=$(SEED) POLLS=$(POLLS) $(CARGO) test --locked --test gateway -- --nocapture --test-threads 1

gateway: ## test the package on an emulated ARM Debian: install, confinement, watchdog, reboot, upgrade, failed update; SUITE=trixie; as root
	@tests/install-test-tools.sh gateway
	@$(on_board) life:: update::

gateway-container: SUITE = trixie
gateway-container: WITH = podman
gateway-container: ## the same as a container that systemd starts by podman's quadlet, on an emulated Debian 13; as root
	@tests/install-test-tools.sh gateway
	@export SUITE=$(SUITE) WITH=$(WITH); $(on_board) --ignored container::

gateway-week: ## resident memory of the service there after a week of polls, takes 25 minutes; POLLS=2016; as root
	@tests/install-test-tools.sh gateway
	@$(on_board) week::

powercut: ## cut the power of that gateway under load, then compare every row; N=20 SEED=; as root
	@tests/install-test-tools.sh gateway
	@$(on_board) disk:: power_cuts::

advisories: ## compare Cargo.lock with the RustSec database, which cargo-deny fetches from GitHub
	$(CARGO) deny check advisories

advisories-dated: ## the same with the copy in packaging/advisories.txt, which says how old it is
	@packaging/linked.py advisories

lint: ## check formatting, clippy, and the dependency rules if cargo-deny is installed
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --features crash-points -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	    $(CARGO) deny --offline check bans licenses sources; \
	else \
	    echo "cargo-deny is not installed: deny.toml was not checked"; \
	fi
