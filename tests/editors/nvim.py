"""A real Neovim without a screen, with the plugin, for tests to drive by RPC."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pynvim
from lsp_session import WITHIN_S, eventually

REPOSITORY = Path(__file__).parents[2]
EDITORS = Path(os.environ.get("DG_EDITORS", REPOSITORY / ".editors"))
VERSIONS = {"0.12": "forky", "0.10": "trixie"}
"""The versions tested, with the Debian suites that have them."""

MODULE = [sys.executable, "-m", "dg_lsp"]
"""The server as a module, which takes its packages from PYTHONPATH."""

_GHOST = """
local found = {}
for _, name in ipairs({ 'nvim.lsp.inline_completion', 'dg.ghost' }) do
  local namespace = vim.api.nvim_get_namespaces()[name]
  local marks = namespace and vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true }) or {}
  for _, mark in ipairs(marks) do
    local lines = { mark[4].virt_text or {} }
    vim.list_extend(lines, mark[4].virt_lines or {})
    for i, line in ipairs(lines) do
      lines[i] = table.concat(vim.tbl_map(function(chunk) return chunk[1] end, line))
    end
    table.insert(found, table.concat(lines, '\\n'))
  end
end
return found
"""


def program(version: str) -> Path:
    return EDITORS / f"neovim-{version}" / "bin" / "nvim"


def environment(home: Path, runtime: Path, options: dict[str, Any]) -> dict[str, str]:
    """What Neovim starts with: a home of its own, `dg-lsp` of this Python on PATH, engines in `runtime`."""
    folders = {f"XDG_{name}_HOME": str(home) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(REPOSITORY),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "NVIM_LOG_FILE": str(home / "nvim.log"),
        "DG_RUNTIME_DIR": str(runtime),
        "DG_TEST_PLUGIN": str(REPOSITORY / "editors" / "nvim"),
        "DG_TEST_OPTIONS": json.dumps(options),
        **folders,
    }


def command(version: str) -> list[str]:
    return [str(program(version)), "--clean", "-u", str(Path(__file__).with_name("init.lua"))]


class Neovim:
    """One Neovim; `lua` runs in it, `type` types, and `ghost` reads what is suggested."""

    def __init__(
        self,
        version: str,
        home: Path,
        runtime: Path,
        *,
        more_environment: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.version = version
        self.home = home
        address = home / "nvim.sock"
        self.process = subprocess.Popen(
            [*command(version), "--headless", "--listen", str(address)],
            env=environment(home, runtime, options) | (more_environment or {}),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self.api = eventually(lambda: _attached(address), "Neovim listens")
        except BaseException:
            self.process.kill()
            raise

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.api.exec_lua(code, *arguments)

    def open(self, name: str, text: str) -> None:
        """Edit a file with this text; the cursor is behind its last character, and the server serves it."""
        (self.home / name).write_text(text)
        self.api.command(f"edit! {name}")
        self.api.command("normal! G$")
        eventually(lambda: self.lua("return require('dg.client').get(0) ~= nil"), "the server attaches")

    def until_ready(self) -> None:
        eventually(lambda: self.status() in ("dg", "dg off"), "the engine is ready")

    def type(self, keys: str) -> None:
        self.api.input(keys)

    def act(self, action: str) -> Any:
        """Call a function of the plugin, as a key of the user's would."""
        return self.lua(f"return require('dg').{action}()")

    def command(self, line: str) -> None:
        self.api.command(line)

    def ghost(self) -> str:
        """The ghost text, of whoever shows it; "" without. Two at once are an error."""
        found = self.lua(_GHOST)
        assert len(found) <= 1, found
        return str(found[0]) if found else ""

    def wait_for_ghost(self, text: str | None = None) -> str:
        """The ghost text, waiting for it to be this one (or any)."""
        eventually(lambda: self.ghost() == text if text else self.ghost(), f"ghost text {text or ''}: {self.ghost()!r}")
        return self.ghost()

    def wait_for_text(self, ending: str) -> None:
        eventually(lambda: self.text.endswith(ending), f"text that ends with {ending!r}")

    @property
    def text(self) -> str:
        return "\n".join(self.api.current.buffer[:])

    @property
    def cursor(self) -> tuple[int, int]:
        row, column = self.api.current.window.cursor
        return row, column

    @property
    def mode(self) -> str:
        return str(self.api.api.get_mode()["mode"])

    def status(self) -> str:
        return str(self.lua("return require('dg').status()"))

    def said(self) -> list[str]:
        """What was said to the user: by the plugin, and by the server."""
        messages = self.api.command_output("messages").splitlines()
        return [*self.lua("return _G.said"), *messages]

    def errors(self) -> list[str]:
        """Error messages of Neovim's, and errors in its log of language servers."""
        messages = [line for line in self.said() if "Error" in line or (line[:1] == "E" and line[1:2].isdigit())]
        logs = [line for log in self.home.rglob("lsp*.log") for line in log.read_text().splitlines()]
        return messages + [line for line in logs if line.startswith("[ERROR]")]

    def server_pid(self) -> int:
        pid = self.lua(
            "local answer = vim.lsp.get_clients({ name = 'dg' })[1]; local got;"
            "require('dg.client').request(answer, 'dg/status', vim.empty_dict(), function(_, it) got = it end, 0);"
            "vim.wait(20000, function() return got end, 10); return got.pid"
        )
        return int(pid)

    def quit(self) -> int:
        """Leave without writing; the exit status."""
        self.api.command("qall!", async_=True)
        return self.process.wait(WITHIN_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.api.close()


def _attached(address: Path) -> pynvim.Nvim | None:
    try:
        return pynvim.attach("socket", path=str(address))
    except (FileNotFoundError, ConnectionRefusedError):  # not yet
        return None


def there(version: str) -> tuple[bool, str]:
    """Whether there is a Neovim of this version to test with, and what to do if not."""
    return program(version).exists(), f"no Neovim {version} in {EDITORS}: run `make test-editors`"
