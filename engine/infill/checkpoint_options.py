"""How a checkpoint wants to be asked: read from it once, then asked as properties."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from engine.infill.calibration import Calibration, Sureness
from engine.infill.chat import ChatForm
from engine.infill.effort import LARGE_MODEL, SMALL_MODEL, Effort
from engine.infill.fim import FimForm
from engine.infill.ngram_cache import Trust
from engine.protocol import FillRequest
from engine.weights.checkpoint import CheckpointError

_FIM_SUFFIX_TOKENS = 32  # of the suffix, that a small model is shown causally


@dataclass(frozen=True, slots=True, kw_only=True)
class InfillShape:
    """How a checkpoint wants its canvases; the key `infill` of config.json.

    A checkpoint without that key is DiffusionGemma itself: uniform noise, no token for "nothing here", so
    that several gap lengths have to be tried.
    """

    noise: Literal["uniform", "mask"] = "uniform"
    mask_token_id: int = 0
    end_of_gap_token_id: int | None = None
    context_tokens: int = 4096
    head_tokens: int = 32
    gap_tokens: tuple[int, ...] = (6, 12, 24, 48)
    canvas_tokens: int = 128
    denoiser: bool = True  # False: the weights only read causally
    newline_in_head: bool = True  # whether the newline that starts the cursor's line is tokenized with that line
    fim: FimForm | None = None  # the causal fill-in-the-middle form, if trained so
    block_tokens: int = 64  # of a causal draft of several lines
    block_drafts: int = 1  # such drafts followed at once
    chat: ChatForm | None = None  # how to ask a model that was trained to chat
    languages: tuple[str, ...] = ()  # identifiers of those trained on; empty: not known, or all
    calibration: Calibration | None = None  # what makes of scores a confidence; None: the mean probability is taken
    sureness: Sureness = field(
        default_factory=Sureness
    )  # the same for the beginnings that a model without a denoiser is sure of
    ngram_trust: Trust | None = None  # how far the file's own n-grams are believed; None: not at all
    repository_trust: Trust | None = None  # the same of the repository that a checkpoint was fine-tuned on

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> InfillShape:
        """Read config.json. Raises `CheckpointError`."""
        own = config.get("infill")
        if own is None:
            return cls()
        try:
            calibration = own.get("calibration")
            trusts = {key: own[key] and Trust(**own[key]) for key in ("ngram_trust", "repository_trust") if key in own}
            shape = cls(
                **{
                    **{key: value for key, value in own.items() if key != "fim_token_ids"},
                    **trusts,
                    "gap_tokens": tuple(own["gap_tokens"]),
                    "fim": _fim(own),
                    "languages": tuple(own.get("languages", ())),
                    "calibration": calibration and _calibration(calibration),
                }
            )
        except KeyError as error:
            raise CheckpointError(f"config.json: infill.{error.args[0]} is missing") from None
        except TypeError as error:
            raise CheckpointError(f"config.json: infill: {error}") from None
        if shape.noise not in ("uniform", "mask"):
            raise CheckpointError(f"config.json: infill.noise is {shape.noise!r}, not 'uniform' or 'mask'")
        return shape

    @property
    def effort(self) -> Effort:
        """How much a fill may cost."""
        return SMALL_MODEL if self.denoiser else LARGE_MODEL

    def writes_on(self, request: FillRequest) -> bool:
        """Whether the likeliest continuation is followed as far as it is sure, instead of comparing candidates.

        A large model has time for no more while somebody types.
        """
        return not self.denoiser and request.priority == "automatic"

    def denoises(self, request: FillRequest) -> bool:
        """Whether the gap is denoised: not while someone types on a line, if causal drafts find lines as well.

        They do in a model that was trained to fill in the middle causally too: of 600 held-out answers the shipped
        model's denoiser found one that causal drafts and copies had not, for a third of the time.
        """
        return self.denoiser and (self.fim is None or not request.single_line or request.priority == "manual")

    def gaps(self, request: FillRequest) -> list[int]:
        """The gap lengths to try, in slots: one if the model can leave slots empty, else several."""
        fitting = [size for size in self.gap_tokens if size <= request.max_tokens] or [min(self.gap_tokens)]
        if self.end_of_gap_token_id is None:
            return fitting[:3] if request.single_line else fitting
        return [next((s for s in fitting if s >= 24), fitting[-1])] if request.single_line else [fitting[-1]]


def _fim(own: dict[str, Any]) -> FimForm | None:
    """The form of `fim_token_ids` [before the suffix, before the middle]; a middle ends with the end-of-gap token."""
    ids, end = own.get("fim_token_ids"), own.get("end_of_gap_token_id")
    if not ids or end is None:
        return None
    suffix, middle = ids
    return FimForm(prefix=None, suffix=suffix, middle=middle, ends=(end,), suffix_tokens=_FIM_SUFFIX_TOKENS)


def _calibration(values: dict[str, Any]) -> Calibration:
    """Raises `CheckpointError`, also for one that an earlier version wrote."""
    try:
        return Calibration(**values)
    except TypeError:
        raise CheckpointError("config.json: infill.calibration is of an earlier form: fine-tune again") from None
