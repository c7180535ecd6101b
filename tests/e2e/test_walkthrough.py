"""The examples of VS Code's walkthrough, with the model that most users have; skipped where it was not downloaded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsp_session import LspSession, short_folder

MEDIA = Path(__file__).parents[2] / "editors" / "vscode" / "media"
SMALL = "qwen2.5-coder-0.5b"
URI = "file:///walkthrough.py"

pytestmark = pytest.mark.timeout(600)


def example(step: str) -> str:
    """The Python code that a step of the walkthrough shows, without the arrow and what it says."""
    code = re.search(r"```python\n(.*?)```", (MEDIA / f"{step}.md").read_text("utf-8"), re.DOTALL)
    assert code
    return re.sub(r" *←.*", "", code[1])


@pytest.fixture(scope="module")
def lsp() -> Iterator[LspSession]:
    models = Path(os.environ.get("DG_MODELS_DIR", Path.home() / ".cache" / "dg-lsp" / "models"))
    if not (models / SMALL).is_dir():
        pytest.skip(f"{SMALL} is not in {models}: run dg-engine download {SMALL}")
    with short_folder() as folder:
        session = LspSession(folder, more_environment={"DG_MODEL": SMALL})
        try:
            session.initialize(initializationOptions={"inline": {"deadline_ms": 60_000}})  # the machine may be busy
            session.until_ready(within_s=300)
            yield session
        finally:
            session.close()
            environment = {**os.environ, "DG_RUNTIME_DIR": str(folder)}
            subprocess.run([sys.executable, "-m", "engine.cli", "stop"], env=environment, capture_output=True)


def test_ghost_text_comes_while_typing(lsp: LspSession) -> None:
    code = example("type")
    before, line = code[: code.rindex("result")], len(code.splitlines()) - 1
    lsp.start_anew()
    lsp.open(URI, before + "res\n")
    (item,) = lsp.response(lsp.start_inline(URI, line, len(before.splitlines()[-1]) + 3), 120)["result"]
    assert before + "res" + item["insertText"] + "\n" == code


def test_the_function_is_filled(lsp: LspSession) -> None:
    lsp.start_anew()
    lsp.open(URI, example("fill"))
    action = next(action for action in lsp.code_actions(URI, 2, 4) if "Fill this function" in action["title"])
    resolved = lsp.response(lsp.send("codeAction/resolve", action), 240)["result"]
    (edit,) = resolved["edit"]["documentChanges"][0]["edits"]
    lines = example("fill").splitlines()
    assert lines[2] == "    pass"
    filled: dict[str, object] = {}
    exec("\n".join([*lines[:2], "    " + edit["newText"]]), filled)
    total = filled["total"]
    assert callable(total)
    assert [total([]), total([3]), total([1, 2.5])] == [0, 3, 3.5]
