#!/usr/bin/env python3
"""Keeps events durably in reco's log and in embedded stores, and writes docs/benchmarks/log.md; see README.md."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from environment import DOCS, machine  # noqa: E402

HERE = Path(__file__).resolve().parent
RUNS = 3
FIGURES = ["events_per_second", "p50_ms", "p99_ms", "read_per_second"]


def measured(program, folder):
    """The figures of one run, by store, writers and batch."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        output = subprocess.run([program, place], check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    return {(line["writers"], line["batch"], line["store"]): [line[figure] for figure in FIGURES] for line in lines}


def table(runs):
    """Medians of all runs, and how much faster reco's log is than each store."""
    heads = ["writers", "events a batch", "store", "events/s", "p50 ms", "p99 ms", "read back, events/s", "reco is"]
    lines = [row(heads), row(["---"] * len(heads))]
    medians = {key: [statistics.median(run[key][place] for run in runs) for place in range(len(FIGURES))] for key in runs[0]}
    for (writers, batch, store), (rate, p50, p99, read) in medians.items():
        ours = medians[writers, batch, "reco"][0]
        beside = "" if store == "reco" else f"{ours / rate:.1f} times as fast"
        lines.append(row([writers, batch, store, f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{read:,.0f}", beside]))
    return "\n".join(lines) + "\n"


def row(cells):
    return f"| {' | '.join(map(str, cells))} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE, help="on the disk to measure; beside this script unless set")
    folder = parser.parse_args().folder
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=HERE, check=True)
    program = HERE / "target" / "release" / "reco-log-bench"
    runs = []
    for place in range(RUNS):
        print(f"run {place + 1} of {RUNS}", file=sys.stderr)
        runs.append(measured(program, folder))
    heading = (
        "# The event log\n\n"
        "Events kept durably and read back, beside embedded stores that do the same: check ids, give positions, wait for the\n"
        f"disk. Medians of {RUNS} runs, made by `benches/log/run.py` on {time.strftime('%Y-%m-%d')} with {machine()}.\n\n"
    )
    (DOCS / "log.md").write_text(heading + table(runs))


if __name__ == "__main__":
    main()
