"""Measure L_K from K log-weights, streamed and otherwise, and write benchmarks/importance.json.

    python -m benchmarks.importance            all of it, about 3 minutes
    python -m benchmarks.importance quick      up to K = 10^5, nothing written

Four programs estimate the same bound of the same model once, in float64: z ~ N(0, 1),
x | z ~ N(z, 1/2), x = 3/2, proposal N(1/2, 1). Each K has a process of its own, of one thread.
Seconds are CPU seconds, the median of a few runs. Memory is the peak of resident memory less
that of a process that makes the same imports and one call with K = 16.
"""

import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # each program imports what it needs and no more: its memory is measured
    import torch

    from helpers.importance import NormalWorld

RESULTS = Path(__file__).with_suffix(".json")
SAMPLES = tuple(10**power for power in range(3, 8))
CHUNK = 65_536
SECONDS, MEBIBYTES = 60, 4096  # what one call may take; larger K are left out
RUNS = 5

Program = Callable[[int], float]  # from K to an estimate of L_K


def streamed() -> Program:
    """Chunks of log-weights into one `LogMean`."""
    from helpers.importance import LogMean

    world, generator = example()

    def run(samples: int) -> float:
        mean = LogMean()
        while mean.count < samples:
            shape = (min(CHUNK, samples - mean.count),)
            mean.add(world.draw_log_weights(shape, generator=generator))
        return mean.value()

    return run


def one_liner() -> Program:
    """All log-weights at once, then torch.logsumexp."""
    import torch

    world, generator = example()

    def run(samples: int) -> float:
        log_weights = world.draw_log_weights((samples,), generator=generator)
        return float(torch.logsumexp(log_weights, dim=0)) - math.log(samples)

    return run


def example() -> tuple["NormalWorld", "torch.Generator"]:
    """The model and a source of draws."""
    import torch

    from helpers.importance import NormalWorld

    return NormalWorld(1.5, 0.5, 0.5, 1.0), torch.Generator().manual_seed(0)


def pyro_vectorized() -> Program:
    """Pyro's RenyiELBO with alpha = 0, all particles in one tensor."""
    return pyro_bound(vectorized=True)


def pyro_serial() -> Program:
    """Pyro's RenyiELBO with alpha = 0, one particle after the other."""
    return pyro_bound(vectorized=False)


def pyro_bound(vectorized: bool) -> Program:
    import pyro
    import torch
    from pyro.distributions import Normal
    from pyro.infer import RenyiELBO

    pyro.set_rng_seed(0)
    zero, half, one, x = torch.tensor([0.0, 0.5, 1.0, 1.5], dtype=torch.float64)

    def model() -> None:
        z = pyro.sample("z", Normal(zero, one))
        pyro.sample("x", Normal(z, half.sqrt()), obs=x)

    def guide() -> None:
        pyro.sample("z", Normal(half, one))

    def run(samples: int) -> float:
        bound = RenyiELBO(
            alpha=0,
            num_particles=samples,
            vectorize_particles=vectorized,
            max_plate_nesting=0,
            strict_enumeration_warning=False,
        )
        return -bound.loss(model, guide)

    return run


PROGRAMS = {
    "streamed": streamed,
    "one-liner": one_liner,
    "Pyro, vectorized": pyro_vectorized,
    "Pyro, one by one": pyro_serial,
}


def measure(program: str, samples: int) -> None:
    """In a process of its own: print seconds, peak memory in KiB and the estimate."""
    import torch

    torch.set_num_threads(1)
    run = PROGRAMS[program]()
    value, seconds = run(16), []
    while samples and len(seconds) < RUNS and sum(seconds) < SECONDS / 2:
        started = time.process_time()
        value = run(samples)
        seconds.append(time.process_time() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = statistics.median(seconds) if seconds else 0.0
    print(json.dumps({"seconds": taken, "kibibytes": peak, "value": value}))


def measured(program: str, samples: int) -> dict:
    """What `measure` prints."""
    command = [sys.executable, "-m", "benchmarks.importance", "measure", program, str(samples)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def rows_of(program: str, largest: int) -> list[dict]:
    """A row for each K; from the first that would take too much, rows that say so."""
    empty = min(measured(program, 0)["kibibytes"] for _ in range(3))
    rows: list[dict] = []
    for samples in SAMPLES:
        if samples > largest:
            break
        row = {"program": program, "samples": samples, "too_much": too_much(rows)}
        if not row["too_much"]:
            found = measured(program, samples)
            row["seconds"], row["value"] = found["seconds"], found["value"]
            row["mebibytes"] = max(0, found["kibibytes"] - empty) / 1024
        print(row, flush=True)
        rows.append(row)
    return rows


def too_much(rows: list[dict]) -> str:
    """Whether ten times what the last K took is beyond the limits: "time", "memory" or ""."""
    if not rows or rows[-1]["too_much"]:
        return rows[-1]["too_much"] if rows else ""
    if 10 * rows[-1]["seconds"] > SECONDS:
        return "time"
    return "memory" if 10 * rows[-1]["mebibytes"] > MEBIBYTES else ""


def main() -> None:
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
        return
    import torch

    from benchmarks.machine import machine

    torch.set_num_threads(1)
    quick = "quick" in sys.argv[1:]
    rows = [row for name in PROGRAMS for row in rows_of(name, 10**5 if quick else SAMPLES[-1])]
    world, _ = example()
    results = {
        "machine": machine() | {"pyro": version("pyro-ppl")},
        "limits": {"seconds": SECONDS, "mebibytes": MEBIBYTES},
        "exact": {str(samples): world.bound(samples) for samples in SAMPLES},
        "rows": rows,
    }
    if not quick:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
