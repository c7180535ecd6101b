"""nvim-cmp and blink.cmp beside the plugin: their menu and our ghost text at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lsp_session import ScriptedEngines, eventually
from needed import need

if TYPE_CHECKING:
    from nvim import Neovim

pytestmark = pytest.mark.timeout(300)

SETUP = {
    "nvim-cmp": """
        local cmp = require('cmp')
        cmp.register_source('words', { complete = function(_, _, done) done({ { label = 'comparison' } }) end })
        cmp.setup({
          sources = { { name = 'words' } },
          mapping = { ['<C-n>'] = cmp.mapping.select_next_item(), ['<C-y>'] = cmp.mapping.confirm() },
        })
        _G.menu_is_open = function() return cmp.visible() end
    """,
    "blink.cmp": """
        package.loaded['words'] = {
          new = function()
            return setmetatable({}, { __index = {
              get_completions = function(_, _, done)
                done({ items = { { label = 'comparison' } }, is_incomplete_forward = false })
              end,
            } })
          end,
        }
        require('blink.cmp').setup({
          fuzzy = { implementation = 'lua' },
          keymap = { preset = 'none', ['<C-n>'] = { 'select_next' }, ['<C-y>'] = { 'accept' } },
          completion = { list = { selection = { preselect = false } } },
          sources = { default = { 'words' }, providers = { words = { name = 'words', module = 'words' } } },
        })
        _G.menu_is_open = function() return require('blink.cmp').is_menu_visible() end
    """,
}


@pytest.fixture(params=SETUP)
def editor(
    request: pytest.FixtureRequest, neovim: Callable[..., Neovim], engines: tuple[Path, ScriptedEngines]
) -> Neovim:
    """A Neovim with a menu plugin, in which `value = com` is typed, its menu open and ghost text beside it."""
    import nvim

    plugin = nvim.EDITORS / "plugins" / request.param
    need(plugin.exists(), f"no {request.param} in {plugin}: run `make test-editors`")
    engines[1].start("--middle", "compute(1, 2)")
    started = neovim(settings={"inline": {"deadline_ms": 20000}}, keys={"accept": "<C-l>"})
    started.lua("vim.opt.runtimepath:append(...)", str(plugin))
    started.command("runtime! plugin/*cmp.lua")
    started.lua(SETUP[request.param])
    started.open("sample.py", "value = \n")
    started.until_ready()
    for keys in ("Gccvalue = ", "c", "o", "m"):  # as a user types: the menus look at single keys
        started.type(keys)
        started.wait_for_text(keys[-1])
    started.wait_for_ghost()
    eventually(lambda: started.lua("return menu_is_open()"))
    return started


def test_the_menu_and_ghost_text_are_shown_together_and_each_has_its_key(editor: Neovim) -> None:
    ghost = editor.ghost()
    editor.type("<C-l>")
    eventually(lambda: editor.text == f"value = com{ghost}")


def test_an_entry_of_the_menu_is_taken_as_without_us(editor: Neovim) -> None:
    editor.type("<C-n><C-y>")
    eventually(lambda: editor.text == "value = comparison")
