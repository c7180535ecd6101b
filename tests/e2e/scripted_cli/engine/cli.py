"""A stand-in for `dg-engine` that knows two models, of which one is to be downloaded.

What is downloaded lies in the runtime folder; `slow_download` there makes a download last, `no_network` makes it fail.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import scripted_engine
import uvicorn

from engine.process import ask_health
from engine.protocol import runtime_folder, socket_path

SIZE = 491_400_064
ROW = {"parameters": 1, "memory_bytes": SIZE, "license": "Apache-2.0", "purpose": "tests", "fits": True, "why_not": ""}


def main() -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("models").add_argument("--json", action="store_true")
    downloading = commands.add_parser("download")
    downloading.add_argument("name")
    downloading.add_argument("--json", action="store_true")
    serving = commands.add_parser("serve")
    serving.add_argument("--device")
    serving.add_argument("--model", default="dg-default")
    serving.add_argument("--replace", action="store_true")
    arguments = parser.parse_args()
    return {"models": models, "download": download, "serve": serve}[arguments.command](arguments)


def models(_: argparse.Namespace) -> int:
    health = ask_health()
    rows = [
        {
            **ROW,
            "name": name,
            "size_bytes": size,
            "languages": languages,
            "downloaded": is_here(name),
            "path": str(path(name)) if is_here(name) else None,
            "loaded": bool(health) and health.model == name,
            "recommended": name == "small",
        }
        for name, size, languages in (("dg-default", 0, ["python"]), ("small", SIZE, ["python", "go"]))
    ]
    why_not = "needs 60.0 GB of memory, 8.0 GB are free"
    rows.append(
        {**rows[1], "name": "huge", "downloaded": False, "recommended": False, "fits": False, "why_not": why_not}
    )
    print(json.dumps(rows))
    return 0


def download(arguments: argparse.Namespace) -> int:
    if (runtime_folder() / "no_network").exists():
        return complain("small cannot be fetched (no network): put the file there by --from PATH", 3)
    for percent in range(0, 101, 10):
        print(json.dumps({"name": arguments.name, "done": SIZE * percent // 100, "total": SIZE}), flush=True)
        while percent == 40 and (runtime_folder() / "slow_download").exists():
            (runtime_folder() / "downloading").write_text(str(os.getpid()))
            time.sleep(0.02)
    path(arguments.name).touch()
    print(json.dumps({"name": arguments.name, "path": str(path(arguments.name))}), flush=True)
    return 0


def serve(arguments: argparse.Namespace) -> int:
    if not is_here(arguments.model):
        return complain(f"{arguments.model} is not on this machine: run dg-engine download {arguments.model}", 2)
    running = ask_health()
    if running and not arguments.replace:
        return 0
    if running:
        os.kill(running.pid, signal.SIGTERM)
        while ask_health():
            time.sleep(0.02)
    socket_path().unlink(missing_ok=True)
    uvicorn.run(scripted_engine.application("--model", arguments.model), uds=str(socket_path()), log_level="warning")
    return 0


def is_here(name: str) -> bool:
    return name == "dg-default" or path(name).exists()


def path(name: str) -> Path:
    return runtime_folder() / f"{name}.gguf"


def complain(why: str, status: int) -> int:
    print(f"dg-engine: {why}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
