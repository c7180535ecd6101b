"""The causal side: drafts and scores."""

from __future__ import annotations

import pytest
import torch

from engine.infill import causal
from engine.infill.layout import lay_out
from engine.protocol import FillRequest

PREFIX = "import os\n\n\ndef size(path):\n    return os.pa"


@pytest.fixture
def laid_out(model):
    layout = lay_out(FillRequest(prefix=PREFIX, suffix="(path)\n"), model.tokens, model.shape)
    return layout, model.encode(layout.context)[0]


def test_a_draft_goes_on_from_inside_a_word(model, laid_out):
    """Token healing: the joined text is one the tokenizer would make, not a word forced apart at the cursor."""
    layout, context = laid_out
    text = causal.draft(model.network, context, layout, model.tokens, 8, lambda _: True)
    pieces = [model.tokens.decode([i]) for i in model.tokens.encode("\n    return os.pa" + text)]
    assert any(piece.startswith("pa") for piece in pieces)


def test_a_draft_ends_when_told_to(model, laid_out):
    seen = []
    causal.draft(model.network, laid_out[1], laid_out[0], model.tokens, 8, lambda text: bool(seen.append(text)))
    assert len(seen) == 1


def test_scores_are_the_summed_log_probabilities_of_head_candidate_and_suffix(model, laid_out):
    layout, context = laid_out
    candidates = ["th.getsize", "x"]
    got = causal.scores(model.network, context, layout, model.tokens, candidates)
    for text, (total, mean) in zip(candidates, got, strict=True):
        tail = model.tokens.encode(layout.head_text + text + "(path)\n")
        ids = torch.tensor([layout.context + tail])
        hidden, _ = model.network.encode_hidden(ids[:, :-1])
        logs = model.network.causal_logits(hidden[0]).log_softmax(-1)[len(layout.context) - 1 :]
        expected = float(logs.gather(1, torch.tensor(tail)[:, None]).sum())
        assert total == pytest.approx(expected, abs=1e-3)
        assert mean == pytest.approx(torch.tensor(total / len(tail)).exp().item())


@pytest.mark.parametrize(
    ("ids", "period"),
    [([1, 2, 3], 0), ([5, 5, 5], 1), ([9, 1, 2, 1, 2, 1, 2], 2), ([1, 2, 1, 2], 0), ([7, 7], 0), ([], 0)],
)
def test_a_draft_that_goes_in_circles_is_noticed(ids, period):
    assert causal.looping(ids) == period
