"""Rows about code: what is offered and written at a place of a text (`|`)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from tests.cases.case import Came, Case, by_hand, filled, opened, shown, titles, why
from tests.cases.world import PATIENCE_S, REPOSITORY, World
from tests.e2e.lsp_session import FULL_CAPABILITIES

PICTURE = f"![](data:image/png;base64,{'iVBORw0KGgo' * 4000})|"
CR_FUNCTION = "import os\rX = 1\r\rdef get_x(a):\r    |pass\r"
CR_PRINT = "a = 1\nb = 2\rc = 3\nprint(a, |)\n"
F_STRING = "state = {'mycall': 'x'}\n\n\ndef send(command):\n    return command\n\n\nsend(command=f'MYCALL {state[|')\n"
MATH = "import math\n\n\ndef area(radius):\n    return math.|\n"
IMPORTS = "import os\n|\nimport sys\nimport re\n\nprint(os, sys, re)\n"
ENTRIES = "{\n    'foo': 1,\n    'bar': 2,\n    | \n    'qux': 4,\n}"
UNFINISHED = ("@", "for i in")
BROKEN = ("class ", "if x ==", "d = {")
BELOW = "\n\n\ndef other():\n    return 1\n"
CONFLICT = "x = 1\n<<<<<<< ours\ny = 2\n=======\ny = 3\n>>>>>>> theirs\n|\nprint(x, y)\n"
LANGUAGES = {
    "a.py": ("python", ("Python", "py", "", "plaintext"), "def are|a(width, height):\n    pass\n"),
    "a.tsx": ("typescriptreact", ("tsx",), "function are|a(width: number) {\n}\n"),
    "a.cc": ("cpp", ("c++",), "int are|a(int width) {\n}\n"),
    "a.go": ("go", ("golang",), "package a\n\nfunc are|a(width int) int {\n}\n"),
    "a.rs": ("rust", ("rs",), "fn are|a(width: u32) -> u32 {\n}\n"),
}


def _long_line(world: World) -> Came:
    editor = world.ready(world.server(), FULL_CAPABILITIES, initializationOptions={"statistics": False})
    asked = time.perf_counter()
    request = editor.start_inline(*opened(editor, PICTURE, "markdown", "a.md"), trigger=1)
    time.sleep(2)
    begun = time.perf_counter()
    editor.response(editor.send("dg/status", {}), PATIENCE_S)
    status_ms = 1000 * (time.perf_counter() - begun)
    editor.response(request, PATIENCE_S)
    answer_s = next(at for identity, at in editor.answered if identity == request) - asked
    return Came(f"status after {status_ms:.0f} ms, answer after {answer_s:.1f} s", status_ms <= 50 and answer_s <= 3.5)


def _as_with_lf(text: str, answer: Callable[[World, str], str]) -> Callable[[World], Came]:
    def run(world: World) -> Came:
        came, wanted = answer(world, text), answer(world, text.replace("\r", "\n"))
        return Came(f"{came!r}; with LF {wanted!r}", came.replace("\r", "\n") == wanted)

    return run


def _filled_function(world: World, text: str) -> str:
    return filled(world.editor, opened(world.editor, text))


def _scripted_argument(world: World, text: str) -> str:
    editor = world.says("b")
    return shown(by_hand(editor, opened(editor, text)))


def _without(text: str, wrong: str, *others: str) -> Callable[[World], Came]:
    """By hand with an engine that proposes what is wrong, and then others."""

    def run(world: World) -> Came:
        editor = world.says(wrong, *others)
        texts = by_hand(editor, opened(editor, text))
        return Came(shown(texts), wrong not in texts)

    return run


def _list_like_ghost_text(world: World) -> Came:
    ghost = by_hand(world.editor, opened(world.editor, MATH))
    editor = world.list_editor
    uri, line, character = opened(editor, MATH)
    params = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
    request = editor.send("textDocument/completion", {**params, "context": {"triggerKind": 1}})
    items = editor.response(request, PATIENCE_S)["result"]["items"]
    texts = [item["textEdit"]["newText"] for item in items]
    return Came(f"{shown(texts)}; ghost text {shown(ghost)}", bool(texts) and texts == ghost)


def _language(name: str, given: str, world: World) -> Came:
    proper, _, text = LANGUAGES[name]
    came, wanted = (titles(world.editor, opened(world.editor, text, language, name)) for language in (given, proper))
    return Came(f"{len(came)} actions, {len(wanted)} as {proper}", came == wanted)


def _fill_command(world: World) -> Came:
    world.editor  # noqa: B018  (its engine answers)
    path = world.folder / "area.py"
    path.write_text(MATH.replace("|", ""))
    command = [sys.executable, "-m", "dg_lsp", "fill", f"{path}:5:17"]
    environment = {"DG_RUNTIME_DIR": str(world.folder), "PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return Came(f"exit {done.returncode}, {(done.stdout or done.stderr).strip()!r}", done.returncode == 0)


def _not_empty(body: str, world: World) -> Came:
    came = titles(world.editor, opened(world.editor, f"def are|a(width):\n    {body}{BELOW}"))
    return Came(shown(came), not any(title.startswith("Fill this function") for title in came))


def _offered_below(line: str, world: World) -> Came:
    came = titles(world.editor, opened(world.editor, f"{line}\n\n\ndef are|a(width):\n    pass\n"))
    return Came(shown(came), "Fill this function `area`" in came)


def _quiet(text: str, reason: str, name: str, language: str, world: World) -> Came:
    uri = f"untitled:{name}" if language == "plaintext" else ""
    document = opened(world.editor, text, language, name, uri)
    texts = by_hand(world.editor, document)
    said = why(world.editor, document)
    if texts:
        return Came(shown(texts), reason != "merge conflict")
    return Came(f"nothing: {said}", reason in said)


CASES = [
    Case("1", "a picture of 44 000 characters in markdown, by hand", _long_line),
    Case("5a", "Fill this function in a text with CR", _as_with_lf(CR_FUNCTION, _filled_function)),
    Case("5b", "one CR among LF, by hand", _as_with_lf(CR_PRINT, _scripted_argument)),
    Case("6", "f'…{state[|', the model says 'mycall']}", _without(F_STRING, "'mycall']}")),
    Case("7", "a list that the user opens behind math.", _list_like_ghost_text),
    *(
        Case("8", f"{name} opened as {given!r}", partial(_language, name, given))
        for name, (_, others, _) in LANGUAGES.items()
        for given in others
    ),
    Case("9a", "the model says an import of the lines below", _without(IMPORTS, "import re", "import json")),
    Case("9b", "the model says an entry of the lines above", _without(ENTRIES, "'bar': 2,", "'baz': 3,")),
    Case("10a", "dg-lsp fill behind math.", _fill_command),
    *(Case("10b", f"the body is {body!r}", partial(_not_empty, body)) for body in UNFINISHED),
    *(Case("10c", f"{line!r} above the function", partial(_offered_below, line)) for line in BROKEN),
    Case("12d", "a merge conflict, by hand", partial(_quiet, CONFLICT, "merge conflict", "a.py", "python")),
    Case("12e", "an empty a.py, by hand", partial(_quiet, "|", "the document is empty", "a.py", "python")),
    Case("12e", "an empty unnamed document, by hand", partial(_quiet, "|", "is empty", "Untitled-1", "plaintext")),
]
