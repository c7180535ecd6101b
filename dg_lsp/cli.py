"""The command `dg-lsp`: the language server, one fill, a check-up, a demonstration, statistics.

Exit status: 0 done, 1 nothing to offer, 2 bad usage or bad input, 3 engine unavailable, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version

from dg_lsp import fill_command

_URL_VARIABLE = "DG_ENGINE_URL"
_COMMANDS = {
    "fill": "fill one place in a file",
    "doctor": "check the installation, line by line",
    "demo": "watch real code being filled",
    "stats": "what was offered and accepted, by week and language",
}

_HELP = ("-h", "--help")
_TRANSPORTS = ("--socket", "--pipe", "--node-ipc")
"""What the protocol calls other ways than stdio: nobody would answer there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    # argparse takes what begins with "-" for an option.
    words = [fill_command.STDIN + text[1:] if text.startswith("-:") else text for text in given]
    if all(word.startswith("-") for word in words[:1]) and not {*_COMMANDS, *_HELP} & set(words):
        return _serve(words)
    options = _parser().parse_args(words)
    if options.command == "fill":
        return fill_command.run(options)
    if options.command == "doctor":
        from dg_lsp.doctor import run as run_doctor

        return run_doctor(options.engine_url)
    if options.command == "demo":
        from dg_lsp.demo import run as run_demo

        return run_demo()
    from dg_lsp.stats_command import run as run_stats

    return run_stats(as_json=options.json, reset=options.reset)


def _parser() -> argparse.ArgumentParser:
    parser = _server_parser()
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    fill, doctor, _, stats = (commands.add_parser(name, help=what) for name, what in _COMMANDS.items())
    fill_command.add_arguments(fill)
    for command in (fill, doctor):
        engine_elsewhere = f"use the engine on another machine, http://HOST:PORT (default: ${_URL_VARIABLE}, if set)"
        url = os.environ.get(_URL_VARIABLE, "")
        command.add_argument("--engine-url", metavar="URL", default=url, help=engine_elsewhere)
    stats.add_argument("--json", action="store_true", help="print a JSON object instead of the table")
    stats.add_argument("--reset", action="store_true", help="delete the statistics")
    return parser


def _server_parser() -> argparse.ArgumentParser:
    what = "A language server that fills gaps in code. Without a command: serve on stdio."
    parser = argparse.ArgumentParser(prog="dg-lsp", description=what, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"dg-lsp {version('dg-lsp')}")
    parser.add_argument("--stdio", action="store_true", help="serve on stdio (what it does anyway; editors pass it)")
    process = "the editor's process: the server ends when that does (editors pass it)"
    parser.add_argument("--clientProcessId", metavar="PID", type=int, help=process)
    return parser


def _serve(words: Sequence[str]) -> int:
    """Be the server. Options that are meant for another server do not keep it from starting."""
    parser = _server_parser()
    options, unknown = parser.parse_known_args(words)
    if elsewhere := [word for word in unknown if word.partition("=")[0] in _TRANSPORTS]:
        parser.error(f"{elsewhere[0]}: this server speaks on stdio alone, set the editor to that")
    if unknown:
        print(f"dg-lsp: unknown options are passed over: {' '.join(unknown)}", file=sys.stderr)
    from dg_lsp.server import serve

    # The default action, because Python's would wait for the thread that reads stdin.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.stdin.isatty():
        print("dg-lsp serves an editor on stdin and stdout; try `dg-lsp --help`. Ctrl-C ends it.", file=sys.stderr)
    return serve(editor_process=options.clientProcessId)
