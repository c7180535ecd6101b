"""OpenAI's text completion with `prompt` and `suffix`, in the terms of a fill.

Source: https://platform.openai.com/docs/api-reference/completions.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.protocol import FillRequest, FillResult, ProtocolError, from_json

_FIM_PREFIX, _FIM_SUFFIX, _FIM_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
"""How clients without a field for the suffix ask for a middle (arXiv:2409.12186, section 3.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """The fields of the request that mean something here; the others are ignored."""

    prompt: str
    suffix: str = ""
    max_tokens: int = 64
    n: int = 1
    stream: bool = False
    seed: int = 0
    stop: tuple[str, ...] = ()

    def fill_request(self) -> FillRequest:
        """The same as a fill. Raises `ProtocolError`."""
        return FillRequest(
            prefix=self.prompt, suffix=self.suffix, max_tokens=self.max_tokens, candidates=self.n, seed=self.seed
        )


def completion_request(data: Any) -> CompletionRequest:
    """Read a request's body. Raises `ProtocolError` naming the field that does not fit."""
    if not isinstance(data, dict):
        raise ProtocolError("the body must be a JSON object")
    known = {field.name for field in dataclasses.fields(CompletionRequest)}
    values = {name: value for name, value in data.items() if name in known and value is not None}
    if isinstance(prompt := values.get("prompt"), list) and len(prompt) == 1:
        prompt = values["prompt"] = prompt[0]
    if isinstance(prompt, str) and not values.get("suffix") and (parts := _fim_parts(prompt)):
        values["prompt"], values["suffix"] = parts
    if isinstance(stop := values.get("stop"), str):
        values["stop"] = [stop]
    return from_json(CompletionRequest, values)


def _fim_parts(prompt: str) -> tuple[str, str] | None:
    """Prefix and suffix of a prompt in the form of fill in the middle; None for another."""
    if not (prompt.startswith(_FIM_PREFIX) and prompt.endswith(_FIM_MIDDLE)):
        return None
    prefix, mark, suffix = prompt.removesuffix(_FIM_MIDDLE).rpartition(_FIM_SUFFIX)
    return (prefix.removeprefix(_FIM_PREFIX), suffix) if mark else None


def completion(wanted: CompletionRequest, result: FillResult, count_tokens: Callable[[str], int]) -> dict[str, Any]:
    """The answer's body."""
    middles = [candidate.middle for candidate in result.candidates]
    prompt_tokens = count_tokens(wanted.prompt) + count_tokens(wanted.suffix)
    completion_tokens = sum(map(count_tokens, middles))
    return {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": result.model,
        # Clients read choices[0] unasked: nothing to offer is an empty text.
        "choices": [_choice(index, text, wanted, result) for index, text in enumerate(middles or [""])],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def _choice(index: int, text: str, wanted: CompletionRequest, result: FillResult) -> dict[str, Any]:
    cut = min((at for stop in wanted.stop if stop and (at := text.find(stop)) >= 0), default=None)
    finished = cut is not None or result.finish_reason == "stop"
    return {"text": text[:cut], "index": index, "finish_reason": "stop" if finished else "length", "logprobs": None}
