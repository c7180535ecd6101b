"""Confidence, and the threshold for automatic answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.infill import run
from engine.infill.calibration import KINDS, Calibration, Features, kind_of
from engine.infill.checkpoint_options import InfillShape
from engine.infill.loaded import LoadedModel
from engine.protocol import FillRequest
from engine.weights.checkpoint import CheckpointError

PLAIN = Calibration(
    bias={"inside": 0.0, "arguments": -0.2, "tail": -0.5, "block": -1.0},
    posterior=1.0,
    likelihood=0.0,
    agreement=0.5,
    length=0.0,
    lines=-2.0,
    threshold={"inside": 0.5, "arguments": None, "tail": 0.5, "block": None},
)


def test_with_weight_one_on_the_share_alone_the_share_is_the_confidence():
    assert PLAIN.confidence(Features(share=0.8, mean=0.1, sources=1, text="abc", kind="inside")) == pytest.approx(0.8)


def test_an_answer_that_several_kinds_of_drafts_came_to_is_surer():
    one, two = (PLAIN.confidence(Features(0.5, 0.5, sources, "text", "inside")) for sources in (1, 2))
    assert two > one


def test_one_line_is_surer_than_several():
    one, two = (PLAIN.confidence(Features(0.9, 0.5, 1, text, "block")) for text in ("x = 1", "x = 1\ny = 2"))
    assert one > two


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 3), st.text(), st.sampled_from(KINDS), st.floats(-50, 50))
def test_confidence_is_a_probability_whatever_comes(share, mean, sources, text, kind, weight):
    calibration = replace(PLAIN, posterior=weight, likelihood=weight, agreement=weight, length=weight, lines=weight)
    assert 0 <= calibration.confidence(Features(share, mean, sources, text, kind)) <= 1


@pytest.mark.parametrize(
    ("single_line", "prefix", "suffix", "kind"),
    [
        (True, "print(x", ")\n", "inside"),
        (True, "print(", "x)\n", "inside"),
        (True, "print(", ")\n", "arguments"),
        (True, "x = ", "\nnext = 1\n", "tail"),
        (True, "x = ", "  \nnext = 1\n", "tail"),
        (True, "", "", "tail"),
        (False, "", "\nnext = 1\n", "block"),
        (False, "print(", ")\n", "block"),
    ],
)
def test_the_kind_says_what_is_asked_for(single_line, prefix, suffix, kind):
    assert kind_of(single_line, prefix, suffix) == kind


def test_every_kind_has_a_threshold_of_its_own():
    sure = {kind: Features(0.9, 0.5, 1, "text", kind) for kind in KINDS}
    assert [kind for kind in KINDS if PLAIN.shows(sure[kind])] == ["inside", "tail"]
    strict = replace(PLAIN, threshold={"inside": 0.9, "arguments": None, "tail": 0.9, "block": 0.0})
    assert [kind for kind in KINDS if strict.shows(sure[kind])] == ["inside", "block"]


def test_a_calibration_of_the_old_form_is_one_line():
    old = dict.fromkeys(("bias", "posterior", "likelihood", "agreement", "length", "lines", "threshold"), 0.5)
    infill = {"gap_tokens": [8], "calibration": old}
    with pytest.raises(
        CheckpointError, match=r"^config.json: infill.calibration is of an earlier form: fine-tune again$"
    ):
        InfillShape.from_dict({"infill": infill})


@pytest.fixture
def asked(model):
    """Fills with a model whose threshold is given."""

    def ask(threshold, priority, **limits):
        shape = replace(model.shape, calibration=replace(PLAIN, threshold=dict.fromkeys(KINDS, threshold)))
        other = LoadedModel(model.network, model.tokens, shape, model.settings, "other")
        place = {"prefix": "def f():\n    ret", "suffix": "\n", "single_line": True}
        return run(other, FillRequest(**place, priority=priority, **limits))

    return ask


def test_an_automatic_request_is_answered_only_above_the_threshold(asked):
    for never in (1.1, None):
        unsure = asked(never, "automatic")
        assert (unsure.candidates, unsure.finish_reason) == ((), "unsure")
    assert asked(0.0, "automatic").candidates


def test_what_the_deadline_left_unsure_is_told_from_what_is_unsure(asked):
    cut = asked(1.1, "automatic", deadline_ms=0)
    assert (cut.candidates, cut.finish_reason) == ((), "deadline")


def test_who_asks_by_hand_gets_the_best_there_is(asked):
    assert asked(1.1, "manual").candidates
    assert asked(None, "manual").candidates
