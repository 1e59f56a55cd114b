#!/usr/bin/env python3
"""Sends events through a real broker with reco and with Kafka's own tools, and writes docs/benchmarks/kafka.md; see README.md."""

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
EVENTS = 1_000_000
PARTITIONS = 100
COMPRESSIONS = ["lz4", "zstd", "none"]
PATIENCE = 120


def jars(*flags):
    """The class path that scripts/install-kafka installs."""
    folder = subprocess.run([ROOT / "scripts" / "install-kafka", *flags], check=True, stdout=subprocess.PIPE, text=True)
    return f"{folder.stdout.strip()}/*"


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Broker:
    """One broker with a gigabyte of memory, on free ports, until the block ends."""

    def __init__(self, class_path, folder):
        port, controller = free_ports(2)
        self.address, self.folder = f"127.0.0.1:{port}", Path(folder)
        settings = self.folder / "server.properties"
        settings.write_text(
            f"process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n"
            f"controller.listener.names=CONTROLLER\n"
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
            f"log.dirs={folder}/data\noffsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n"
            "auto.create.topics.enable=false\n"
        )
        java = ["java", "-cp", class_path]
        format_data = [*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", settings]
        subprocess.run(format_data, check=True, capture_output=True)
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen([*java, "-Xmx1g", "kafka.Kafka", settings], stdout=self.log, stderr=self.log)

    def __enter__(self):
        begun = time.monotonic()
        while "Kafka Server started" not in (self.folder / "log").read_text():
            if self.process.poll() is not None or time.monotonic() - begun > PATIENCE:
                self.__exit__()
                sys.exit((self.folder / "log").read_text())
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def reco(program, broker, run, compression):
    topic = f"reco.{compression}.{run}"
    output = subprocess.run([program, broker.address, topic, compression, str(EVENTS)], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout)


def tool(class_path, name, *arguments):
    command = ["java", "-Xmx512m", "-cp", class_path, f"org.apache.kafka.tools.{name}", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout


def kafkas_own(class_path, broker, run, compression, size):
    """Rates of Kafka's own tools, which want a topic that is there: each run reuses the partitions of one of ours."""
    topic = f"reco.{compression}.{run}"
    settings = ["bootstrap.servers=" + broker.address, "acks=all", "enable.idempotence=true", "linger.ms=5", f"compression.type={compression}"]
    produced = tool(
        class_path, "ProducerPerformance", "--topic", topic, "--num-records", EVENTS, "--record-size", size, "--throughput", -1, "--producer-props", *settings
    )
    rate = float(re.findall(r"([\d.]+) records/sec", produced)[-1])
    consumed = tool(
        class_path, "ConsumerPerformance", "--bootstrap-server", broker.address, "--topic", topic, "--num-records", EVENTS, "--group", f"own.{compression}.{run}", "--timeout", 60_000
    )
    head, *_, figures = [line for line in consumed.splitlines() if "," in line]
    column = [name.strip() for name in head.split(",")].index("fetch.nMsg.sec")
    return {"produced_per_second": rate, "consumed_per_second": float(figures.split(",")[column])}


def row(cells):
    return f"| {' | '.join(map(str, cells))} |"


def table(runs):
    """Medians of all runs."""
    heads = ["client", "compression", "events/s written", "p50 ms a batch of 500", "p99 ms", "events/s read"]
    lines = [row(heads), row(["---"] * len(heads))]
    for compression in COMPRESSIONS:
        for client in ["reco", "Kafka's own tools"]:
            figures = [run[client, compression] for run in runs]
            median = lambda name: statistics.median(each[name] for each in figures) if name in figures[0] else None
            shown = lambda value, form: "" if value is None else format(value, form)
            lines.append(
                row(
                    [
                        client,
                        compression,
                        shown(median("produced_per_second"), ",.0f"),
                        shown(median("p50_ms"), ".1f"),
                        shown(median("p99_ms"), ".1f"),
                        shown(median("consumed_per_second"), ",.0f"),
                    ]
                )
            )
    return "\n".join(lines) + "\n"


def build():
    command = ["cargo", "bench", "--locked", "--quiet", "-p", "reco-kafka", "--bench", "throughput", "--no-run", "--message-format=json"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return next(path for line in output.splitlines() if (path := json.loads(line).get("executable")))


def main():
    own, tools, program = jars(), jars("--tools"), build()
    runs, size = [], 0
    with tempfile.TemporaryDirectory() as folder, Broker(own, folder) as broker:
        for run in range(RUNS):
            figures = {}
            for compression in COMPRESSIONS:
                print(f"run {run + 1} of {RUNS}, {compression}", file=sys.stderr)
                ours = figures["reco", compression] = reco(program, broker, run, compression)
                size = ours["bytes_per_event"]
                figures["Kafka's own tools", compression] = kafkas_own(tools, broker, run, compression, size)
            runs.append(figures)
    heading = (
        "# Events through Kafka\n\n"
        f"{EVENTS:,} events of {size} bytes of JSON, written and read back through one broker (Apache Kafka 4.4.0, {PARTITIONS} partitions, one copy,\n"
        "acknowledged by all replicas, idempotent) on the same cores as the client: eight appends of 500 events under way at a time. Kafka's own tools\n"
        "(4.3.1) send and receive as many messages of that size, random bytes without a key, and make and read no events.\n"
        f"Medians of {RUNS} runs, made by `benches/kafka/run.py` on {time.strftime('%Y-%m-%d')} with {machine()}.\n\n"
    )
    (DOCS / "kafka.md").write_text(heading + table(runs))


if __name__ == "__main__":
    os.environ.setdefault("CARGO_TARGET_DIR", str(ROOT / "target"))
    main()
