"""Where the VS Code extension finds its server, and how it installs one; each test is the first start on a machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from lsp_session import eventually, short_folder
from vscode import REPOSITORY, TOTAL, VSIX, Code, code, processes

pytestmark = pytest.mark.timeout(300)

QUESTION = "dg-lsp needs its server: a Python environment of about 1 GB, made for this extension alone."
ANEW = "dg-lsp: the server runs already. Shall the extension's own environment be made anew?"
_numbers = count()

BARE = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ""}
"""The environment of a user who has Python, but not dg-lsp."""


@pytest.fixture
def root(vscode_is_there: None) -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def wheel(folder: Path, version: str = "0.1.0") -> Path:
    """A stand-in for the package: it has the same name and runs the server with the Python of the tests."""
    run = (
        "import os, sys\n"
        f"os.environ['PYTHONPATH'] = {str(REPOSITORY)!r}\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, '-m', 'dg_lsp', *sys.argv[1:]])\n"
    )
    about = f"dg_lsp-{version}.dist-info"
    return zipped(
        folder / f"dg_lsp-{version}-py3-none-any.whl",
        {
            "dg_lsp/__init__.py": "",
            "dg_lsp/__main__.py": run,
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: dg-lsp\nVersion: {version}\nProvides-Extra: engine\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{about}/RECORD": "",
        },
    )


def endless_source(folder: Path) -> Path:
    """A package whose build never ends."""
    source = folder / "endless"
    source.mkdir()
    backend = '[build-system]\nrequires = []\nbuild-backend = "endless"\nbackend-path = ["."]\n'
    (source / "pyproject.toml").write_text(backend)
    (source / "endless.py").write_text(
        "import time\n\ndef get_requires_for_build_wheel(config=None):\n    time.sleep(9999)\n"
    )
    return source


def installing(source: Path) -> dict[str, Any]:
    return {"dg.packageSource": str(source), "dg.torchIndex": "", "dg.pipArguments": ["--no-index"]}


def storage(window: Code) -> Path:
    return window.runtime / "data" / "User" / "globalStorage" / "dg-lsp.dg-lsp" / "python"


def made(window: Code) -> int:
    """When the environment was made; 0: there is none."""
    configuration = storage(window) / "pyvenv.cfg"
    return configuration.stat().st_mtime_ns if configuration.exists() else 0


def server_in(folder: Path) -> Path:
    """A program `dg-lsp` in a new folder."""
    folder.mkdir()
    program = folder / "dg-lsp"
    program.write_text(f"#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m dg_lsp\n")
    program.chmod(0o755)
    return program


def nothing_runs(window: Code) -> None:
    """But what the editor itself runs for a moment, now and then, to list the sockets in use."""
    eventually(lambda: not window.processes(), within_s=20, what="a moment without processes")


def works(window: Code) -> None:
    """In a file of its own: one that is written again while the editor still has it is loaded anew below the keys."""
    works_in(window, f"total_{next(_numbers)}.py")


def works_in(window: Code, name: str) -> None:
    window.clear()
    window.open(name, TOTAL)
    window.wait_until_ready()
    window.type("res")
    window.wait_for_ghost("ult")


def begin_to_install(window: Code) -> None:
    """Answer the question of the first start with yes."""
    window.open("first.py", "")
    eventually(window.notifications)
    window.press("Install")


def test_it_asks_once_and_installs_without_a_network_what_it_is_given(root: Path) -> None:
    with code(root, remote_settings=installing(wheel(root)), environment=BARE) as window:
        window.open("first.py", "")
        window.wait_for_status("The server is not installed")
        assert eventually(window.notifications) == [QUESTION]
        window.press("Install")
        works(window)
        assert (storage(window) / "bin" / "python").exists()
        assert window.notifications() == []
        window.command("dg.restart")
        works(window)
        assert window.notifications() == []


def environment_in(folder: Path) -> Path:
    """A stand-in for an environment with dg-lsp in it: its interpreter."""
    interpreter = folder / ".venv" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    return interpreter


@pytest.mark.parametrize("place", ["ws", "checkout"])
def test_an_environment_at_hand_is_offered_before_another_is_installed(root: Path, place: str) -> None:
    settings = installing(wheel(root))
    with code(root, remote_settings=settings, environment=BARE, checkout=root / "checkout") as window:
        interpreter = environment_in(root / place)
        question = (
            f"dg-lsp needs its server, and {root / place}/.venv has it. Use that, or install another for this"
            " extension alone (about 1 GB)?"
        )
        window.command("dg.restart")
        window.open("first.py", "")
        window.wait_for_status("The server is not installed")
        eventually(lambda: question in window.notifications(), what="the question")
        window.command("notifications.clearAll")
        window.command("dg.restart")
        window.wait_for_status("The server is not installed")
        assert window.notifications() == []  # it is asked once
        window.api("void vscode.commands.executeCommand('dg.install')")
        assert eventually(window.notifications) == [question]
        window.press("Use it")
        works(window)
        assert not storage(window).exists()
        used = window.api("return vscode.workspace.getConfiguration('dg').inspect('interpreter').globalValue")
        assert used == str(interpreter)


def test_beside_an_environment_at_hand_another_can_be_installed(root: Path) -> None:
    environment_in(root / "checkout")
    settings = installing(wheel(root))
    with code(root, remote_settings=settings, environment=BARE, checkout=root / "checkout") as window:
        window.open("first.py", "")
        eventually(window.notifications)
        window.press("Install another")
        works(window)
        assert (storage(window) / "bin" / "python").exists()


def test_a_server_that_runs_is_installed_anew_only_by_a_second_yes(root: Path) -> None:
    with code(root, remote_settings=installing(wheel(root)), environment=BARE) as window:
        begin_to_install(window)
        works(window)
        environment = made(window)
        window.api("void vscode.commands.executeCommand('dg.install')")
        eventually(lambda: window.notifications() == [ANEW])
        assert made(window) == environment
        window.press("Install anew")
        eventually(lambda: made(window) not in (0, environment), what="another environment")
        works(window)


def test_a_window_takes_what_another_has_installed_since(root: Path) -> None:
    with code(root, remote_settings=installing(wheel(root)), environment=BARE) as window:
        window.open("first.py", "")
        eventually(window.notifications)
        with window.another() as other:
            other.wait_for_status("The server is not installed")
            window.press("Install")
            works(window)
            environment = made(window)
            other.page.keyboard.press("F1")
            other.page.keyboard.type("dg: Install the server")
            other.page.keyboard.press("Enter")
            other.wait_for_status("Ready")
            assert made(window) == environment


def test_a_newer_server_takes_the_place_of_the_one_installed(root: Path) -> None:
    with code(root, remote_settings=installing(wheel(root)), environment=BARE) as window:
        begin_to_install(window)
        works(window)
        configure = "await vscode.workspace.getConfiguration('dg').update('packageSource', value, true)"
        for source, version in ((wheel(root, "0.2.0"), "0.2.0"), (root / "nothing.whl", "0.2.0")):
            window.api(configure, value=str(source))
            window.command("dg.restart")
            works(window)
            (about,) = storage(window).glob("lib/python3*/site-packages/dg_lsp-*.dist-info")
            assert about.name == f"dg_lsp-{version}.dist-info"
        assert window.notifications() == []


def test_the_extension_brings_the_server_and_the_model(vscode_is_there: None) -> None:
    with zipfile.ZipFile(VSIX) as extension:
        (name,) = [name for name in extension.namelist() if name.endswith(".whl")]
        with zipfile.ZipFile(extension.open(name)) as server:
            assert {"dg_lsp/server.py", "engine/default_model/model.safetensors"} <= set(server.namelist())


def test_what_cannot_be_installed_is_told_and_leaves_nothing(root: Path) -> None:
    """The server comes with the extension; what it needs does not, and pip is told to look nowhere."""
    nowhere = {"dg.torchIndex": "", "dg.pipArguments": ["--no-index"]}
    with code(root, remote_settings=nowhere, environment=BARE) as window:
        begin_to_install(window)
        window.wait_for_status("The server could not be installed")
        assert eventually(window.notifications) == ["dg-lsp could not be installed: the last lines of the log say why."]
        assert not storage(window).exists()


def test_after_an_installation_that_failed_the_server_elsewhere_goes_on(root: Path) -> None:
    path = f"{server_in(root / 'bin').parent}:{BARE['PATH']}"
    nowhere = {"dg.torchIndex": "", "dg.pipArguments": ["--no-index"]}
    with code(root, remote_settings=nowhere, environment=BARE | {"PATH": path}) as window:
        window.open("first.py", "")
        window.wait_until_ready()
        window.api("void vscode.commands.executeCommand('dg.install')")
        eventually(lambda: window.notifications() == [ANEW])
        window.press("Install anew")
        eventually(
            lambda: window.notifications() == ["dg-lsp could not be installed: the last lines of the log say why."]
        )
        works(window)


def test_an_installation_that_is_cancelled_leaves_nothing_and_is_not_asked_for_again(root: Path) -> None:
    with code(root, remote_settings=installing(endless_source(root)), environment=BARE) as window:
        begin_to_install(window)
        eventually(lambda: any("pip" in line for line in window.processes().values()), what="the build")
        window.press("Cancel")
        window.wait_for_status("The server is not installed")
        nothing_runs(window)
        assert not storage(window).exists()
        assert window.notifications() == []
        window.command("dg.restart")
        window.wait_for_status("The server is not installed")
        assert window.notifications() == []


def installations(window: Code) -> list[int]:
    """The processes of pip; each is alone in its group but for what it starts."""
    return [pid for pid, line in processes(window.runtime).items() if "-m pip" in line and os.getpgid(pid) == pid]


def test_a_window_has_one_installation_which_ends_with_it(root: Path) -> None:
    with code(root, remote_settings=installing(endless_source(root)), environment=BARE) as window:
        begin_to_install(window)
        pip = eventually(lambda: installations(window), what="the build")
        window.api("void vscode.commands.executeCommand('dg.install')")
        for command in ("dg.restart", "dg.pauseFile", "dg.pauseFile"):
            window.command(command)
        assert window.status() == "Installing the server"
        assert storage(window).exists()
        assert installations(window) == pip
        window.api("void vscode.commands.executeCommand('workbench.action.reloadWindow')")
        eventually(lambda: not processes(root), within_s=20, what="the end of the installation")
        eventually(lambda: not list(storage(window).parent.iterdir()), what="the end of what was unfinished")


def test_of_several_windows_one_installs(root: Path) -> None:
    with code(root, remote_settings=installing(endless_source(root)), environment=BARE) as window:
        begin_to_install(window)
        pip = eventually(lambda: installations(window), what="the build")
        with window.another() as other:
            other.wait_for_status("Another window installs the server")
            assert installations(window) == pip
            window.press("Cancel")
            other.wait_for_status("The server is not installed")


def test_an_installation_waits_for_that_of_another_window_unless_that_is_gone(root: Path) -> None:
    with code(root, remote_settings=installing(wheel(root)), environment=BARE) as window:
        window.open("first.py", "")
        eventually(window.notifications)
        lock = storage(window).with_name("python.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.write_text(str(os.getpid()))
        window.press("Install")
        window.wait_for_status("Installing the server")
        eventually(lambda: window.notifications() == ["Installing dg-lsp: Another window does it"])
        assert not storage(window).exists()
        gone = subprocess.Popen(["true"])
        gone.wait()
        lock.write_text(str(gone.pid))
        works(window)
        assert not lock.exists()
        assert window.notifications() == []


def test_without_python_one_message_says_what_to_do(root: Path) -> None:
    with code(root, remote_settings={}, environment={"PATH": str(root)}) as window:
        begin_to_install(window)
        window.wait_for_status("There is no Python 3.10 or newer")
        (message,) = eventually(window.notifications)
        assert message.startswith("dg-lsp needs Python 3.10 or newer.")
        window.press("Open the setting")
        window.page.locator(".settings-editor").wait_for()


def test_a_server_that_dies_at_its_start_is_told_by_the_status_alone(root: Path) -> None:
    program, broken = root / "bin" / "dg-lsp", root / "broken"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nif test -e {broken}; then echo 'No module named pygls' >&2; exit 1; fi\n"
        f"PYTHONPATH={REPOSITORY} exec {sys.executable} -m dg_lsp\n"
    )
    program.chmod(0o755)
    broken.touch()
    with code(root, remote_settings={}, environment=BARE | {"PATH": f"{program.parent}:{BARE['PATH']}"}) as window:
        window.open("first.py", "")
        status = "The server could not be started (No module named pygls): see the log, then restart it"
        window.wait_for_status(status)
        window.command("dg.pauseFile")
        assert window.status() == status
        window.command("dg.pauseFile")
        broken.unlink()
        window.command("dg.restart")
        works(window)
        broken.touch()
        (server,) = window.language_servers()
        os.kill(server, signal.SIGKILL)
        window.wait_for_status(status)
        assert window.language_servers() == []
        assert window.notifications() == []


def test_a_server_on_path_has_its_engine_beside_it(root: Path) -> None:
    installed, linked = root / "installed", root / "bin"
    for folder in (installed, linked):
        folder.mkdir()
    for name, module in (("dg-lsp", "dg_lsp"), ("dg-engine", "engine.cli")):
        program = installed / name
        program.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m {module} "$@"\n')
        program.chmod(0o755)
    (linked / "dg-lsp").symlink_to(installed / "dg-lsp")
    with code(root, remote_settings={}, environment=BARE | {"PATH": f"{linked}:{BARE['PATH']}"}) as window:
        window.open("first.py", "")
        window.wait_until_ready()
        assert len(window.engines()) == 1
        window.command("dg.stopEngine")
        assert window.engines() == []
        (installed / "dg-engine").unlink()
        for _ in range(2):
            window.command("dg.stopEngine")
            assert window.notifications() == [f"dg-lsp: there is no dg-engine beside {linked}/dg-lsp."]
            window.command("notifications.clearAll")
            (linked / "dg-lsp").unlink(missing_ok=True)


def test_settings_with_their_old_names_get_the_new_ones(root: Path) -> None:
    old = {"dg.inline.in_comments": False, "dg.function.max_tokens": 77}
    with code(root, settings=old) as window:
        window.open("first.py", "")
        window.wait_until_ready()
        now = json.loads((root / "data" / "User" / "settings.json").read_text())
        assert now.items() >= {"dg.inline.inComments": False, "dg.function.maxTokens": 77}.items()
        assert not now.keys() & old.keys()
        assert window.notifications() == []


def test_a_pause_is_shown_from_the_start(root: Path) -> None:
    with code(root, settings={"dg.inline.enabled": False}) as window:
        window.open("first.py", "")
        window.wait_for_status("paused (dg.inline.enabled)")
        window.load_again("first.py")
        window.wait_for_status("paused (dg.inline.enabled)")


def test_in_a_workspace_that_is_not_trusted_nothing_is_started(root: Path) -> None:
    trust = {"security.workspace.trust.enabled": True, "security.workspace.trust.startupPrompt": "never"}
    with code(root, settings=trust) as window:
        window.open("first.py", "")
        active = "return vscode.extensions.getExtension('dg-lsp.dg-lsp')?.isActive ?? false"
        assert window.api("return vscode.workspace.isTrusted") is False
        assert window.api(active) is False
        nothing_runs(window)


def python_extension(folder: Path, activate: str) -> Path:
    """A stand-in for the Python extension, with the body of its `activate`."""
    manifest = {
        "name": "python",
        "publisher": "ms-python",
        "version": "0.0.1",
        "main": "./main.js",
        "activationEvents": [],
    }
    return zipped(
        folder / "python.vsix",
        {
            "extension/package.json": json.dumps({**manifest, "engines": {"vscode": "^1.100.0"}}),
            "extension/main.js": f"exports.activate = () => {{ {activate} }};",
        },
    )


def test_a_python_extension_that_fails_is_as_none(root: Path) -> None:
    python = python_extension(root, "throw new Error('broken');")
    with code(root, remote_settings={}, environment=BARE, extensions=[VSIX, python]) as window:
        window.open("first.py", "")
        window.wait_for_status("The server is not installed")


def test_the_interpreter_of_the_python_extension_is_used_unless_another_is_set(root: Path) -> None:
    selected = f"return {{ environments: {{ getActiveEnvironmentPath: () => ({{ path: {sys.executable!r} }}) }} }};"
    python = python_extension(root, selected)
    bare = {"PATH": BARE["PATH"]}  # with the server on PYTHONPATH, for the selected interpreter
    with code(root, remote_settings={}, environment=bare, extensions=[VSIX, python]) as window:
        window.open("first.py", "")
        works(window)
        configure = "await vscode.workspace.getConfiguration('dg').update('interpreter', value)"
        window.api(configure, value="/no/such/python")
        window.wait_for_status("dg.interpreter: there is no program /no/such/python")
        eventually(lambda: not window.language_servers(), what="the end of the server before")
        window.api(configure, value="/bin/false")
        window.wait_for_status("dg.interpreter: /bin/false has no dg-lsp")
        window.api(configure, value="")
        works(window)
        assert window.notifications() == []


def test_in_a_workspace_of_several_folders_each_has_its_own_rules(root: Path) -> None:
    with code(root, folders=["one", "two"]) as window:
        (window.workspace / "two" / ".gitignore").write_text("total.py\n")
        window.open("one/total.py", TOTAL)
        works_in(window, "one/total.py")
        window.open("two/total.py", TOTAL)
        window.type("res")
        window.wait_for_status("two/total.py", "total.py")
        assert window.ghost() == ""
        works_in(window, "two/other.py")
        assert len(window.language_servers()) == 1
