"""The denoising adapter on a tiny network: what a row sees, what the adapter changes, and what it learns from."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor

from engine.adaptation.examples import Example, Prompts, blocks
from engine.adaptation.objective import Vocabulary, evaluate_rows
from engine.evaluation.accepted import fill
from engine.model.adapter import Adapter, Canvas
from engine.model.decoder_only import DecoderOnly
from engine.model.kv_cache import KVCache
from engine.weights.adapter import load_adapter, save_adapter
from engine.weights.checkpoint import CheckpointError
from tests.engine import tiny_decoder

pytestmark = pytest.mark.usefixtures("one_thread")

CONTEXT = torch.arange(40, 60)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> DecoderOnly:
    return tiny_decoder.load(tiny_decoder.write(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def adapter(network: DecoderOnly) -> Adapter:
    """One that changes much: as after training."""
    torch.manual_seed(1)
    adapter = Adapter(network.config, rank=4, block=8)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return adapter


def read(network: DecoderOnly, ids: Tensor) -> KVCache:
    with torch.no_grad():
        return network.encode(ids[None])


def canvas(ids: list[int], is_mask: list[bool], visible: Tensor | None = None) -> Canvas:
    rows = len(ids)
    if visible is None:
        visible = torch.ones(rows, len(CONTEXT) + rows, dtype=torch.bool)
    offsets = torch.arange(rows)
    return Canvas(torch.tensor(ids), torch.tensor(is_mask), offsets, len(CONTEXT) + offsets, visible)


def causal_canvas(ids: list[int]) -> Canvas:
    rows = len(ids)
    before = torch.ones(rows, len(CONTEXT), dtype=torch.bool)
    return canvas(ids, [False] * rows, torch.cat([before, torch.ones(rows, rows, dtype=torch.bool).tril()], dim=1))


def test_tensors_have_the_names_that_adapter_files_keep(network: DecoderOnly) -> None:
    shapes = {name: list(tensor.shape) for name, tensor in Adapter(network.config, 4, 8).state_dict().items()}
    parts = {
        "q": (32, 32), "k": (32, 16), "v": (32, 16), "o": (32, 32), "gate": (32, 48), "up": (32, 48), "down": (48, 32)
    }  # fmt: skip
    expected = {"mask": [32], "offsets": [8, 32]}
    for layer in range(2):
        for part, (columns, rows) in parts.items():
            expected |= {f"layers.{layer}.{part}.a": [4, columns], f"layers.{layer}.{part}.b": [rows, 4]}
    assert shapes == expected


def test_known_rows_are_computed_by_the_network_alone(network: DecoderOnly, adapter: Adapter) -> None:
    untrained = Adapter(network.config, rank=4, block=8)
    with torch.no_grad():
        rows = causal_canvas([65, 66, 67])
        adapted = adapter.hidden(network, rows, read(network, CONTEXT))
        plain = untrained.hidden(network, rows, read(network, CONTEXT))
        states, _ = network.encode_hidden(torch.cat([CONTEXT, torch.tensor([65, 66, 67])])[None])
    assert torch.equal(adapted, plain)
    torch.testing.assert_close(adapted, states[0, -3:], atol=1e-5, rtol=1e-5)


def test_known_rows_stay_the_same_bits_beside_masks_that_they_do_not_see(
    network: DecoderOnly, adapter: Adapter
) -> None:
    visible = torch.ones(3, len(CONTEXT) + 3, dtype=torch.bool)
    visible[0, len(CONTEXT) + 1 :] = False  # the known row is causal; the masks behind it see it
    rows = canvas([65, 0, 0], [False, True, True], visible)
    untrained = Adapter(network.config, rank=4, block=8)
    with torch.no_grad():
        adapted = adapter.hidden(network, rows, read(network, CONTEXT))
        plain = untrained.hidden(network, rows, read(network, CONTEXT))
    assert torch.equal(adapted[0], plain[0])
    assert not torch.allclose(adapted[1:], plain[1:])


def test_reading_leaves_no_trace_of_the_adapter(network: DecoderOnly, adapter: Adapter) -> None:
    before, cache = network.encode_hidden(CONTEXT[None])
    keys = [layer.keys.clone() for layer in cache.layers]
    adapter.hidden(network, canvas([0] * 8, [True] * 8), cache)
    after, _ = network.encode_hidden(CONTEXT[None])
    assert torch.equal(before, after)
    assert all(torch.equal(layer.keys, old) for layer, old in zip(cache.layers, keys, strict=True))


def test_a_mask_row_does_not_depend_on_its_id_but_on_the_pins_beside_it(network: DecoderOnly, adapter: Adapter) -> None:
    cache = read(network, CONTEXT)
    with torch.no_grad():
        one, other, pinned = (
            adapter.hidden(network, canvas([first, 0, last], [True, True, False]), cache)
            for first, last in ((1, 7), (2, 7), (1, 8))
        )
    assert torch.equal(one, other)
    assert not torch.allclose(one[0], pinned[0])


def example(text: str = "def f(a, b):\n    return a + b\n" * 3) -> Example:
    prompts = Prompts(tiny_decoder.tokenizer())
    prompt = prompts.prompt(prompts.encode("import x\n"), prompts.encode("\nx()"))
    return Example(torch.tensor([*prompt, *prompts.encode(text)]), len(prompt), "python")


def test_rows_see_the_text_up_to_their_anchor_and_their_own_block() -> None:
    text = example()
    found = blocks(text, anchors=3, block=4, random=Random(2), pinned=0.0)
    length = len(text.ids)
    for row in range(12):
        anchor = int(found.canvas.positions[row]) - int(found.canvas.offsets[row]) - 1
        assert anchor >= text.start - 1
        assert found.canvas.visible[row, :length].nonzero()[:, 0].tolist() == list(range(anchor + 1))
        own = row // 4 * 4
        assert found.canvas.visible[row, length:].nonzero()[:, 0].tolist() == list(range(own, own + 4))


def test_a_mask_row_predicts_the_token_behind_it() -> None:
    text = example()
    found = blocks(text, anchors=5, block=4, random=Random(2), pinned=0.0)
    positions, offsets = found.canvas.positions[found.wanted], found.canvas.offsets[found.wanted]
    assert torch.equal(found.targets, positions + 1)
    assert torch.equal(found.distances, offsets + 2)
    assert found.targets.max() < len(text.ids)


def test_no_row_predicts_a_token_that_is_pinned_behind_it() -> None:
    text = example()
    found = blocks(text, anchors=20, block=6, random=Random(4), pinned=1.0)
    masks = found.canvas.is_mask.view(-1, 6)
    assert masks.any(dim=1).all()
    assert not masks.all()
    for row in found.wanted.tolist():
        assert found.canvas.is_mask[row]
        assert row % 6 == 5 or found.canvas.is_mask[row + 1]


def test_losses_reach_every_tensor_of_the_adapter_and_nothing_else(network: DecoderOnly, adapter: Adapter) -> None:
    text = example()
    rows = blocks(text, anchors=4, block=8, random=Random(1))
    result = evaluate_rows(network, adapter, Vocabulary(list(range(200)), network), text, rows)
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in adapter.parameters())
    assert not any(tensor.requires_grad for tensor in network.state_dict().values())
    shape = rows.wanted.shape
    assert {result.author.shape, result.own.shape, result.right.shape, result.agrees.shape} == {shape}


def test_rare_tokens_of_the_author_are_left_to_the_networks_own_prediction(
    network: DecoderOnly, adapter: Adapter
) -> None:
    text = example()
    rows = blocks(text, anchors=4, block=8, random=Random(1))
    rare = int(text.ids[rows.targets[0]])
    frequent = Vocabulary([token for token in range(256) if token != rare], network)
    result = evaluate_rows(network, adapter, frequent, text, rows)
    of_rare = text.ids[rows.targets] == rare
    assert result.author[of_rare].abs().sum() == 0
    assert (result.author[~of_rare] > 0).all()
    assert (result.own[of_rare] > 0).all()
    assert not result.right[of_rare].any()


@pytest.mark.parametrize("limit", [1, 7, 24])
def test_drafts_never_change_the_greedy_answer(network: DecoderOnly, adapter: Adapter, limit: int) -> None:
    prompt = example().ids.tolist()
    alone, passes = fill(network, None, prompt, end=-1, limit=limit)
    drafted, rounds = fill(network, adapter, prompt, end=-1, limit=limit)
    assert drafted == alone
    assert len(alone) == passes == limit
    assert rounds <= (limit + 1) // 2  # the first drafted token is the causal one


def test_a_fill_ends_before_the_end_token(network: DecoderOnly, adapter: Adapter) -> None:
    prompt = example().ids.tolist()
    answer, _ = fill(network, None, prompt, end=-1, limit=10)
    end = answer[5]
    assert fill(network, adapter, prompt, end, limit=10)[0] == answer[: answer.index(end)]


def test_an_adapter_file_is_read_back(network: DecoderOnly, adapter: Adapter, tmp_path: Path) -> None:
    save_adapter(adapter.state_dict(), tmp_path / "adapter.safetensors", {"rank": 4, "block": 8})
    read_back = load_adapter(tmp_path / "adapter.safetensors", network)
    for name, tensor in adapter.state_dict().items():
        assert torch.equal(read_back.state_dict()[name], tensor.to(torch.bfloat16).float())
    assert [path.name for path in tmp_path.iterdir()] == ["adapter.safetensors"]


def test_what_is_no_adapter_of_the_network_is_refused_in_one_line(
    network: DecoderOnly, adapter: Adapter, tmp_path: Path
) -> None:
    file = tmp_path / "adapter.safetensors"
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_adapter(file, network)
    file.write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="is not an adapter"):
        load_adapter(file, network)
    save_adapter(adapter.state_dict(), file, {"rank": 8, "block": 8})
    with pytest.raises(CheckpointError, match="was made for another model"):
        load_adapter(file, network)
