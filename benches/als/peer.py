"""Fits implicit's ALS and prints time per pass and quality as JSON: peer.py FOLDER FACTORS ITERATIONS cg|cholesky THREADS."""

import json
import sys
from pathlib import Path

import implicit
import numpy as np
import pyarrow.parquet as pq
import scipy.sparse as sp
from threadpoolctl import threadpool_limits


def pairs(path):
    table = pq.read_table(path, columns=["user", "item"])
    return table["user"].to_numpy(), table["item"].to_numpy()


def quality(model, test, negatives):
    """HR@10 and NDCG@10; the held-out item loses ties, as a later one does in reco's ranking of pairs."""
    score = lambda users, items: np.einsum("ij,ij->i", model.user_factors[users], model.item_factors[items])
    held = np.full(model.user_factors.shape[0], np.inf)
    held[test[0]] = score(*test)
    above = np.bincount(negatives[0], score(*negatives) >= held[negatives[0]], minlength=len(held))[test[0]]
    hits = above < 10
    return float(hits.mean()), float((hits / np.log2(above + 2)).mean())


def main():
    folder, factors, iterations, solver, threads = sys.argv[1:]
    users, items = pairs(Path(folder) / "train.parquet")
    test, negatives = pairs(Path(folder) / "test.parquet"), pairs(Path(folder) / "negatives.parquet")
    n_items = 1 + max(int(column.max()) for column in (items, test[1], negatives[1]))
    matrix = sp.csr_matrix((np.full(len(users), 10, np.float32), (users, items)), shape=(users.max() + 1, n_items))
    seconds = []
    with threadpool_limits(1, "blas"):
        model = implicit.als.AlternatingLeastSquares(
            factors=int(factors),
            regularization=10,
            alpha=1,
            iterations=int(iterations),
            use_cg=solver == "cg",
            num_threads=int(threads),
            random_state=42,
        )
        model.fit(matrix, show_progress=False, callback=lambda _, elapsed, *rest: seconds.append(elapsed))
    hr, ndcg = quality(model, test, negatives)
    print(json.dumps({"seconds_per_iteration": float(np.mean(seconds)), "hr@10": hr, "ndcg@10": ndcg}))


if __name__ == "__main__":
    main()
