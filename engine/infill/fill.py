"""One fill, from request to result: what is surest while somebody types, else drafts of all kinds and the choice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from engine.infill.anchored import Denoised, denoise_gap
from engine.infill.beginning import Limits, beginnings
from engine.infill.blocks import Block
from engine.infill.calibration import kind_of
from engine.infill.choice import Ranked, choose, in_turns
from engine.infill.context import Reader
from engine.infill.copies import copies, cuts
from engine.infill.layout import Layout, lay_out, with_newlines
from engine.infill.loaded import LoadedModel
from engine.infill.search import Rules, search
from engine.model.kv_cache import KVCache
from engine.protocol import Candidate, Draft, FillRequest, FillResult, FinishReason, Source

_LINE_TOKENS = 24  # of a causal draft within a line
_LINE_DRAFTS = 8  # within a line, followed at once
_DRAFTING = 0.6  # of the time until the deadline; the rest is for choosing


class Cancelled(Exception):
    """The fill was given up by the one who asked for it."""


@dataclass
class _Fill:
    """The state of one fill."""

    model: LoadedModel
    request: FillRequest
    on_draft: Callable[[Draft], None]
    cancelled: Callable[[], bool]
    started: float = field(default_factory=time.monotonic)
    timings: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    finish: FinishReason = "stop"

    def late(self, share: float = 1.0) -> bool:
        """True once this share of the time until the deadline has passed. Raises `Cancelled` when nobody wants the
        answer any more."""
        if self.cancelled():
            raise Cancelled
        deadline = self.request.deadline_ms
        late = deadline is not None and (time.monotonic() - self.started) * 1000 >= share * deadline
        if late:
            self.finish = "deadline"
        return late

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.timings[part] = round((time.monotonic() - start) * 1000, 1)


def run(
    model: LoadedModel,
    request: FillRequest,
    *,
    on_draft: Callable[[Draft], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> FillResult:
    """Fill one gap. Reports a draft after every denoising step and looks at `cancelled` and the deadline then.

    At the deadline the best of what is there is returned, with finish_reason "deadline". Raises `Cancelled`.
    """
    fill = _Fill(model, request, on_draft or (lambda draft: None), cancelled or (lambda: False))
    candidates, threshold = _written_on(fill) if model.shape.writes_on(request) else _chosen(fill)
    fill.timings["total"] = round((time.monotonic() - fill.started) * 1000, 1)
    return FillResult(
        candidates=tuple(candidates[: request.candidates]),
        finish_reason=fill.finish,
        steps=fill.steps,
        model=model.name,
        timings_ms=fill.timings,
        threshold=threshold,
    )


def _chosen(fill: _Fill) -> tuple[list[Candidate], float]:
    """The candidates, best first, and the least confidence of those that may be shown as the request asks."""
    ranked, calibration = _ranked(fill), fill.model.shape.calibration
    candidates = [_candidate(fill.model, one) for one in ranked]
    if fill.request.priority == "manual" or calibration is None or not ranked:
        return candidates, 0.0
    if calibration.shows(ranked[0].features):
        return candidates, calibration.threshold[ranked[0].features.kind] or 0.0
    _unsure(fill)
    return [], 0.0


def _written_on(fill: _Fill) -> tuple[list[Candidate], float]:
    """What the model is sure of, the longest text first, and the least confidence of what may be shown."""
    model, request = fill.model, with_newlines(fill.request)
    layout = lay_out(request, model.tokens, model.shape)
    kind = kind_of(request.single_line, layout.prefix_text, layout.suffix_text)
    sureness = model.shape.sureness
    fill.late()
    with fill.timed("context"):
        reader = model.reader(request, layout)
    with fill.timed("causal"):
        found = beginnings(reader, _limits(fill, Block(layout, request.max_lines), sureness.least_chance(kind)))
    candidates = [
        Candidate(middle=one.text, source="causal", confidence=confidence)
        for one in reversed(found)
        if (confidence := sureness.confidence(one.chance, kind)) >= sureness.threshold and not request.forbids(one.text)
    ]
    if not candidates:
        _unsure(fill)
    return candidates, sureness.threshold


def _limits(fill: _Fill, block: Block, least: float) -> Limits:
    request, shape = fill.request, fill.model.shape

    def goes_on(text: str) -> bool:
        fill.steps += 1
        fill.on_draft(Draft(text=text, step=fill.steps, steps=limits.tokens))
        return not fill.late()

    limits = Limits(
        tokens=min(request.max_tokens, _LINE_TOKENS if request.single_line else shape.block_tokens),
        line=request.single_line,
        block=block,
        least=least,
        goes_on=goes_on,
    )
    return limits


def _unsure(fill: _Fill) -> None:
    fill.finish = "deadline" if fill.finish == "deadline" else "unsure"  # more time may make it sure


def rank(model: LoadedModel, request: FillRequest) -> list[Ranked]:
    """All candidates of a fill with what their confidence is made of, best first."""
    return _ranked(_Fill(model, request, lambda draft: None, lambda: False))


def _ranked(fill: _Fill) -> list[Ranked]:
    model, request = fill.model, with_newlines(fill.request)
    layout = lay_out(request, model.tokens, model.shape)
    fill.late()
    with fill.timed("context"):
        reader = model.reader(request, layout)
    found: dict[Source, list[str]] = {}
    if model.shape.denoises(request):
        with fill.timed("denoise"):
            found["denoised"] = _denoised(fill, layout, model.whole(reader.context))
    with fill.timed("causal"):
        found["causal"] = _causal(fill, layout, reader)
    with fill.timed("copy"):
        found["copied"] = _copied(request, layout, reader)
    with fill.timed("choose"):
        return choose(request, reader, found, model.shape.effort, fill.late)


def _copied(request: FillRequest, layout: Layout, reader: Reader) -> list[str]:
    """What followed similar code elsewhere; not for blocks of a large model: short copies seem likelier than these."""
    if reader.prompt and not request.single_line:
        return []
    sources = [layout.suffix_text, *(snippet.text for snippet in request.related)]
    return copies(layout.prefix_text, layout.suffix_text, sources, whole_lines=not request.single_line)


def _denoised(fill: _Fill, layout: Layout, cache: KVCache) -> list[str]:
    """The denoised middle of each gap length tried."""
    model, request = fill.model, fill.request
    generator = torch.Generator(model.network.device).manual_seed(request.seed)
    settings = model.settings
    if request.max_steps is not None:
        settings = replace(settings, max_steps=request.max_steps)

    def on_step(draft: Draft) -> bool:
        fill.on_draft(draft)
        return not fill.late(_DRAFTING)

    results: list[Denoised] = []
    for gap in model.shape.gaps(request):
        result = denoise_gap(
            model.denoiser, cache, layout, gap, model.tokens, model.shape, settings, generator, on_step
        )
        fill.steps += result.steps
        results.append(result)
        if fill.late(_DRAFTING):
            break
    if fill.finish != "deadline":
        if not any(result.fits for result in results):
            fill.finish = "length"
        elif not any(result.settled for result in results):
            fill.finish = "steps"
    return _usable([result.text for result in results], fill.request)


def _causal(fill: _Fill, layout: Layout, reader: Reader) -> list[str]:
    """The causal drafts, and the places where they may end; nothing once the deadline has passed."""
    if fill.late(_DRAFTING):
        return []
    request, block = fill.request, Block(layout, fill.request.max_lines)
    single = request.single_line

    def proceed(text: str) -> bool:
        goes_on = "\n" not in text.lstrip(" ") if single else not block.is_over(text)
        return goes_on and not fill.late(_DRAFTING)

    def forbidden(text: str) -> bool:
        return request.forbids(text) and request.forbids(text + "x")  # "pass" may still become "password"

    def on_step(text: str) -> None:
        if not model.shape.denoiser:  # else the canvas is what is counted and shown
            fill.steps += 1
            fill.on_draft(Draft(text=text, step=fill.steps, steps=rules.limit))

    model = fill.model
    rules = Rules(
        width=_LINE_DRAFTS if single else model.shape.block_drafts,
        limit=min(request.max_tokens, _LINE_TOKENS if single else model.shape.block_tokens),
        line=single,
        proceed=proceed,
        forbidden=forbidden,
        on_step=on_step,
        seed=request.seed,
    )
    texts = search(reader, rules)
    if reader.chat and not fill.late(_DRAFTING):
        texts = list(in_turns([texts, search(reader.in_chat(), rules)]))
    if single:
        return list(dict.fromkeys([*texts, *(cut for text in texts[:4] for cut in cuts(text, layout.suffix_text))]))
    if reader.prompt:
        return _usable([cut for text in texts for cut in block.cuts(text)], request)
    texts = [block.cut(text) for text in texts]
    return _usable([*texts, *(cut for text in texts for cut in cuts(text, layout.suffix_text)[:1])], request)


def _usable(texts: list[str], request: FillRequest) -> list[str]:
    """Texts that may be offered: not blank, one line where one line was asked for."""
    if request.single_line:
        texts = [text.split("\n", 1)[0].rstrip() if text.strip() else "" for text in texts]
    return [text for text in dict.fromkeys(texts) if text.strip()]


def _candidate(model: LoadedModel, ranked: Ranked) -> Candidate:
    calibration, features = model.shape.calibration, ranked.features
    confidence = calibration.confidence(features) if calibration else features.mean
    lines = tuple(round(line, 4) for line in ranked.lines)
    return Candidate(
        middle=ranked.text, source=ranked.sources[0], confidence=round(confidence, 4), line_confidence=lines
    )
