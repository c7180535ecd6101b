"""What the engine does with a request's text takes time in proportion to its length, whatever the text."""

from __future__ import annotations

import pytest

from engine.infill.blocks import Block
from engine.infill.checkpoint_options import InfillShape
from engine.infill.copies import copies
from engine.infill.layout import Layout, lay_out
from engine.openai import completion_request
from engine.protocol import FillRequest
from tests.long_runs import PIECES, Work, grows_too_fast


def block_of(text: str) -> list[str]:
    block = Block(Layout([], [], [], text, text, text, []), max_lines=4)
    return [] if block.is_over(text) else block.cuts(text)


WORKS: dict[str, Work] = {
    "copies": lambda text: copies(text, text, [text]),
    "copies of lines": lambda text: copies(f"{text}\nx", "\n", [text], whole_lines=True),
    "block": block_of,
    "prompt of a client": lambda text: completion_request({"prompt": f"<|fim_prefix|>{text}"}),
}


@pytest.mark.parametrize("name", WORKS)
def test_the_time_grows_as_the_text_does(name: str) -> None:
    pieces = (*PIECES, "<|fim_suffix|>")
    assert [piece for piece in pieces if grows_too_fast(WORKS[name], "", piece)] == []


def test_the_time_for_a_layout_grows_as_the_text_does(model) -> None:
    def laid_out(text: str) -> Layout:
        return lay_out(FillRequest(prefix=text, suffix=text), model.tokens, InfillShape())

    assert [piece for piece in PIECES if grows_too_fast(laid_out, "", piece)] == []
