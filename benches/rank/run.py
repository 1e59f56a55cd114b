#!/usr/bin/env python3
"""Times rankers beside the packages that train them and writes docs/benchmarks/rank.md; see README.md."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from environment import CACHE as CACHES  # noqa: E402
from environment import DOCS, ROOT, enter, machine  # noqa: E402

CACHE = CACHES / "rank-bench"
PACKAGES = ["numpy==2.4.6", "scipy==1.17.1", "lightgbm==4.7.0", "xgboost==3.2.0"]
SEED, N_TRAIN, N_ROWS, N_FEATURES, QUERY = 7, 20_000, 1_000, 100, 20
MEASURED_S = 2.0
# Trees and leaves, or depth.
LIGHTGBM = [(300, 31), (300, 63), (100, 255), (50, 1023)]
XGBOOST = [(300, 6), (100, 10)]


def data():
    """Rows and grades to train with; a tenth of the values is missing."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    rows = rng.normal(size=(N_TRAIN, N_FEATURES)).astype(np.float32)
    known = rows[:, :20].sum(1) + rows[:, 0] * rows[:, 1] + rng.normal(size=N_TRAIN)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows, np.digitize(known, np.quantile(known, [0.5, 0.8, 0.95]))


def fastest(score):
    """Milliseconds of the fastest pass."""
    best, end = float("inf"), time.perf_counter() + MEASURED_S
    while time.perf_counter() < end:
        start = time.perf_counter()
        score()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def models(rows, grades):
    """Each as what it is, its file and how its package scores."""
    import lightgbm as lgb
    import xgboost as xgb

    group, scored = [QUERY] * (N_TRAIN // QUERY), rows[:N_ROWS]
    for n_trees, n_leaves in LIGHTGBM:
        params = {"objective": "lambdarank", "num_leaves": n_leaves, "verbose": -1, "seed": SEED}
        booster = lgb.train(params, lgb.Dataset(rows, grades, group=group), n_trees)
        path = CACHE / f"lightgbm-{n_leaves}.txt"
        booster.save_model(path)
        yield "LightGBM", f"{n_trees} trees of {n_leaves} leaves", path, lambda: booster.predict(scored, num_threads=1)
    for n_trees, depth in XGBOOST:
        params = {"objective": "rank:ndcg", "max_depth": depth, "seed": SEED}
        booster = xgb.train(params, xgb.DMatrix(rows, grades, group=group), n_trees)
        booster.set_param({"nthread": 1})
        path = CACHE / f"xgboost-{depth}.ubj"
        booster.save_model(path)
        yield "XGBoost", f"{n_trees} trees of depth {depth}", path, lambda: booster.inplace_predict(scored)


def reco(bench, path, rows):
    """What reco measured and scored."""
    return json.loads(subprocess.run([bench, path, rows], check=True, stdout=subprocess.PIPE).stdout)


def build():
    """The benchmark, built for speed."""
    command = ["cargo", "bench", "--locked", "--quiet", "-p", "reco-core", "--bench", "dense", "--no-run", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    built = [json.loads(line) for line in lines]
    return next(one["executable"] for one in built if one.get("executable") and one["target"]["name"] == "dense")


def measured(bench):
    """A row of the table for each model."""
    import numpy as np

    rows, grades = data()
    file = CACHE / "rows.f32"
    rows[:N_ROWS].tofile(file)
    for package, model, path, score in models(rows, grades):
        print("measuring", package, model, file=sys.stderr)
        theirs, ours = fastest(score), reco(bench, path, file)
        expected = score()
        difference = float(np.max(np.abs(expected - ours["scores"]) / np.maximum(1, np.abs(expected))))
        assert difference <= 1e-6, f"{model}: reco differs by {difference}"
        yield package, model, theirs, ours["ms"], difference


def page(lines):
    packages = ", ".join(package.replace("==", " ") for package in PACKAGES if not package.startswith(("numpy", "scipy")))
    head = [
        "# Rankers",
        "",
        f"{N_ROWS:,} rows of {N_FEATURES} features, a tenth of the values missing; one thread; the fastest pass of each within {MEASURED_S:.0f} s.",
        f"Measured {time.strftime('%Y-%m-%d')} on {machine()}, {packages}.",
        "Made by `benches/rank/run.py`; `benches/rank/README.md` says how it measures.",
        "",
        "| trained by | model | its own, ms | reco, ms | times as fast | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    rows = [f"| {package} | {model} | {theirs:.2f} | {ours:.2f} | {theirs / ours:.0f} | {difference:.0e} |" for package, model, theirs, ours, difference in lines]
    return "\n".join(head + rows) + "\n"


def main():
    # Before any library starts its threads.
    os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "2")
    enter("rank-bench", PACKAGES, __file__)
    text = page(list(measured(build())))
    (DOCS / "rank.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
