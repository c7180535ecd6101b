"""`:Dg model` in a real Neovim with a scripted `dg-engine`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lsp_session import eventually, scripted_cli, short_folder

if TYPE_CHECKING:
    from nvim import Neovim

pytestmark = pytest.mark.timeout(300)

DOWNLOAD = "Download it (491 MB)"


@pytest.fixture
def runtime() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def editor(neovim: Callable[..., Neovim], runtime: Path) -> Neovim:
    """Served by `dg-default`; what the user is asked is kept in `_G.asked` and answered by `_G.choose`."""
    import nvim

    editor = neovim(runtime=runtime, more_environment=scripted_cli(), cmd=nvim.MODULE)
    editor.lua("""
      _G.asked = {}
      vim.ui.select = function(items, options, on_choice)
        local lines = vim.tbl_map(options.format_item or tostring, items)
        table.insert(_G.asked, lines)
        for i, line in ipairs(lines) do
          if vim.iter(_G.choose):any(function(start) return vim.startswith(line, start) end) then
            return on_choice(items[i], i)
          end
        end
        on_choice(nil, nil)
      end""")
    editor.open("sample.py", "value = \n")
    editor.until_ready()
    return editor


def choose(editor: Neovim, *beginnings: str) -> None:
    editor.lua("_G.choose = ...", list(beginnings))
    editor.command("Dg model")


def running_model(editor: Neovim) -> str:
    return str(
        editor.lua(
            "local of, got = require('dg.client'), nil;"
            "of.request(of.get(0), 'dg/status', vim.empty_dict(), function(_, it) got = it end, 0);"
            "vim.wait(20000, function() return got end, 10); return got.model"
        )
    )


def test_a_model_is_chosen_downloaded_and_loaded(editor: Neovim) -> None:
    choose(editor, "small", DOWNLOAD)
    said = "dg: small is loaded; to keep it, see `:help dg-model`"
    eventually(lambda: said in editor.said(), "the model is loaded")
    assert running_model(editor) == "small"
    models, question = editor.lua("return _G.asked")
    assert models == [
        "dg-default (in the package, loaded): tests",
        "small (491 MB, to be downloaded, recommended): tests",
        "huge (491 MB, to be downloaded): does not fit: needs 60.0 GB of memory, 8.0 GB are free",
    ]
    assert question == [DOWNLOAD, "Not now"]
    assert [shown for shown in editor.lua("return _G.statuses") if shown.startswith("dg: Downloading small ")]
    eventually(lambda: editor.status() == "dg", "the statusline is as before")


def test_a_model_that_does_not_fit_is_not_loaded(editor: Neovim) -> None:
    choose(editor, "huge")
    why = "dg: huge needs 60.0 GB of memory, 8.0 GB are free"
    eventually(lambda: why in editor.said(), "the user is told")
    assert running_model(editor) == "dg-default"


def test_a_download_is_stopped(editor: Neovim, runtime: Path) -> None:
    (runtime / "slow_download").touch()
    choose(editor, "small", DOWNLOAD)
    eventually(lambda: editor.status() == "dg: Downloading small 39/100", "the statusline shows how far it is")
    choose(editor, "small", DOWNLOAD)
    waits = "dg: small is being downloaded: wait, or `:Dg model stop`"
    eventually(lambda: waits in editor.said(), "one download at a time")
    editor.command("Dg model stop")
    pid = (runtime / "downloading").read_text()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the download ends")
    assert editor.status() == "dg"
    editor.command("Dg model stop")
    eventually(lambda: "dg: no model is being downloaded" in editor.said(), "there is none to stop")


def test_a_change_of_the_settings_is_offered_to_be_loaded(editor: Neovim) -> None:
    """Neovim shows the server's question by `vim.ui.select`."""
    editor.lua("_G.choose = { 'Download it' }")
    editor.lua("""
      local of = require('dg.client').get(0)
      of.settings = { dg = { engine = { model = 'small' } } }
      require('dg.client').call(of, 'notify', 'workspace/didChangeConfiguration', { settings = of.settings })""")
    eventually(lambda: running_model(editor) == "small", "the model is loaded")
