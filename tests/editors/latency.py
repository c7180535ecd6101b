"""From a key to painted ghost text in a real Neovim, with the real server, engine and default model.

`python tests/editors/latency.py [--keys N] [--neovim 0.12]`. Each key is typed in a function that the model has not
seen before; the functions stand below each other, so what is above is known as it is while one types.
Neovim, this program and its proxy before the engine read the same clock, which splits the time: what Neovim waits and
draws, what the server adds, what the engine takes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from lsp_session import eventually, short_folder
from nvim import VERSIONS, Neovim

from engine.evaluation.machine import machine, versions

WAIT_MS = 5000

_PROBE = """
local clock = vim.uv.hrtime
_G.probe = {}
vim.on_key(function(key)
  if key ~= '' then _G.probe.key = clock() end
end)
local server = require('dg.client').get(0)
local request = server.request
server.request = function(...)
  local arguments = { ... }
  local at = type(arguments[1]) == 'table' and 2 or 1 -- methods from 0.11 on
  if arguments[at] == 'textDocument/inlineCompletion' then
    local handler = arguments[at + 2]
    _G.probe.request = clock()
    arguments[at + 2] = function(...)
      _G.probe.answer = clock()
      return handler(...)
    end
  end
  return request(unpack(arguments, 1, 5))
end
local function has_ghost()
  for _, name in ipairs({ 'nvim.lsp.inline_completion', 'dg.ghost' }) do
    local namespace = vim.api.nvim_get_namespaces()[name]
    if namespace and #vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, {}) > 0 then return true end
  end
end
vim.api.nvim_set_decoration_provider(vim.api.nvim_create_namespace('latency'), {
  on_end = function()
    if _G.probe.answer and not _G.probe.paint and has_ghost() then _G.probe.paint = clock() end
  end,
})
"""

_ADD = """
local last = vim.api.nvim_get_current_line() == '' and {} or { '    return result', '', '' }
vim.list_extend(last, vim.split(..., '\\n'))
vim.api.nvim_buf_set_lines(0, -2, -1, false, last)
vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(0), 0 })
_G.probe = {}
"""

_DONE = "return (_G.probe.paint or (_G.probe.answer and vim.uv.hrtime() - _G.probe.answer > 2e8)) and _G.probe or false"


class Proxy:
    """Stands before the engine's socket and notes when each fill begins and ends (ns of the monotonic clock)."""

    def __init__(self, front: Path, engine: Path) -> None:
        self.fills: list[list[int]] = []
        self._front, self._engine = front, engine
        Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        eventually(front.exists, "the proxy listens")

    async def _serve(self) -> None:
        async with await asyncio.start_unix_server(self._connected, str(self._front)) as server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_engine, to_engine = await asyncio.open_unix_connection(str(self._engine))
        await asyncio.gather(
            _copy(reader, to_engine, self._note_begin),
            _copy(from_engine, writer, self._note_end),
            return_exceptions=True,
        )

    def _note_begin(self, data: bytes) -> None:
        if b"POST /v1/fill" in data:
            self.fills.append([time.monotonic_ns(), 0])

    def _note_end(self, data: bytes) -> None:
        if b"event: done" in data and self.fills:
            self.fills[-1][1] = time.monotonic_ns()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None]) -> None:
    with suppress(ConnectionError):  # the other side has gone
        while data := await reader.read(65536):
            note(data)
            writer.write(data)
            await writer.drain()
    writer.close()


def function(index: int) -> str:
    """A function that lacks the end of its last word but for one key."""
    body = f"    result = {index}\n    for number in numbers:\n        result += number\n"
    return f"def sum_{index}(numbers):\n{body}    return re"


def measure(editor: Neovim, proxy: Proxy, keys: int) -> list[dict[str, float]]:
    """For every key: ms in all and by part; an empty one where nothing was suggested."""
    found = []
    for index in range(keys):
        editor.type("<Esc>")
        eventually(lambda: editor.mode == "n", "normal mode")
        editor.lua(_ADD, function(index))
        proxy.fills.clear()
        editor.type("As")
        found.append(_parts(eventually(lambda: editor.lua(_DONE), "an answer"), proxy.fills))
        print(".", end="", flush=True)
    print()
    return found


def _parts(probe: dict[str, int], fills: list[list[int]]) -> dict[str, float]:
    inside = [end - begin for begin, end in fills if end and probe["request"] <= begin and end <= probe["answer"]]
    if "paint" not in probe or not inside:
        return {}
    parts = {
        "wait": probe["request"] - probe["key"],
        "server": probe["answer"] - probe["request"] - inside[0],
        "engine": inside[0],
        "paint": probe["paint"] - probe["answer"],
    }
    return {name: ns / 1e6 for name, ns in {"all": sum(parts.values()), **parts}.items()}


def report(found: list[dict[str, float]]) -> None:
    painted = [parts for parts in found if parts]
    print(f"{len(painted)} of {len(found)} keys brought ghost text; load {os.getloadavg()[0]:.1f}")
    print("| part | p50 ms | p95 ms | share |\n|---|---|---|---|")
    whole = sum(parts["all"] for parts in painted)
    for name in ("all", "wait", "server", "engine", "paint"):
        values = [parts[name] for parts in painted]
        p95 = statistics.quantiles(values, n=20)[-1]
        print(f"| {name} | {statistics.median(values):.1f} | {p95:.1f} | {100 * sum(values) / whole:.0f} % |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--neovim", choices=VERSIONS, default="0.12")
    arguments = parser.parse_args()
    print(machine(), versions("torch", "pygls"), f"Neovim {arguments.neovim}", f"load {os.getloadavg()[0]:.1f}")
    with short_folder() as behind, short_folder() as front, short_folder() as home:
        serve = [sys.executable, "-m", "engine.cli", "serve"]
        engine = subprocess.Popen(serve, env={**os.environ, "DG_RUNTIME_DIR": str(behind)}, stderr=subprocess.DEVNULL)
        editor = None
        try:
            eventually((behind / "engine.sock").exists, "the engine listens")
            proxy = Proxy(front / "engine.sock", behind / "engine.sock")
            editor = _editor(arguments.neovim, home, front)
            measure(editor, proxy, 3)  # warms up
            report(measure(editor, proxy, arguments.keys))
        finally:
            if editor:
                editor.close()
            engine.terminate()
            engine.wait()


def _editor(version: str, home: Path, runtime: Path) -> Any:
    editor = Neovim(version, home, runtime, settings={"inline": {"deadline_ms": WAIT_MS}})
    editor.api.ui_attach(80, 24, rgb=True)
    editor.open("sums.py", "\n")
    editor.until_ready()
    editor.lua(_PROBE)
    return editor


if __name__ == "__main__":
    main()
