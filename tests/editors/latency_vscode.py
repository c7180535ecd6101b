"""From a key to painted ghost text in a real VS Code, with the real server, engine and default model.

`python tests/editors/latency_vscode.py [--keys N]`: the keys and functions of `latency.py`. The page notes when a key
goes down and in which frame the ghost text stands; a relay between VS Code and the server, and a proxy before the
engine, note when requests and answers pass. Last comes what VS Code's list of running extensions says of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from latency import WAIT_MS, Proxy, function, report
from lsp_session import eventually, short_folder
from vscode import Code, code

from engine.evaluation.machine import machine, versions

RELAY = Path(__file__).with_name("relay.py")

_PROBE = """
() => {
  const now = () => performance.timeOrigin + performance.now();
  window.probe = {};
  document.addEventListener("keydown", () => { window.probe = { key: now() }; }, true);
  new MutationObserver(() => {
    const probe = window.probe;
    if (probe.key && !probe.seen && document.querySelector(".ghost-text, .ghost-text-decoration")) {
      probe.seen = true;
      requestAnimationFrame(() => setTimeout(() => { probe.paint = now(); }));
    }
  }).observe(document.body, { childList: true, subtree: true, attributes: true });
}
"""

_ADD = """
const editor = vscode.window.activeTextEditor;
const end = editor.document.lineAt(editor.document.lineCount - 1).range.end;
await editor.edit((edit) => edit.insert(end, text));
const last = editor.document.lineAt(editor.document.lineCount - 1).range.end;
editor.selection = new vscode.Selection(last, last);
editor.revealRange(new vscode.Range(last, last));
await vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
"""


def measure(window: Code, proxy: Proxy, notes: Path, keys: int) -> list[dict[str, float]]:
    """For every key: ms in all and by part; an empty one where nothing was suggested by the engine's answer to it."""
    found = []
    for index in range(keys):
        before = "ult\n\n\n" if index else ""  # the word of the function above, to its end
        window.api(_ADD, text=before + function(index))
        eventually(lambda: not window.ghost(), what="a quiet screen")
        proxy.fills.clear()
        notes.write_text("")
        window.page.keyboard.press("s")
        give_up = time.monotonic() + WAIT_MS / 1000
        while not (probe := window.page.evaluate("window.probe")).get("paint") and time.monotonic() < give_up:
            time.sleep(0.02)
        found.append(_parts(probe, notes, proxy))
        print(".", end="", flush=True)
    print()
    return found


def _parts(probe: dict[str, float], notes: Path, proxy: Proxy) -> dict[str, float]:
    passed = [json.loads(line) for line in notes.read_text().splitlines()]
    answers = {identity: at / 1e6 for kind, identity, at in passed if kind == "answer"}
    to_wall = time.time_ns() - time.monotonic_ns()
    fills = [[(at + to_wall) / 1e6 for at in fill] for fill in proxy.fills if fill[1]]
    for kind, identity, at in passed:
        request, answer = at / 1e6, answers.get(identity, 0)
        inside = [end - begin for begin, end in fills if request <= begin and end <= answer]
        if kind == "request" and request >= probe["key"] and inside and "paint" in probe:
            parts = {
                "wait": request - probe["key"],
                "server": answer - request - inside[0],
                "engine": inside[0],
                "paint": probe["paint"] - answer,
            }
            return {"all": sum(parts.values()), **parts}
    return {}


def activation(window: Code) -> str:
    """How long the extension took to start, as the editor counts it: `Activation: 240ms`."""
    window.command("workbench.action.showRuntimeExtensions")
    row = window.page.locator(".runtime-extensions-editor .extension", has_text="dg-lsp")
    text: str = row.inner_text(timeout=60_000)
    return text.splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=int, default=100)
    arguments = parser.parse_args()
    with short_folder() as behind, short_folder() as root:
        notes, python = root / "notes", root / "python"
        python.write_text(f'#!/bin/sh\ncase "$1" in -c) exec {sys.executable} "$@";; esac\n')
        with python.open("a") as script:
            script.write(f'exec {sys.executable} {RELAY} {notes} {sys.executable} "$@"\n')
        python.chmod(0o755)
        serve = [sys.executable, "-m", "engine.cli", "serve"]
        engine = subprocess.Popen(serve, env={**os.environ, "DG_RUNTIME_DIR": str(behind)}, stderr=subprocess.DEVNULL)
        try:
            eventually((behind / "engine.sock").exists, what="the engine")
            proxy = Proxy(root / "engine.sock", behind / "engine.sock")
            with code(root, remote_settings={"dg.interpreter": str(python)}) as window:
                version = window.api("return vscode.version")
                print(machine(), versions("torch", "pygls"), f"VS Code {version}", f"load {os.getloadavg()[0]:.1f}")
                window.open("sums.py", "\n")
                window.wait_until_ready()
                window.page.evaluate(_PROBE)
                measure(window, proxy, notes, 3)  # warms up
                window.open("sums2.py", "\n")
                report(measure(window, proxy, notes, arguments.keys))
                print(activation(window))
                window.clear()
        finally:
            engine.terminate()
            engine.wait()


if __name__ == "__main__":
    main()
