#!/usr/bin/env python3
"""Measures from how many vectors on a graph answers faster than a scan that misses nothing; see README.md."""

import json
import subprocess
import time

from run import CACHE, DOCS, GOAL, PACKAGES, build_reco, enter, joined, machine, speed_at, word_vectors

SIZES = [2_000, 5_000, 10_000, 20_000, 40_000, 80_000]
KS = [10, 50]
WIDTHS = [10, 20, 30, 40, 60, 80, 100, 125, 150]
# What searches use by default: 128 + 2 k.
DEFAULT = {10: 148, 50: 228}


def measured(vectors, queries):
    """Per size, the reports of the exact index and of the graph."""
    import numpy as np

    reco = build_reco()
    rows, reports = np.load(vectors), {}
    for size in SIZES:
        part = CACHE / f"first-{size}.npy"
        np.save(part, rows[:size])
        command = [reco, "bench", "index", "--json", "--vectors", part, "--queries", queries]
        command += ["--k", joined(KS), "--index", "exact,hnsw", "--width", joined([*WIDTHS, *DEFAULT.values()])]
        report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        reports[size] = json.loads(report)["indexes"]
        part.unlink()
    return reports


def page(reports):
    lines = [
        "# Exact search or a graph",
        "",
        "The first of the word vectors of [the comparison](index.md), 100 dimensions, inner product, one thread, queries/s.",
        f"Measured {time.strftime('%Y-%m-%d')} on {machine()}. Made by `benches/index/crossover.py`.",
        "",
        f"| vectors | k | exact | graph at recall {GOAL} | graph by default | its recall |",
        "|---|---|---|---|---|---|",
    ]
    for size, (exact, graph) in reports.items():
        for k in KS:
            scan = next(point for point in exact["sweep"] if point["k"] == k)
            default = next(point for point in graph["sweep"] if (point["k"], point["width"]) == (k, DEFAULT[k]))
            at_goal = speed_at(graph, k, GOAL)
            cells = [f"{size:,}", k, f"{scan['queries_per_s']:,.0f}", "-" if at_goal is None else f"{at_goal:,.0f}"]
            cells += [f"{default['queries_per_s']:,.0f}", f"{default['recall']:.4f}"]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        "`AnyIndex::build` scans up to 20,000 vectors: the graph by default, which may miss something, is no faster there, and",
        "takes far longer to build.",
    ]
    return "\n".join(lines) + "\n"


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    enter("index-bench", PACKAGES, __file__)
    text = page(measured(*word_vectors()))
    (DOCS / "index-crossover.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
