"""What gets no suggestions, and what no model may see."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dg_lsp.context import exclusions
from dg_lsp.context.exclusions import MAX_LINE, Exclusions
from dg_lsp.context.ignore_rules import ignored, rules
from dg_lsp.context.secrets import holds_secret
from dg_lsp.documents import Snapshot
from dg_lsp.files import MAX_BYTES

Reason = Callable[..., "str | None"]
CONFLICT = "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n"


@pytest.fixture
def reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reason:
    """Why a file in a workspace at `tmp_path` is left out, with these lines in `dg.exclude`."""
    monkeypatch.setattr(exclusions, "_RECHECK_S", 0)

    def reason(name: str, *exclude: str) -> str | None:
        return Exclusions(lambda: [tmp_path], lambda: exclude).of_uri((tmp_path / name).as_uri())

    return reason


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".ENV", ".env.local", "prod.env", ".envrc", "deploy/.env.production",
        "server.pem", "server.key", "store.p12", "store.jks", "vault.kdbx", "putty.ppk", "mail.gpg",
        "id_rsa", "id_rsa_work", "id_ed25519", "id_ed25519.bak",
        "credentials", "credentials.json", "Credentials.yml", "client_secret.json", "secrets.yml", "secrets.yaml",
        "config/secrets.toml", "my-secrets.json", "service-account-7.json",
        ".netrc", ".npmrc", ".pypirc", ".pgpass", ".htpasswd", ".git-credentials", ".vault-token", ".git/config",
        "terraform.tfvars", "prod.auto.tfvars", "prod.tfvars.json", "terraform.tfstate", "terraform.tfstate.backup",
        ".kube/config", ".docker/config.json", ".ssh/config", "home/.aws/config", ".bash_history",
    ],
)  # fmt: skip
def test_files_of_secrets_are_left_out(reason: Reason, name: str) -> None:
    assert reason(name) == f"{name.rsplit('/', 1)[-1]} is on the list of secret files"


@pytest.mark.parametrize(
    "name",
    [
        "main.py", "README.md", ".env.example", ".env.sample", "environment.py", "env.py", "id_ed25519.pub",
        "credentials.py", "auth/credentials.ts", "secrets.py", "secret.go", "SecretManager.java", "token.rs",
        "keys.c", "monkey.py", "package.json", "settings.json", "terraform.tf", "kube/config.py", "secrets/reader.py",
    ],
)  # fmt: skip
def test_code_and_examples_are_not_taken_for_secrets(reason: Reason, name: str) -> None:
    assert reason(name) is None


def test_a_project_may_lie_in_a_folder_called_like_a_secret(tmp_path: Path) -> None:
    folder = tmp_path / ".aws" / "token"
    assert Exclusions(lambda: [folder], lambda: ()).of_uri((folder / "main.py").as_uri()) is None


@pytest.mark.parametrize(
    ("exclude", "name", "out"),
    [
        (["*.gen.py"], "src/a.gen.py", True),
        (["*.gen.py"], "src/a.py", False),
        (["private/"], "private/deep/a.py", True),
        (["private/", "!private/ok.py"], "private/ok.py", False),
        (["/top.py"], "src/top.py", False),
        (["src/**/test_*.py"], "src/a/b/test_c.py", True),
        (["[", "!", "\\", "a.py"], "a.py", True),
    ],
)
def test_the_user_names_files_as_in_gitignore(reason: Reason, exclude: list[str], name: str, out: bool) -> None:
    expected = f"{Path(name).name} is excluded by the setting dg.exclude" if out else None
    assert reason(name, *exclude) == expected


def test_the_user_may_let_in_what_other_rules_leave_out(reason: Reason, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("scratch/\n")
    assert reason("scratch/a.py") == "a.py is ignored by .gitignore"
    assert reason("scratch/a.py", "!scratch/") is None
    assert reason(".env", "!.env") is None


def test_rules_of_git_are_read_anew_when_they_change(reason: Reason, tmp_path: Path) -> None:
    assert reason("out/a.py") is None
    (tmp_path / ".gitignore").write_text("out/\n")
    assert reason("out/a.py") == "a.py is ignored by .gitignore"
    (tmp_path / ".gitignore").write_text("")
    assert reason("out/a.py") is None


def test_answers_are_kept_for_a_while_unless_the_setting_changes(tmp_path: Path) -> None:
    exclude: tuple[str, ...] = ()
    rules_now = Exclusions(lambda: [tmp_path], lambda: exclude)
    uri = (tmp_path / "a.py").as_uri()
    assert rules_now.of_uri(uri) is None
    (tmp_path / ".gitignore").write_text("*.py\n")
    assert rules_now.of_uri(uri) is None
    exclude = ("a.*",)
    assert rules_now.of_uri(uri) == "a.py is excluded by the setting dg.exclude"


def test_outside_the_workspace_only_names_count(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.py\n")
    no_folder = Exclusions(list, lambda: ())
    assert no_folder.of_uri((tmp_path / "a.py").as_uri()) is None
    assert no_folder.of_uri((tmp_path / ".env").as_uri()) == ".env is on the list of secret files"


def test_a_repository_may_be_larger_than_the_workspace(tmp_path: Path) -> None:
    (tmp_path / ".git" / "info").mkdir(parents=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("mine.py\n")
    (tmp_path / ".gitignore").write_text("*.log.py\n")
    inner = Exclusions(lambda: [tmp_path / "pkg"], lambda: ())
    for name in ("a.log.py", "mine.py"):
        assert inner.of_uri((tmp_path / "pkg" / name).as_uri()) == f"{name} is ignored by .gitignore"


def test_a_link_is_judged_by_what_it_leads_to(reason: Reason, tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    (tmp_path / "link.py").symlink_to(tmp_path / ".env")
    (tmp_path / "circle.py").symlink_to(tmp_path / "circle.py")
    left_out = ".env is on the list of secret files"
    assert reason("link.py") == f"link.py is a link to a file left out: {left_out}"
    assert reason("circle.py") is None


def test_a_workspace_reached_by_a_link_has_its_rules(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / ".gitignore").write_text("out.py\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for folder, name in (("real", "link"), ("link", "real"), ("link", "link")):
        rules_there = Exclusions(lambda folder=folder: [tmp_path / folder], lambda: ())  # type: ignore[misc]
        assert rules_there.of_uri((tmp_path / name / "out.py").as_uri()) is not None


@pytest.mark.parametrize(
    ("uri", "out"),
    [
        ("untitled:Untitled-1", False),
        ("untitled:/home/me/.env", True),
        ("vscode-notebook-cell:/home/me/work.ipynb#W0sZmlsZQ%3D%3D", False),
        ("vscode-notebook-cell:/home/me/.aws/work.ipynb#W0", True),
        ("file:///c%3A/proj/.env", True),
        ("file:///C:\\proj\\id_rsa", True),
        ("file://server/share/server.pem", True),
        ("file:///home/me/%2Eenv", True),
        ("git:/home/me/a.py?%7B%22ref%22%3A%22HEAD%22%7D", False),
        ("file:///home/me/a%00b.py", False),
        ("file://[half/a.py", False),
        ("", False),
    ],
)
def test_unusual_uris_are_judged_by_their_names(uri: str, out: bool) -> None:
    assert (Exclusions(list, lambda: ("*.none",)).of_uri(uri) is not None) is out


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("x = 1\n", "python", None),
        ("x = 1\n" * 60_000, "python", None),
        ("x" * (MAX_BYTES + 1), "plaintext", "a.py is larger than 4 MiB"),
        ("x\0", "python", "a.py is binary (it holds a zero byte)"),
        ("x" * (MAX_LINE + 1), "javascript", "line 1 of a.py is longer than 5,000 characters"),
        ("x " * MAX_LINE, "markdown", None),
        ("x\n" + "y" * (MAX_LINE + 1), "javascript", None),
        (f"x = 1\n{CONFLICT}", "python", "a.py holds a merge conflict (line 2): resolve it first"),
        (CONFLICT.replace("\n", "\r\n"), "python", "a.py holds a merge conflict (line 1): resolve it first"),
        (CONFLICT.replace("=======", "a ======="), "python", None),
        (CONFLICT.replace("<<<<<<<", "text = '<<<<<<<"), "python", None),
    ],
)
def test_what_is_no_source_text_gets_nothing(text: str, language: str, reason: str | None) -> None:
    assert Exclusions(list, lambda: ()).of_document(Snapshot("file:///a.py", language, 1, text), 0) == reason


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
        "key = 'AKIA" + "IOSFODNN7EXAMPLE'",
        "gh" + "p_" + "a1" * 18,
        "github_" + "pat_" + "a1" * 20,
        "xox" + "b-123456789012-abc",
        "AI" + "za" + "b" * 35,
        "sk_" + "live_" + "c3" * 12,
        "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijkl",
        "postgres://me:hunter22@db/x",
        'API_KEY = "0123456789abcdef0123"',
        '"client_secret": "0123456789abcdef"',
        'PASSWORD = "hunter2"',
        'DB_PASSWORD = "P@ssw0rd!2024#long"',
        'password: "Tr0ub4dor&3-staple-x"',
        "SECRET_KEY = 'django-insecure-#$abc(defghijklmnop*&^'",
        'client_secret=b"abcdefghijklmnopqrst"',
        'api-key: "abcdefghijklmnopqrstuv"',
        '"Authorization": "Bearer abcdefghijklmnopqrstuvwxyz0123456"',
        'PRIVATE_KEY = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"',
    ],
)
def test_texts_with_keys_and_tokens_are_known(text: str) -> None:
    assert holds_secret(f"a = 1\n{text}\nb = 2\n")


@pytest.mark.parametrize(
    "text",
    [
        "password = os.environ['PASSWORD']",
        "def token(self) -> str:\n    return self._token",
        'url = f"https://{user}:{password}@{host}"',
        "http://localhost:8080/a@b",
        "risk_" + "a" * 40,
        'secret = "short"',
        'password_field = "password"',
        'label = "Your password: "',
        'def check(token: str = "none") -> bool: ...',
    ],
)
def test_code_about_secrets_is_no_secret(text: str) -> None:
    assert not holds_secret(text)


_NAME = st.sampled_from(["a", "b", "ab", "a.py", "b.py", ".x", "a b", "éé", "[a]", "#a", "!b"])
_PART = st.one_of(
    _NAME,
    st.sampled_from(["*", "**", "?", "*.py", "a*", "[ab]", "[!a]", "[a-b].py", "\\#a", "\\!b", "a\\ b", "***", "a**b"]),
)
_LINE = st.builds(
    lambda no, top, parts, folder, end: no + top + "/".join(parts) + folder + end,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(_PART, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
    st.sampled_from(["", "", " ", "\r"]),
)
_LINES = st.lists(st.one_of(_LINE, st.sampled_from(["", "# a", "/", "!"])), max_size=5)
_PATH = st.lists(_NAME, min_size=1, max_size=4).map(tuple)


@settings(max_examples=80, deadline=None)
@example({(): ["a/a", "***/a"]}, [("a",)])
@given(
    st.dictionaries(st.sampled_from([(), ("a",), ("a", "b"), ("ab",)]), _LINES, max_size=3),
    st.lists(_PATH, min_size=1, max_size=12),
)
def test_gitignore_is_read_as_git_reads_it(
    files: dict[tuple[str, ...], list[str]], paths: list[tuple[str, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        for part in ("objects", "refs"):  # what `git init` makes, without its cost
            (top / ".git" / part).mkdir(parents=True)
        (top / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        for folder, lines in files.items():
            top.joinpath(*folder).mkdir(parents=True, exist_ok=True)
            top.joinpath(*folder, ".gitignore").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        paths = [path for path in paths if not top.joinpath(*path).is_dir()]  # of files alone is asked
        expected = _git_ignores(top, paths) if paths else set()
        left_out = Exclusions(lambda: [top], lambda: ())
        assert {path for path in paths if left_out._git_ignores(top.joinpath(*path), top)} == expected


def _git_ignores(top: Path, paths: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
    asked = "\0".join("/".join(path) for path in paths).encode()
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-C", str(top), "-c", "core.excludesFile=", "check-ignore", "-z", "--stdin"]
    answer = subprocess.run(command, input=asked, capture_output=True, env=environment, check=False)
    assert answer.returncode in (0, 1), answer.stderr
    return {tuple(path.split("/")) for path in answer.stdout.decode().split("\0") if path}


def test_what_lies_in_an_ignored_folder_cannot_be_let_in() -> None:
    top = rules(["build/", "!build/keep.py", "lib/*", "!lib/keep.py", "gen/**", "!gen/keep.py"])
    out = {
        path
        for path in ("build/keep.py", "lib/keep.py", "gen/keep.py")
        if ignored(path.split("/"), lambda parts: [] if parts else top)
    }
    assert out == {"build/keep.py"}
