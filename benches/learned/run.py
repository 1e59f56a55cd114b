#!/usr/bin/env python3
"""Asks whether learned ranking pays: pages ordered by trees and by Wide & Deep beside the blend; see README.md."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from environment import DOCS, ROOT, build_reco, enter, machine  # noqa: E402

PACKAGES = ["lightgbm==4.7.0", "numpy==2.4.6", "pandas==3.1.1", "pyarrow==26.0.1"]
METRIC = "ndcg@10"
BLEND = "blend, all models alone"
# Name, settings beside the common ones.
RANKERS = [
    ("pages by the blend", []),
    ("pages by boosted trees", ["train.boosted=true", "pipeline.ranker=boosted"]),
    ("pages by Wide & Deep", ["train.wide_deep=true", "pipeline.ranker=wide_deep"]),
    ("- without cross features", ["train.wide_deep=true", "pipeline.ranker=wide_deep", 'train.features.leave_out=["cross.*"]']),
    ("- without source features", ["train.wide_deep=true", "pipeline.ranker=wide_deep", 'train.features.leave_out=["source.*"]']),
    ("- without the deep part", ["train.wide_deep.hidden=[]", "pipeline.ranker=wide_deep"]),
]
PEER = "pages by LightGBM"
# Rules of the page trade accuracy for variety; the question is the order. More candidates than a page in a hurry takes.
COMMON = [
    "pipeline.rerank.per_category=false",
    "pipeline.rerank.trending_gain=false",
    "train.sequence=true",
    "train.ease=true",
    "train.spectral=true",
    "train.bpr=true",
    "train.autoencoder=true",
    *(f"pipeline.sources.{source}.quota=150" for source in ("als", "item_item", "again", "ease")),
    *(f"pipeline.sources.{source}.quota=100" for source in ("autoencoder", "bpr", "sequence", "spectral", "popular")),
    *(f"pipeline.sources.{source}.quota=50" for source in ("trending", "content")),
]
# Nobody rates a film twice.
OWN = {"ml100k": ["pipeline.seen=always"]}
TEST_SHARE = 0.1
CUTS = 3


def data_sets(folder):
    yield "demo", ROOT / "demo"
    for name in ("giftshop", "ml100k"):
        if folder is not None and (folder / name).is_dir():
            yield name, folder / name


def earlier(interactions, scratch):
    """A file of the interactions before the latest tenth, for a peer to learn from."""
    import pandas

    log = pandas.read_parquet(interactions)
    at = next(column for column in ("timestamp", "time", "at") if column in log.columns)
    moment = log[at].sort_values(kind="stable").iloc[int(len(log) * (1 - TEST_SHARE))]
    file = scratch / "train.parquet"
    log[log[at] < moment].to_parquet(file)
    return file


class Question:
    """One data set, split once for all rankers."""

    def __init__(self, reco, name, folder, scratch):
        self.reco, self.scratch = reco, scratch
        self.items = ["--items", folder / "items.parquet"]
        self.interactions = folder / "interactions.parquet"
        self.train = earlier(self.interactions, scratch)
        settings = [*COMMON, *OWN.get(name, [])]
        self.settings = [part for setting in settings for part in ("--set", setting)]

    def per_user(self, model, extra):
        """NDCG@10 user by user."""
        import pandas

        out = self.scratch / "users.parquet"
        data = ["--interactions", self.interactions, *self.items, "--split", "time", "--test-share", str(TEST_SHARE)]
        extra = [part for setting in extra for part in ("--set", setting)]
        asked = ["--model", model, "--k", "10", "--per-user", out, "--json", "--quiet"]
        command = [self.reco, "evaluate", *data, *self.settings, *extra, *asked]
        subprocess.run(command, check=True, stdout=subprocess.PIPE)
        rows = pandas.read_parquet(out)
        return rows[rows.model == model].set_index("user")[METRIC]

    def peer(self):
        """A file of LightGBM's lambdarank, trained on the same candidates with the same features."""
        import lightgbm
        import pandas

        out = self.scratch / "examples.parquet"
        command = [self.reco, "features", "--interactions", self.train, *self.items, *self.settings, "--export", out]
        subprocess.run([*command, "--cuts", str(CUTS), "--quiet"], check=True, stdout=subprocess.PIPE)
        rows = pandas.read_parquet(out)
        rows = rows[rows.groupby("list").taken.transform("any")]
        about = {"list", "user", "asker", "item", "taken", "list_taken", "list_seen"}
        features = [column for column in rows.columns if column not in about]
        groups = rows.groupby("list", sort=False).size().to_numpy()
        table = lightgbm.Dataset(rows[features].astype("float32"), rows.taken.astype(int), group=groups)
        settings = {
            "objective": "lambdarank", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 50, "lambda_l2": 5.0,
            "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1, "lambdarank_truncation_level": 30,
            "seed": 1, "deterministic": True, "verbose": -1,
        }  # fmt: skip
        model = self.scratch / "model.txt"
        lightgbm.train(settings, table, 300).save_model(model)
        return model


def interval(differences, seed=42, rounds=2_000):
    """95 % of the means of users drawn anew."""
    import numpy

    drawn = numpy.random.default_rng(seed).integers(0, len(differences), (rounds, len(differences)))
    return numpy.percentile(differences.to_numpy()[drawn].mean(axis=1), [2.5, 97.5])


def section(name, figures):
    """A table of one data set, and what each ranker gains on the blend."""
    blend = figures[BLEND]
    lines = [f"## {name}", "", f"{len(blend):,} users.", "", "| | NDCG@10 | beside the blend | 95 % interval, paired |", "|---|---|---|---|"]
    for ranker, values in figures.items():
        difference = values - blend
        low, high = interval(difference)
        share = difference.mean() / blend.mean()
        beside = ["", ""] if ranker == BLEND else [f"{share:+.1%}", f"{low:+.4f} to {high:+.4f}"]
        lines.append(f"| {ranker} | {values.mean():.4f} | {' | '.join(beside)} |")
    return "\n".join(lines) + "\n"


def measured(reco, name, folder):
    with tempfile.TemporaryDirectory() as scratch:
        question = Question(reco, name, folder, Path(scratch))
        figures = {BLEND: question.per_user("blend", [])}
        for ranker, settings in RANKERS:
            print(f"{name}: {ranker}", file=sys.stderr)
            figures[ranker] = question.per_user("pipeline", settings)
        print(f"{name}: {PEER}", file=sys.stderr)
        file = json.dumps(str(question.peer()))
        figures[PEER] = question.per_user("pipeline", [f"pipeline.ranker.file={file}"])
        return section(name, figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with giftshop, ml100k; without: the demo data alone")
    data = parser.parse_args().data
    enter("learned-bench", PACKAGES, __file__)
    reco = build_reco()
    heading = (
        "# Learned ranking\n\n"
        "What users come back for (items may come again), the latest tenth of the interactions testing. `blend` weighs\n"
        "the scores of all models over the whole catalogue; the pages order the candidates of the same sources, page\n"
        "rules off. LightGBM's lambdarank is given the rows that the others learn from and serves through\n"
        f"`pipeline.ranker.file`. Made by `benches/learned/run.py` on {time.strftime('%Y-%m-%d')} with {machine()}.\n\n"
    )
    DOCS.mkdir(parents=True, exist_ok=True)
    sections = []
    for name, folder in data_sets(data):
        sections.append(measured(reco, name, folder))
        # Each as soon as it is there, for the next one takes its time.
        (DOCS / "learned.md").write_text(heading + "\n".join(sections))


if __name__ == "__main__":
    main()
