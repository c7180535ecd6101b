"""From request to encoder tokens and canvas."""

from __future__ import annotations

import itertools

import pytest

from engine.infill.chat import ChatForm
from engine.infill.checkpoint_options import InfillShape
from engine.infill.layout import lay_out
from engine.protocol import FillRequest, Snippet
from engine.weights.checkpoint import CheckpointError

PREFIX = "import os\n\n\ndef size(path):\n    return os.pa"


def layout(model, prefix=PREFIX, suffix="(path)\n", **options):
    return lay_out(FillRequest(prefix=prefix, suffix=suffix, **options), model.tokens, model.shape)


def test_the_context_ends_before_the_cursors_line_and_the_canvas_has_the_rest(model):
    got = layout(model)
    assert model.tokens.decode(got.context) == "import os\n\n\ndef size(path):"
    assert model.tokens.decode(got.head) == "\n    return os.pa"
    assert model.tokens.decode(got.suffix) == "(path)\n"


def test_typing_on_a_line_leaves_the_context_as_it_is(model):
    contexts = [layout(model, prefix=PREFIX + typed).context for typed in ("", "t", "th", "th.getsize")]
    assert all(context == contexts[0] for context in contexts)


def test_typing_on_in_a_long_file_moves_the_context_only_now_and_then(model):
    lines = [f"value_{i} = compute({i})\n" for i in range(600)]
    contexts = [layout(model, prefix="".join(lines[:n])).context for n in range(300, 340)]
    grown = [new[: len(old)] == old for old, new in itertools.pairwise(contexts)]
    assert all(len(context) <= model.shape.context_tokens for context in contexts)
    assert grown.count(False) <= 6


def test_an_endless_line_and_a_huge_prefix_fit_the_context(model):
    for prefix in ("x = [" + "1, " * 400_000, "y\n" * 1_000_000):
        got = layout(model, prefix=prefix)
        assert len(got.context) <= model.shape.context_tokens
        assert len(got.head) <= model.shape.head_tokens
        assert len(got.head_text) < 400


def test_the_end_of_the_document_is_pinned_when_it_is_near(model):
    assert layout(model, suffix=")\n").suffix[-1] == model.tokens.stop_ids[0]
    assert model.tokens.stop_ids[0] not in layout(model, suffix=")\nx = 1\n" * 400).suffix


@pytest.mark.parametrize("prefix", ["", "\n", "x", "\ufeffx = ", "a\r\nb", "a\rb", "\x0c", "a\u2028b", "😀 = "])
def test_odd_beginnings_are_laid_out(model, prefix):
    got = layout(model, prefix=prefix, suffix="")
    assert got.context[0] == model.tokens.bos
    assert "\r" not in got.head_text


def test_special_tokens_in_the_users_text_are_plain_text(model):
    got = layout(model, prefix="<bos><mask>", suffix="<end_of_gap>")
    ids = got.context[1:] + got.head + got.suffix[:-1]
    assert min(ids) >= 16


def test_one_gap_for_a_model_that_can_leave_slots_empty_several_for_one_that_cannot(model):
    request = FillRequest(prefix="", max_tokens=24, single_line=True)
    assert model.shape.gaps(request) == [24]
    assert InfillShape().gaps(request) == [6, 12, 24]
    assert InfillShape().gaps(FillRequest(prefix="", max_tokens=1)) == [6]


def test_a_chat_model_is_asked_in_a_full_turn(model, gemma_tokens):
    request = FillRequest(
        prefix="def f():\n    return ", suffix="\nf()\n", language="python", path="a.py",
        related=(Snippet(path="b.py", text="def g(): ..."),),
    )  # fmt: skip
    got = lay_out(request, gemma_tokens, InfillShape(chat=ChatForm.of_tokenizer(gemma_tokens)))
    text = gemma_tokens.tokenizer.decode(got.context, skip_special_tokens=False)
    assert text.startswith("<bos><|turn>user\nFrom b.py:\ndef g(): ...")
    assert "the end of the file a.py:\n\nf()" in text
    assert text.endswith("<turn|>\n<|turn>model\nHere is the file.\n```python\ndef f():")
    assert gemma_tokens.decode(got.head) == "\n    return "


@pytest.fixture
def gemma_tokens():
    """The shipped tokenizer with Gemma's turn tokens added: the real one cannot be had here."""
    from tokenizers import AddedToken

    from engine.infill.tokens import Tokens
    from engine.training.tokenizer import load

    tokenizer = load()
    tokenizer.add_special_tokens([AddedToken("<|turn>", special=True), AddedToken("<turn|>", special=True)])
    return Tokens(tokenizer, (1, 106, 50))


def test_a_bad_infill_section_is_named():
    with pytest.raises(CheckpointError, match="noise is 'gaussian'"):
        InfillShape.from_dict({"infill": {"noise": "gaussian", "gap_tokens": [8]}})
    with pytest.raises(CheckpointError, match="gap_tokens is missing"):
        InfillShape.from_dict({"infill": {"noise": "mask"}})
    with pytest.raises(CheckpointError, match="colour"):
        InfillShape.from_dict({"infill": {"colour": "red", "gap_tokens": [8]}})


@pytest.mark.parametrize("characters", [3_000, 3_600, 4_000, 4_096, 5_000, 8_191, 20_000])
def test_a_prefix_of_any_length_fills_the_context(model, characters):
    """Whatever is cut away for the sake of the cache, most of what the model can hold stays."""
    text = "".join(f"    value = compute(name, {i % 7})\n" for i in range(1000))[-characters:]
    got = layout(model, prefix=text + "    x = ")
    assert len(got.context) > model.shape.context_tokens - 130
