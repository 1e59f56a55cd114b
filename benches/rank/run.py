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
from environment import DOCS, ROOT, build_reco, enter, machine  # noqa: E402

CACHE = CACHES / "rank-bench"
PACKAGES = ["numpy==2.4.6", "scipy==1.17.1", "lightgbm==4.7.0", "xgboost==3.2.0", "onnx==1.23.2", "onnxruntime==1.31.1"]
SEED, N_TRAIN, N_ROWS, N_FEATURES, QUERY = 7, 20_000, 1_000, 100, 20
MEASURED_S = 2.0
# Trees and leaves, or depth.
LIGHTGBM = [(300, 31), (300, 63), (100, 255), (50, 1023)]
XGBOOST = [(300, 6), (100, 10)]
# Outputs of the network's hidden layers; inputs that all candidates of a request share, as users and circumstances are.
HIDDEN, N_SHARED, ROUNDS = [128, 64], 33, 7


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


def network():
    """A Wide & Deep network as reco reads it, with weights as large as training leaves them."""
    import numpy as np

    rng, width, hidden = np.random.default_rng(SEED), N_FEATURES, []
    for n_out in HIDDEN:
        weights = rng.normal(size=(n_out, width), scale=(1 / width) ** 0.5).astype(np.float32)
        bias = rng.normal(size=n_out, scale=0.1).astype(np.float32)
        hidden.append((weights, bias))
        width = n_out
    wide, deep = (rng.normal(size=n, scale=0.1).astype(np.float32) for n in (N_FEATURES, width))
    inputs = [{"name": f"f{i}", "mean": 0.0, "scale": 1.0} for i in range(N_FEATURES)]
    head = {"objective": "take", "share": 1.0, "wide": wide.tolist(), "deep": deep.tolist(), "bias": -1.0}
    layers = [{"weights": {"n_rows": w.shape[0], "n_columns": w.shape[1], "values": w.ravel().tolist()}, "bias": b.tolist()} for w, b in hidden]
    (CACHE / "network.json").write_text(json.dumps({"inputs": inputs, "hidden": layers, "heads": [head]}))
    return hidden, wide, deep


def exported(hidden, wide, deep):
    """The same network for onnxruntime, which is spared the scaling."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights, nodes, last = [], [], "rows"

    def weight(name, values):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), name))
        return name

    for depth, (w, b) in enumerate(hidden):
        nodes.append(helper.make_node("MatMul", [last, weight(f"w{depth}", w.T)], [f"product{depth}"]))
        nodes.append(helper.make_node("Add", [f"product{depth}", weight(f"b{depth}", b)], [f"sum{depth}"]))
        nodes.append(helper.make_node("Relu", [f"sum{depth}"], [f"hidden{depth}"]))
        last = f"hidden{depth}"
    nodes.append(helper.make_node("Gemm", ["rows", weight("wide", wide[:, None]), weight("bias", [-1.0])], ["widely"]))
    nodes.append(helper.make_node("Gemm", [last, weight("deep", deep[:, None])], ["deeply"]))
    nodes += [helper.make_node("Add", ["widely", "deeply"], ["logit"]), helper.make_node("Sigmoid", ["logit"], ["score"])]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in (("rows", N_FEATURES), ("score", 1))]
    graph = helper.make_graph(nodes, "wide_deep", value[:1], value[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), CACHE / "network.onnx")


def in_bytes(rows):
    """The same in the two ways that onnxruntime has for bytes, the deep part alone, each with its name."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

    class Rows(CalibrationDataReader):
        def __init__(self):
            self.batches = iter([{"rows": rows}])

        def get_next(self):
            return next(self.batches, None)

    source, dynamic, static = CACHE / "network.onnx", CACHE / "dynamic.onnx", CACHE / "static.onnx"
    options = {"per_channel": True, "weight_type": QuantType.QInt8, "op_types_to_quantize": ["MatMul"]}
    quantize_dynamic(source, dynamic, **options)
    quantize_static(source, static, Rows(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, **options)
    return {"int8, dynamic": dynamic, "int8, calibrated": static}


def median_pass(score):
    """Milliseconds of the median pass within a second."""
    passes, end = [], time.perf_counter() + 1
    while time.perf_counter() < end:
        start = time.perf_counter()
        score()
        passes.append(time.perf_counter() - start)
    return sorted(passes)[len(passes) // 2] * 1e3


def networks(command):
    """Rows of the table of networks: everyone takes turns, and the median of the rounds counts."""
    import numpy as np
    import onnxruntime

    rng = np.random.default_rng(SEED)
    rows = rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    shared = rows.copy()
    shared[:, :N_SHARED] = rows[0, :N_SHARED]
    np.save(CACHE / "rows.npy", rows)
    np.save(CACHE / "shared.npy", shared)
    exported(*network())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    files = {"float32": CACHE / "network.onnx"} | in_bytes(rows)
    sessions = {name: onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"]) for name, file in files.items()}
    passes, scores = {}, {}
    for number in range(ROUNDS):
        print("measuring networks, round", number + 1, file=sys.stderr)
        for name, session in sessions.items():
            passes.setdefault(("onnxruntime", name), []).append(median_pass(lambda: session.run(None, {"rows": rows})))
            scores["onnxruntime", name] = session.run(None, {"rows": rows})[0].ravel()
        for file, what in (("rows.npy", ""), ("shared.npy", f", {N_SHARED} inputs shared")):
            arguments = [command, "bench", "rank", "--network", CACHE / "network.json", "--rows", CACHE / file, "--json"]
            report = json.loads(subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout)
            for one, key in zip(report["passes"], ("exact", "quantized")):
                name = one["what"].rsplit(", ", 1)[1] + what
                passes.setdefault(("reco", name), []).append(one["p50_ms"])
                scores["reco", name] = np.array(report["scores"][key])
    exact = scores["onnxruntime", "float32"]
    assert np.max(np.abs(scores["reco", "float32"] - exact)) < 1e-5, "reco scores differ"
    for (who, name), times in passes.items():
        is_comparable = "shared" not in name
        off = f"{np.max(np.abs(scores[who, name] - exact)):.0e}" if is_comparable else ""
        yield who, name, sorted(times)[ROUNDS // 2], min(times), max(times), off


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


def page(lines, of_networks):
    packages = ", ".join(package.replace("==", " ") for package in PACKAGES if not package.startswith(("numpy", "scipy", "onnx=")))
    head = [
        "# Rankers",
        "",
        f"{N_ROWS:,} rows of {N_FEATURES} features, a tenth of the values missing; one thread; the fastest pass of each within {MEASURED_S:.0f} s.",
        f"Measured {time.strftime('%Y-%m-%d')} on {machine()}, {packages}.",
        "Made by `benches/rank/run.py`; `benches/rank/README.md` says how it measures.",
        "",
        "## Trees",
        "",
        "| trained by | model | its own, ms | reco, ms | times as fast | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    rows = [f"| {package} | {model} | {theirs:.2f} | {ours:.2f} | {theirs / ours:.0f} | {difference:.0e} |" for package, model, theirs, ours, difference in lines]
    shape = "-".join(str(width) for width in [N_FEATURES, *HIDDEN, 1])
    rows += [
        "",
        f"## Wide & Deep, {shape}",
        "",
        f"The same random weights and {N_ROWS:,} rows without missing values. Everyone takes turns, {ROUNDS} rounds of a second: the median of the rounds'",
        "medians, the fastest and the slowest round. reco's times include bringing features to scale; onnxruntime is given rows to scale.",
        "",
        "| | computed in | ms | fastest to slowest round | largest difference from float32 |",
        "|---|---|---|---|---|",
    ]
    rows += [f"| {who} | {name} | {middle:.3f} | {low:.3f}-{high:.3f} | {off} |" for who, name, middle, low, high, off in of_networks]
    return "\n".join(head + rows) + "\n"


def main():
    # Before any library starts its threads.
    os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "2")
    enter("rank-bench", PACKAGES, __file__)
    text = page(list(measured(build())), list(networks(build_reco())))
    (DOCS / "rank.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
