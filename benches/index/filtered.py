#!/usr/bin/env python3
"""Measures what indexes find by default where only some of the items may be returned; see README.md."""

import json
import subprocess
import time

from run import CACHE, DOCS, PACKAGES, build_reco, enter, joined, machine, word_vectors

KS = [10, 50]
INDEXES = ["exact", "hnsw", "ivf"]


def measured(vectors, queries):
    command = [build_reco(), "bench", "index", "--json", "--vectors", vectors, "--queries", queries]
    command += ["--k", joined(KS), "--index", joined(INDEXES), "--width", "10", "--filtered"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["filtered"]


def page(rows):
    lines = [
        "# Search under filters",
        "",
        "The word vectors of [the comparison](index.md), 100,000 of 100 dimensions, inner product, one thread, default parameters.",
        "Allowed are the given share of the vectors: *mixed*, whatever they are, or *alike*, the nearest to one of them, like the",
        "items of a category. Recall is of the exact answer among what is allowed. 10 of 1,000 lists without a filter find 0.80 of",
        "the nearest 10 and 0.73 of the nearest 50; under a filter, lists are added until they bring little that is new.",
        "",
        f"Measured {time.strftime('%Y-%m-%d')} on {machine()}. Made by `benches/index/filtered.py`.",
        "",
        "| allowed | which | k | " + " | ".join(f"{index}, recall | queries/s" for index in INDEXES) + " |",
        "|---|---|---|" + "---|---|" * len(INDEXES),
    ]
    cells = {}
    for row in rows:
        key = f"{row['share'] * 100:g} %", row["allowed"], row["k"]
        cells.setdefault(key, []).extend([f"{row['recall']:.4f}", f"{row['queries_per_s']:,.0f}"])
    lines += ["| " + " | ".join(map(str, [*key, *values])) + " |" for key, values in cells.items()]
    return "\n".join(lines) + "\n"


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    enter("index-bench", PACKAGES, __file__)
    text = page(measured(*map(str, word_vectors())))
    (DOCS / "index-filtered.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
