#!/usr/bin/env python3
"""Asks whether learned ranking pays: pages ordered by trees and by Wide & Deep beside the blend; see README.md."""

import argparse
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
BLEND_PAGES = "pages by the blend"
PEER = "pages by LightGBM"
# What is fitted once, and the model of `reco evaluate` that each of its rankers is.
TOGETHER = {
    BLEND: "blend",
    BLEND_PAGES: "pipeline:blend",
    "pages by boosted trees": "pipeline:boosted",
    "pages by Wide & Deep": "pipeline:wide_deep",
}
# What is fitted anew, with these settings beside the common ones.
ABLATIONS = {
    "Wide & Deep without cross features": 'train.features.leave_out=["cross.*"]',
    "Wide & Deep without source features": 'train.features.leave_out=["source.*"]',
    "Wide & Deep without the deep part": "train.wide_deep.hidden=[]",
}
# Rules of the page trade accuracy for variety; the question is the order. More candidates than a page in a hurry takes.
COMMON = [
    "pipeline.rerank.per_category=false",
    "pipeline.rerank.trending_gain=false",
    "train.sequence=true",
    "train.ease=true",
    "train.spectral=true",
    *(f"pipeline.sources.{source}.quota=150" for source in ("als", "item_item", "again", "ease")),
    *(f"pipeline.sources.{source}.quota=100" for source in ("sequence", "spectral", "popular")),
    *(f"pipeline.sources.{source}.quota=50" for source in ("trending", "content")),
]
# Nobody rates a film twice.
OWN = {"ml100k": ["pipeline.seen=always"]}
# Whoever rates films does so within an hour and is gone: a tenth of ML-100K has 77 users that training knew. So the
# question is put at several moments, each ending where the test of the next one begins.
MOMENTS = {"ml100k": 5}
TEST_SHARE = 0.1
CUTS = 3


def data_sets(folder):
    yield "demo", ROOT / "demo"
    for name in ("giftshop", "ml100k"):
        if folder is not None and (folder / name).is_dir():
            yield name, folder / name


def moments(name, folder, scratch):
    """Files of the interactions up to each moment, the latest first, each with one of those before its latest tenth: what
    rankers learn from, and what the moment before it is about."""
    import pandas

    log = pandas.read_parquet(folder / "interactions.parquet")
    at = next(column for column in ("timestamp", "time", "at") if column in log.columns)
    everything = folder / "interactions.parquet"
    for place in range(MOMENTS.get(name, 1)):
        moment = log[at].sort_values(kind="stable").iloc[int(len(log) * (1 - TEST_SHARE))]
        log = log[log[at] < moment]
        train = scratch / f"before-{place}.parquet"
        log.to_parquet(train)
        yield everything, train
        everything = train


class Question:
    """One data set at one moment, split once for all rankers."""

    def __init__(self, reco, name, folder, moment, scratch):
        self.reco, self.scratch = reco, scratch
        self.items = ["--items", folder / "items.parquet"]
        self.interactions, self.train = moment
        settings = [*COMMON, *OWN.get(name, [])]
        self.settings = [part for setting in settings for part in ("--set", setting)]

    def per_user(self, models, extra=()):
        """NDCG@10 user by user, of each of these models."""
        import pandas

        out = self.scratch / "users.parquet"
        data = ["--interactions", self.interactions, *self.items, "--split", "time", "--test-share", str(TEST_SHARE)]
        extra = [part for setting in extra for part in ("--set", setting)]
        asked = ["--model", ",".join(models), "--k", "10", "--per-user", out, "--json", "--quiet"]
        command = [self.reco, "evaluate", *data, *self.settings, *extra, *asked]
        subprocess.run(command, check=True, stdout=subprocess.PIPE)
        rows = pandas.read_parquet(out)
        return [rows[rows.model == model].set_index("user")[METRIC] for model in models]

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


def gain(values, base):
    """By what share one ranker is above another."""
    return (values.mean() - base.mean()) / base.mean()


def beside(values, base):
    """What a ranker gains on another, as cells of a table."""
    if values is base:
        return ["", ""]
    low, high = interval(values - base)
    return [f"{gain(values, base):+.1%}", f"{low:+.4f} to {high:+.4f}"]


def section(name, figures):
    """A table of one data set, and what each ranker gains on the blend."""
    blend, pages = figures[BLEND], figures[BLEND_PAGES]
    n_moments = MOMENTS.get(name, 1)
    where = "users" if n_moments == 1 else f"pairs of a user and one of {n_moments} moments"
    heads = ["", "NDCG@10", "beside the blend", "95 % interval, paired", "beside its pages", "95 % interval, paired"]
    lines = [f"## {name}", "", f"{len(blend):,} {where}.", "", row(heads), row(["---"] * len(heads))]
    for ranker, values in figures.items():
        lines.append(row([ranker, f"{values.mean():.4f}", *beside(values, blend), *beside(values, pages)]))
    return "\n".join(lines) + "\n"


def row(cells):
    return f"| {' | '.join(cells)} |"


def summary(of_sets):
    """The mean over the data sets of what each ranker gains on the blend or its pages, whichever is better there."""
    lines = ["## On average", "", row(["", "beside the better blend of each set"]), row(["---"] * 2)]
    for ranker in (ranker for ranker in of_sets[0] if ranker not in (BLEND, BLEND_PAGES)):
        gains = [gain(figures[ranker], max(figures[BLEND], figures[BLEND_PAGES], key=lambda blend: blend.mean())) for figures in of_sets]
        lines.append(row([ranker, f"{sum(gains) / len(gains):+.1%}"]))
    return "\n".join(lines) + "\n"


def asked(question):
    """What every ranker does for every user, at one moment."""
    rankers = {**TOGETHER, PEER: f"pipeline:file={question.peer()}"}
    yield from zip(rankers, question.per_user(list(rankers.values())))
    for ranker, setting in ABLATIONS.items():
        yield ranker, *question.per_user(["pipeline:wide_deep"], [setting])


def measured(reco, name, folder):
    """NDCG@10 of every ranker, user by user."""
    import pandas

    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        for place, moment in enumerate(moments(name, folder, scratch)):
            for ranker, values in asked(Question(reco, name, folder, moment, scratch)):
                print(f"{name}, moment {place + 1}: {ranker} {values.mean():.4f}", file=sys.stderr)
                figures.setdefault(ranker, []).append(values)
    return {ranker: pandas.concat(values, keys=range(len(values))) for ranker, values in figures.items()}


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
    sections, of_sets = [], []
    for name, folder in data_sets(data):
        of_sets.append(measured(reco, name, folder))
        sections.append(section(name, of_sets[-1]))
        # Each as soon as it is there, for the next one takes its time.
        (DOCS / "learned.md").write_text(heading + "\n".join([*sections, summary(of_sets)]))


if __name__ == "__main__":
    main()
