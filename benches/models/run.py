#!/usr/bin/env python3
"""Evaluates every model on every data set, side by side, and writes a table and a plot; see README.md."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from environment import DOCS, ROOT, build_reco, enter, machine  # noqa: E402

PACKAGES = ["matplotlib==3.11.2"]
MODELS = ["ials", "bpr", "ease", "spectral", "autoencoder", "two_tower", "sequence", "content", "trending", "again", "acclaim", "blend", "pipeline"]
# Data sets with ratings, which acclaim goes by.
RATED = ("ml100k", "ml1m-loo")
# Data sets that take the two towers minutes, not an hour.
SMALL = ("ml100k",)
HEADINGS = {"all": "what next: items may come again", "new": "what new: only items the user did not have"}


def data_sets(folder):
    """Name, arguments, and whether the pipeline can run: it cannot rank given negatives."""
    loo = folder and folder / "ml1m-loo"
    if loo and loo.is_dir():
        files = ("train", "test", "negatives")
        yield "ml1m-loo", [part for file in files for part in (f"--{file}", loo / f"{file}.parquet")], False
    for name in ("ml100k", "grocery", "giftshop"):
        if folder and (folder / name).is_dir():
            split = ["--split", "last-one"] if name == "ml100k" else ["--split", "time"]
            yield name, tables(folder / name) + split, True
    yield "demo", tables(ROOT / "demo"), True


def tables(folder):
    return ["--interactions", folder / "interactions.parquet", "--items", folder / "items.parquet"]


def evaluate(reco, arguments, target, models):
    """The report of one evaluation."""
    command = [reco, "evaluate", *arguments, "--target", target, "--model", ",".join(models), "--k", "10", "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def questions(folder):
    """Every data set with every question it can answer, and the models for it."""
    for name, arguments, has_pages in data_sets(folder):
        can_tell = {"pipeline": has_pages, "acclaim": name in RATED, "two_tower": name in SMALL}
        models = [model for model in MODELS if can_tell.get(model, True)]
        if name == "ml1m-loo":
            # Everybody's negatives are new to them, and nothing is known about when or what.
            yield name, arguments, "new", [m for m in models if m not in ("content", "trending", "again")]
            continue
        if name != "ml100k":
            yield name, arguments, "all", models
        yield name, arguments, "new", [model for model in models if model != "again"]


def cell(model, metric):
    low, high = model[f"{metric}_ci"]
    return f"{model[metric]:.4f} ({low:.3f}-{high:.3f})"


def section(name, target, report):
    lines = [
        f"## {name}: {HEADINGS[target]}",
        "",
        f"{report['users']:,} users, {report['items']:,} items; {report['train_interactions']:,} interactions train, "
        f"{report['users_evaluated']:,} users are tested.",
        "",
        "| model | NDCG@10 | HR@10 | coverage@10 | training, s |",
        "|---|---|---|---|---|",
    ]
    for model in sorted(report["models"], key=lambda model: -model["ndcg@10"]):
        figures = cell(model, "ndcg@10"), cell(model, "hr@10"), f"{model['coverage@10']:.3f}"
        lines.append(f"| {model['name']} | {' | '.join(figures)} | {model['train_seconds']:.1f} |")
    return "\n".join(lines) + "\n"


def plot(reports, path):
    """NDCG@10 with its interval, one panel a question."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "reco", "font.size": 9})
    from matplotlib import pyplot

    rows = (len(reports) + 1) // 2
    figure, panels = pyplot.subplots(rows, 2, figsize=(10, 2.6 * rows), squeeze=False)
    for panel in panels.flat[len(reports) :]:
        panel.axis("off")
    for panel, (name, target, report) in zip(panels.flat, reports):
        models = sorted(report["models"], key=lambda model: model["ndcg@10"])
        values = [model["ndcg@10"] for model in models]
        low = [value - model["ndcg@10_ci"][0] for value, model in zip(values, models)]
        high = [model["ndcg@10_ci"][1] - value for value, model in zip(values, models)]
        colors = ["#c65d21" if model["name"] in ("blend", "pipeline") else "#5b7c99" for model in models]
        panel.barh([model["name"] for model in models], values, xerr=[low, high], color=colors, height=0.7)
        panel.set_title(f"{name}, {target}", loc="left", fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("NDCG@10 with 95 % interval over users")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with grocery, giftshop, ml100k, ml1m-loo; without: the demo data alone")
    data = parser.parse_args().data
    enter("models-bench", PACKAGES, __file__)
    reco = build_reco()
    reports = []
    for name, arguments, target, models in questions(data):
        print(f"{name}, {target}", file=sys.stderr)
        reports.append((name, target, evaluate(reco, arguments, target, models)))
    heading = (
        "# Models\n\n"
        "Every model with its default parameters on every data set, by `reco evaluate`; in brackets 95 % bootstrap\n"
        f"intervals over users. Made by `benches/models/run.py` on {time.strftime('%Y-%m-%d')} with {machine()};\n"
        "training times are single runs on a shared machine.\n\n"
        "![NDCG@10 of every model](models.svg)\n\n"
    )
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "models.md").write_text(heading + "\n".join(section(*report) for report in reports))
    plot(reports, DOCS / "models.svg")


if __name__ == "__main__":
    main()
