"""A virtual environment of their own for the scripts that compare reco with others and draw."""

import os
import platform
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "benchmarks"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "reco"


def enter(name, packages, script):
    """Runs `script` again with the interpreter of the environment `name`, made on first use."""
    venv = CACHE / name / "venv"
    venv.parent.mkdir(parents=True, exist_ok=True)
    python, stamp = venv / "bin" / "python", venv / "packages"
    if not stamp.exists() or stamp.read_text() != repr(packages):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        stamp.write_text(repr(packages))
    if Path(sys.prefix) != venv:
        os.execv(python, [str(python), script, *sys.argv[1:]])


def build_reco(*flags):
    """The command, built for speed."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "-p", "reco-cli", *flags], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "reco"


def machine():
    """Cores, processor and the version of reco, for the heading of a table."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}, {platform.system()}, {version()}"


def version():
    """Of reco, with the commit it is built from, where that is known."""
    with open(ROOT / "Cargo.toml", "rb") as manifest:
        number = tomllib.load(manifest)["workspace"]["package"]["version"]
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return f"reco {number}" + (f" at {git.stdout.strip()}" if git.returncode == 0 else "")
