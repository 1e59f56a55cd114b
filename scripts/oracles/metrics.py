"""Random rankings with ties and what ranx and pytrec_eval say of them, as JSON on standard output.

Both libraries break ties by their own rules, so every score is first made unique in the order that reco's rule
gives (score descending, then item ascending); the ties are in the input that reco sorts.
"""

import json
import random

import pytrec_eval
from ranx import Qrels, Run, evaluate

CUTS = [1, 3, 5, 10, 20]
random.seed(7)

users = []
for user in range(200):
    scores = [random.randint(0, 6) for _ in range(random.randint(1, 40))]
    relevant = [item for item in range(60) if random.random() < 0.15] or [random.randrange(60)]
    users.append({"scores": scores, "relevant": relevant})

run, qrels = {}, {}
for number, user in enumerate(users):
    order = sorted(range(len(user["scores"])), key=lambda item: (-user["scores"][item], item))
    run[str(number)] = {str(item): float(len(order) - place) for place, item in enumerate(order)}
    qrels[str(number)] = {str(item): 1 for item in user["relevant"]}

names = {"hr": "hit_rate", "precision": "precision", "recall": "recall", "ndcg": "ndcg", "map": "map", "mrr": "mrr"}
metrics = [f"{name}@{k}" for name in names.values() for k in CUTS]
ranx_run = Run(run)
evaluate(Qrels(qrels), ranx_run, metrics, return_mean=False)
by_ranx = {f"{ours}@{k}": [ranx_run.scores[f"{theirs}@{k}"][str(n)] for n in range(len(users))] for ours, theirs in names.items() for k in CUTS}

cuts = ",".join(map(str, CUTS))
measures = {"ndcg_cut." + cuts, "P." + cuts, "recall." + cuts, "map_cut." + cuts, "success.1,5,10"}
trec = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
trec_names = {"ndcg": "ndcg_cut", "precision": "P", "recall": "recall", "map": "map_cut"}
by_trec = {f"{ours}@{k}": [trec[str(n)][f"{theirs}_{k}"] for n in range(len(users))] for ours, theirs in trec_names.items() for k in CUTS}

print(json.dumps({"users": users, "ranx": by_ranx, "pytrec_eval": by_trec}, default=float))
