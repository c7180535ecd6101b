"""The plugin beside what else a Neovim has: mappings, servers, buffers and projects of the user's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lsp_session import ScriptedEngines, eventually

if TYPE_CHECKING:
    from nvim import Neovim

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., "Neovim"]
Engines = tuple[Path, ScriptedEngines]

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


def typed(editor: Neovim, keys: str) -> str:
    """What an empty buffer holds when these keys were typed in insert mode, between an a and a z."""
    editor.lua("vim.api.nvim_buf_set_lines(0, 0, -1, false, { '' })")
    editor.type(f"ia{keys}z<Esc>")
    eventually(lambda: "z" in editor.text and editor.mode == "n", f"{keys} is typed")
    return editor.text


def test_without_a_suggestion_a_key_does_what_it_did_before(neovim: Start) -> None:
    editor = neovim()
    (editor.home / "script.vim").write_text(SCRIPT)
    for mapping in KEYS.values():
        editor.command(mapping)
    before = [typed(editor, key) for key in KEYS]
    assert before == ["aÀ\tz", "aFOOz", "aé<xzÀ", "yz", "aéz", "aputz", "az", "ascriptz", "\taz"]
    keys = list(KEYS)
    for some in (keys[:3], keys[3:6], keys[6:], keys[:3]):  # `setup` may be called again
        given = dict(zip(("accept", "next", "dismiss"), some, strict=True))
        editor.lua("require('dg').setup({ keys = ... })", given)
    editor.lua("require('dg.suggest').next = function() end")  # it asks for suggestions where there are none
    assert [typed(editor, key) for key in KEYS] == before
