"""Confidence, and the threshold for automatic answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.infill import run
from engine.infill.calibration import Calibration, Features
from engine.infill.loaded import LoadedModel
from engine.protocol import FillRequest

PLAIN = Calibration(
    bias=0.0, posterior=1.0, likelihood=0.0, agreement=0.5, length=0.0, line_end=-0.5, lines=-2.0, threshold=0.5
)


def test_with_weight_one_on_the_share_alone_the_share_is_the_confidence():
    assert PLAIN.confidence(Features(share=0.8, mean=0.1, sources=1, text="abc", line_end=False)) == pytest.approx(0.8)


def test_an_answer_that_several_kinds_of_drafts_came_to_is_surer():
    one, two = (PLAIN.confidence(Features(0.5, 0.5, sources, "text", False)) for sources in (1, 2))
    assert two > one


def test_one_line_is_surer_than_several():
    one, two = (PLAIN.confidence(Features(0.9, 0.5, 1, text, True)) for text in ("x = 1", "x = 1\ny = 2"))
    assert one > two


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 3), st.text(), st.booleans(), st.floats(-50, 50))
def test_confidence_is_a_probability_whatever_comes(share, mean, sources, text, line_end, weight):
    calibration = Calibration(weight, weight, weight, weight, weight, weight, weight, 0.5)
    assert 0 <= calibration.confidence(Features(share, mean, sources, text, line_end)) <= 1


@pytest.fixture
def asked(model):
    """Fills with a model whose threshold is given."""

    def ask(threshold, priority, **limits):
        shape = replace(model.shape, calibration=replace(PLAIN, threshold=threshold))
        other = LoadedModel(model.network, model.tokens, shape, model.settings, "other")
        place = {"prefix": "def f():\n    ret", "suffix": "\n", "single_line": True}
        return run(other, FillRequest(**place, priority=priority, **limits))

    return ask


def test_an_automatic_request_is_answered_only_above_the_threshold(asked):
    unsure = asked(1.1, "automatic")
    assert (unsure.candidates, unsure.finish_reason) == ((), "unsure")
    assert asked(0.0, "automatic").candidates


def test_what_the_deadline_left_unsure_is_told_from_what_is_unsure(asked):
    cut = asked(1.1, "automatic", deadline_ms=0)
    assert (cut.candidates, cut.finish_reason) == ((), "deadline")


def test_who_asks_by_hand_gets_the_best_there_is(asked):
    assert asked(1.1, "manual").candidates
