#!/usr/bin/env python3
"""Makes a tiny sentence model with random weights, and what sentence-transformers makes of some texts with it and with all-MiniLM-L6-v2.

    pip install sentence-transformers==6.2.0
    scripts/oracles/sentences.py "$(scripts/install-minilm)" crates/reco-core/tests/data/sentences
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer, models
from transformers import BertConfig, BertModel, BertTokenizerFast

TEXTS = [
    "Green tea, 20 bags",
    "Matcha",
    "Dish soap",
    "Rye bread. Bakery. A dark loaf, 500 g",
    "käse:日本 語",
    "tea " * 40,
    "!",
]
WORDS = "green tea bag bread rye dark loaf dish soap a of the g , . ! : 20 5 ##s ##0 ##00 k ##a ##se 日 本".split()


def tiny(folder: Path) -> None:
    """A network that is small enough to be committed and has all parts of a large one."""
    torch.manual_seed(7)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    with tempfile.TemporaryDirectory() as parts:
        (Path(parts) / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
        BertTokenizerFast(vocab_file=f"{parts}/vocab.txt", vocab=f"{parts}/vocab.txt").save_pretrained(parts)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=24,
            max_position_embeddings=32,
            # Weights as small as usual would hide what attention does.
            initializer_range=0.5,
        )
        BertModel(config, add_pooling_layer=False).save_pretrained(parts)
        transformer = models.Transformer(parts, max_seq_length=24)
        pooling = models.Pooling(config.hidden_size, pooling_mode="mean")
        SentenceTransformer(modules=[transformer, pooling, models.Normalize()], device="cpu").save(
            str(folder), create_model_card=False
        )


def vectors(model: Path) -> list[dict]:
    embedded = SentenceTransformer(str(model), device="cpu").encode(TEXTS, batch_size=1)
    return [
        {"text": text, "vector": [round(float(x), 6) for x in vector]} for text, vector in zip(TEXTS, embedded)
    ]


def main() -> None:
    minilm, folder = Path(sys.argv[1]), Path(sys.argv[2])
    tiny(folder / "tiny")
    for name, model in [("tiny", folder / "tiny"), ("minilm", minilm)]:
        text = json.dumps(vectors(model), ensure_ascii=False)
        (folder / f"{name}.json").write_text(text.replace("}, {", "},\n{") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
