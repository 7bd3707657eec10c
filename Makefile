# What people run. Everything needs only Go; tests use a real Apache Kafka too
# where java and mvn are installed (PENSTOCK_TEST_KAFKA=off leaves it out).

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK ?= golang.org/x/vuln/cmd/govulncheck@v1.9.0
PACKAGES    ?= ./...

# One static binary: the C compiler is never asked.
export CGO_ENABLED ?= 0

.PHONY: help build demo test race check lint vuln golden fuzz torture bench bench-code examples clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the binary, bin/penstock
	$(GO) build -trimpath -o bin/penstock ./cmd/penstock

demo: build ## a broker, generated orders and four live metrics, in this terminal
	./bin/penstock demo

test: ## all tests, on the embedded broker and on Apache Kafka
	@.ci/kafka-note
	$(GO) test -timeout 20m $(PACKAGES)

# Without goroutines there is nothing to find: query, and what is deterministic in
# engine (the first is held by a test beside the borders). Nor is there where a test
# drives other processes: the command's terminals, torture, the real Kafka's harness.
RACED = $(shell $(GO) list $(PACKAGES) | grep -vE '^penstock/(query|examples|cmd/penstock$$|engine/(core|format|local|reference|torture|bench|broker/kafkatest)$$)')

race: ## what has goroutines under the race detector, on the embedded broker (needs a C compiler)
	CGO_ENABLED=1 PENSTOCK_TEST_KAFKA=off $(GO) test -race -timeout 40m $(RACED)

check: lint test ## what has to pass before a commit

lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) run $(STATICCHECK) $(PACKAGES)

vuln: ## known vulnerabilities in what we call
	$(GO) run $(GOVULNCHECK) $(PACKAGES)

# The packages whose tests are text files; only they know the flag.
GOLDEN = $(shell $(GO) list -f '{{$$p := .ImportPath}}{{range .TestImports}}{{$$p}} {{.}}{{"\n"}}{{end}}{{range .XTestImports}}{{$$p}} {{.}}{{"\n"}}{{end}}' $(PACKAGES) \
	| awk '$$2 ~ "/datadriven$$|/testscript$$" {print $$1}' | sort -u)

golden: ## write what the tests got into their files; read the diff then
	$(GO) test $(GOLDEN) -rewrite
	git --no-pager diff --stat

fuzz: ## every fuzzer for ten minutes (FUZZTIME=20s for less)
	GO=$(GO) .ci/fuzz

torture: ## all of the simulator, its planted mistakes, the failing disks, and real processes (two hours)
	PENSTOCK_SIM_CRASHES=20000 $(GO) test -timeout 60m -count 1 -v -run 'TestSimulator$$' ./engine/local
	PENSTOCK_BUGS=all $(GO) test -timeout 60m -count 1 -v -run 'TestPlantedBugs' ./engine/local
	PENSTOCK_DISK_FAULTS=2000 PENSTOCK_DISK_DAMAGE=1000 $(GO) test -timeout 60m -count 1 -v -run 'OfAnApplication' ./engine/local
	$(GO) test -timeout 60m -count 1 -v -run 'TestErrorAtEveryOperation|TestDamage|TestCrash|TestFullDisk' ./storage -fault.every=1 -damage.seeds=1000 -crash.seeds=1000
	PENSTOCK_READERS=1000000 $(GO) test -timeout 20m -count 1 -v -run 'TestReadersUnderLoad' ./engine/httpapi
	$(GO) test -timeout 3h -count 1 -v ./engine/torture -torture.full

# BENCH are the arguments of cmd/bench (bin/bench -h). Without any it takes less than two minutes;
# all of it is BENCH='-profiles "small large wide" -live-for 60s'.
BENCH ?=

bench: build ## the engine beside what it cannot beat, with ratios, recovery and latency
	@$(GO) build -o bin/bench ./cmd/bench
	@bin/bench $(BENCH)

bench-code: ## the benchmarks beside the code
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)

examples: build ## run every example the way its first lines say
	.ci/examples

clean: ## remove what make made
	rm -rf bin
