"""A decoder-only checkpoint through the whole of the engine: load, lay out, draft, choose. Its weights are random."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine import fill, load
from engine.infill import LoadedModel
from engine.infill.blocks import Block
from engine.infill.context import Reader
from engine.infill.layout import lay_out
from engine.infill.search import Rules, search
from engine.protocol import Draft, FillRequest, Snippet
from engine.weights.checkpoint import CheckpointError
from tests.engine.tiny_decoder import CONFIG, SPECIAL_TOKENS, write

PREFIX, SUFFIX = "import os\n\n\ndef size(path):\n    return os.pa", "(path)\n"


@pytest.fixture(scope="module")
def coder(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(write(tmp_path_factory.mktemp("tiny") / "coder"), device="cpu", dtype="float32")


def laid_out(model: LoadedModel, prefix: str = PREFIX, suffix: str = SUFFIX) -> Reader:
    request = FillRequest(prefix=prefix, suffix=suffix, single_line=True)
    return model.reader(request, lay_out(request, model.tokens, model.shape))


def test_the_prompt_is_prefix_suffix_middle_and_the_line_stands_behind_it(coder: LoadedModel) -> None:
    reader = laid_out(coder)
    assert reader.prompt is not None
    assert reader.fim is not None
    decode = coder.tokens.tokenizer.decode
    context = decode(reader.layout.context, skip_special_tokens=False)
    assert context == "<|fim_prefix|>import os\n\n\ndef size(path):\n"
    assert reader.prompt.last == reader.fim.middle
    assert coder.tokens.decode(reader.layout.head) == "    return os.pa"
    suffix_and_marks = len(SUFFIX) + 1  # one token a byte, and the mark before; the last mark is not encoded yet
    assert reader.prompt.cache is not None
    assert reader.prompt.cache.length == len(reader.layout.context) + suffix_and_marks


def test_typing_and_a_new_line_encode_again_only_what_changed(
    coder: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = type(coder.network).encode

    def counted(self: object, ids: torch.Tensor, *rest: object) -> object:
        encoded.append(ids.shape[1])
        return encode(self, ids, *rest)  # type: ignore[arg-type]

    laid_out(coder)
    monkeypatch.setattr(type(coder.network), "encode", counted)
    laid_out(coder, PREFIX + "th")
    assert sum(encoded) == 0
    laid_out(coder, PREFIX + "th.x\n")
    assert sum(encoded) == len("    return os.path.x\n") + len(SUFFIX) + 1


def test_a_kept_cache_gives_the_same_answers_as_a_fresh_one(coder: LoadedModel, tmp_path: Path) -> None:
    fresh = load(write(tmp_path / "coder"), device="cpu", dtype="float32")
    for prefix in (PREFIX, PREFIX[:-3], PREFIX + "th.join(", PREFIX + "th\n    x = "):
        options = {"single_line": True, "candidates": 3}
        again = fill(coder, prefix, SUFFIX, **options)
        alone = fill(fresh, prefix, SUFFIX, **options)
        assert [c.middle for c in again.candidates] == [c.middle for c in alone.candidates]
        fresh._prefixes._kept.clear()


def test_other_files_come_first_under_their_paths(coder: LoadedModel) -> None:
    request = FillRequest(prefix="x = ", path="a.py", related=(Snippet(path="b.py", text="def g(): ..."),))
    ids = lay_out(request, coder.tokens, coder.shape).context
    assert "b.py" not in coder.tokens.decode(ids)  # this tokenizer has no tokens for several files


def test_a_block_is_drafted_step_by_step_and_obeys_its_limits(coder: LoadedModel) -> None:
    drafts: list[Draft] = []
    request = FillRequest(prefix="def f():\n    ", suffix="\n", max_tokens=12, max_lines=1, candidates=3)
    from engine.infill import run

    result = run(coder, request, on_draft=drafts.append)
    assert result.steps == len(drafts)
    assert [draft.step for draft in drafts] == list(range(1, len(drafts) + 1))
    assert all(len([line for line in c.middle.split("\n") if line.strip()]) <= 1 for c in result.candidates)


def test_drafts_do_not_begin_with_what_is_forbidden(coder: LoadedModel) -> None:
    reader = laid_out(coder, "def f():\n    ", "\n")
    first = search(reader, Rules(width=2, limit=6, line=True))[0]
    request = FillRequest(
        prefix="def f():\n    ", suffix="\n", forbidden_starts=(first[:1],), candidates=9, max_tokens=6
    )
    from engine.infill import run

    assert not any(
        c.middle.lstrip().startswith(first[0]) and c.source == "causal" for c in run(coder, request).candidates
    )


def test_a_block_ends_left_of_its_first_line_at_the_suffix_and_at_a_fence(coder: LoadedModel) -> None:
    def block(prefix: str, suffix: str) -> Block:
        request = FillRequest(prefix=prefix, suffix=suffix)
        return Block(lay_out(request, coder.tokens, coder.shape))

    inside = block("def f():\n    ", "\n\nprint(f())\n")
    assert inside.cut("x = 1\n    return x\n\ndef g():\n    pass") == "x = 1\n    return x"
    assert inside.cut("x = 1\n```\nThis adds") == "x = 1"
    assert not inside.is_over("x = 1\n    if x:\n        return")
    before = block("def f():\n", "\n    return total\n")
    assert before.cut("    total = 0\n    return total\n") == "    total = 0"
    within = block("x = [", " for y in z]\nprint(x)\n")
    assert within.is_over("a(\n    y) for y in z]")
    assert within.cuts("a(\n    y) for y in z]")[0] == "a(\n    y)"


def test_a_bracket_that_the_block_opened_does_not_end_it(coder: LoadedModel) -> None:
    request = FillRequest(prefix="int largest(int a, int b) {", suffix="}\n")
    block = Block(lay_out(request, coder.tokens, coder.shape))
    body = "\n    if (a > b) {\n        return a;\n    }\n    return b;\n"
    assert not block.is_over(body)
    assert block.is_over(f"{body}}}")
    assert block.cuts(f"{body}}}\n\nint main() {{}}")[0] == body


def test_int8_weights_are_converted_once_and_answer_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coder: LoadedModel
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write(tmp_path / "coder")
    first = load(folder, device="cpu", dtype="int8")
    (kept,) = (tmp_path / "cache" / "dg-lsp" / "converted").iterdir()
    monkeypatch.setattr("engine.weights.decoder_checkpoint.build", lambda *_, **__: pytest.fail("converted again"))
    second = load(folder, device="cpu", dtype="int8")
    ids = torch.arange(40)[None]
    with torch.inference_mode():
        plain, one, two = (
            model.network.causal_logits(model.network.encode_hidden(ids)[0]) for model in (coder, first, second)
        )
    assert torch.equal(one, two)
    assert (plain - one).abs().max() < 0.5  # of logits up to 10
    kept.write_bytes(kept.read_bytes()[:100])  # a damaged file is made anew
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load(folder, device="cpu", dtype="int8")
    assert kept.stat().st_size > 100


def test_int8_is_refused_where_it_would_do_nothing() -> None:
    with pytest.raises(CheckpointError, match="int8 is for decoder-only models"):
        load(dtype="int8")


def test_a_tokenizer_of_another_model_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "coder")
    small = {**CONFIG, "vocab_size": 256 + len(SPECIAL_TOKENS) - 1}
    (folder / "config.json").write_text(__import__("json").dumps(small))
    with pytest.raises(CheckpointError, match="shape"):
        load(folder, device="cpu", dtype="float32")
