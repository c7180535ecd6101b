"""Train the default model: a causal stage, then block diffusion with pinned heads.

    python -m engine.training.train causal --corpus CORPUS --out RUN --steps N
    python -m engine.training.train infill --corpus CORPUS --out RUN2 --from RUN --steps N
    python -m engine.training.train export --out RUN2 --to FOLDER

A run writes a checkpoint every two minutes and at the end, and goes on from it when started again: batches
and noise depend on seed and step alone. `log.jsonl` has a line per report.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import torch

from engine.model.config import ModelConfig
from engine.model.diffusion_gemma import DiffusionGemma
from engine.training.data import Shards, noised
from engine.training.objective import Loss, causal_loss, infill_loss
from engine.training.optimizer import optimizers, schedule
from engine.training.tokenizer import END_OF_GAP, EOS, MASK, PAD, load
from engine.weights.checkpoint import save_network

SAVE_EVERY_S = 120
REPORT_EVERY = 50
GAPS = 10  # canvases in each row

CONFIG: dict[str, Any] = {
    "architectures": ["DiffusionGemmaForBlockDiffusion"],
    "model_type": "diffusion_gemma",
    "canvas_length": 64,
    "text_config": {
        "model_type": "diffusion_gemma_text",
        "vocab_size": 8192,
        "hidden_size": 256,
        "intermediate_size": 256,
        "moe_intermediate_size": 256,
        "num_experts": 1,
        "top_k_experts": 1,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_global_key_value_heads": 2,
        "head_dim": 64,
        "global_head_dim": 64,
        "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"],
        "sliding_window": 512,
        "max_position_embeddings": 1024,
        "hidden_activation": "gelu_pytorch_tanh",
        "rms_norm_eps": 1e-6,
        "final_logit_softcapping": 30.0,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
        "use_bidirectional_attention": "vision",
    },
    "infill": {
        "noise": "mask",
        "mask_token_id": MASK,
        "end_of_gap_token_id": END_OF_GAP,
        "context_tokens": 448,
        "head_tokens": 16,
        "gap_tokens": [8, 16, 24, 32],
        "canvas_tokens": 64,
    },
}
GENERATION = {
    "max_denoising_steps": 8,
    "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.1},
    "t_min": 0.4,
    "t_max": 0.8,
    "stability_threshold": 1,
    "confidence_threshold": 0.005,
    "eos_token_id": [EOS],
    "pad_token_id": PAD,
}


def new_network(seed: int) -> DiffusionGemma:
    """A network with random weights whose activations start at unit scale."""
    torch.manual_seed(seed)
    network = DiffusionGemma(ModelConfig.from_dict(CONFIG))
    for name, parameter in network.named_parameters():
        if parameter.dim() >= 2:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
        elif "q_norm" in name or "k_norm" in name:
            torch.nn.init.constant_(parameter, parameter.shape[0] ** -0.25)  # attention has no other scale
        elif name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
            torch.nn.init.constant_(parameter, 0.5)
    return network


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the processor has units for it, else float32 (bf16 products are several times slower on AVX2)."""
    if device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32


class Run:
    """One stage of training, from its arguments to its last checkpoint."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.device = torch.device(args.device)
        self.dtype = fast_dtype(self.device)
        self.folder = Path(args.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.shards = Shards(Path(args.corpus), "train", load())
        self.held_out = Shards(Path(args.corpus), "held_out", self.shards.tokenizer)
        self.network = new_network(args.seed).to(self.device)
        self.optimizers = optimizers(self.network, args.lr, self.dtype)
        self.peaks = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]
        self.step = 0
        self._resume()

    def _resume(self) -> None:
        own = self.folder / "run.pt"
        if own.exists():
            state = torch.load(own, map_location=self.device)
            self.step = state["step"]
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
        elif self.args.start:
            state = torch.load(Path(self.args.start) / "run.pt", map_location=self.device)
        else:
            return
        self.network.load_state_dict(state["network"])

    def save(self) -> None:
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        torch.save(state, self.folder / "run.tmp")
        os.replace(self.folder / "run.tmp", self.folder / "run.pt")  # a run cut off while saving keeps the old one

    def losses(self, shards: Shards, step: int, rows: int) -> dict[str, Loss]:
        """The stage's losses on one batch; the batch depends on seed and step alone."""
        seed = self.args.seed
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            if self.args.stage == "causal":
                ids = shards.causal_batch(seed, step, rows, self.args.fim).to(self.device)
                return {"causal": causal_loss(self.network, ids, self.dtype)}
            ids, canvases = shards.infill_batch(seed, step, rows, GAPS)
            random = torch.Generator().manual_seed(seed * 1_000_003 + step)
            noisy = noised(canvases, MASK, random)
            conditioned = bool(torch.rand(1, generator=random) < 0.5)
            ids, noisy, canvases = ids.to(self.device), noisy.to(self.device), canvases.to(self.device)
            denoise, causal = infill_loss(self.network, ids, canvases, noisy, conditioned, self.dtype)
            return {"denoise": denoise, "causal": causal}

    def train(self) -> None:
        saved = reported = time.monotonic()
        while self.step < self.args.steps:
            rate = schedule(self.step, self.args.steps, self.args.warmup, self.args.decay)
            losses = self.losses(self.shards, self.step, self.args.rows)
            sum((loss.value for loss in losses.values()), torch.zeros((), device=self.device)).backward()
            for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = peak * rate
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            self.step += 1
            now = time.monotonic()
            if self.step % REPORT_EVERY == 0:
                self.report(losses, (now - reported) / REPORT_EVERY)
                reported = time.monotonic()
            if now - saved > SAVE_EVERY_S:
                self.save()
                saved = now
        self.save()

    def report(self, losses: dict[str, Loss], seconds: float) -> None:
        line: dict[str, Any] = {"step": self.step, "of": self.args.steps, "s_per_step": round(seconds, 3)}
        line |= {name: [round(loss.value.item(), 3), round(loss.right, 3)] for name, loss in losses.items()}
        if self.step % (REPORT_EVERY * 10) == 0 or self.step == self.args.steps:
            with torch.no_grad():
                batches = [self.losses(self.held_out, -1 - i & 0xFFFF, 4) for i in range(8)]
            for name in losses:
                values = [b[name].value.item() for b in batches], [b[name].right for b in batches]
                line["held_out_" + name] = [round(sum(v) / len(v), 3) for v in values]
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def export(run: Path, folder: Path) -> None:
    """Write a run's network as a checkpoint folder in the published layout, in bfloat16, with SHA256SUMS."""
    network = new_network(0)
    network.load_state_dict(torch.load(run / "run.pt", map_location="cpu")["network"])
    save_network(network, folder, CONFIG, torch.bfloat16)
    (folder / "generation_config.json").write_text(json.dumps(GENERATION, indent=2) + "\n", "utf-8")
    names = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json")
    present = [folder / name for name in names if (folder / name).exists()]
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in present]
    (folder / "SHA256SUMS").write_text("".join(sums), "utf-8")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.training.train", description=__doc__.split("\n")[0])
    parser.add_argument("stage", choices=["causal", "infill", "export"])
    parser.add_argument("--corpus", default="var/corpus", help="folder of token shards")
    parser.add_argument("--out", required=True, help="the run's folder")
    parser.add_argument("--from", dest="start", help="the run whose weights this one starts from")
    parser.add_argument("--to", help="export: the checkpoint folder to write")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=4, help="rows of 448 tokens in a step")
    parser.add_argument("--lr", type=float, default=0.02, help="peak rate of Muon; AdamW has a fifth")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--decay", type=float, default=0.3, help="share of the steps in which the rate falls")
    parser.add_argument("--fim", type=float, default=0.5, help="share of the causal rows in fill-in-the-middle form")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args(argv)
    if args.stage == "export":
        export(Path(args.out), Path(args.to))
    else:
        Run(args).train()


if __name__ == "__main__":
    main()
