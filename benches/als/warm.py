#!/usr/bin/env python3
"""Measures how far ALS gets from the factors of an earlier snapshot and from scratch; see README.md."""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from environment import DOCS, build_reco, enter, machine  # noqa: E402

PACKAGES = ["numpy==2.4.6", "pyarrow==26.0.1"]
USERS_KNOWN, EVENTS_KNOWN = 0.98, 0.95
DEPTH = 10
# Its setting, and whether it goes on from the earlier snapshot.
FITS = {
    "12 passes from scratch": ("train.als.iterations=12", False),
    "4 passes from scratch": ("train.als.iterations=4", False),
    "4 passes from the earlier snapshot": ("train.als.warm_iterations=4", True),
}


def earlier(train, seed):
    """What an earlier snapshot may have known: most of the users, and of theirs most interactions."""
    import numpy

    rng = numpy.random.default_rng(seed)
    users, position = numpy.unique(train["user"].to_numpy(), return_inverse=True)
    is_known = (rng.random(len(users)) < USERS_KNOWN)[position] & (rng.random(len(train)) < EVENTS_KNOWN)
    return train.filter(is_known)


def fit(reco, interactions, snapshot, seed, setting, *flags):
    settings = ["pipeline.seen=always", f"train.als.seed={seed}", setting]
    sets = [part for setting in settings for part in ("--set", setting)]
    command = [reco, "train", "--interactions", interactions, "--out", snapshot, "--no-judge", "--quiet", *sets, *flags]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def best(reco, snapshot, folder):
    """The best thousand items of every user."""
    from pyarrow import parquet

    command = [reco, "score", "--snapshot", snapshot, "--out", folder, "--count", 1000, "--quiet", "--set", "pipeline.seen=always"]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    rows = parquet.read_table(folder)
    return dict(zip(map(int, rows["user"].to_pylist()), rows["items"].to_pylist()))


def quality(lists, taken, negatives):
    """HR and NDCG of the item taken among the negatives. What is not among a user's best thousand items is behind all
    negatives that are, of which there are mostly more than DEPTH: else its place is not known, which is an error."""
    import math

    places = []
    for user, item in taken.items():
        asked = [other for other in map(int, lists[user]) if other == item or other in negatives[user]]
        if item not in asked and len(asked) < DEPTH:
            raise SystemExit(f"a thousand items of user {user} do not tell the place of item {item}")
        places.append(asked.index(item) if item in asked else len(asked))
    hits = [place for place in places if place < DEPTH]
    return len(hits) / len(places), sum(1 / math.log2(place + 2) for place in hits) / len(places)


def measured(reco, options):
    """HR@10 and NDCG@10 of every fit, one pair a seed."""
    from pyarrow import parquet

    # Without the ratings: every rated film counts, as in `reco evaluate --train`.
    columns = ["user", "item"]
    tables = (parquet.read_table(options.data / f"{name}.parquet", columns=columns) for name in ("train", "test", "negatives"))
    train, test, others = tables
    taken = dict(zip(test["user"].to_pylist(), test["item"].to_pylist()))
    negatives = {user: set() for user in taken}
    for user, item in zip(others["user"].to_pylist(), others["item"].to_pylist()):
        negatives[user].add(item)
    figures = {name: [] for name in FITS}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        parquet.write_table(train, scratch / "all.parquet")
        for seed in range(1, options.seeds + 1):
            parquet.write_table(earlier(train, seed), scratch / "earlier.parquet")
            fit(reco, scratch / "earlier.parquet", scratch / "earlier.reco", seed, "train.als.iterations=12")
            for number, (name, (setting, is_warm)) in enumerate(FITS.items()):
                print(f"seed {seed}: {name}", file=sys.stderr)
                snapshot = scratch / f"{number}.reco"
                flags = ["--warm-start", scratch / "earlier.reco"] if is_warm else []
                fit(reco, scratch / "all.parquet", snapshot, seed, setting, *flags)
                lists = best(reco, snapshot, scratch / f"lists-{seed}-{number}")
                figures[name].append(quality(lists, taken, negatives))
    return figures


def page(figures, options):
    lines = [
        "# Warm start",
        "",
        f"ALS on MovieLens-1M, leave one out, from scratch and from the factors of a snapshot that knew {USERS_KNOWN:.0%} of the",
        f"users and {EVENTS_KNOWN:.0%} of their interactions: means over {options.seeds} seeds, the lowest and the highest in brackets.",
        f"Measured {time.strftime('%Y-%m-%d')} on {machine()}.",
        "Made by `benches/als/warm.py`; `benches/als/README.md` says how it measures.",
        "",
        "| fit | HR@10 | NDCG@10 |",
        "|---|---|---|",
    ]
    for name, pairs in figures.items():
        cells = (f"{statistics.mean(values):.4f} ({min(values):.4f}-{max(values):.4f})" for values in zip(*pairs))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.parquet, test.parquet, negatives.parquet")
    parser.add_argument("--seeds", type=int, default=3, help="fits of each, and samples of what was known earlier")
    options = parser.parse_args()
    enter("als-warm-bench", PACKAGES, __file__)
    text = page(measured(build_reco(), options), options)
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "als-warm.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
