#!/usr/bin/env python3
"""Measures reco's ALS beside implicit's at equal widths; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from environment import DOCS, build_reco, enter, machine  # noqa: E402

IMPLICIT = "implicit==0.7.3"
PACKAGES = [IMPLICIT, "numpy==2.4.6", "scipy==1.17.1", "pyarrow==26.0.1", "threadpoolctl==3.8.0", "matplotlib==3.11.2"]
THREADS = 2
OURS = {"reco, conjugate gradients": "conjugate_gradient", "reco, subspaces": "subspace", "reco, Cholesky": "cholesky"}
PEERS = {"implicit, conjugate gradients": "cg", "implicit, Cholesky": "cholesky"}


def ours(reco, folder, factors, iterations, solver):
    """One fit by reco."""
    files = [part for name in ("train", "test", "negatives") for part in (f"--{name}", folder / f"{name}.parquet")]
    settings = {"factors": factors, "iterations": iterations, "solver": solver}
    flags = [part for key, value in settings.items() for part in ("--set", f"train.als.{key}={value}")]
    command = [reco, "evaluate", *files, "--model", "ials", "--k", "10", "--json", *flags]
    models = json.loads(run(command))["models"]
    return next(model for model in models if model["name"] == "ials")


def theirs(folder, factors, iterations, solver):
    """One fit by implicit."""
    return json.loads(run([sys.executable, HERE / "peer.py", folder, factors, iterations, solver, THREADS]))


def run(command):
    environment = {**os.environ, "RAYON_NUM_THREADS": str(THREADS)}
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, env=environment).stdout


def measured(reco, options):
    """Name, width and the median of every figure, over all rounds but the first."""
    rounds = {}
    for number in range(options.rounds + 1):
        for factors in options.factors:
            fits = {name: (lambda s=solver: ours(reco, options.data, factors, options.iterations, s)) for name, solver in OURS.items()}
            fits |= {name: (lambda s=solver: theirs(options.data, factors, options.iterations, s)) for name, solver in PEERS.items()}
            for name, fit in fits.items():
                print(f"round {number}: {name}, {factors} factors", file=sys.stderr)
                report = fit()
                if number > 0:
                    rounds.setdefault((name, factors), []).append(report)
    figures = "seconds_per_iteration", "hr@10", "ndcg@10"
    return {key: {figure: statistics.median(r[figure] for r in reports) for figure in figures} for key, reports in rounds.items()}


def page(results, options):
    lines = [
        "# ALS",
        "",
        f"Wall time of a pass over users and items of MovieLens-1M, {THREADS} threads, and the quality after {options.iterations} passes:",
        f"medians of {options.rounds} fits. Measured {time.strftime('%Y-%m-%d')} on {machine()}, {IMPLICIT.replace('==', ' ')}.",
        "Made by `benches/als/run.py`; `benches/als/README.md` says how it measures.",
        "",
        "![Seconds a pass by width](als.svg)",
        "",
        "| solver | factors | s a pass | HR@10 | NDCG@10 |",
        "|---|---|---|---|---|",
    ]
    for (name, factors), result in sorted(results.items(), key=lambda row: (row[0][1], row[1]["seconds_per_iteration"])):
        quality = f"{result['hr@10']:.4f} | {result['ndcg@10']:.4f}"
        lines.append(f"| {name} | {factors} | {result['seconds_per_iteration']:.3f} | {quality} |")
    return "\n".join(lines) + "\n"


def plot(results, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "reco", "font.size": 9})
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(7, 3.6))
    for name in [*OURS, *PEERS]:
        points = sorted((factors, result["seconds_per_iteration"]) for (other, factors), result in results.items() if other == name)
        style = {"color": "#c65d21" if name in OURS else "#5b7c99", "linestyle": "--" if "Cholesky" in name else "-"}
        marker = "s" if "subspaces" in name else "o"
        panel.plot(*zip(*points), marker=marker, markersize=4, label=name, **style)
    panel.set(xlabel="factors", ylabel="seconds a pass", yscale="log")
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.3, which="both")
    panel.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.parquet, test.parquet, negatives.parquet")
    parser.add_argument("--factors", type=lambda text: [int(part) for part in text.split(",")], default=[32, 64, 96, 128], help="widths")
    parser.add_argument("--iterations", type=int, default=12, help="passes of every fit")
    parser.add_argument("--rounds", type=int, default=5, help="fits of each that count")
    options = parser.parse_args()
    enter("als-bench", PACKAGES, __file__)
    results = measured(build_reco(), options)
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "als.md").write_text(page(results, options))
    plot(results, DOCS / "als.svg")
    print(page(results, options))


if __name__ == "__main__":
    main()
