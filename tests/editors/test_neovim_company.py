"""The plugin beside what else a Neovim has: mappings, servers, buffers and projects of the user's."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lsp_session import ScriptedEngines, eventually

if TYPE_CHECKING:
    from nvim import Neovim

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., "Neovim"]
Engines = tuple[Path, ScriptedEngines]

REPOSITORY = Path(__file__).parents[2]

PATIENT = {"inline": {"deadline_ms": 20000}}
"""Settings for a machine that is busy."""


KEYS = {
    "<Tab>": r"""inoremap <expr> <Tab> pumvisible() ? "\<lt>C-n>" : "À\<lt>Tab>" """,
    "<C-b>": "imap <C-b> <Plug>(Foo)| inoremap <Plug>(Foo) FOO",
    "<C-f>": "inoremap <C-f> é<lt>À<Left>x",
    "<BS>": "imap <expr> <BS> 1 ? '<BS>y' : ''",  # the key itself at the beginning is not mapped again
    "<C-q>": "lua vim.keymap.set('i', '<C-q>', function() return '<C-v>u00e9' end, { expr = true })",
    "<C-l>": "lua vim.keymap.set('i', '<C-l>', function() vim.api.nvim_put({ 'put' }, 'c', false, true) end)",
    "<C-x>": "inoremap <C-x> <Nop>",
    "<C-z>": "source script.vim",
    "<C-t>": "",
}
"""Keys, and what maps them before dg gets them."""

SCRIPT = "function! s:word()\nreturn 'script'\nendfunction\ninoremap <expr> <C-z> <SID>word()\n"


def mapped(neovim: Start) -> Neovim:
    """An editor in which `KEYS` are mapped."""
    editor = neovim()
    (editor.home / "script.vim").write_text(SCRIPT)
    for mapping in KEYS.values():
        editor.command(mapping)
    return editor


def typed(editor: Neovim, keys: str) -> str:
    """What an empty buffer holds when these keys were typed in insert mode, between an a and a z."""
    editor.lua("vim.api.nvim_buf_set_lines(0, 0, -1, false, { '' })")
    editor.type(f"ia{keys}z<Esc>")
    eventually(lambda: "z" in editor.text and editor.mode == "n", f"{keys} is typed")
    return editor.text


def test_without_a_suggestion_a_key_does_what_it_did_before(neovim: Start) -> None:
    editor = mapped(neovim)
    before = [typed(editor, key) for key in KEYS]
    assert before == ["aÀ\tz", "aFOOz", "aé<xzÀ", "yz", "aéz", "aputz", "az", "ascriptz", "\taz"]
    keys = list(KEYS)
    for actions, some in (  # `setup` may be called again
        (("accept", "next", "dismiss"), keys[:3]),
        (("accept_word", "trigger", "prev"), keys[3:6]),
        (("accept_line", "watch", "dismiss"), keys[6:]),
        (("accept", "next", "dismiss"), keys[:3]),
    ):
        editor.lua("require('dg').setup({ keys = ... })", dict(zip(actions, some, strict=True)))
    assert [typed(editor, key) for key in KEYS] == before  # this buffer is not dg's
    assert editor.lua("return _G.said") == []


def test_a_key_that_a_later_setup_does_not_name_is_given_back(neovim: Start) -> None:
    editor = mapped(neovim)
    before = [typed(editor, key) for key in KEYS]
    is_ours = "function(map) return vim.startswith(map.desc or '', 'dg: ') end"
    ours = f"return #vim.tbl_filter({is_ours}, vim.api.nvim_get_keymap('i'))"
    some = {"accept": "<C-l>", "next": "<Tab>", "dismiss": "<C-t>", "prev": "<C-z>"}
    for keys in (some, {"accept": "<C-k>"}):
        editor.lua("require('dg').setup({ keys = ... })", keys)
        assert editor.lua(ours) == len(keys)
    editor.command("inoremap <C-k> mine")
    editor.lua("require('dg').setup({})")
    assert editor.lua(ours) == 0
    assert [typed(editor, key) for key in KEYS] == before
    assert typed(editor, "<C-k>") == "aminez"
    editor.lua("require('dg').setup({ keys = { accept = '<C-l>', next = '<C-l>' } })")
    editor.lua("require('dg').setup({})")
    assert editor.lua(ours) == 0


def test_a_key_still_completes_an_abbreviation(neovim: Start) -> None:
    editor = neovim()
    editor.command("iabbrev teh the")
    editor.lua("pcall(vim.keymap.del, 'i', '<Tab>')")  # newer ones map it
    editor.lua("require('dg').setup({ keys = { accept = '<Tab>', accept_line = '<CR>' } })")
    assert typed(editor, " teh<Tab>teh<CR>") == "a the\tthe\nz"


@pytest.fixture
def with_inline_completion(version: str) -> None:
    if version == "0.10":
        pytest.skip("this Neovim has no inline completion of its own")


def beside_another(neovim: Start, engines: Engines, *arguments: str, by_user: bool, **options: Any) -> tuple[Any, Any]:
    """A Neovim with dg (which suggests `compute()`) and another server; the user has turned inline completion on."""
    engine = engines[1].start("--middle", "compute()")
    editor = neovim(settings=PATIENT, **options)
    if by_user:
        editor.lua("vim.lsp.inline_completion.enable()")
    editor.open("sample.py", "value = \n")
    editor.until_ready()
    other = [sys.executable, str(Path(__file__).with_name("other_server.py")), *arguments]
    editor.lua("vim.lsp.start({ name = 'other', cmd = ... })", other)
    eventually(lambda: editor.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 2)
    return editor, engine


def inline_is_on(editor: Neovim) -> Any:
    return editor.lua("return vim.lsp.inline_completion.is_enabled({ bufnr = 0 })")


@pytest.mark.usefixtures("with_inline_completion")
@pytest.mark.parametrize("how", ["auto", "disable", "disable buffer", "disable filetype", "stop"])
def test_where_dg_is_off_another_server_suggests_as_without_it(neovim: Start, engines: Engines, how: str) -> None:
    editor, engine = beside_another(neovim, engines, by_user=True, auto=how != "auto")
    if how != "auto":
        editor.type("Gccvalue = ")
        editor.wait_for_ghost()
        eventually(engine.seen)
        editor.type("<Esc>")
        editor.command(f"Dg {how}")
        engine.script("--middle", "compute()")
    if how == "stop":
        eventually(lambda: editor.lua("return require('dg.client').get() == nil"))
    assert inline_is_on(editor)
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("other()")
    time.sleep(0.5)
    assert (editor.ghost(), engine.seen()) == ("other()", [])
    if how == "stop":
        return
    editor.act("trigger")
    editor.wait_for_ghost("compute()")
    editor.type("x")
    editor.wait_for_ghost("other()")
    editor.type("<Esc>")
    if how != "auto":
        editor.command(how.replace("disable", "Dg enable"))
        engine.script("--middle", "compute()")
        editor.type("Gccvalue = 1")
        eventually(engine.seen)


@pytest.mark.usefixtures("with_inline_completion")
def test_what_dg_turned_on_is_off_again_without_it(neovim: Start, engines: Engines) -> None:
    editor, _ = beside_another(neovim, engines, by_user=False)
    assert inline_is_on(editor)
    editor.command("Dg disable")
    assert not inline_is_on(editor)
    editor.command("Dg enable buffer")
    assert inline_is_on(editor)
    editor.command("Dg stop")
    eventually(lambda: not inline_is_on(editor))


@pytest.mark.usefixtures("with_inline_completion")
@pytest.mark.parametrize("manners", ["", "deaf"])
def test_a_late_answer_of_another_server_is_no_error(neovim: Start, engines: Engines, manners: str) -> None:
    editor, _ = beside_another(neovim, engines, "1.0", manners, by_user=True)
    editor.type("Gccvalue = ")
    editor.wait_for_ghost("compute()")
    editor.act("trigger")
    eventually(lambda: editor.lua("return require('dg.ghost').candidates(vim.fn.bufnr())"))
    time.sleep(2)
    assert editor.ghost() == "compute()"
    assert editor.errors() == []
    assert not [line for line in editor.said() if "inline_completion" in line]


@pytest.mark.parametrize("line", ["é = ü", "x = e\u0301"])
def test_whatever_a_line_ends_with_the_place_behind_it_is_watched(neovim: Start, engines: Engines, line: str) -> None:
    engines[1].start("--middle", "compute()")
    editor = neovim(settings=PATIENT)
    editor.open("sample.py", f"{line}\n")
    editor.until_ready()
    editor.command("Dg watch")
    eventually(lambda: editor.lua("return require('dg.watch').done()"))
    editor.type("<CR>")
    eventually(lambda: editor.text == line + "compute()", editor.text)


def test_a_buffer_that_cannot_be_changed_is_not_watched(neovim: Start, engines: Engines) -> None:
    engines[1].start("--middle", "compute()")
    editor = neovim(settings=PATIENT)
    editor.open("sample.py", "value = \n")
    editor.command("set nomodifiable")
    editor.command("Dg watch")
    assert not editor.lua("return require('dg.watch').active()")
    assert "dg: this buffer cannot be changed: 'modifiable' is off" in editor.said()


def test_a_filetype_and_a_buffer_may_differ_from_the_rest(neovim: Start, engines: Engines) -> None:
    engines[1].start()
    editor = neovim()
    editor.open("sample.py", "value = \n")
    editor.until_ready()
    editor.command("Dg disable")
    editor.command("Dg enable filetype")
    assert editor.status() == "dg"
    editor.command("Dg enable")
    editor.command("Dg disable buffer")
    editor.open("main.go", "package main\n")
    assert editor.lua("return #vim.lsp.get_clients()") == 1  # files without a project share a server
    editor.command("Dg disable filetype")
    assert editor.status() == "dg off"
    editor.command("buffer sample.py")
    assert editor.status() == "dg off"  # its own; another filetype is another matter
    editor.command("Dg enable filetype")
    assert editor.status() == "dg"
    editor.command("buffer main.go")
    assert editor.status() == "dg off"
    editor.command("Dg enable")
    assert editor.status() == "dg"


def test_each_project_has_its_own_status(neovim: Start, engines: Engines) -> None:
    engines[1].start()
    editor = neovim(settings=PATIENT)
    for project in ("one", "two"):
        (editor.home / project / ".git").mkdir(parents=True)
    (editor.home / "one" / ".gitignore").write_text("left_out.py\n")
    editor.open("two/sample.py", "value = \n")
    editor.until_ready()
    editor.open("one/left_out.py", "value = \n")
    editor.type("A1")
    eventually(lambda: editor.status() == "dg inactive")
    editor.type("<Esc>")
    editor.command("write")
    editor.command("checkhealth dg")
    assert re.search(r"serves: sample.py \(in .*two\)[\s\S]* Ready: scripted", editor.text), editor.text
    assert re.search(r"serves: left_out.py \(in .*one\)[\s\S]* left_out.py", editor.text), editor.text
    editor.command("buffer two/sample.py")
    assert editor.status() == "dg"
    editor.lua(
        "local client = require('dg.client')"
        "client.call(client.get(vim.fn.bufnr('one/left_out.py')), 'stop')"
        "_G.statuses = {}"
    )
    eventually(lambda: editor.lua("return _G.statuses") == ["dg"])


def test_a_request_by_hand_is_not_replaced_by_the_automatic_one(neovim: Start, engines: Engines) -> None:
    engine = engines[1].start("--middle", "compute()", "--step-ms", "200")
    editor = neovim(settings=PATIENT, keys={"trigger": "<C-l>"})
    editor.open("sample.py", "value = \n")
    editor.until_ready()
    editor.type("Gccvalue = <C-l>")
    editor.wait_for_ghost("compute()")
    [seen] = engine.seen()
    assert (seen["request"]["priority"], seen["end"]) == ("manual", "done")


def test_of_buffers_without_a_name_one_is_served(neovim: Start, engines: Engines) -> None:
    engine = engines[1].start("--middle", "compute()")
    editor = neovim(settings=PATIENT)

    def new(keys: str) -> Any:
        editor.command("set hidden | enew | set filetype=python")
        editor.type(f"i{keys}<Esc>")
        return editor.lua("return vim.fn.bufnr()")

    def served() -> bool:
        return bool(editor.lua("return require('dg.client').get(0) ~= nil"))

    first = new("first = 1<CR>")
    eventually(served)
    editor.until_ready()
    second = new("second = 2<CR>")
    time.sleep(0.5)
    assert not served()
    editor.command("Dg explain")
    assert [line for line in editor.said() if "save it to a file" in line]
    editor.command(f"buffer {first}")
    editor.type("Avalue = ")
    editor.wait_for_ghost("compute()")
    assert engine.seen()[-1]["request"]["prefix"].endswith("first = 1\nvalue = ")
    editor.type("<Esc>")
    editor.command(f"bwipeout! {first}")
    editor.command(f"buffer {second}")
    assert not served()
    editor.command("write second.py | edit")
    eventually(served)
    new("third = 3")
    eventually(served)


def test_a_buffer_that_gets_its_name_by_writing_it_is_served_on(neovim: Start, engines: Engines) -> None:
    engine = engines[1].start("--middle", "compute()")
    editor = neovim(settings=PATIENT)
    editor.command("set filetype=python")
    editor.type("ifirst = 1<Esc>")
    eventually(lambda: editor.lua("return require('dg.client').get(0) ~= nil"))
    editor.until_ready()
    editor.command("write named.py")
    eventually(lambda: editor.lua("return require('dg.client').get(0) ~= nil"))
    editor.type("ovalue = ")
    editor.wait_for_ghost("compute()")
    assert engine.seen()[-1]["request"]["path"].endswith("named.py")
    assert engine.seen()[-1]["request"]["prefix"] == "first = 1\nvalue = "
    assert engine.seen()[-1]["request"]["related"] == []


def test_the_manual_is_found(neovim: Start) -> None:
    editor = neovim()
    editor.command("help dg")
    assert editor.text.startswith("*dg.txt*")
    editor.command("help dg-keys")
    assert "*dg-keys*" in editor.api.current.line
    # Its index is in the repository, for 'runtimepath' alone makes none.
    manual = REPOSITORY / "editors" / "nvim" / "doc"
    (editor.home / "dg.txt").write_bytes((manual / "dg.txt").read_bytes())
    editor.command(f"helptags {editor.home}")
    assert (editor.home / "tags").read_text() == (manual / "tags").read_text()


@pytest.mark.usefixtures("with_inline_completion")
def test_the_lines_for_use_without_the_plugin_serve(neovim: Start, engines: Engines) -> None:
    _, behind = (REPOSITORY / "docs" / "editors.md").read_text("utf-8").split("Without the plugin, Neovim 0.12 needs")
    engine = engines[1].start("--middle", "compute()")
    editor = neovim(filetypes=["none"])
    project = editor.home / "project"
    (project / ".git").mkdir(parents=True)
    (project / ".gitignore").write_text("left_out.py\n")
    editor.lua(behind.split("```lua\n")[1].split("```")[0].replace('"dg"', '"alone"'))
    editor.lua("vim.lsp.config('alone', { init_options = ... })", PATIENT)
    editor.command("edit project/sample.py")
    eventually(lambda: editor.lua("return #vim.lsp.get_clients({ bufnr = 0, name = 'alone' })") == 1)
    editor.type("ivalue =")

    def typed_on() -> bool:
        editor.type("<Space><BS><Space>")
        time.sleep(2)
        return editor.ghost() == "compute()"

    eventually(typed_on, "ghost text, once the engine is found")
    editor.type("<Esc>")
    engine.script("--middle", "compute()")
    editor.command("write | edit project/left_out.py")
    editor.type("iother = ")
    time.sleep(1)
    assert (editor.ghost(), engine.seen()) == ("", [])
