"""A run of training: its state, its steps and its checkpoints."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from engine.adaptation.examples import Blocks, Example, Prompts, blocks, read_texts
from engine.adaptation.held_out import draw, measure
from engine.adaptation.objective import Vocabulary, evaluate_rows
from engine.adaptation.options import Options
from engine.model.adapter import Adapter
from engine.model.decoder_only import DecoderOnly
from engine.training.optimizer import schedule
from engine.training.progress import Progress, forget_after
from engine.training.run import signals_to
from engine.training.store import TrainingError, facts_of, latest, read_group, save_checkpoint
from engine.weights.adapter import save_adapter
from engine.weights.decoder_checkpoint import open_checkpoint

SAVE_EVERY_S = 300
REPORT_EVERY = 10
MEASURE_EVERY = 50
AVERAGE = 0.99  # of the weights that are exported, over steps
HALF_BLOCKS = 0.75  # share of the texts whose blocks have half of the rows: the first ones count most
SHARES = {"python": 0.4}  # of the examples; the other languages have the rest in equal parts
CPU = torch.device("cpu")


class Run:
    """An adapter in training."""

    def __init__(self, options: Options) -> None:
        self.options, self.began, self.stopping = options, time.monotonic(), False
        self.network, tokenizer = frozen(options.model)
        self.prompts = Prompts(tokenizer)
        self.vocabulary = Vocabulary(_vocabulary(options.corpus), self.network)
        self.texts = read_texts(options.corpus / "train.jsonl")
        self.held_out = draw(self.prompts, read_texts(options.corpus / "held_out.jsonl"), options.block)
        torch.manual_seed(options.seed)
        self.adapter = Adapter(self.network.config, options.rank, options.block)
        self._start_at_padding()
        self.average = {name: parameter.detach().clone() for name, parameter in self.adapter.named_parameters()}
        self.optimizer = torch.optim.AdamW(self._groups(), betas=(0.9, 0.98), weight_decay=0.0)
        self.step = self.rows = 0
        self.sums = torch.zeros(4)  # since the last report: author's loss, share right, own loss, share agreed
        self._load()
        self.progress = Progress(options.out / "log.jsonl", "adapter", options.steps, 0)

    def train(self) -> bool:
        """Train to the last step, or until the time is up or a signal comes; True when it is the last step."""
        options = self.options
        options.out.mkdir(parents=True, exist_ok=True)
        for name in ("log.jsonl", "held_out.jsonl"):
            forget_after(options.out / name, self.step)
        saved = time.monotonic()
        with signals_to(self._stop):
            while self.step < options.steps and not self.stopping:
                self._train_step()
                if self.step % REPORT_EVERY == 0 or self.step == options.steps:
                    self._report()
                if self.step % MEASURE_EVERY == 0 or self.step == options.steps:
                    self._measure()
                self.progress.step(self.step)
                now = time.monotonic()
                self.stopping |= options.seconds is not None and now - self.began > options.seconds
                if now - saved > SAVE_EVERY_S:
                    self.save()
                    saved = now
        self.save()
        return self.step >= options.steps

    def save(self) -> None:
        """Write a checkpoint, and the averaged weights as an adapter file. Raises `TrainingError`."""
        groups: dict[str, dict[str, Tensor]] = {"adapter": self.adapter.state_dict(), "average": self.average}
        groups["optimizer"] = {
            f"{index}.{key}": value
            for index, state in self.optimizer.state_dict()["state"].items()
            for key, value in state.items()
        }
        groups["sums"] = {"sums": self.sums}
        facts = {"rank": self.adapter.rank, "block": self.adapter.block, "rows": self.rows}
        save_checkpoint(self.options.out, self.step, groups, facts)
        file = self.options.out / "adapter.safetensors"
        try:
            save_adapter(self.average, file, {**facts, "step": self.step})
        except OSError as error:
            raise TrainingError(f"{file} cannot be written: {error.strerror or error}; make room") from None

    def _groups(self) -> list[dict[str, Any]]:
        embeddings = [self.adapter.mask, self.adapter.offsets]
        return [
            {"params": list(self.adapter.layers.parameters()), "lr": self.options.lr, "peak": self.options.lr},
            {"params": embeddings, "lr": self.options.lr, "peak": 3 * self.options.lr},
        ]

    def _start_at_padding(self) -> None:
        """The mask begins as the embedding of the fill-in-the-middle padding token, which the network half knows."""
        padding = self.prompts.tokenizer.token_to_id("<|fim_pad|>")
        if padding is not None:
            self.adapter.mask.data.copy_(self.network.embed(torch.tensor(padding)))

    def _train_step(self) -> None:
        random = Random(f"{self.options.seed} {self.step}")
        rate = schedule(self.step, self.options.steps, self.options.warmup, self.options.decay)
        for _ in range(self.options.examples):
            example, rows = self._draw(random)
            result = evaluate_rows(self.network, self.adapter, self.vocabulary, example, rows)
            (result.loss / self.options.examples).backward()
            values = (result.author, result.right, result.own, result.agrees)
            self.sums += torch.stack([value.float().mean() for value in values])
            self.rows += len(rows.wanted)
        torch.nn.utils.clip_grad_norm_(self.adapter.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        decay = min(AVERAGE, self.step / (self.step + 10))
        parameters = [parameter.detach() for parameter in self.adapter.parameters()]
        torch._foreach_lerp_(list(self.average.values()), parameters, 1 - decay)

    def _draw(self, random: Random) -> tuple[Example, Blocks]:
        """A text of a drawn language, and blocks in it."""
        languages = sorted(self.texts)
        rest = (1 - sum(SHARES.values())) / max(1, len(languages) - len(SHARES))
        language = random.choices(languages, [SHARES.get(name, rest) for name in languages])[0]
        example = self.prompts.example(random.choice(self.texts[language]), language, random)
        block = self.options.block // (2 if random.random() < HALF_BLOCKS else 1)
        return example, blocks(example, self.options.anchors, block, random)

    def _report(self) -> None:
        count = (self.step - 1) % REPORT_EVERY + 1
        author, right, own, agrees = (round(v, 4) for v in (self.sums / count / self.options.examples).tolist())
        self.sums = torch.zeros(4)
        self.progress.report(self.step, count, {"author": [author, right], "own": [own, agrees]})

    def _measure(self) -> None:
        """Log how the averaged weights do on held-out code, in held_out.jsonl."""
        averaged = Adapter(self.network.config, self.adapter.rank, self.adapter.block)
        averaged.load_state_dict(self.average)
        line = {"step": self.step, "rows": self.rows, **measure(self.network, averaged, self.vocabulary, self.held_out)}
        with (self.options.out / "held_out.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    def _load(self) -> None:
        """All the state of a run gone on with."""
        if latest(self.options.out) is None:
            return
        facts = facts_of(self.options.out)
        if (facts["rank"], facts["block"]) != (self.options.rank, self.options.block):
            raise TrainingError(f"{self.options.out} was begun with --rank {facts['rank']} --block {facts['block']}")
        self.step, self.rows = facts["step"], facts["rows"]
        self.adapter.load_state_dict(read_group(self.options.out, "adapter", CPU))
        self.average = read_group(self.options.out, "average", CPU)
        self.sums = read_group(self.options.out, "sums", CPU)["sums"]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in read_group(self.options.out, "optimizer", CPU).items():
            index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})

    def _stop(self, _: int, __: FrameType | None) -> None:
        self.stopping = True  # the step is finished and saved first


def frozen(model: Path) -> tuple[DecoderOnly, Tokenizer]:
    """The network of a folder or GGUF file, and its tokenizer."""
    checkpoint = open_checkpoint(model)
    return checkpoint.network(CPU, torch.bfloat16, "plain"), checkpoint.tokenizer()


def _vocabulary(corpus: Path) -> list[int]:
    try:
        ids: list[int] = json.loads((corpus / "vocabulary.json").read_text())
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{corpus / 'vocabulary.json'} cannot be read ({error}): build the corpus with "
            "python -m engine.adaptation.corpus"
        ) from None
    return ids
