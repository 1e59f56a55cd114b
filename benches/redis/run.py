#!/usr/bin/env python3
"""Reads small hashes through reco-redis and through redis-benchmark, from one server, reads and feeds features of users, and
writes docs/benchmarks/redis.md."""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from environment import DOCS, ROOT, machine  # noqa: E402

RUNS = 3
FIELDS = ["computed_at", "expires_at", "n_items", "items:0"]
KEY = "reco-throughput:list:{user 7}:throughput"
# Connections and commands in flight on each; the second is what a pool of two carries for 256 callers.
BESIDE = [(2, 1), (2, 128), (50, 1), (50, 16)]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ready(port):
    """Waits for the server, at most ten seconds."""
    for _ in range(1_000):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    sys.exit(f"no server on 127.0.0.1:{port} after ten seconds")


def ours(program, port):
    """What is read, by the way it is read, and what is said of feeding, by the figure's name."""
    output = subprocess.run([program, f"127.0.0.1:{port}"], check=True, stdout=subprocess.PIPE, text=True).stdout
    read, fed = {}, {}
    for line in map(json.loads, output.splitlines()):
        what, batch = line.pop("what"), line["batch"]
        if what in ("lists", "features"):
            way = f"{counted(line['callers'], 'caller')}, pool of {line['pool']}", f"{batch} a call"
            read[f"reco-redis, {what}", *way] = line["per_second"]
        else:
            fed |= {(what, batch, name): figure for name, figure in line.items() if name != "batch"}
    return read, fed


def counted(number, what):
    return f"{number} {what}" + ("" if number == 1 else "s")


def theirs(port):
    rates = {}
    for connections, pipelined in BESIDE:
        command = ["redis-benchmark", "-p", str(port), "-q", "-n", "300000" if pipelined > 1 or connections > 2 else "60000"]
        command += ["-c", str(connections), "-P", str(pipelined), "HMGET", KEY, *FIELDS]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        rate = re.findall(r"([\d.]+) requests per second", output)[-1]
        rates["redis-benchmark", f"{connections} connections", f"{pipelined} in flight on each"] = float(rate)
    return rates


def row(cells):
    return f"| {' | '.join(map(str, cells))} |"


def about_feeding(features):
    batch = next(batch for what, batch, _ in features if what == "feed")
    lines = [
        "\n## Feeding features\n",
        f"In batches of {batch:,} events, one each of {batch:,} of 10,000 users (the worst case: as many documents are read and written), "
        f"{features['feed', batch, 'per_second']:,.0f} events/s; flushing 200,000 of them, without replicas, takes "
        f"{features['feed', batch, 'flush_ms']:,.0f} ms. From the call of `take` until the features can be read:\n",
        row(["events in the batch", "p50, ms", "p99, ms"]),
        row(["---"] * 3),
    ]
    sizes = sorted({batch for what, batch, _ in features if what == "take"})
    lines += [row([size, *(f"{features['take', size, name]:.2f}" for name in ("p50_ms", "p99_ms"))]) for size in sizes]
    return "\n".join(lines) + "\n"


def main():
    build = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "reco-redis", "--example", "throughput"]
    subprocess.run(build, cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program, port, runs, feeding = target / "release" / "examples" / "throughput", free_port(), [], []
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            ready(port)
            for place in range(RUNS):
                print(f"run {place + 1} of {RUNS}", file=sys.stderr)
                read, fed = ours(program, port)
                runs.append(read | theirs(port))
                feeding.append(fed)
        finally:
            server.terminate()
            server.wait()
    lines = [row(["client", "over", "pipelining", "hashes/s"]), row(["---"] * 4)]
    lines += [row([*way, f"{statistics.median(run[way] for run in runs):,.0f}"]) for way in runs[0]]
    features = {figure: statistics.median(fed[figure] for fed in feeding) for figure in feeding[0]}
    heading = (
        "# Redis\n\n"
        "Reading small hashes (a list of three items: three numbers and 150 bytes of JSON) and features of users (twenty events\n"
        "each) from one Redis server on the same cores, by reco-redis, which also decodes them, and by redis-benchmark, which\n"
        "reads the lists and looks at nothing, in the same run.\n"
        f"Medians of {RUNS} runs, made by `benches/redis/run.py` on {time.strftime('%Y-%m-%d')} with {machine()}.\n\n"
    )
    (DOCS / "redis.md").write_text(heading + "\n".join(lines) + "\n" + about_feeding(features))


if __name__ == "__main__":
    main()
