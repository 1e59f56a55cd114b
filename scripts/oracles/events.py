"""Random events, right and wrong, and whether the Python package jsonschema finds them to fit reco's schema, as JSON
Lines on standard output. The schema is read from standard input.

Left out is what a schema cannot say: how long a text is in bytes, how large a context is, and what time it is.
"""

import json
import random
import sys

import jsonschema

random.seed(7)
schema = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

ANYTHING = [None, True, False, 0, 1, -1, 1.5, 2.0, "", "x", " ", [], {}, [1], {"a": 1}, 1e39, -3e38, 10**12, "x" * 257]
OWN = {
    "version": [1, 1, 1.0, 2],
    "id": ["01890a5d-ac96-774b-bcce-b302099a8057", "F" * 32, "0" * 31, "g" * 32, "0" * 33, "+" + "0" * 31],
    "user_id": ["ann", "x" * 256],
    "session_id": ["s1", "x" * 128, "x" * 129],
    "item_id": ["tea", "x" * 256],
    "action": ["click", "Rating", "rating ", "my action", "RATING", "x" * 256, "\t"],
    "value": [5, 3.5, -1, 0],
    "timestamp": [0, 1_700_000_000_000, 12.0, 12.5, -5, "1700000000000"],
    "request_id": ["r", "x" * 128, "x" * 129],
    "position": [1, 7.0, 0, 2**32 - 1, 2**32, 0.5],
    "propensity": [1, 1.0, 0.25, 0, 1.1, -0.5],
    "context": [{"device": "phone"}, {"deep": {"er": [1]}}],
    "colour": ["red", {"hue": 3}],
}


def event():
    """Mostly right, so that one wrong field alone decides."""
    base = {"user_id": "ann", "item_id": "tea", "action": "click"}
    for field in random.sample(list(OWN), random.randint(0, 4)):
        if random.random() < 0.1:
            base.pop(field, None)
        else:
            base[field] = random.choice(OWN[field] if random.random() < 0.8 else ANYTHING)
    return base


for value in [*ANYTHING, *(event() for _ in range(20_000))]:
    print(json.dumps({"event": value, "fits": validator.is_valid(value)}))
