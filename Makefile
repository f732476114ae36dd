SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

# The store speaks SQLite through cgo, so a C compiler is always needed.
export CGO_ENABLED := 1

GO      ?= go
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -X main.commit=$(COMMIT)

# Seconds that each fuzz target runs in `make fuzz`.
FUZZTIME ?= 5s

.PHONY: build test peers check unit interop relay conference registrar cdr script bench bench-conference bench-relay bench-registrar bench-cdr bench-script long fuzz prompts clean

build: ## bin/tandem
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/tandem ./cmd/tandem

test: peers check unit interop relay conference registrar cdr script ## everything that must hold, as CI runs it

peers: ## the phones and load tools that the interop tests call with
	bash test/peers.sh

# With -race, so that vet and the tests share what they compile.
check:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet -race ./...
	$(GO) vet -race -tags interop ./test/interop/...

unit:
	$(GO) test -race ./...

# Calls between Tandem and peers that nobody here wrote: real sockets, real processes.
interop:
	$(GO) test -race -tags interop -count=1 -parallel 4 -timeout 10m ./test/interop/...

# A few seconds that fail on lost packets and on gross faults only: others may be busy here.
relay:
	$(GO) run ./bench/relay -short

conference:
	$(GO) run ./bench/conference -short

bench-conference: ## CPU of 300 parties in rooms of ten; needs an idle machine
	$(GO) run ./bench/conference

bench-relay: ## CPU of a relayed packet beside C and a goroutine a socket; needs an idle machine
	$(GO) run ./bench/relay

# A few seconds, as relay.
registrar:
	$(GO) run ./bench/registrar -short

bench-registrar: ## memory and CPU of 100,000 registrations beside reading and checking them; needs an idle machine
	$(GO) run ./bench/registrar

# Two hundred thousand records, as relay.
cdr:
	$(GO) run ./bench/cdr -short

bench-cdr: ## questions about 5 million call records beside plain SQL, and writing; needs 10 GB and an idle machine
	$(GO) run ./bench/cdr

# A few seconds, as relay.
script:
	$(GO) run ./bench/script -short

bench-script: ## CPU and memory of a script beside Go, 5,000 waiting calls, reloads under load; needs an idle machine
	$(GO) run ./bench/script

long: ## the tests that are cut short in `make test`, at full size
	FLOOD=full $(GO) test -count=1 -timeout 5m -run '^TestFlood$$' -v ./cmd/tandem
	MANY_CALLS=10000 $(GO) test -race -count=1 -timeout 30m -run '^TestManyCalls$$' -v ./b2bua
	MANY_SPECS=1000 $(GO) test -count=1 -timeout 5m -run "^TestManySpecs$$" -v ./scripting/sim
	KEYS=10000 $(GO) test -race -count=1 -timeout 10m -run '^TestTenThousandKeysByInfo$$' -v ./b2bua
	KILLS=50 $(GO) test -race -tags interop -count=1 -timeout 20m -run '^TestKillUnderLoad$$' -v ./test/interop

bench: ## every benchmark, with its allocations
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz: ## every fuzz target for FUZZTIME
	FUZZTIME=$(FUZZTIME) bash test/fuzz.sh

prompts: ## speaks scripts/prompts/prompts.txt anew
	bash scripts/prompts/make.sh

clean:
	rm -rf bin
