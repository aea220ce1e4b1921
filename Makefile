# `make` lists the targets. Everything is installed in .venv; nothing else is needed first.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

# PyPI's torch for Linux brings several GB of CUDA libraries that the book does not need, so
# the CPU build is tried first. `make TORCH_INDEX= book` takes what PyPI gives.
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname -s)),https://download.pytorch.org/whl/cpu)
TORCH := $(shell grep '^torch==' requirements.txt)

# uv takes seconds where pip takes minutes. pip comes after it, because it knows settings that uv
# does not read (an index of your own, say, in pip.conf or PIP_INDEX_URL).
install = $(BIN)/python -m uv pip install -r $(1) -c constraints.txt || \
  $(BIN)/python -m pip install -q -r $(1) -c constraints.txt

# Where Python is told to keep no compiled modules, as in many containers, every process compiles
# anew what it imports, and kernels take twice as long to start.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help book pdf test lab serve serve-live notebooks lint bench benchmark
.PHONY: coursework grade clean distclean
.PHONY: faults recipes chapter links times cuda release-check
.PHONY: upkeep-installed colab binder matrix lock upgrade
.PHONY: same mutants alarms

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

book: $(INSTALLED)  ## execute what is stale, build the site, say where to open it
	@$(BIN)/python tools/build.py

pdf: book  ## print the whole book to _build/pdf/deep-generative-models.pdf; needs Chromium
	@$(BIN)/python tools/pdf.py

test: $(INSTALLED)  ## run all tests and compare every notebook with its stored outputs
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lab: $(INSTALLED)  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab book

serve: book  ## build the site and serve it on this machine only
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

serve-live: book  ## the same, with live code in the pages, which runs on this machine too
	@$(BIN)/python tools/live.py

notebooks: $(INSTALLED)  ## execute what is stale and store the outputs in the notebooks
	@$(BIN)/python tools/notebooks.py

lint: $(INSTALLED)  ## check form and common mistakes, in notebooks and workflows too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

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
	$(call install,requirements-bench.txt)
	$(BIN)/python -m benchmarks.flows
	$(BIN)/python -m benchmarks.importance
	$(BIN)/python -m benchmarks.games
	$(BIN)/python -m benchmarks.marking

faults: $(INSTALLED)  ## produce faults (killed, full disk, no network, old browser); WORD=kernel
	@$(BIN)/python -m upkeep.faults $(WORD)

recipes: $(INSTALLED)  ## follow CONTRIBUTING.md word for word in a fresh clone
	@$(BIN)/python -m upkeep.recipes

chapter: $(INSTALLED)  ## begin a chapter: make chapter STEM=07_entropy TITLE="Entropy"
	@$(BIN)/python -m upkeep.chapter "$(STEM)" "$(TITLE)"

links: book  ## follow every link of the site; needs a network
	@$(BIN)/python -m upkeep.links

times: $(INSTALLED)  ## how long each chapter took in the last build
	@$(BIN)/python -m upkeep.times

cuda: $(INSTALLED)  ## execute all chapters on a GPU and compare verdicts; needs CUDA
	@$(BIN)/python -m upkeep.cuda

release-check: $(INSTALLED)  ## what a machine can check of a release
	@$(BIN)/python -m upkeep.release

upkeep-installed: $(INSTALLED)
	@$(call install,requirements-upkeep.txt)

colab: upkeep-installed  ## run each chapter and assignment alone, with the versions of Colab
	@$(BIN)/python -m upkeep.colab

binder: upkeep-installed book  ## do Binder's steps without an engine: install, run, open
	@$(BIN)/python -m upkeep.binder

matrix: upkeep-installed  ## test all supported Pythons with old and new versions: [ROWS=--all]
	@$(BIN)/python -m upkeep.matrix $(ROWS)

lock: upkeep-installed  ## write constraints.txt anew after a pin was changed
	@$(BIN)/python -m upkeep.lock

upgrade: upkeep-installed  ## raise what the pins leave open, and say which pins could rise
	@$(BIN)/python -m upkeep.lock --upgrade

same: $(INSTALLED)  ## are outputs and site the same at any number of threads, at every build?
	$(BIN)/python -m upkeep.determinism $(OPTIONS)

mutants: upkeep-installed  ## break the code in every way: what do tests and chapters not notice?
	$(BIN)/python -m pytest -q upkeep/test_mutations.py
	$(BIN)/python -m upkeep.mutants $(if $(SAMPLE),--sample $(SAMPLE)) $(OPTIONS)

alarms: $(INSTALLED)  ## run all checks on random numbers under 200 seeds and count false alarms
	$(BIN)/python -m upkeep.alarms $(OPTIONS)

clean:  ## delete what was built, results included
	rm -rf _build

distclean: clean  ## delete the environment too
	rm -rf .venv

$(INSTALLED): requirements.txt requirements-dev.txt requirements-coursework.txt constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit( \
	  f"The book needs Python 3.11, 3.12 or 3.13; $(PYTHON) is {v[0]}.{v[1]}.\n" \
	  "Name another one like this: make PYTHON=python3.12 book")'
	@test -w . || { echo "The book is installed and built in its own folder, and $$PWD cannot be" \
	  "written: copy it to a place where you may write, and run make there."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "The environment .venv could not be made: see above. If" \
	  "Python's venv module is missing: on Debian and Ubuntu, apt-get install python3-venv"; \
	  rm -rf .venv; exit 1; }
ifneq ($(TORCH_INDEX),)
	@echo "Installing $(TORCH) for the CPU from $(TORCH_INDEX)"
	@$(BIN)/python -m pip install --no-deps --retries 0 --timeout 15 --index-url $(TORCH_INDEX) \
	  '$(TORCH)' || echo "The CPU build of torch was not found there; taking PyPI's."
endif
	@echo "Installing the rest; the first time this takes a minute or two"
	@{ $(BIN)/python -m pip install --no-deps -q '$(TORCH)' && \
	  { $(BIN)/python -m pip install -q uv -c constraints.txt; \
	  $(call install,requirements-dev.txt); }; } || { \
	  echo "Installing failed: see above. It needs PyPI, or another index that pip is told of" \
	  "(PIP_INDEX_URL), and 2 GB of disk. What was installed stays; run the same command again."; \
	  exit 1; }
	@touch $@
