"""The causal side of a model: its drafts, and how likely candidates are by it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from engine.infill import scoring
from engine.infill.layout import lay_out
from engine.infill.search import Rules, looping, search
from engine.protocol import FillRequest

PREFIX = "import os\n\n\ndef size(path):\n    return os.pa"


@pytest.fixture
def reader(model):
    request = FillRequest(prefix=PREFIX, suffix="(path)\n")
    layout = lay_out(request, model.tokens, model.shape)
    return model.reader(request, layout)


def test_a_draft_goes_on_from_inside_a_word(model, reader):
    """Token healing: the joined text is one the tokenizer would make, not a word forced apart at the cursor."""
    text = search(reader, Rules(width=1, limit=8, line=False))[0]
    pieces = [model.tokens.decode([i]) for i in model.tokens.encode("\n    return os.pa" + text)]
    assert any(piece.startswith("pa") for piece in pieces)


def test_a_word_that_the_cursor_cuts_into_several_tokens_can_still_become_one(model):
    """`dictionar` is three tokens, `dictionary` one."""
    request = FillRequest(prefix="dictionary = {}\nprint(dictionary)\nprint(dictionar", suffix=")\n")
    layout = lay_out(request, model.tokens, model.shape)
    reader = model.reader(request, layout)
    assert len(model.tokens.encode("dictionar")) > len(model.tokens.encode("dictionary"))
    assert "y" in search(reader, Rules(width=8, limit=8, line=True))


def test_a_draft_ends_when_told_to(reader):
    seen = []
    search(reader, Rules(width=1, limit=8, line=False, proceed=lambda text: bool(seen.append(text))))
    assert len(seen) == 1


def test_a_forbidden_beginning_is_not_followed(reader):
    (first, *_) = search(reader, Rules(width=4, limit=8, line=True))
    found = search(reader, Rules(width=4, limit=8, line=True, forbidden=lambda text: text.startswith(first[:2])))
    assert found
    assert not any(text.startswith(first[:2]) for text in found)


def test_a_seed_draws_other_middles_and_the_same_ones_again(reader):
    first, again, other = (search(reader, Rules(width=4, limit=8, line=True, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_middles_of_a_line_hold_one_line_and_differ(reader):
    found = search(reader, Rules(width=4, limit=8, line=True))
    assert len(found) == len(set(found)) > 4
    assert not any("\n" in text or not text.strip() for text in found)


def test_scores_are_the_summed_log_probabilities_of_candidate_and_suffix(model, reader):
    """What all candidates share before they differ counts for none of them."""
    layout = reader.layout
    candidates = ["th.getsize", "x"]
    reader = replace(reader, ngrams=None)
    got = scoring.scores(reader, candidates)
    rows = [model.tokens.encode(layout.head_text + text + "(path)\n") for text in candidates]
    shared = next(i for i in range(99) if rows[0][i] != rows[1][i])
    for tail, score in zip(rows, got, strict=True):
        ids = torch.tensor([layout.context + tail])
        hidden, _ = model.network.encode_hidden(ids[:, :-1])
        logs = model.network.causal_logits(hidden[0]).log_softmax(-1)[len(layout.context) - 1 :]
        expected = float(logs.gather(1, torch.tensor(tail)[:, None])[shared:].sum())
        assert score.total == pytest.approx(expected, abs=1e-3)
        assert score.mean == pytest.approx(math.exp(expected / len(tail[shared:])), rel=1e-3)


def test_each_line_of_a_candidate_has_the_mean_probability_of_its_tokens(model, reader):
    """Whether it is scored alone or beside others; a line alone has none but its own mean."""
    layout, text = reader.layout, "th.getsize(\n        path\n    )"
    reader = replace(reader, ngrams=None)
    tail = model.tokens.encode(layout.head_text + text + "(path)\n")
    hidden, _ = model.network.encode_hidden(torch.tensor([layout.context + tail])[:, :-1])
    logs = model.network.causal_logits(hidden[0]).log_softmax(-1)[len(layout.context) - 1 :]
    logs = logs.gather(1, torch.tensor(tail)[:, None]).flatten().tolist()
    second = [model.tokens.decode([i]) for i in tail].index("\n        ")  # and "path" behind it
    (one,), (other, plain) = scoring.scores(reader, [text]), scoring.scores(reader, [text, "x"])
    assert plain.lines == ()
    assert len(one.lines) == 3
    assert one.lines[1] == pytest.approx(math.exp(sum(logs[second : second + 2]) / 2), rel=1e-3)
    assert one.lines == pytest.approx(other.lines, rel=1e-3)


def test_a_choice_that_is_cut_short_puts_nobody_before_those_that_were_read(reader):
    """The likeliest by their beginnings are read whole; the rest counts as if the suffix came as easily behind them."""
    candidates = ["th.getsize", "x", *(f"th.name_{i}" for i in range(20))]
    whole = scoring.scores(reader, candidates)
    cut = scoring.scores(reader, candidates, enough=lambda: True)
    read = [i for i, (one, other) in enumerate(zip(whole, cut, strict=True)) if one.total == pytest.approx(other.total)]
    assert len(read) >= scoring.TOGETHER
    assert max(score.total for score in cut) == pytest.approx(max(cut[i].total for i in read))


def test_a_candidate_that_cannot_win_is_not_read_to_its_end(model, reader):
    """Telling so changes neither the best nor its part of the probability."""
    layout, tail = reader.layout, "(path)\n"
    candidates = ["th.getsize", "th.exists", *(f"q{i}zx" for i in range(20))]
    got = scoring.scores(reader, candidates)
    reading = scoring._Reading(reader)
    rows = [[reader.context.last, *model.tokens.encode(layout.head_text + text + tail)] for text in candidates]
    everything, got = [sum(logs) for logs in reading.logs(rows, 1)], [score.total for score in got]
    assert everything.index(max(everything)) == got.index(max(got))
    parts = [1 / sum(math.exp(total - max(totals)) for total in totals) for totals in (everything, got)]
    assert parts[0] == pytest.approx(parts[1], abs=0.01)


@pytest.mark.parametrize(
    ("ids", "period"),
    [([1, 2, 3], 0), ([5, 5, 5], 1), ([9, 1, 2, 1, 2, 1, 2], 2), ([1, 2, 1, 2], 0), ([7, 7], 0), ([], 0)],
)
def test_a_draft_that_goes_in_circles_is_noticed(ids, period):
    assert looping(tuple(ids)) == period
