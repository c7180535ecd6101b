"""VS Code with a scripted `dg-engine`: a model is offered, chosen, downloaded and loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from lsp_session import eventually, scripted_cli, short_folder
from vscode import Code, code

pytestmark = pytest.mark.timeout(300)

OFFER = (
    "dg-lsp: the model in the package is small. small writes far better code; it is downloaded once (491 MB) and runs "
    "on this machine."
)


@pytest.fixture(scope="module")
def opened(vscode_is_there: None) -> Iterator[Code]:
    with short_folder() as root:
        settings = {"dg.interpreter": sys.executable, "dg.engine.model": ""}
        with code(root, remote_settings=settings, environment=scripted_cli()) as window:
            window.open("first.py", "")
            window.wait_for_status("Ready: dg-default")
            yield window


@pytest.fixture
def window(opened: Code) -> Iterator[Code]:
    """With nothing downloaded; the tests stand in an order, because the model in the settings stays."""
    yield opened
    opened.clear()
    for name in ("small.gguf", "slow_download", "downloading"):
        (opened.runtime / name).unlink(missing_ok=True)


def choose(window: Code, name: str) -> None:
    window.api("vscode.commands.executeCommand('dg.chooseModel')")
    row = window.page.locator(".quick-input-list .monaco-list-row").filter(has_text=name)
    row.wait_for()
    row.click()


def setting(window: Code) -> str:
    return str(window.api("return vscode.workspace.getConfiguration('dg').get('engine.model')"))


def test_at_the_first_start_a_small_download_is_offered_with_its_size(window: Code) -> None:
    eventually(lambda: window.notifications() == [OFFER], what="the notification, alone")
    window.press("Not now")
    window.command("dg.restart")
    window.wait_for_status("Ready: dg-default")
    window.api("await new Promise((resolve) => setTimeout(resolve, 3000))")
    assert window.notifications() == []


def test_the_list_says_what_fits_and_what_is_here(window: Code) -> None:
    window.api("vscode.commands.executeCommand('dg.chooseModel')")
    rows = window.page.locator(".quick-input-list .monaco-list-row")
    eventually(lambda: rows.count() == 3, what="the models")
    default, small, huge = (" ".join(text.split()) for text in rows.all_inner_texts())
    assert "dg-default" in default
    assert "in the package, loaded" in default
    assert "491 MB, to be downloaded, recommended" in small
    assert "does not fit: needs 60.0 GB of memory, 8.0 GB are free" in huge
    rows.nth(2).click()
    eventually(
        lambda: window.notifications() == ["dg-lsp: huge needs 60.0 GB of memory, 8.0 GB are free."],
        what="the notification, alone",
    )
    window.wait_for_status("Ready: dg-default")


def test_a_download_is_cancelled_and_nothing_is_loaded(window: Code) -> None:
    (window.runtime / "slow_download").touch()
    choose(window, "small")
    question = "dg-lsp: small is not on this machine. Download it (491 MB)?"
    eventually(lambda: window.notifications() == [question], what="the notification, alone")
    window.press("Download")
    eventually((window.runtime / "downloading").exists, what="the download")
    eventually(lambda: any("197 MB of 491 MB" in shown for shown in window.notifications()), what="the progress")
    window.press("Cancel")
    eventually(lambda: window.notifications() == [], what="the end of the progress")
    window.wait_for_status("Ready: dg-default")
    assert setting(window) == ""


def test_a_model_is_downloaded_loaded_and_kept_in_the_settings(window: Code) -> None:
    choose(window, "small")
    eventually(window.notifications)
    window.press("Download")
    window.wait_for_status("Ready: small")
    eventually(lambda: setting(window) == "small", what="the setting")
    window.api("await new Promise((resolve) => setTimeout(resolve, 3000))")
    assert window.notifications() == []  # the server does not ask about the setting


def test_a_change_of_the_setting_is_loaded_by_a_button(window: Code) -> None:
    window.api("await vscode.workspace.getConfiguration('dg').update('engine.model', 'dg-default', true)")
    question = "dg-lsp: dg.engine.model is dg-default now; the engine still runs small."
    eventually(lambda: window.notifications() == [question], what="the notification, alone")
    window.press("Load it now")
    window.wait_for_status("Ready: dg-default")
