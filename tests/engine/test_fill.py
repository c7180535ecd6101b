"""Whole fills with the shipped model: what holds whatever the model says."""

from __future__ import annotations

import json

import pytest
import torch

from engine import fill, load
from engine.infill import Cancelled, run
from engine.protocol import FillRequest, FillResult, Snippet
from engine.weights.checkpoint import CheckpointError

PREFIX = (
    "class Store:\n    def __init__(self, path):\n        self.path = path\n\n    def name(self):\n        return self."
)
SUFFIX = "\n\n    def close(self):\n        self.path = None\n"


def test_fill_answers_with_ranked_distinct_candidates(model):
    result = fill(model, PREFIX, SUFFIX, single_line=True, candidates=5)
    middles = [candidate.middle for candidate in result.candidates]
    assert 1 <= len(middles) <= 5
    assert len(set(middles)) == len(middles)
    assert all(middle.strip() and "\n" not in middle for middle in middles)
    assert {candidate.source for candidate in result.candidates} <= {"denoised", "causal", "copied"}
    assert all(0 <= candidate.confidence <= 1 for candidate in result.candidates)
    assert result.model == "dg-default"
    assert {"context", "denoise", "causal", "copy", "choose", "total"} == result.timings_ms.keys()


def test_while_someone_types_on_a_line_nothing_is_denoised(model):
    """The shipped model's causal drafts find lines as well and sooner; blocks, and what was asked for, are denoised."""
    typed, asked = (fill(model, PREFIX, SUFFIX, single_line=True, priority=p) for p in ("automatic", "manual"))
    block = fill(model, PREFIX, SUFFIX, priority="automatic")
    assert (typed.steps, asked.steps > 0, block.steps > 0) == (0, True, True)
    assert "denoise" not in typed.timings_ms


def test_a_copy_from_the_file_is_among_the_candidates(model):
    """A name that no model would come up with."""
    prefix = PREFIX.replace("path", "zebra_7f3q") + "ze"
    result = fill(model, prefix, SUFFIX, single_line=True, candidates=50)
    assert "bra_7f3q" in {c.middle for c in result.candidates}


def test_the_same_seed_gives_the_same_answer(model):
    answers = [fill(model, PREFIX, SUFFIX, candidates=9, seed=3).candidates for _ in range(2)]
    assert answers[0] == answers[1]


def test_every_step_reports_a_draft_with_the_pinned_suffix_steady(model):
    drafts = []
    run(model, FillRequest(prefix=PREFIX, suffix=SUFFIX, max_steps=5), on_draft=drafts.append)
    assert [draft.step for draft in drafts] == list(range(1, len(drafts) + 1))
    assert {draft.steps for draft in drafts} == {5}
    assert {draft.pinned for draft in drafts} == {drafts[0].pinned}
    assert SUFFIX.startswith(drafts[0].pinned)
    assert {len(draft.slots) for draft in drafts} == {len(drafts[0].settled)}


def test_cancel_stops_at_the_next_step(model):
    drafts = []
    request = FillRequest(prefix=PREFIX, suffix=SUFFIX)
    with pytest.raises(Cancelled):
        run(model, request, on_draft=drafts.append, cancelled=lambda: len(drafts) == 2)
    assert len(drafts) == 2


def test_at_the_deadline_the_best_draft_is_returned_and_marked(model):
    result = fill(model, PREFIX, SUFFIX, deadline_ms=0)
    assert result.finish_reason == "deadline"
    assert result.steps == 1


@pytest.mark.parametrize("single_line", [True, False])
@pytest.mark.parametrize("deadline_ms", [0, 10, 30, 60, 120])
def test_whenever_the_deadline_falls_the_best_so_far_is_answered(model, deadline_ms, single_line):
    """Between any two parts, or within one: that depends on the machine, what holds does not."""
    result = fill(model, PREFIX, SUFFIX, deadline_ms=deadline_ms, single_line=single_line, candidates=99)
    middles = [candidate.middle for candidate in result.candidates]
    assert middles
    assert len(set(middles)) == len(middles)
    assert all(middle.strip() for middle in middles)


@pytest.mark.parametrize("deadline_ms", [0, 10, 30, 60, 120])
def test_an_automatic_answer_at_the_deadline_is_as_sure_as_any_other(model, deadline_ms):
    result = fill(model, PREFIX, SUFFIX, deadline_ms=deadline_ms, single_line=True, priority="automatic")
    assert not result.candidates or result.confidence >= result.threshold > 0


def test_an_automatic_answer_says_how_sure_it_has_to_be(model):
    automatic = fill(model, "import os\nimport sy", "\n", single_line=True, priority="automatic", candidates=9)
    assert automatic.candidates
    assert automatic.threshold == model.shape.calibration.threshold["tail"]
    assert fill(model, "import os\nimport sy", "\n", single_line=True).threshold == 0


def test_the_model_in_the_package_was_trained_on_python(model):
    assert model.languages == ("python",)


def test_a_fill_of_a_line_can_be_cancelled_in_every_part(model):
    """Each time that somebody is asked whether the answer is still wanted, it may not be."""
    asked = []
    request = FillRequest(prefix=PREFIX, suffix=SUFFIX, single_line=True, priority="automatic")
    run(model, request, cancelled=lambda: bool(asked.append(1)))
    assert len(asked) > 10
    for last in (1, len(asked) // 2, len(asked) - 1):
        count = iter(range(last))
        with pytest.raises(Cancelled):
            run(model, request, cancelled=lambda count=count: next(count, None) is None)


def test_a_gap_that_is_too_short_is_said_to_be(model):
    result = fill(model, "x = [\n" + "    1,\n" * 40, "", max_tokens=8, max_steps=2)
    assert result.finish_reason in ("length", "steps", "stop")
    assert result.steps <= 2


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [
        ("", ""),
        ("", "print(1)\n"),
        ("x", ""),
        ("\ufeff# bom\r\ny = ", "\r\n"),
        ("\x0c\u2028def f():\n\t", "\n"),
        (PREFIX, SUFFIX * 400),  # a suffix far longer than the canvas
        ("x" * 300_000, ""),
    ],
)
def test_odd_texts_are_filled_or_left_alone(model, prefix, suffix):
    result = fill(model, prefix, suffix, max_steps=1)
    assert isinstance(result, FillResult)


def test_related_snippets_are_a_source_of_copies(model):
    snippets = (Snippet(path="b.py", text="connection = open_connection(host, port)\n"),)
    result = fill(model, "connection = open_conn", "\n", related=snippets, single_line=True, candidates=50)
    assert "ection(host, port)" in {c.middle for c in result.candidates}


def test_driving_the_model_step_by_step(model):
    """The form for notebooks: prefill, denoise, feed the shaped logits back."""
    cache = model.prefill(torch.tensor(model.tokens.encode(PREFIX)))
    canvas = torch.full((12,), 4)
    first = model.denoise(canvas, cache)
    second = model.denoise(canvas, cache, previous=first / 0.8)
    assert first.shape == second.shape == (12, 8192)
    assert first.dtype == torch.float32
    assert not torch.equal(first, second)


def test_a_kept_prefix_gives_the_same_answer_as_a_fresh_one(model):
    ids = model.tokens.encode(PREFIX * 3)
    fresh = load(device="cpu", dtype="float32")
    whole = fresh.whole(fresh.encode(ids))
    model.encode(ids[: len(ids) // 2])
    pieced = model.whole(model.encode(ids))
    for one, other in zip(whole.layers, pieced.layers, strict=True):
        torch.testing.assert_close(one.keys, other.keys, atol=1e-4, rtol=1e-4)


def test_a_tokenizer_of_another_model_is_named(tmp_path):
    from engine.infill.loading import DEFAULT_MODEL

    for file in ("config.json", "generation_config.json", "model.safetensors"):
        (tmp_path / file).symlink_to(DEFAULT_MODEL / file)
    tokenizer = json.loads((DEFAULT_MODEL / "tokenizer.json").read_text("utf-8"))
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 8192, "content": "<more>"})
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    with pytest.raises(CheckpointError, match=r"8193 tokens, the model only 8192"):
        load(tmp_path, device="cpu")
    (tmp_path / "tokenizer.json").write_text("{", "utf-8")
    with pytest.raises(CheckpointError, match=r"tokenizer.json cannot be read"):
        load(tmp_path, device="cpu")


def test_an_unknown_device_is_named():
    with pytest.raises(ValueError, match="unknown device 'gpu0'"):
        load(device="gpu0")
