#!/usr/bin/env python3
"""Measures how reco's HNSW index grows from 100,000 to 1,000,000 vectors of 128 dimensions; see README.md."""

import json
import math
import subprocess
import sys
import time

from run import CACHE, DOCS, PACKAGES, build_reco, enter, joined, machine

N_VECTORS, N_QUERIES, DIM, SEED = 1_000_000, 1_000, 128, 7
SIZES = [100_000, 300_000, 1_000_000]
K, GOAL = 50, 0.95
WIDTHS = [50, 75, 100, 150, 200, 300, 400, 600]
PROJECTED = 10_000_000


def clustered():
    """Unit vectors like those of a catalogue: 2,000 groups of very different sizes and spreads, each around a centre
    and along 24 directions of its own, and a little noise in all directions."""
    import numpy as np

    random = np.random.default_rng(SEED)
    n_groups, rank, n = 2_000, 24, N_VECTORS + N_QUERIES
    weights = 1 / np.arange(1, n_groups + 1) ** 0.7
    group = random.choice(n_groups, n, p=weights / weights.sum())
    rows = np.empty((n, DIM), np.float32)
    decay = (np.arange(1, DIM + 1) ** -0.3).astype(np.float32)
    for one in range(n_groups):
        members = np.flatnonzero(group == one)
        centre = random.standard_normal(DIM, np.float32) * decay
        directions = random.standard_normal((rank, DIM), np.float32) * decay / math.sqrt(rank)
        spread = np.float32(random.lognormal(0, 0.4))
        along = random.standard_normal((len(members), rank), np.float32)
        noise = random.standard_normal((len(members), DIM), np.float32) * decay
        rows[members] = centre + spread * (along @ directions) + np.float32(0.2) * noise
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def files():
    """Files of vectors, one per size, each the beginning of the next, and of queries."""
    import numpy as np

    names = [CACHE / f"scale-{size}.npy" for size in SIZES]
    queries = CACHE / "scale-queries.npy"
    if not all(file.exists() for file in [*names, queries]):
        rows = clustered()
        for size, file in zip(SIZES, names):
            np.save(file, rows[:size])
        np.save(queries, rows[N_VECTORS:])
    return names, queries


def measured(only):
    reco = build_reco()
    vectors, queries = files()
    reports = {}
    for size, file in zip(SIZES, vectors):
        kept = CACHE / f"scale-{size}.json"
        if only is None or size in only:
            command = [reco, "bench", "index", "--json", "--k", str(K)]
            command += ["--vectors", file, "--queries", queries, "--width", joined(WIDTHS)]
            print("measuring", size, file=sys.stderr)
            kept.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
        if kept.exists():
            reports[size] = json.loads(kept.read_text())["indexes"][0]
    return reports


def at_goal(report):
    """The narrowest search measured that reaches the recall."""
    return next(point for point in report["sweep"] if point["recall"] >= GOAL)


def exponent(reports, value):
    """The slope of a value's logarithm over that of the size, from the two largest."""
    (small, first), (large, second) = list(reports.items())[-2:]
    return math.log(value(second) / value(first)) / math.log(large / small)


def projected(reports, value):
    size, report = list(reports.items())[-1]
    return value(report) * (PROJECTED / size) ** exponent(reports, value)


def page(reports):
    lines = [
        "# The index at scale",
        "",
        f"Unit vectors of {DIM} dimensions in groups of very different sizes and spreads, inner product; {N_QUERIES:,} others as queries;",
        f"16 links, build width 200; one thread. Measured {time.strftime('%Y-%m-%d')} on {machine()}. Made by `benches/index/scale.py`.",
        "",
        f"| vectors | build, CPU s | memory, MB | file opened in, ms | width for recall@{K} >= {GOAL} | recall | queries/s | p50, us | p99, us |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for size, report in reports.items():
        point = at_goal(report)
        cells = [f"{size:,}", f"{report['build_cpu_s']:.0f}", f"{report['memory_mb']:.0f}", f"{report['file']['open_ms']:.1f}"]
        cells += [point["width"], f"{point['recall']:.4f}", f"{point['queries_per_s']:,.0f}"]
        cells += [f"{point['p50_us']:.0f}", f"{point['p99_us']:.0f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        "Recall at a width rises with the size here, because the groups get denser. Harder vectors need wider searches; the default",
        f"for {K} neighbours keeps 228 points.",
    ]
    if len(reports) > 1:
        lines += ["", *projection(reports)]
    lines += ["", "Every point measured:", "", "| vectors | width | recall | queries/s | p50, us | p99, us |", "|---|---|---|---|---|---|"]
    for size, report in reports.items():
        for point in report["sweep"]:
            cells = [f"{size:,}", point["width"], f"{point['recall']:.4f}", f"{point['queries_per_s']:,.0f}"]
            cells += [f"{point['p50_us']:.0f}", f"{point['p99_us']:.0f}"]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def projection(reports):
    """Ten million vectors, from the growth measured."""

    def build(report):
        return report["build_cpu_s"]

    def latency(report):
        return at_goal(report)["p99_us"]

    memory = list(reports.values())[-1]["memory_mb"] * PROJECTED / list(reports)[-1]
    return [
        f"## {PROJECTED:,} vectors, projected",
        "",
        f"Between the two largest sets, the build's time grows with the size to the power of {exponent(reports, build):.2f} and the p99 at that",
        f"recall with {exponent(reports, latency):.2f}. Extended to {PROJECTED:,} vectors that makes {projected(reports, build) / 3600:.1f} hours of CPU to build (the build is parallel:",
        f"divide by the cores), {memory / 1000:.1f} GB of memory (the size of vectors, bytes and links is proportional to their number), and a p99 of",
        f"{projected(reports, latency) / 1000:.2f} ms. The reasons to believe it: a search of a small-world graph takes a number of steps that grows with the",
        "logarithm of the size, and each step costs a cache miss per link looked at; misses are dearer the larger the index is against the",
        "caches, but at a million vectors (150 MB of bytes and 130 MB of links) nearly all are misses already. What would",
        "break it: memory too small for the bytes and links, as a page from disk costs as much as a whole search.",
    ]


def main():
    only = [int(size) for size in sys.argv[1:]] or None
    CACHE.mkdir(parents=True, exist_ok=True)
    enter("index-bench", PACKAGES, __file__)
    text = page(measured(only))
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "index-scale.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
