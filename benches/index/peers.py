"""Measures one index of hnswlib or faiss: peers.py KIND LINKS BUILD_WIDTH VECTORS QUERIES K,K,... WIDTH,WIDTH,..."""

import json
import sys
import time

import numpy as np

REPEATS = 5
SELF_WIDTH = 64


def resident_mb():
    with open("/proc/self/status") as status:
        kilobytes = next(line.split()[1] for line in status if line.startswith("VmRSS:"))
    return int(kilobytes) * 1024 / 1e6


class Hnswlib:
    def __init__(self, vectors, links, build_width):
        import hnswlib

        self.index = hnswlib.Index("ip", vectors.shape[1])
        self.index.init_index(len(vectors), M=links, ef_construction=build_width)
        self.index.add_items(vectors, num_threads=1)

    def search(self, queries, k, width):
        self.index.set_ef(width)
        return self.index.knn_query(queries, k, num_threads=1)[0]


class Faiss:
    def __init__(self, vectors, links, build_width):
        import faiss

        self.index = faiss.IndexHNSWFlat(vectors.shape[1], links, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = build_width
        self.index.add(vectors)

    def search(self, queries, k, width):
        self.index.hnsw.efSearch = width
        return self.index.search(queries, k)[1]


class FaissIvf:
    """LINKS is the number of lists; widths are lists probed."""

    def __init__(self, vectors, links, _):
        import faiss

        self.quantizer = faiss.IndexFlatIP(vectors.shape[1])
        self.index = faiss.IndexIVFFlat(self.quantizer, vectors.shape[1], links, faiss.METRIC_INNER_PRODUCT)
        self.index.train(vectors)
        self.index.add(vectors)

    def search(self, queries, k, width):
        self.index.nprobe = width
        return self.index.search(queries, k)[1]


KINDS = {"hnswlib": Hnswlib, "faiss HNSWFlat": Faiss, "faiss IVFFlat": FaissIvf}


def main(kind, links, build_width, vectors, queries, ks, widths):
    # Both libraries and their thread pools load before memory is looked at.
    import faiss
    import hnswlib  # noqa: F401

    faiss.omp_set_num_threads(1)
    vectors, queries = np.load(vectors), np.load(queries)
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    truth = exact.search(queries, max(ks))[1]
    del exact
    before = resident_mb()
    begun = time.thread_time()
    index = KINDS[kind](vectors, links, build_width)
    build = time.thread_time() - begun
    resident = resident_mb() - before
    sweep = []
    for k in ks:
        for width in (width for width in widths if kind == "faiss IVFFlat" or width >= k):
            fastest = float("inf")
            for _ in range(REPEATS):
                begun = time.thread_time()
                found = index.search(queries, k, width)
                fastest = min(fastest, time.thread_time() - begun)
            recall = np.mean([len(np.intersect1d(a, b[:k])) / k for a, b in zip(found, truth)])
            sweep.append({"k": k, "width": width, "recall": recall, "queries_per_s": len(queries) / fastest})
    missed = None
    if kind != "faiss IVFFlat":
        missed = int((index.search(vectors, 1, SELF_WIDTH)[:, 0] != np.arange(len(vectors))).sum())
    detail = f"{links} lists" if kind == "faiss IVFFlat" else f"M {links}, efConstruction {build_width}"
    report = {"index": f"{kind}, {detail}", "library": kind, "build_cpu_s": build, "resident_mb": resident}
    print(json.dumps(report | {"not_found_themselves": missed, "sweep": sweep}))


def numbers(text):
    return [int(n) for n in text.split(",")]


if __name__ == "__main__":
    kind, links, build_width, vectors, queries, ks, widths = sys.argv[1:]
    main(kind, int(links), int(build_width), vectors, queries, numbers(ks), numbers(widths))
