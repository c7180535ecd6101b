"""Profiles: what was fitted for models whose own files do not say how sure they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import load
from engine.infill import profile
from engine.infill.calibration import KINDS, Sureness
from engine.weights.catalogue import CATALOGUE
from engine.weights.checkpoint import CheckpointError
from tests.engine import tiny_decoder

SURENESS = {"bias": dict.fromkeys(KINDS, 0.0), "slope": 0.9, "threshold": 0.7}
TRUST = {"bias": -2.0, "slope": 0.5, "full_order_bias": -1.0}
KNOWN = next(entry for entry in CATALOGUE if entry.file)


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of profiles, empty."""
    monkeypatch.setattr(profile, "PROFILES", tmp_path)
    return tmp_path


def test_a_file_of_the_catalogue_has_the_profile_of_its_name(profiles: Path) -> None:
    (profiles / f"{KNOWN.name}.json").write_text(json.dumps({"sureness": SURENESS}))
    found = profile.profile_of(Path("anywhere") / KNOWN.file.name, {})
    assert found.sureness == Sureness(**SURENESS)
    assert found.ngram_trust is None


def test_a_model_without_a_profile_is_taken_at_its_word(profiles: Path) -> None:
    for name in (KNOWN.file.name, "other.gguf"):
        assert profile.profile_of(Path(name), {}) == profile.Profile()


def test_a_checkpoint_folder_may_have_its_own_profile(tmp_path: Path) -> None:
    folder = tiny_decoder.write(tmp_path / "model")
    own = {"infill": {"sureness": SURENESS, "ngram_trust": TRUST}}
    (folder / "config.json").write_text(json.dumps(tiny_decoder.CONFIG | own))
    shape = load(folder, device="cpu").shape
    assert shape.sureness == Sureness(**SURENESS)
    assert shape.ngram_trust is not None
    assert shape.ngram_trust.slope == 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"sureness": {"tilt": 1.0}},
        {"sureness": SURENESS | {"bias": {"tail": 0.0}}},
        {"sureness": SURENESS | {"slope": 0}},
        {"ngram_trust": {"tilt": 1}},
        {"sureness": 3},
    ],
)
def test_a_profile_of_the_wrong_form_is_named_in_one_line(profiles: Path, wrong: dict[str, object]) -> None:
    file = profiles / f"{KNOWN.name}.json"
    file.write_text(json.dumps(wrong))
    with pytest.raises(CheckpointError, match=r"calibrate on the model again$") as stopped:
        profile.profile_of(Path(KNOWN.file.name), {})
    assert str(stopped.value).startswith(f"{file}: ")
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize("file", sorted(profile.PROFILES.glob("*.json")), ids=lambda file: file.stem)
def test_every_profile_in_the_package_is_of_a_model_in_the_catalogue(file: Path) -> None:
    entry = next(entry for entry in CATALOGUE if entry.name == file.stem)
    assert 0.5 < profile.profile_of(Path(entry.file.name), {}).sureness.threshold < 1
