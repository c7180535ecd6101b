"""What can be scored: this engine in this process, or any server with OpenAI's text completion."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from engine.evaluation.tasks import EvaluationError, Task, Unreachable

if TYPE_CHECKING:
    from torch.nn import Module

_ROOM = 99  # candidates asked for: all there are
_PREFIX_CHARACTERS, _SUFFIX_CHARACTERS = 16_000, 4_000  # sent to a server, whose context is not known
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Offer:
    """One possible answer."""

    middle: str
    source: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system said to one task, best first, and what it took; `greedy` is what its network says by itself."""

    offers: tuple[Offer, ...]
    ms: float
    steps: int | None = None
    greedy: str | None = None
    shows_candidates: bool = False  # whether `offers` are all that it chose from


class System(Protocol):
    """Something that answers tasks. `about` describes it in the report; a run goes on only with an equal one."""

    about: dict[str, Any]

    def answer(self, task: Task) -> Answer: ...


class Engine:
    """The engine itself, without a server in between."""

    def __init__(self, model: str | None, device: str) -> None:
        import torch

        from engine import load
        from engine.infill import loading, run
        from engine.weights.hub import resolve

        try:
            folder = resolve(model) if model else None
            self._model, self._run = load(folder, device=device), run
        except ValueError as error:  # of the checkpoint or its name: one line already
            raise EvaluationError(str(error)) from None
        package = Path(__file__).parent.parent
        code = [file for room in ("infill", "diffusion", "model") for file in sorted((package / room).glob("*.py"))]
        self.about: dict[str, Any] = {
            "model": self._model.name,
            "weights": _fingerprint(_weights(folder or loading.DEFAULT_MODEL)),
            "engine code": _fingerprint(code),
            "device": self._model.device,
            "dtype": _dtypes(self._model.network),
            "threads": torch.get_num_threads(),
            "sampler": dataclasses.asdict(self._model.settings),
            "canvas": dataclasses.asdict(self._model.shape),
            "sampling": "one fill for each task, noise from seed 0; the engine chooses among its candidates",
            "length of an answer": "unknown to the system",
            "context": f"the last {self._model.context_tokens} tokens before the hole",
        }

    def answer(self, task: Task) -> Answer:
        from engine.evaluation import greedy
        from engine.protocol import FillRequest

        request = FillRequest(
            prefix=task.prefix,
            suffix=task.suffix_shown,
            language=task.language,
            path=task.path,
            single_line=task.one_line,
            max_tokens=task.max_tokens,
            candidates=_ROOM,
        )
        start = time.perf_counter()
        result = self._run(self._model, request)
        ms = 1000 * (time.perf_counter() - start)
        offers = tuple(Offer(task.cut(c.middle), c.source, c.confidence) for c in result.candidates)
        alone = task.cut(greedy.middle(self._model, request))
        return Answer(offers, ms, result.steps, alone, shows_candidates=True)


def _dtypes(network: Module) -> str:
    """The types that the weights are kept in; quantised ones are buffers."""
    tensors = [*network.parameters(), *network.buffers()]
    return ", ".join(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors}))


def _weights(checkpoint: Path) -> list[Path]:
    """The files of a checkpoint: a GGUF file, or those of a folder."""
    if checkpoint.is_file():
        return [checkpoint]
    return sorted(file for file in checkpoint.iterdir() if file.suffix in (".json", ".safetensors"))


def _fingerprint(files: list[Path]) -> str:
    """A hash of names, sizes and beginnings: tells checkpoints apart without reading gigabytes."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(f"{file.name} {file.stat().st_size} ".encode() + content.read(2**20))
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Template:
    """How a model wants prefix and suffix in its prompt, where the server does not do that itself."""

    prompt: Callable[[str, str], str]
    stop: list[str] = field(default_factory=list)


FORMATS: dict[str, Template | None] = {
    "suffix": None,  # the server takes `suffix` as a field of its own
    "qwen": Template(
        lambda prefix, suffix: f"<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
        ["<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|file_sep|>"],
    ),
    "codestral": Template(lambda prefix, suffix: f"[SUFFIX]{suffix}[PREFIX]{prefix}", ["[PREFIX]", "[SUFFIX]"]),
}


class Server:
    """A server with `POST /v1/completions`, at http://HOST:PORT or unix:/PATH. Raises `EvaluationError`."""

    def __init__(self, url: str, model: str | None, style: str) -> None:
        socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        base = "http://engine" if socket else url.rstrip("/").removesuffix("/v1")
        transport = httpx.HTTPTransport(uds=socket)
        try:
            self._client = httpx.Client(base_url=base, transport=transport, timeout=_PATIENCE_S)
        except (httpx.InvalidURL, ValueError) as error:
            raise EvaluationError(f"{url} is not a server's address: {error}") from None
        self._url, self._template = url, FORMATS[style]
        self._model = model or self._first_model()
        self.about: dict[str, Any] = {
            "model": self._model,
            "server": url,
            "format": style,
            "sampling": "temperature 0, seed 0, one answer",
            "length of an answer": "unknown to the system; where it ends is the server's affair",
            "context": f"{_PREFIX_CHARACTERS} characters before the hole, {_SUFFIX_CHARACTERS} behind it",
        }

    def answer(self, task: Task) -> Answer:
        prefix, suffix = task.prefix[-_PREFIX_CHARACTERS:], task.suffix[:_SUFFIX_CHARACTERS]
        stop = ["\n"] if task.one_line else []
        body: dict[str, Any] = {"model": self._model, "max_tokens": task.max_tokens, "temperature": 0, "seed": 0}
        if self._template:
            body |= {"prompt": self._template.prompt(prefix, suffix), "stop": [*stop, *self._template.stop]}
        else:
            body |= {"prompt": prefix, "suffix": suffix} | ({"stop": stop} if stop else {})
        start = time.perf_counter()
        said = self._ask("POST", "/v1/completions", json=body)
        ms = 1000 * (time.perf_counter() - start)
        try:
            text = str(said["choices"][0]["text"])
        except (LookupError, TypeError):
            raise EvaluationError(f"{self._url} answered without choices[0].text: is it a text completion?") from None
        middle = task.cut(text)
        return Answer((Offer(middle, "server", None),) if middle.strip() else (), ms)

    def _first_model(self) -> str:
        """The model that the server lists first, once it has loaded one."""
        deadline = time.monotonic() + _PATIENCE_S
        while not (listed := self._ask("GET", "/v1/models").get("data")):
            if time.monotonic() > deadline:
                raise EvaluationError(f"{self._url} lists no model: name it by --model-name")
            time.sleep(0.5)
        return str(listed[0]["id"])

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, **content)
            answer.raise_for_status()
            said: dict[str, Any] = answer.json()
        except httpx.HTTPStatusError as error:
            said_so = " ".join(error.response.text.split())[:200]
            raise Unreachable(f"{self._url}{path}: {error.response.status_code} {said_so}") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unreachable(f"{self._url} does not answer ({error}): start it, then run this again") from None
        return said
