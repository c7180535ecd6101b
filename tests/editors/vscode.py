"""A real VS Code in a real browser, with the extension installed from its .vsix, for tests to drive from two sides.

From inside, `api` runs JavaScript in the extension host; from outside, `page` is the browser's page.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from lsp_session import WITHIN_S, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page

REPOSITORY = Path(__file__).parents[2]
EDITORS = Path(os.environ.get("DG_EDITORS", REPOSITORY / ".editors"))
SERVER = EDITORS / "vscode" / "server-main.js"
NODE = EDITORS / "vscode" / "node"
CHROMIUM = Path(os.environ.get("DG_CHROMIUM", "/usr/bin/chromium"))
VSIX = REPOSITORY / "editors" / "vscode" / "dg-lsp.vsix"
DRIVER = Path(__file__).with_name("vscode_driver")
TOTAL = "def total(prices):\n    result = 0\n    for price in prices:\n        result += price\n    return "
"""What the default model is sure how to go on with: res|ult."""
POINT = """\
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def get_x(self):
        return self.x

    def get_y(self):
        pa|ss
"""
"""A stub that it fills."""


_BROWSER = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

_SETTINGS = {
    "workbench.startupEditor": "none",
    "workbench.enableExperiments": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "telemetry.telemetryLevel": "off",
    "security.workspace.trust.enabled": False,
    "extensions.autoUpdate": False,
    "extensions.autoCheckUpdates": False,
    "extensions.ignoreRecommendations": True,
    "chat.disableAIFeatures": True,
    "update.mode": "none",
    "window.menuBarVisibility": "compact",
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.wordBasedSuggestions": "off",
    "files.simpleDialog.enable": True,
    "terminal.integrated.gpuAcceleration": "off",  # a canvas has no text to read
    "dg.inline.deadlineMs": 20000,  # the machine may be busy
}


def missing() -> str:
    """What is not there to run VS Code, "" where all is."""
    files = [str(path) for path in (SERVER, NODE, CHROMIUM, VSIX) if not path.exists()]
    return ", ".join(files if importlib.util.find_spec("playwright") else [*files, "playwright"])


class Code:
    """One window. `runtime` is the folder of its engine, `workspace` the folder that is open."""

    def __init__(self, root: Path, page: Page, api: httpx.Client) -> None:
        self.runtime = root
        self.workspace = root / "ws"
        self.page = page
        self._api = api

    @contextmanager
    def another(self) -> Iterator[Code]:
        """A second window over the same folder; `api` and `command` stay those of this one."""
        page = self.page.context.new_page()
        page.goto(self.page.url)
        page.locator(".monaco-workbench").wait_for(timeout=WITHIN_S * 1000)
        yield Code(self.runtime, page, self._api)
        page.close()

    def api(self, script: str, **values: Any) -> Any:
        """What an async function with this body returns in the extension host; `values` are in its scope."""
        head = "".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
        answer = self._api.post("/", content=head + script, timeout=WITHIN_S).json()
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def command(self, name: str, *arguments: Any) -> Any:
        """Run a command of the editor."""
        return self.api("return vscode.commands.executeCommand(name, ...args)", name=name, args=list(arguments))

    def open(self, name: str, text: str) -> Path:
        """Write a file, show it and put the cursor where `|` stands in `text` (at the end, where there is none)."""
        before, _, after = text.partition("|")
        path = self.workspace / name
        path.write_text(before + after, "utf-8")
        self.api(
            """
            const document = await vscode.workspace.openTextDocument(path);
            const editor = await vscode.window.showTextDocument(document);
            const at = document.positionAt(offset);
            editor.selection = new vscode.Selection(at, at);
            """,
            path=str(path),
            offset=len(before),
        )
        self.page.locator(".editor-instance .view-lines").first.wait_for(timeout=WITHIN_S * 1000)
        self.command("workbench.action.focusActiveEditorGroup")
        return path

    def load_again(self, name: str) -> None:
        """Load the page again with this file of the workspace open, so that it is there before the extension.

        The page's address names it: what was open before is lost where VS Code had no idle moment to store it.
        """
        address = urllib.parse.urlsplit(self.page.url)
        query = dict(urllib.parse.parse_qsl(address.query))
        opened = ["openFile", f"vscode-remote://{address.netloc}{self.workspace / name}"]
        query["payload"] = json.dumps([*json.loads(query["payload"]), opened])
        self.page.goto(address._replace(query=urllib.parse.urlencode(query)).geturl())
        self.page.locator(".editor-instance .view-lines").first.wait_for(timeout=WITHIN_S * 1000)

    def type(self, text: str) -> None:
        """Press the keys."""
        self.page.keyboard.type(text, delay=30)

    @property
    def text(self) -> str:
        """The active document, as the editor has it."""
        text: str = self.api("return vscode.window.activeTextEditor.document.getText()")
        return text

    def ghost(self) -> str:
        """The ghost text on the screen."""
        return "".join(self.page.locator(".ghost-text-decoration, .ghost-text").all_inner_texts())

    def wait_for_ghost(self, text: str = "") -> str:
        """Wait for ghost text, or for just this one."""

        def shown() -> str:
            ghost = self.ghost()
            return ghost if ghost == text or not text else ""

        return eventually(shown, what="ghost text")

    def type_again_until_ghost(self, last: str) -> None:
        """Take the last character back and type it again, as a user does while something is being restarted."""

        def typed_again() -> bool:
            self.page.keyboard.press("Backspace")
            self.type(last)
            try:
                return bool(eventually(self.ghost, within_s=2))
            except AssertionError:
                return False

        eventually(typed_again, what="ghost text")

    def clear(self) -> None:
        """Close all files, as they are on disk, and all notifications."""
        self.command("notifications.clearAll")
        self.command("workbench.action.files.saveAll")
        self.command("workbench.action.closeAllEditors")

    def save(self) -> None:
        self.command("workbench.action.files.save")

    def status(self) -> str:
        """What the status bar item says to a screen reader."""
        item = self.page.locator('.statusbar-item[id="dg-lsp.dg-lsp.dg.status"] a')
        return (item.get_attribute("aria-label", timeout=WITHIN_S * 1000) or "").removeprefix("dg-lsp: ")

    def wait_for_status(self, *beginnings: str) -> str:
        try:
            return eventually(lambda: s if (s := self.status()).startswith(beginnings) else "")
        except AssertionError:
            raise AssertionError(f'the status stayed "{self.status()}", wanted was {beginnings}') from None

    def wait_until_ready(self) -> None:
        """A busy machine may be slow."""
        self.wait_for_status("Ready", "Slow")

    def notifications(self) -> list[str]:
        """The notifications so far. With the smoke test driver, VS Code lists them but lets none pop up."""
        self.command("notifications.showList")
        shown = self.page.locator(".notifications-center .notification-list-item-message")
        messages: list[str] = shown.all_inner_texts()
        self.command("notifications.hideList")
        return messages

    def press(self, button: str) -> None:
        """Press a button of the newest notification."""
        self.command("notifications.showList")
        self.page.locator(".notifications-center").get_by_role("button", name=button, exact=True).first.click()
        self.command("notifications.hideList")

    def report(self) -> str:
        """What helps to understand a failure."""
        why = self.command("dg.explain") or {"text": "the server does not answer"}
        shown = f"ghost text: {self.ghost()!r}, notifications: {self.notifications()}"
        facts = [self.status(), why["text"], shown, f"text: {self.text!r}"]
        return "\n".join([*facts, *self.processes().values()])

    def processes(self) -> dict[int, str]:
        """The command lines of the language servers and the engine of this window."""
        return processes(self.runtime)

    def language_servers(self) -> list[int]:
        return [pid for pid, line in self.processes().items() if "dg_lsp" in line or "dg-lsp" in line]

    def engines(self) -> list[int]:
        return [pid for pid, line in self.processes().items() if "engine.cli" in line or "scripted_engine" in line]


@contextmanager
def code(
    root: Path,
    *,
    settings: dict[str, Any] | None = None,
    remote_settings: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
    extensions: Sequence[Path] = (VSIX,),
    folders: Sequence[str] = (),
    checkout: Path | None = None,
) -> Iterator[Code]:
    """A window over the empty folder `root/ws`, or over several `folders` in it.

    Everything of it lies in `root`, which is the engine's runtime folder.

    `remote_settings` are those of scope machine; by default the Python of the tests. Where they name no model it is
    `dg-default`, and no other is offered. `checkout` is where the extension was built, as far as it knows. Afterwards
    the editor, the language server and the engine are ended, and no process may be left.
    """
    remote = {"dg.interpreter": sys.executable} if remote_settings is None else remote_settings
    remote = {"dg.engine.model": "dg-default"} | remote
    for kind, given in {"User": _SETTINGS | (settings or {}), "Machine": remote}.items():
        (root / "data" / kind).mkdir(parents=True)
        (root / "data" / kind / "settings.json").write_text(json.dumps(given))
    for name in ("ws", "home", *(f"ws/{folder}" for folder in folders)):
        (root / name).mkdir()
    opened = {"folder": str(root / "ws")}
    if folders:
        opened = {"workspace": str(root / "all.code-workspace")}
        several = {"folders": [{"path": f"ws/{folder}"} for folder in folders]}
        (root / "all.code-workspace").write_text(json.dumps(several))
    environ = os.environ | {
        "HOME": str(root / "home"),
        "PYTHONPATH": str(REPOSITORY),
        "DG_RUNTIME_DIR": str(root),
        "DG_TEST_SOCKET": str(root / "driver.sock"),
        "OMP_NUM_THREADS": "1",
    }
    try:
        serving = _serving(root, environ | (environment or {}), extensions, checkout)
        with serving as port, _browsing(root, port, opened) as page:
            transport = httpx.HTTPTransport(uds=str(root / "driver.sock"))
            with httpx.Client(transport=transport, base_url="http://driver") as client:
                yield Code(root, page, client)
    finally:
        _end(root)


def _end(root: Path) -> None:
    """End the engine, which outlives the window by design; nothing else may be left."""
    eventually(
        lambda: all("engine" in line for line in processes(root).values()), what="the end of the language server"
    )
    for pid in processes(root):
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: not processes(root), what="the end of the engine")


def processes(runtime: Path) -> dict[int, str]:
    """The command lines of all processes that were started with this runtime folder, but the editor's own."""
    found = {}
    mark = f"DG_RUNTIME_DIR={runtime}".encode()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark in (folder / "environ").read_bytes().split(b"\0"):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                if line and "code-server" not in line and "chromium" not in line:
                    found[int(folder.name)] = line
        except OSError:
            continue  # it has ended
    return found


@contextmanager
def _serving(root: Path, environ: dict[str, str], extensions: Sequence[Path], checkout: Path | None) -> Iterator[int]:
    """VS Code's own server with extensions (.vsix files) installed; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(NODE), str(SERVER.resolve()), "--accept-server-license-terms", "--telemetry-level=off"]
    command.append("--force-disable-user-env")  # else PATH would be that of a login shell
    command += [f"--server-data-dir={root}", f"--user-data-dir={root / 'data'}", f"--extensions-dir={root / 'ext'}"]
    with (root / "editor.log").open("w") as log:
        install = [f"--install-extension={extension}" for extension in extensions]
        subprocess.run([*command, *install], env=environ, stdout=log, stderr=log, check=True)
        for note in (root / "ext").glob("dg-lsp.dg-lsp-*/checkout"):
            note.unlink()
            if checkout:
                note.write_text(f"{checkout}\n")
        serve = [*command, "--host=127.0.0.1", f"--port={port}", "--without-connection-token"]
        # What makes a built VS Code take an extension from a folder (the driver).
        serve.append("--enable-smoke-test-driver")
        server = subprocess.Popen(serve, env=environ, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: _answers(port), what="VS Code's server")
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/version", timeout=2).is_success
    except httpx.TransportError:
        return False


@contextmanager
def _browsing(root: Path, port: int, opened: dict[str, str]) -> Iterator[Page]:
    """A browser's page with a folder or a workspace open and the driver listening."""
    from playwright.sync_api import sync_playwright

    driver = [["extensionDevelopmentPath", f"vscode-remote://127.0.0.1:{port}{DRIVER}"]]
    parameters = {**opened, "payload": json.dumps(driver)}
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            root / "browser",
            executable_path=CHROMIUM,
            headless=True,
            args=_BROWSER,
            viewport={"width": 1000, "height": 600},
        )
        page = context.pages[0]
        page.goto(f"http://127.0.0.1:{port}/?{urllib.parse.urlencode(parameters)}")
        page.locator(".monaco-workbench").wait_for(timeout=WITHIN_S * 1000)
        eventually((root / "driver.sock").exists, what="the driver")
        yield page
        context.close()
