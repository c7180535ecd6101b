"""The plugin in a real Neovim with the real server, and the scripted engine where the answer's content matters."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsp_session import SLOW, STUB, ScriptedEngines, eventually

if TYPE_CHECKING:
    from nvim import Neovim

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., "Neovim"]
Engines = tuple[Path, ScriptedEngines]

PATIENT = {"inline": {"deadline_ms": 20000}}
"""Settings for a machine that is busy."""


def ready(neovim: Start, engines: Engines, *script: str, text: str = "value = \n", **options: Any) -> tuple[Any, Any]:
    """A Neovim with a file `sample.py` in it, served by an engine that answers by the script."""
    engine = engines[1].start(*script)
    editor = neovim(settings=PATIENT, **options)
    editor.open("sample.py", text)
    editor.until_ready()
    return editor, engine


def test_ghost_text_comes_while_typing_and_is_accepted(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "compute(1, 2)")
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("compute(1, 2)")
    assert editor.text == "value = "
    assert editor.act("accept")
    eventually(lambda: editor.text == "value = compute(1, 2)")
    assert editor.cursor == (1, len("value = compute(1, 2)"))
    assert editor.mode == "i"
    editor.type("<Esc>u")
    eventually(lambda: editor.text == "value = ")  # what was accepted is undone alone


def test_suggestions_are_not_in_the_menu_too(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines)
    capabilities = editor.lua("return require('dg.client').get(0).server_capabilities")
    assert "inlineCompletionProvider" in capabilities
    assert "completionProvider" not in capabilities


def test_several_lines_are_shown_below_and_accepted_with_theirs(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(
        neovim, engines, "--middle", "if a:\n        return b", text="def f(a, b):\n    x = 1\n    return x\n"
    )
    editor.type("jjggo")
    editor.wait_for_ghost("if a:\n        return b")
    editor.act("accept")
    eventually(lambda: "    if a:\n        return b" in editor.text)
    assert editor.cursor == (3, len("        return b"))


def test_words_and_lines_are_taken_one_by_one(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "alpha(beta) + gamma")
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("alpha(beta) + gamma")
    for taken, left in (("alpha", "(beta) + gamma"), ("alpha(", "beta) + gamma"), ("alpha(beta", ") + gamma")):
        assert editor.act("accept_word")
        editor.wait_for_text(f"value = {taken}")
        editor.wait_for_ghost(left)
    assert editor.act("accept_line")
    eventually(lambda: editor.text == "value = alpha(beta) + gamma")
    editor.type("<Esc>u")
    eventually(lambda: editor.text == "value = alpha(beta")  # each piece can be undone alone


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="ab_1é ( ).,=\n\t", min_size=1))
def test_words_put_together_are_the_suggestion(pieces: Callable[[str, str], list[str]], text: str) -> None:
    for kind in ("word", "line"):
        taken = pieces(kind, text)
        assert "".join(taken) == text
        assert "" not in taken
    assert all("\n" not in line.lstrip("\n") for line in pieces("line", text))


@pytest.fixture
def pieces(neovim: Start) -> Callable[[str, str], list[str]]:
    """Takes a text apart, piece by piece, as the plugin does."""
    editor = neovim()
    code = """
      local kind, text = ...
      local found = {}
      while text ~= '' do
        local piece = require('dg.pieces')[kind](text)
        table.insert(found, piece)
        text = text:sub(#piece + 1)
        if piece == '' then break end
      end
      return found"""
    return lambda kind, text: editor.lua(code, kind, text)


def test_what_is_typed_of_the_suggestion_stays_suggested(neovim: Start, engines: Engines) -> None:
    editor, engine = ready(neovim, engines, "--middle", "compute(1, 2)")
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("compute(1, 2)")
    engine.script(*SLOW)  # what stays is what was shown, not a new answer
    editor.type("com")
    eventually(lambda: editor.ghost() == "pute(1, 2)")
    editor.act("accept")
    eventually(lambda: editor.text == "value = compute(1, 2)")


def test_asked_by_hand_there_are_several_to_choose_from(neovim: Start, engines: Engines) -> None:
    script = ("--middle", "first()", "--middle", "second()", "--middle", "third()")
    editor, _ = ready(neovim, engines, *script)
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("first()")
    for shown in ("second() (2/3)", "third() (3/3)", "first() (1/3)"):
        editor.act("next")
        editor.wait_for_ghost(shown)
    editor.act("prev")
    editor.wait_for_ghost("third() (3/3)")
    editor.act("accept")
    eventually(lambda: editor.text == "value = third()")


def test_without_automatic_suggestions_they_come_on_request(neovim: Start, engines: Engines) -> None:
    editor, engine = ready(neovim, engines, "--middle", "compute()", auto=False)
    assert editor.status() == "dg off"
    editor.type("Gccvalue = ")
    time.sleep(0.6)
    assert (editor.ghost(), engine.seen()) == ("", [])
    editor.act("trigger")
    editor.wait_for_ghost("compute()")
    editor.act("accept")
    eventually(lambda: editor.text == "value = compute()")


def test_a_dismissed_suggestion_is_gone_until_something_is_typed(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "compute()")
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("compute()")
    assert editor.act("dismiss")
    eventually(lambda: editor.ghost() == "")
    time.sleep(0.6)
    assert editor.ghost() == ""
    assert not editor.act("accept")
    editor.type("1 + ")
    editor.wait_for_ghost("compute()")


def test_it_is_turned_off_and_on_by_buffer_and_filetype(neovim: Start, engines: Engines) -> None:
    editor, engine = ready(neovim, engines, "--middle", "compute()")
    for off, on in (
        ("disable buffer", "enable buffer"),
        ("disable filetype", "enable filetype"),
        ("disable", "enable"),
    ):
        editor.command(f"Dg {off}")
        assert editor.status() == "dg off"
        engine.script("--middle", "compute()")
        editor.type("Gccvalue = ")
        time.sleep(0.5)
        assert (editor.ghost(), engine.seen()) == ("", [])
        editor.type("<Esc>")
        editor.command(f"Dg {on}")
        assert editor.status() == "dg"
        editor.type("ccvalue = ")
        editor.wait_for_ghost("compute()")
        editor.type("<Esc>")


def test_an_empty_function_is_filled_by_command_and_by_code_action(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "return width * height", text=STUB)
    filled = STUB.replace("pass", "return width * height").rstrip("\n")
    editor.type("gg")
    editor.command("Dg fill")
    eventually(lambda: editor.text == filled)
    editor.type("u")
    eventually(lambda: editor.text == STUB.rstrip("\n"))
    editor.lua(
        "vim.ui.select = function(items, options, choose) _G.titles = vim.tbl_map(options.format_item, items)"
        " choose(items[1], 1) end; vim.lsp.buf.code_action()"
    )
    eventually(lambda: editor.text == filled)
    assert editor.lua("return _G.titles[1]").startswith("Fill this function `area`")


@pytest.mark.parametrize(
    ("select", "command", "text", "filled"),
    [
        ("/one<CR>v$h", "Dg rewrite", "x = one + two", "x = NEW"),
        ("/one<CR>ve", "Dg", "x = one + two", "x = NEW + two"),
        ("/étwo<CR>vl", "Dg rewrite", "x = 'é' + étwo", "x = 'é' + NEWwo"),
        ("jVj", "Dg rewrite", "def f():\n    x = 1\n    y = 2\n    z = 3", "def f():\n    NEW\n    z = 3"),
    ],
)
def test_the_selection_is_rewritten(
    neovim: Start, engines: Engines, select: str, command: str, text: str, filled: str
) -> None:
    editor, _ = ready(neovim, engines, "--middle", "NEW", text=text)
    editor.type(f"gg0{select}:{command}<CR>")
    eventually(lambda: editor.text == filled, f"{filled!r}, not {editor.text!r}")


def test_a_range_of_lines_is_rewritten_and_other_commands_do_not_mind_one(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "NEW = 2", text="a = 1\nb = 1\nc = 1\n")
    editor.command("2Dg rewrite")
    eventually(lambda: editor.text == "a = 1\nNEW = 2\nc = 1")
    editor.command("1,2Dg disable")
    assert editor.status() == "dg off"
    editor.command("Dg rewrite")
    assert "dg: select what to rewrite, then `:'<,'>Dg rewrite`" in editor.said()


def test_a_snooze_silences_every_buffer_and_the_statusline_tells(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "compute()")
    editor.command("Dg snooze 25")
    eventually(lambda: re.fullmatch(r"dg snoozed until \d\d:\d\d", editor.status()), "the status")
    assert any(re.fullmatch(r"dg: snoozed until \d\d:\d\d; `:Dg snooze 0` ends it", line) for line in editor.said())
    editor.type("Gccvalue = ")
    eventually(lambda: editor.text == "value = ")
    time.sleep(1)
    assert editor.ghost() == ""
    editor.act("trigger")
    editor.wait_for_ghost()
    editor.type("<Esc>")
    editor.command("Dg snooze 0")
    eventually(lambda: editor.status() == "dg", "the end")
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("compute()")
    editor.command("Dg snooze soon")
    assert "dg: `:Dg snooze` takes MINUTES" in editor.said()


def test_the_status_tells_what_was_accepted_today(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "compute(1)")
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("compute(1)")
    editor.act("accept")
    eventually(lambda: editor.text == "value = compute(1)")
    editor.type("<Esc>")
    editor.command("Dg status")
    eventually(lambda: any("; today 1 of 1 suggestions accepted" in line for line in editor.said()), "the counts")


@pytest.mark.parametrize("how", ["setup", "documented"])
def test_the_server_of_the_checkout_is_found_without_a_path(
    neovim: Start, engines: Engines, tmp_path: Path, how: str
) -> None:
    checkout = tmp_path / "dg-lsp"
    shutil.copytree(Path(__file__).parents[2] / "editors" / "nvim", checkout / "editors" / "nvim")
    program = checkout / ".venv" / "bin" / "dg-lsp"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dg_lsp "$@"\n')
    program.chmod(0o755)
    engines[1].start("--middle", "compute()")
    bare = {"PATH": "/usr/bin:/bin", "DG_TEST_PLUGIN": str(checkout / "editors" / "nvim")}
    editor = neovim(more_environment=bare)
    if how == "documented":
        guide = (Path(__file__).parents[2] / "docs" / "editors.md").read_text("utf-8")
        (init,) = re.findall(r"^```lua\n(vim\.opt.*?)^```", guide, re.MULTILINE | re.DOTALL)
        editor.lua(init.replace("/path/to/dg-lsp", str(checkout)))
    editor.open("sample.py", "value = \n")
    editor.until_ready()
    assert editor.lua("return require('dg.config').options.cmd") == [str(program)]


def test_every_empty_function_of_a_file_is_filled_at_once(neovim: Start, engines: Engines) -> None:
    text = "def first():\n    pass\n\n\ndef second():\n    pass\n"
    editor, _ = ready(neovim, engines, "--middle", "return 0", text=text)
    editor.lua(
        "vim.lsp.buf.code_action({ apply = true, filter = function(action) return action.title:match('file') end })"
    )
    eventually(lambda: editor.text == text.replace("pass", "return 0").rstrip("\n"))
    editor.type("u")
    eventually(lambda: editor.text == text.rstrip("\n"))


def test_the_canvas_is_watched_while_it_settles_and_then_taken(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--steps", "5", "--middle", "return 0", text=STUB)
    editor.type("gg")
    editor.command("Dg watch")
    eventually(lambda: editor.lua("return #require('dg.watch').seen()") == 5)
    eventually(lambda: "50 % sure" in str(view(editor)))
    assert editor.lua("return require('dg.watch').seen()")[2] == {"step": 3, "steps": 5, "text": "ret", "settled": 3}
    assert editor.text == STUB.rstrip("\n")
    editor.type("<CR>")
    eventually(lambda: editor.text == STUB.replace("pass", "return 0").rstrip("\n"))
    assert view(editor) == []
    assert editor.lua("return vim.fn.maparg('<CR>', 'n')") == ""


def test_in_insert_mode_too_the_keys_take_what_was_watched_or_end_it(neovim: Start, engines: Engines) -> None:
    keys = {"watch": "<C-l>"}
    editor, _ = ready(neovim, engines, "--middle", "return 0", text=STUB, keys=keys, auto=False)
    editor.command("inoremap <buffer> <CR> own")
    for key, filled in (("<Esc>", STUB), ("<CR>", STUB.replace("pass", "return 0"))):
        editor.type("<Esc>ggA<C-l>")
        eventually(lambda: "50 % sure" in str(view(editor)))
        editor.type(key)
        eventually(lambda: view(editor) == [])
        assert editor.mode == "i"
        assert editor.text == filled.rstrip("\n")
    editor.type("<CR>")
    eventually(lambda: editor.text.startswith("def area(width, height):own"))


def test_a_watched_fill_without_an_answer_ends_and_says_why(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--steps", "4", "--middle", "    ", text=STUB)
    editor.type("gg")
    editor.command("Dg watch")
    eventually(lambda: [line for line in editor.said() if "Nothing to watch: " in line])
    eventually(lambda: view(editor) == [] and not editor.lua("return require('dg.watch').active()"))
    # When every answer is refused, the engine is asked once more with another seed: two times four steps.
    assert editor.lua("return #require('dg.watch').seen()") == 8
    assert editor.text == STUB.rstrip("\n")


def test_at_the_end_of_a_line_the_place_behind_it_is_watched(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "f(x)", text="def f(x):\n    é = \n    return x\n")
    editor.type("2gg$")
    editor.command("Dg watch")
    eventually(lambda: "50 % sure" in str(view(editor)))
    editor.command("Dg watch accept")
    assert editor.text.splitlines()[1] == "    é = f(x)"


def test_a_watched_fill_shows_what_has_settled_and_is_stopped(neovim: Start, engines: Engines) -> None:
    editor, engine = ready(neovim, engines, *SLOW, "--middle", "return 0" * 200, text=STUB)
    editor.type("gg")
    editor.command("Dg watch")
    eventually(lambda: editor.lua("return #require('dg.watch').seen()") >= 3)
    mark = next(mark for mark in view(editor) if "virt_text" in mark)
    groups = [group for _, group in mark["virt_text"]]
    assert {"DgWatchSettled", "DgWatchDraft"} == set(groups)
    assert groups == sorted(groups, reverse=True)  # the script settles from the left
    assert [mark for mark in view(editor) if mark.get("hl_group") == "DgWatchPinned"]
    editor.type("<C-c>")
    eventually(lambda: view(editor) == [])
    eventually(lambda: engine.seen()[0]["end"] == "closed")
    assert editor.text == STUB.rstrip("\n")


def view(editor: Any) -> list[Any]:
    """What `:Dg watch` has put over the text."""
    namespace = "vim.api.nvim_get_namespaces()['dg.watch']"
    marks = editor.lua(f"return vim.api.nvim_buf_get_extmarks(0, {namespace}, 0, -1, {{ details = true }})")
    return [mark[3] for mark in marks]


def test_the_statusline_follows_the_model_as_it_loads(neovim: Start, engines: Engines) -> None:
    engine = engines[1].start("--load-ms", "100000")
    editor = neovim()
    editor.open("sample.py", "value = 1\n")
    eventually(lambda: re.fullmatch(r"dg: Loading model \d+/100", editor.status()), within_s=60)
    engine.script()
    editor.until_ready()
    told = editor.lua("return _G.statuses")
    assert told[-1] == "dg"


def test_a_file_with_secrets_stays_silent_and_explain_says_why(neovim: Start, engines: Engines) -> None:
    editor, engine = ready(neovim, engines, filetypes=["python", "sh"])
    editor.open(".env", "TOKEN=abc\n")
    editor.type("oKEY=")
    eventually(lambda: editor.status() == "dg inactive")
    assert (editor.ghost(), engine.seen()) == ("", [])
    editor.type("<Esc>")
    editor.command("Dg explain")
    eventually(lambda: [line for line in editor.said() if "no suggestion: .env" in line or ".env" in line])


def test_where_the_server_is_not_used_explain_says_so(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines)
    (editor.home / "notes.txt").write_text("x\n")
    editor.command("edit notes.txt")
    assert editor.status() == ""
    editor.command("Dg explain")
    assert 'dg: not used for the filetype "text": add it to setup{ filetypes }' in editor.said()


def test_a_missing_program_is_one_message_that_says_what_to_do(neovim: Start) -> None:
    editor = neovim(cmd=["dg-lsp-that-is-not-there"])
    editor.command("edit a.py")
    editor.command("edit b.py")
    (message,) = editor.lua("return _G.said")
    assert message.startswith("dg: the server `dg-lsp-that-is-not-there` was not found; run `make install`")
    editor.lua("_G.said = {}; vim.cmd('messages clear')")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("python", "`setup` takes a table, not a string"),
        ({"auto": "no"}, "the option `auto` takes a boolean, not a string"),
        ({"tab": True}, "unknown option `tab` (there are: auto, cmd, filetypes, keys, settings)"),
        ({"keys": {"take": "<Tab>"}}, "unknown action `keys.take` (there are: accept, accept_word, "),
        ({"keys": {"accept": False}}, '`keys.accept` takes a key such as "<C-l>"; for none leave it out'),
        ({"keys": {"accept": ""}}, '`keys.accept` takes a key such as "<C-l>"; for none leave it out'),
        ({"keys": {"accept": ["<Tab>", "<C-l>"]}}, '`keys.accept` takes a key such as "<C-l>"; for none leave it out'),
    ],
)
def test_a_wrong_option_is_named(neovim: Start, options: Any, why: str) -> None:
    said = neovim().lua("return select(2, pcall(require('dg').setup, ...))", options)
    assert said.startswith(f"dg: {why}")


def test_commands_say_what_there_is(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines)
    assert editor.lua("return vim.fn.getcompletion('Dg dis', 'cmdline')") == ["disable"]
    assert editor.lua("return vim.fn.getcompletion('Dg enable ', 'cmdline')") == ["buffer", "filetype"]
    for before in ("silent ", "Dg help | "):
        assert editor.lua("return vim.fn.getcompletion(..., 'cmdline')", f"{before}Dg dis") == ["disable"]
    editor.command("Dg disable | Dg enable buffer")
    assert editor.status() == "dg"
    editor.command("Dg enable")
    editor.command("Dg status")
    eventually(lambda: [line for line in editor.said() if line.startswith("dg: Ready: scripted on none")])
    editor.command("Dg nonsense")
    assert "dg: there is no `:Dg nonsense`: see `:Dg help`" in editor.said()
    editor.command("Dg watch nonsense")
    assert "dg: `:Dg watch` takes accept or stop" in editor.said()
    editor.command("Dg help")
    assert ":Dg explain" in editor.text
    editor.type("q")
    editor.command("Dg log")
    assert editor.text
    editor.command("only")
    editor.type("q")
    eventually(lambda: editor.text == "value = ")


def test_the_server_is_stopped_and_started_again(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "compute()")
    first = editor.server_pid()
    editor.command("Dg restart")
    eventually(lambda: not Path(f"/proc/{first}").exists())
    editor.until_ready()
    assert editor.server_pid() != first
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("compute()")
    editor.type("<Esc>")
    editor.command("Dg stop")
    eventually(lambda: editor.lua("return require('dg.client').get() == nil"))
    assert editor.status() == ""


def test_tab_stays_as_it_is_unless_it_is_given_to_dg(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "compute()")
    editor.command("set expandtab shiftwidth=4")
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("compute()")
    editor.type("<Tab>")
    eventually(lambda: editor.text == "value =     ")


def test_tab_given_to_dg_accepts_jumps_in_snippets_and_indents(neovim: Start, engines: Engines) -> None:
    editor, engine = ready(neovim, engines, "--middle", "compute()", keys={"accept": "<Tab>"})
    editor.command("set expandtab shiftwidth=4")
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("compute()")
    editor.type("<Tab>")
    eventually(lambda: editor.text == "value = compute()")
    engine.script("--middle", " ")  # nothing is suggested from here on
    editor.type("<Esc>cc")
    editor.type("<Tab>")
    eventually(lambda: editor.text == "    ")
    if editor.version != "0.10":  # older ones have no key of their own for snippets
        editor.lua("vim.snippet.expand('call($1, $2)')")
        editor.type("a<Tab>b")
        eventually(lambda: editor.text == "    call(a, b)")


def test_the_menu_and_the_ghost_text_do_not_mix(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "compute()", text="computed = 1\ncomplete = 2\n\n")
    editor.command("set completeopt=menu,menuone")
    editor.type("Goco")
    editor.wait_for_ghost("compute()")
    editor.type("<C-x><C-n>")
    eventually(lambda: editor.lua("return vim.fn.pumvisible()") == 1)
    eventually(lambda: editor.ghost() == "")
    time.sleep(0.5)
    assert editor.ghost() == ""  # an entry is selected: its text is not what was suggested for
    editor.type("<C-e>")
    editor.wait_for_ghost("compute()")


def test_beside_another_server_that_suggests_one_suggestion_is_shown_and_taken(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines, "--middle", "compute()")
    other = [sys.executable, str(Path(__file__).with_name("other_server.py"))]
    editor.lua("vim.lsp.start({ name = 'other', cmd = ... })", other)
    eventually(lambda: editor.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 2)
    editor.type("Gccvalue = ")
    shown = editor.wait_for_ghost()
    assert shown in ("compute()", "other()")
    editor.act("accept_word")
    eventually(lambda: editor.text == "value = " + shown.removesuffix("()"))
    assert editor.ghost() == "()"
    editor.act("accept")
    eventually(lambda: editor.text == "value = " + shown)
    editor.type("<Esc>")
    editor.command("checkhealth dg")
    assert "more servers suggest inline: other" in editor.text


@pytest.mark.parametrize("settings", [{"engine": {"url": "http://127.0.0.1:9"}}, {"engine.url": "http://127.0.0.1:9"}])
def test_the_doctor_looks_at_the_engine_that_the_settings_name(neovim: Start, settings: Any) -> None:
    editor = neovim(settings=settings)
    editor.command("Dg doctor")
    eventually(lambda: "nothing answers at http://127.0.0.1:9 " in editor.text)
    assert "torch" not in editor.text
    editor.command("close")
    editor.command("checkhealth dg")
    assert "nothing answers at http://127.0.0.1:9 " in editor.text


def test_health_is_told_in_full(neovim: Start, engines: Engines) -> None:
    editor, _ = ready(neovim, engines)
    editor.command("checkhealth dg")
    report = editor.text
    assert "ERROR" not in report
    assert "dg-lsp doctor" in report
    assert "serves: sample.py" in report
    assert "nothing else suggests inline" in report
