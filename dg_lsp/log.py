"""What this process writes to stderr, which editors keep as the server's log: warnings and worse, without code."""

from __future__ import annotations

import logging
import re
import sys

_PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[#0\- +]*[\d.]*[a-zA-Z]")
_METHOD = re.compile(r"(?:\$|\w+)(?:/\w+)+")


def log_without_code() -> None:
    """Log to stderr; of pygls only where and what, never with which data."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_WithoutData("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # An answer and its cancellation may cross; editors would log that as an error of ours.
    crossed = "Cancel notification for unknown message id"
    logging.getLogger("pygls.protocol.json_rpc").addFilter(lambda record: not str(record.msg).startswith(crossed))


class _WithoutData(logging.Formatter):
    """Leaves out what pygls puts into its records: parameters and tracebacks may hold the user's code."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name.startswith("pygls"):
            kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
            message = f"{_filled(record).splitlines()[0]} {kind}".strip()
            record = logging.makeLogRecord({**record.__dict__, "msg": message, "args": (), "exc_info": None})
            record.exc_text = None
        return super().format(record)


def _filled(record: logging.LogRecord) -> str:
    """The message with its numbers and names of methods; an ellipsis stands for anything else."""
    values = iter(record.args if isinstance(record.args, tuple) else ())

    def shown(_: re.Match[str]) -> str:
        value = next(values, "")
        return str(value) if isinstance(value, int) or _METHOD.fullmatch(str(value)) else "…"

    return _PLACEHOLDER.sub(shown, str(record.msg))
