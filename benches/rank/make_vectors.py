#!/usr/bin/env python3
"""Makes the models and scores that the tests of rankers compare with, by the packages from PyPI.

Writes crates/reco-core/tests/data/trees and onnx: a small model a file, `rows.json` with the rows they score (null is
missing) and `scores.json` with what each package gives. Data are drawn with a fixed seed.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from environment import ROOT, enter  # noqa: E402

PACKAGES = ["numpy==2.4.6", "scipy==1.17.1", "lightgbm==4.7.0", "xgboost==3.2.0", "scikit-learn==1.9.1", "onnx==1.23.2", "onnxruntime==1.31.1"]
DATA = ROOT / "crates" / "reco-core" / "tests" / "data"
OUT = DATA / "trees"
SEED, N_TRAIN, N_ROWS = 7, 600, 70
# Four numbers, of which the second is often zero and the third often missing; few categories; many categories.
N_FEATURES, FEW, MANY = 6, 5, 120
QUERY = 12
# Saved for the tests to see them refused.
REFUSED = ("lightgbm-multiclass", "lightgbm-linear", "xgboost-multiclass", "xgboost-linear")


def draw(rng, n):
    import numpy as np

    rows = rng.normal(size=(n, N_FEATURES))
    rows[:, 1] *= rng.random(n) < 0.6
    rows[rng.random(n) < 0.3, 2] = np.nan
    rows[:, 4] = rng.integers(0, FEW, n)
    rows[:, 5] = rng.integers(0, MANY, n)
    return rows.astype(np.float32)


def target(rng, rows):
    import numpy as np

    missing = np.isnan(rows[:, 2])
    value = rows[:, 0] + np.abs(rows[:, 1]) - 2 * (rows[:, 1] == 0) + np.where(missing, 1.5, rows[:, 2])
    return value + (rows[:, 4] % 2) + (rows[:, 5] % 7 < 3) + 0.1 * rng.normal(size=len(rows))


def odd_rows(rows):
    """The first rows with values that models meet once in a while: missing anywhere, unknown categories."""
    import numpy as np

    rows[0] = np.nan
    rows[1] = 0
    rows[2] = [1e30, -1e30, 1e-36, -1e-36, 4, 119]
    rows[3] = [-1e-36, 1e-36, 0, -0.0, 99, 5000]
    rows[4, 4:] = [-1, -7]
    rows[5, 4:] = [-0.5, 2.7]
    rows[6, 4:] = [np.nan, np.nan]
    rows[7, 4:] = [3e9, 1e20]
    rows[8, :4] = np.nan
    rows[9, 4:] = [2.999, 64.5]
    return rows


def labels(values):
    """The target as each objective wants it."""
    import numpy as np

    order = np.digitize(values, np.quantile(values, [0.4, 0.7, 0.9]))
    share = (values - values.min()) / (values.max() - values.min())
    return {"value": values, "above": values - values.min() + 0.1, "binary": (values > 1.5).astype(int), "share": share, "order": order}


def lightgbm_models(rows, label):
    """Name and booster of every kind of LightGBM model."""
    import lightgbm as lgb
    import numpy as np

    def train(name, target, n_trees=4, rows=rows, categorical=(), **params):
        params = {"num_leaves": 8, "min_data_in_leaf": 10, "verbose": -1, "seed": SEED, "num_threads": 1, "deterministic": True} | params
        ranks = str(params["objective"]).startswith(("lambdarank", "rank"))
        group = [QUERY] * (len(rows) // QUERY) if ranks else None
        data = lgb.Dataset(rows, label[target], group=group, categorical_feature=list(categorical), feature_name=[f"f{i}" for i in range(N_FEATURES)])
        return f"lightgbm-{name}.txt", lgb.train(params, data, n_trees)

    yield train("regression", "value", objective="regression", categorical=[4, 5], min_data_per_group=5, cat_smooth=1)
    yield train("regression-sqrt", "value", objective="regression", reg_sqrt=True)
    yield train("regression-l1", "value", objective="regression_l1")
    yield train("huber", "value", objective="huber")
    yield train("quantile", "value", objective="quantile", alpha=0.7)
    yield train("poisson", "above", objective="poisson")
    yield train("gamma", "above", objective="gamma")
    yield train("tweedie", "above", objective="tweedie")
    yield train("binary", "binary", objective="binary", sigmoid=1.7)
    yield train("cross-entropy", "share", objective="cross_entropy")
    yield train("cross-entropy-lambda", "share", objective="cross_entropy_lambda")
    yield train("lambdarank", "order", objective="lambdarank", num_leaves=70, n_trees=2, min_data_in_leaf=3)
    yield train("xendcg", "order", objective="rank_xendcg")
    yield train("custom", "value", objective=lambda scores, data: (scores - data.get_label(), np.ones(len(scores))))
    yield train("zero-as-missing", "value", objective="regression", zero_as_missing=True, num_leaves=16)
    yield train("no-missing", "value", objective="regression", use_missing=False)
    yield train("forest", "binary", objective="binary", boosting="rf", bagging_freq=1, bagging_fraction=0.6)
    yield train("dart", "value", objective="regression", boosting="dart", drop_rate=0.5, skip_drop=0.0, n_trees=6)
    yield train("no-splits", "value", objective="regression", min_data_in_leaf=1000, n_trees=2)
    yield train("multiclass", "order", objective="multiclass", num_class=4, n_trees=1, num_leaves=3)
    yield train("linear", "value", objective="regression", linear_tree=True, n_trees=1, num_leaves=3)


def xgboost_models(rows, label):
    """Name and booster of every kind of XGBoost model."""
    import numpy as np
    import xgboost as xgb

    rng = np.random.default_rng(SEED)

    def train(name, target, n_trees=4, categories=False, form="json", **params):
        params = {"max_depth": 3, "seed": SEED, "nthread": 1, "tree_method": "hist"} | params
        kinds = ["q"] * 4 + ["c"] * 2 if categories else None
        values = label[target]
        group = [QUERY] * (len(rows) // QUERY) if params["objective"].startswith("rank") else None
        data = xgb.DMatrix(rows, values, group=group, feature_types=kinds, enable_categorical=categories)
        if params["objective"] == "survival:aft":
            data.set_float_info("label_lower_bound", values)
            data.set_float_info("label_upper_bound", values)
        stopping = {}
        if name == "stopped":
            held_out = xgb.DMatrix(rows, rng.permutation(values))
            stopping = {"evals": [(held_out, "unseen")], "early_stopping_rounds": 3, "verbose_eval": False}
        return f"xgboost-{name}.{form}", xgb.train(params, data, n_trees, **stopping)

    yield train("regression", "value", objective="reg:squarederror")
    yield train("absolute", "value", objective="reg:absoluteerror", form="ubj")
    yield train("huber", "value", objective="reg:pseudohubererror", form="ubj")
    yield train("logistic", "binary", objective="binary:logistic", base_score=0.3)
    yield train("raw", "binary", objective="binary:logitraw", form="ubj")
    yield train("hinge", "binary", objective="binary:hinge", form="ubj")
    yield train("share", "share", objective="reg:logistic", form="ubj")
    yield train("poisson", "above", objective="count:poisson", form="ubj")
    yield train("gamma", "above", objective="reg:gamma", form="ubj")
    yield train("tweedie", "above", objective="reg:tweedie", form="ubj")
    yield train("cox", "above", objective="survival:cox", form="ubj")
    yield train("aft", "above", objective="survival:aft", form="ubj")
    yield train("pairwise", "order", objective="rank:pairwise", form="ubj")
    yield train("map", "binary", objective="rank:map", form="ubj")
    yield train("ndcg", "order", objective="rank:ndcg", max_depth=6, n_trees=2)
    yield train("categories", "value", objective="reg:squarederror", categories=True, max_cat_to_onehot=6)
    yield train("categories-binary", "value", objective="reg:squarederror", categories=True, form="ubj")
    yield train("dart", "value", objective="reg:squarederror", booster="dart", rate_drop=0.5, n_trees=6)
    yield train("dart-binary", "binary", objective="binary:logistic", booster="dart", rate_drop=0.5, form="ubj")
    yield train("forest", "value", objective="reg:squarederror", num_parallel_tree=3, subsample=0.5, n_trees=2, form="ubj")
    yield train("stopped", "value", objective="reg:squarederror", n_trees=30, form="ubj")
    yield train("pruned", "value", objective="reg:squarederror", tree_method="exact", gamma=20.0, max_depth=5, form="ubj")
    yield train("linear", "value", objective="reg:squarederror", booster="gblinear", tree_method="auto")
    yield train("multiclass", "order", objective="multi:softprob", num_class=4, n_trees=1, max_depth=2)


def xgboost_scores(models, rows):
    for name, booster in models:
        booster.save_model(OUT / name)
        if name.startswith(REFUSED):
            continue
        # As XGBRanker and its kin predict: with the trees up to the best iteration, where there is one.
        best = booster.attr("best_iteration")
        iterations = (0, int(best) + 1 if best else 0)
        yield name, booster.inplace_predict(rows, iteration_range=iterations, validate_features=False)


def lightgbm_scores(models, rows):
    for name, booster in models:
        text = booster.model_to_string()
        # One file is whole; in the others, the parameters after the trees are left out: nothing reads them.
        whole = name == "lightgbm-regression.txt"
        (OUT / name).write_text(text if whole else text[: text.index("end of trees")] + "end of trees\n")
        if not name.startswith(REFUSED):
            yield name, booster.predict(rows)


def onnx_models():
    """Name and model of every kind of ONNX file; those after the first few are there to be refused."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(SEED)
    single, n_hidden = TensorProto.FLOAT, 8

    def weights(name, *shape):
        return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)

    def made(name, nodes, inputs, outputs, initializers, names=None):
        graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)
        if names:
            helper.set_model_props(model, {"feature_names": json.dumps(names)})
        return f"{name}.onnx", model

    def value(name, *shape, kind=single):
        return helper.make_tensor_value_info(name, kind, shape)

    def layers(n_out):
        nodes = [
            helper.make_node("Gemm", ["rows", "w1", "b1"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "w2", "b2"], ["sums"]),
        ]
        return nodes, [weights("w1", N_FEATURES, n_hidden), weights("b1", n_hidden), weights("w2", n_hidden, n_out), weights("b2", n_out)]

    rows = value("rows", "n", N_FEATURES)
    nodes, initializers = layers(1)
    nodes.append(helper.make_node("Sigmoid", ["sums"], ["score"]))
    names = [f"feature {i}" for i in range(N_FEATURES)]
    yield made("network", nodes, [rows], [value("score", "n", 1)], initializers, names)
    nodes, initializers = layers(1)
    axis = numpy_helper.from_array(np.array([1]), "axis")
    nodes.append(helper.make_node("Squeeze", ["sums", "axis"], ["score"]))
    yield made("flat", nodes, [rows], [value("score", "n")], [*initializers, axis])
    nodes, initializers = layers(2)
    nodes += [helper.make_node("Softmax", ["sums"], ["probabilities"]), helper.make_node("ArgMax", ["sums"], ["label"], axis=1, keepdims=0)]
    outputs = [value("label", "n", kind=TensorProto.INT64), value("probabilities", "n", 2)]
    yield made("classifier", nodes, [rows], outputs, initializers)
    nodes, initializers = layers(1)
    nodes.insert(0, helper.make_node("Concat", ["price", "age", "rest"], ["rows"], axis=1))
    parts = [value("price", "n", 1), value("age", "n", 1), value("rest", "n", N_FEATURES - 2)]
    yield made("parts", nodes, parts, [value("sums", "n", 1)], initializers)
    # Refused: another number of columns, one row only, nodes of trees.
    nodes, initializers = layers(3)
    yield made("refused-columns", nodes, [rows], [value("sums", "n", 3)], initializers)
    nodes, initializers = layers(1)
    yield made("refused-batch", nodes, [value("rows", 1, N_FEATURES)], [value("sums", 1, 1)], initializers)
    tree = {"nodes_treeids": [0] * 3, "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0] * 3, "nodes_values": [0.5, 0.0, 0.0]}
    tree |= {"nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0]}
    tree |= {"target_treeids": [0, 0], "target_nodeids": [1, 2], "target_ids": [0, 0], "target_weights": [1.0, -1.0], "n_targets": 1}
    node = helper.make_node("TreeEnsembleRegressor", ["rows"], ["sums"], domain="ai.onnx.ml", **tree)
    yield made("refused-trees", [node], [rows], [value("sums", "n", 1)], [])


def onnx_scores(rows):
    import onnx
    import onnxruntime

    (DATA / "onnx").mkdir(exist_ok=True)
    for name, model in onnx_models():
        onnx.checker.check_model(model)
        onnx.save(model, DATA / "onnx" / name)
        if name.startswith("refused"):
            continue
        session = onnxruntime.InferenceSession(DATA / "onnx" / name)
        inputs, first = {}, 0
        for one in session.get_inputs():
            inputs[one.name] = rows[:, first : first + one.shape[1]]
            first += one.shape[1]
        yield name, session.run(None, inputs)[-1].reshape(len(rows), -1)[:, -1]


def write_json(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")).replace("],", "],\n") + "\n")


def plain(values):
    import numpy as np

    return [None if np.isnan(value) else float(str(value)) for value in values]


def main():
    enter("rank-vectors", PACKAGES, __file__)
    import numpy as np

    rng = np.random.default_rng(SEED)
    train = draw(rng, N_TRAIN)
    label = labels(target(rng, train))
    rows = odd_rows(draw(rng, N_ROWS))
    plain_rows = np.nan_to_num(draw(rng, 20))
    OUT.mkdir(parents=True, exist_ok=True)
    given = [*lightgbm_scores(lightgbm_models(train, label), rows), *xgboost_scores(xgboost_models(train, label), rows)]
    scores = {name: [round(float(score), 9) for score in scores] for name, scores in given}
    write_json(OUT / "rows.json", [plain(row) for row in rows])
    write_json(OUT / "scores.json", {"packages": PACKAGES} | scores)
    scores = {name: [round(float(score), 9) for score in scores] for name, scores in onnx_scores(plain_rows)}
    write_json(DATA / "onnx" / "rows.json", [plain(row) for row in plain_rows])
    write_json(DATA / "onnx" / "scores.json", {"packages": PACKAGES} | scores)


if __name__ == "__main__":
    main()
