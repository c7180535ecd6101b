"""What is written on while somebody types: the likeliest middle, as far as the model is sure of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine import load
from engine.infill import LoadedModel, run
from engine.infill.beginning import Beginning, Limits, beginnings, may_end
from engine.infill.blocks import Block
from engine.infill.calibration import KINDS, Sureness
from engine.infill.layout import lay_out
from engine.infill.ngram_cache import Trust
from engine.protocol import FillRequest
from tests.engine import tiny_decoder

LINE = "total = price(item)\n"
REPEATED = FillRequest(prefix=12 * LINE + "total = ", suffix="\n", single_line=True, priority="automatic")
BELIEVES_THE_FILE = Trust(bias=9.0, slope=0.0, full_order_bias=9.0)
"""A model of random weights knows nothing; what the file itself repeats, it is then sure of."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    loaded = load(tiny_decoder.write(tmp_path_factory.mktemp("tiny") / "coder"), device="cpu", dtype="float32")
    loaded.shape = replace(loaded.shape, ngram_trust=BELIEVES_THE_FILE)
    return loaded


def found(model: LoadedModel, request: FillRequest, least: float = 0.5, tokens: int = 40) -> list[Beginning]:
    layout = lay_out(request, model.tokens, model.shape)
    limits = Limits(
        tokens=tokens,
        line=request.single_line,
        block=Block(layout, request.max_lines),
        least=least,
        goes_on=lambda text: True,
    )
    return beginnings(model.reader(request, layout), limits)


def test_the_middle_may_end_behind_each_word_and_is_whole_at_the_end_of_its_line(model: LoadedModel) -> None:
    answers = found(model, REPEATED)
    assert [(one.text, one.whole) for one in answers] == [("price", False), ("price(item)", True)]
    assert all(0.9 < one.chance <= 1 for one in answers)


def test_a_longer_beginning_is_never_likelier(model: LoadedModel) -> None:
    chances = [one.chance for one in found(model, REPEATED, least=0.0)]
    assert chances == sorted(chances, reverse=True)


def test_nothing_is_written_of_what_the_model_is_not_sure_of(model: LoadedModel) -> None:
    assert found(model, replace(REPEATED, prefix="import os\n\nwho = ")) == []


def test_where_words_stand_behind_the_hole_only_the_whole_middle_will_do(model: LoadedModel) -> None:
    line = "total = price(item) + shipping\n"
    request = replace(REPEATED, prefix=12 * line + "total = ", suffix=" + shipping\n")
    assert [one.text for one in found(model, request, tokens=5)] == []
    assert all(one.whole for one in found(model, request, least=0.0))


def test_a_bracket_that_the_editor_closed_ends_the_middle(model: LoadedModel) -> None:
    request = replace(REPEATED, prefix=12 * LINE + "total = price(", suffix=")\n")
    assert [one.text for one in found(model, request)] == ["item"]


def test_a_cursor_inside_a_word_goes_on_with_that_word(model: LoadedModel) -> None:
    request = replace(REPEATED, prefix=12 * LINE + "total = pri")
    assert [one.text for one in found(model, request)] == ["ce", "ce(item)"]


def test_a_block_has_no_more_lines_than_asked_for(model: LoadedModel) -> None:
    request = FillRequest(prefix="def f(item):\n    ", suffix="\n\n\nx = 1\n", max_lines=2, priority="automatic")
    answers = found(model, request, least=0.0, tokens=200)
    assert all(sum(bool(line.strip()) for line in one.text.split("\n")) <= 2 for one in answers)


def test_an_automatic_fill_offers_the_longest_first_with_its_confidence(model: LoadedModel) -> None:
    result = run(model, replace(REPEATED, candidates=3))
    assert [one.middle for one in result.candidates] == ["price(item)", "price"]
    assert all(one.confidence >= result.threshold for one in result.candidates)
    assert result.threshold == 0.5


def test_what_is_not_sure_enough_is_not_offered_unasked_but_by_hand(model: LoadedModel) -> None:
    request = replace(REPEATED, prefix="import os\n\nwho = ")
    assert run(model, request).finish_reason == "unsure"
    assert run(model, replace(request, priority="manual")).candidates


def test_a_model_that_is_believed_less_shows_less(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    doubted = Sureness(bias=dict.fromkeys(KINDS, -20.0))
    monkeypatch.setattr(model, "shape", replace(model.shape, sureness=doubted))
    assert run(model, REPEATED).candidates == ()


@pytest.mark.parametrize(
    ("text", "whether"),
    [
        ("name", True),
        ("call(x)", True),
        ("call(", False),
        ("x.", False),
        ("a[0", False),
        ('"begun', False),
        ("", False),
    ],
)
def test_a_text_may_end_behind_a_word_or_what_it_has_closed(text: str, whether: bool) -> None:
    assert may_end(text) == whether


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_chance_is_the_one_with_the_threshold_as_its_confidence(kind: str) -> None:
    sureness = Sureness(bias=dict.fromkeys(KINDS, 0.3), slope=0.8, threshold=0.6)
    assert sureness.confidence(sureness.least_chance(kind), kind) == pytest.approx(0.6, abs=1e-3)


def test_a_model_that_was_never_fitted_takes_its_own_chances(tmp_path: Path) -> None:
    plain = load(tiny_decoder.write(tmp_path / "coder"), device="cpu").shape.sureness
    assert plain == Sureness()
    assert plain.confidence(0.7, "tail") == 0.7
