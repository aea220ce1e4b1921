# `make` lists the targets. Everything is installed in .venv; nothing else is needed first.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

# PyPI's torch for Linux brings several GB of CUDA libraries that the book does not need, so
# the CPU build is tried first. `make TORCH_INDEX= book` takes what PyPI gives.
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname -s)),https://download.pytorch.org/whl/cpu)
TORCH := $(shell grep '^torch==' requirements.txt)

.DEFAULT_GOAL := help
.PHONY: help book pdf test lab serve serve-live notebooks lint bench benchmark
.PHONY: coursework grade clean distclean
.PHONY: same mutants alarms

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

book: $(INSTALLED)  ## execute what is stale, build the site, say where to open it
	@$(BIN)/python tools/build.py

pdf: book  ## print the whole book to _build/pdf/deep-generative-models.pdf; needs Chromium
	@$(BIN)/python tools/pdf.py

test: $(INSTALLED)  ## run all tests and compare every notebook with its stored outputs
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lab: $(INSTALLED)  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab book

serve: book  ## build the site and serve it on this machine only
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

serve-live: book  ## the same, with live code in the pages, which runs on this machine too
	@$(BIN)/python tools/live.py

notebooks: $(INSTALLED)  ## execute what is stale and store the outputs in the notebooks
	@$(BIN)/python tools/notebooks.py

lint: $(INSTALLED)  ## check form and common mistakes, in notebooks too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

coursework: $(INSTALLED)  ## build the notebooks of coursework, for students and for instructors
	@$(BIN)/python -m coursework.build

grade: $(INSTALLED)  ## mark coursework: make grade SUBMISSIONS=folder [SCHEDULER=tcp://...]
	@test -n "$(SUBMISSIONS)" || { echo "Say where the submissions are, as" \
	  "folder/student/assignment/assignment.ipynb: make grade SUBMISSIONS=folder"; exit 1; }
	@$(BIN)/python -m coursework.grade "$(SUBMISSIONS)" \
	  $(if $(SCHEDULER),--scheduler "$(SCHEDULER)") $(OPTIONS)

benchmark: $(INSTALLED)  ## measure run time, memory, page weight and the real models
	$(BIN)/python -m benchmarks

bench: $(INSTALLED)  ## compare flows, bounds and games with other programs, for the speed page
	$(BIN)/python -m pip install -q -r requirements-bench.txt
	$(BIN)/python -m benchmarks.flows
	$(BIN)/python -m benchmarks.importance
	$(BIN)/python -m benchmarks.games
	$(BIN)/python -m benchmarks.marking

same: $(INSTALLED)  ## are outputs and site the same at any number of threads, at every build?
	$(BIN)/python -m upkeep.determinism $(OPTIONS)

mutants: $(INSTALLED)  ## break the code in every way: what do tests and chapters not notice?
	$(BIN)/python -m pip install -q -r requirements-upkeep.txt
	$(BIN)/python -m pytest -q upkeep/test_mutations.py
	$(BIN)/python -m upkeep.mutants $(if $(SAMPLE),--sample $(SAMPLE)) $(OPTIONS)

alarms: $(INSTALLED)  ## run all checks on random numbers under 200 seeds and count false alarms
	$(BIN)/python -m upkeep.alarms $(OPTIONS)

clean:  ## delete what was built, results included
	rm -rf _build

distclean: clean  ## delete the environment too
	rm -rf .venv

$(INSTALLED): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit( \
	  f"The book needs Python 3.11, 3.12 or 3.13; $(PYTHON) is {v[0]}.{v[1]}.\n" \
	  "Name another one like this: make PYTHON=python3.12 book")'
	@$(PYTHON) -m venv .venv || { echo "The book needs Python's venv module; on Debian and" \
	  "Ubuntu it comes with: apt-get install python3-venv"; rm -rf .venv; exit 1; }
ifneq ($(TORCH_INDEX),)
	@echo "Installing $(TORCH) for the CPU from $(TORCH_INDEX)"
	@$(BIN)/python -m pip install --no-deps --retries 0 --timeout 15 --index-url $(TORCH_INDEX) \
	  '$(TORCH)' || echo "The CPU build of torch was not found there; taking PyPI's."
endif
	@echo "Installing the rest; the first time this takes a few minutes"
	@$(BIN)/python -m pip install -r requirements-dev.txt
	@touch $@
