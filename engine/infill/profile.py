"""What was fitted for a decoder-only model whose own files do not have it: sureness, and the trust in n-grams.

`profiles/<catalogue name>.json` holds the keys `sureness` and, where n-grams help the model, `ngram_trust`;
`engine.training.calibrate` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.infill.calibration import Sureness
from engine.infill.ngram_cache import Trust
from engine.weights.catalogue import CATALOGUE
from engine.weights.checkpoint import CheckpointError, read_json

PROFILES = Path(__file__).with_name("profiles")


@dataclass(frozen=True, slots=True)
class Profile:
    """The fitted parts of an `InfillShape`."""

    sureness: Sureness = field(default_factory=Sureness)
    ngram_trust: Trust | None = None


def profile_file(checkpoint: Path) -> Path | None:
    """The place of a checkpoint's profile in the package; None for a file that the catalogue does not have."""
    known = (entry.name for entry in CATALOGUE if entry.file and entry.file.name == checkpoint.name)
    name = next(known, None)
    return PROFILES / f"{name}.json" if name else None


def profile_of(checkpoint: Path, config: dict[str, Any]) -> Profile:
    """The checkpoint's own profile (`infill` in its config.json), else the package's. Raises `CheckpointError`."""
    if own := config.get("infill"):
        return _parsed(own, f"{checkpoint / 'config.json'}: infill")
    file = profile_file(checkpoint)
    if file is None or not file.is_file():
        return Profile()
    return _parsed(read_json(file.parent, file.name), str(file))


def _parsed(values: dict[str, Any], where: str) -> Profile:
    try:
        sureness, trust = values.get("sureness"), values.get("ngram_trust")
        return Profile(Sureness(**sureness) if sureness else Sureness(), trust and Trust(**trust))
    except (AttributeError, TypeError) as error:
        raise CheckpointError(f"{where}: {error}: run python -m engine.training.calibrate on the model again") from None
