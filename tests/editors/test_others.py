"""Helix and Emacs in a real terminal, set up as editors/README.md says, with the real server and the default model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from guide import configuration
from needed import need
from sample import engine_is_ready, sample_home, variables
from terminal import Terminal

EDITORS = Path(os.environ.get("DG_EDITORS", Path(__file__).parents[2] / ".editors"))
HELIX, EMACS = EDITORS / "helix", EDITORS / "emacs"

EMACS_HERE = """
(setq native-comp-enable-subr-trampolines nil native-comp-jit-compilation nil inhibit-startup-screen t
      make-backup-files nil lsp-auto-guess-root t lsp-enabled-clients '(dg) lsp-enable-snippet nil
      lsp-headerline-breadcrumb-enable nil lsp-modeline-code-actions-enable nil lsp-lens-enable nil)
(dolist (folder (directory-files (getenv "PACKAGES") t "^[a-z]")) (add-to-list 'load-path folder))
(dolist (key '(("<f5>" . lsp-inline-completion-display) ("<f6>" . lsp-execute-code-action)
               ("<f7>" . eglot-code-actions) ("<f8>" . completion-at-point)))
  (global-set-key (kbd (car key)) (cdr key)))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with sample_home() as folder:
        yield folder


def began(command: Sequence[str | Path], home: Path, **environment: str) -> Terminal:
    """An editor on the sample."""
    terminal = Terminal(home, [str(part) for part in command], {**variables(home), **environment})
    terminal.wait_for("class Point")
    return terminal


def after_move(screen: str) -> str:
    """What stands below the header of `move`."""
    return screen.split("def move")[1]


def without_stub(screen: str) -> bool:
    """Whether the body of `__repr__` is filled."""
    return "__repr__" in screen and "pass" not in screen and "Fill this" not in screen


class TestHelix:
    @pytest.fixture
    def helix(self, home: Path) -> Iterator[Terminal]:
        need(HELIX.exists(), f"{HELIX} is not there: run `make test-editors`")
        (home / "helix").mkdir()
        (home / "helix" / "languages.toml").write_text(configuration("Helix"))
        terminal = began([HELIX / "bin" / "hx", f"{home}/project/point.py:10:9"], home, XDG_CONFIG_HOME=str(home))
        terminal.until(lambda _: engine_is_ready(home))
        yield terminal
        terminal.close()

    def test_a_stub_is_filled_by_its_code_action(self, helix: Terminal) -> None:
        helix.keys("Space", "a")
        helix.until(lambda screen: "Fill this function `__repr__`" in screen)
        helix.keys("Enter")
        helix.until(without_stub)

    def test_the_completion_list_offers_the_rest_of_the_line(self, helix: Terminal) -> None:
        helix.keys(*"7Go", "self.y = ")
        helix.until(lambda screen: "self.y =" in after_move(screen))
        helix.keys("C-x")
        helix.until(lambda screen: re.search(r"\by\b.*\n.*\bx\b", after_move(screen)) is not None)


class TestEmacs:
    @staticmethod
    def begun(home: Path, guide: str) -> Terminal:
        need(EMACS.exists(), f"{EMACS} is not there: run `make test-editors`")
        share, libexec = EMACS / "root/usr/share/emacs", EMACS / "root/usr/libexec/emacs"
        [lisp], [dump] = share.glob("[0-9]*/lisp"), libexec.rglob("*.pdmp")
        (home / "init.el").write_text(EMACS_HERE + configuration(guide))
        folders = [folder for folder in lisp.rglob("*") if folder.is_dir()]
        terminal = began(
            [
                EMACS / "bin" / "emacs-nox",
                f"--dump-file={dump}",
                "-nw",
                "-Q",
                "-l",
                home / "init.el",
                home / "project/point.py",
            ],
            home,
            EMACSLOADPATH=":".join(map(str, [lisp, *folders])),
            EMACSDATA=str(lisp.parent / "etc"),
            EMACSDOC=str(lisp.parent / "etc"),
            EMACSPATH=str(dump.parent),
            PACKAGES=str(share / "site-lisp" / "elpa-src"),
        )
        terminal.until(lambda _: engine_is_ready(home))
        return terminal

    @pytest.fixture
    def eglot(self, home: Path) -> Iterator[Terminal]:
        terminal = self.begun(home, "Emacs with eglot")
        yield terminal
        terminal.close()

    @pytest.fixture
    def lsp_mode(self, home: Path) -> Iterator[Terminal]:
        terminal = self.begun(home, "Emacs with lsp-mode")
        yield terminal
        terminal.close()

    def test_lsp_mode_fills_a_stub_by_its_code_action_and_nothing_pops_up(self, lsp_mode: Terminal) -> None:
        lsp_mode.keys("M->", "Up", "C-e", "F6")
        lsp_mode.until(lambda screen: "Select code action" in screen)
        lsp_mode.keys("Fill this function", "Tab", "Enter")
        screen = lsp_mode.until(without_stub)
        assert "unknown" not in screen.lower()

    def test_eglot_fills_a_stub_by_its_code_action_and_nothing_pops_up(self, eglot: Terminal) -> None:
        eglot.keys("M->", "Up", "C-e", "F7")
        eglot.until(lambda screen: "Pick an action" in screen)
        eglot.keys("Fill this function", "Tab", "Enter")
        screen = eglot.until(without_stub)
        assert "unknown" not in screen.lower()

    def test_eglot_completes_a_line(self, eglot: Terminal) -> None:
        eglot.keys("M-<", *["Down"] * 6, "C-e", "Enter", "self.y = ", "F8")
        eglot.until(lambda screen: re.search(r"^y\b", screen, re.MULTILINE) is not None)

    def test_lsp_mode_shows_ghost_text_on_request(self, lsp_mode: Terminal) -> None:
        lsp_mode.keys("M-<", *["Down"] * 6, "C-e", "Enter", "self.y", "F5")
        lsp_mode.until(lambda screen: "self.y = y" in after_move(screen))
        lsp_mode.keys("C-Enter")
