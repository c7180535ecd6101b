"""A stand-in for the engine process, for control over time: slow steps, slow loads, sudden death.

It speaks the real wire over a real unix socket, but there is no model: each fill takes `--steps` steps of
`--step-ms` and gives `--middle`. `GET /seen` lists the fills so far, how many steps each took, and how it ended;
`POST /script` with new arguments as a JSON list begins anew without the cost of a new process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from engine.protocol import Candidate, Draft, FillError, FillRequest, FillResult, Health, Source, from_json, to_json


def main() -> None:
    uvicorn.run(application(), uds=sys.argv[1], log_level="warning")


def script(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--step-ms", type=float, default=1)
    parser.add_argument("--load-ms", type=float, default=0)
    parser.add_argument("--load-error", default="")
    parser.add_argument("--language", action="append", default=[])
    parser.add_argument("--model", default="scripted")
    parser.add_argument("--middle", action="append")
    parser.add_argument("--name-the-place", action="store_true")
    parser.add_argument("--no-canvas", action="store_true", help="drafts grow, as those of a model without a denoiser")
    parser.add_argument("--die-at-step", type=int, default=0)
    parser.add_argument("--fail-at-step", type=int, default=0)
    parser.add_argument("--fail-code", default="engine")
    options = parser.parse_args(arguments)
    options.begun = time.monotonic()
    return options


def application(*arguments: str) -> Starlette:
    options = script(list(arguments))
    seen: list[dict[str, Any]] = []

    async def begin_anew(request: Request) -> JSONResponse:
        nonlocal options, seen
        options, seen = script(await request.json()), []
        return JSONResponse(None)

    async def health(_: Request) -> JSONResponse:
        loaded = (time.monotonic() - options.begun) * 1000 / (options.load_ms or 1)
        state = "loading" if loaded < 1 else "error" if options.load_error else "ready"
        return JSONResponse(
            to_json(
                Health(
                    state=state,  # type: ignore[arg-type]
                    progress=min(loaded, 1.0),
                    model=options.model,
                    device="none",
                    version="0",
                    pid=os.getpid(),
                    message=options.load_error,
                    languages=tuple(options.language),
                )
            )
        )

    async def fill(request: Request) -> StreamingResponse:
        wanted = from_json(FillRequest, await request.json())
        record: dict[str, Any] = {"request": to_json(wanted), "steps": 0, "end": "running"}
        seen.append(record)
        return StreamingResponse(answer(wanted, record, options), media_type="text/event-stream")

    async def list_seen(_: Request) -> JSONResponse:
        return JSONResponse(seen)

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/v1/fill", fill, methods=["POST"]),
            Route("/seen", list_seen),
            Route("/script", begin_anew, methods=["POST"]),
        ]
    )


async def answer(wanted: FillRequest, record: dict[str, Any], options: argparse.Namespace) -> AsyncIterator[str]:
    middles = options.middle or ["scripted()"]
    if options.name_the_place:
        middles = [middle_of(wanted.prefix, wanted.suffix)]
    try:
        for step in range(1, options.steps + 1):
            await asyncio.sleep(options.step_ms / 1000)
            record["steps"] = step
            if step == options.die_at_step:
                os._exit(9)
            if step == options.fail_at_step:
                yield event("error", FillError(code=options.fail_code, message="the script says so"))
                return
            if options.no_canvas:
                yield event("draft", Draft(text=middles[0][: 3 * step], step=step, steps=options.steps))
            else:
                yield event("draft", draft(wanted, middles[0], step, options.steps))
        source: Source = "causal" if options.no_canvas else "denoised"
        candidates = [Candidate(middle=middle, source=source, confidence=0.5) for middle in middles]
        yield event(
            "done",
            FillResult(
                candidates=tuple(candidates[: wanted.candidates]),
                finish_reason="stop",
                steps=options.steps,
                model="scripted",
                timings_ms={"total": 1.0},
            ),
        )
        record["end"] = "done"
    finally:
        if record["end"] == "running":
            record["end"] = "closed"


def draft(wanted: FillRequest, middle: str, step: int, steps: int) -> Draft:
    """One character a slot; as many of the first have settled as there were steps."""
    settled = tuple(i < step for i in range(len(middle)))
    return Draft(
        text=middle[:step], step=step, steps=steps, slots=tuple(middle), settled=settled, pinned=wanted.suffix[:4]
    )


def middle_of(prefix: str, suffix: str) -> str:
    """A middle that tells, of any text that it stands in, whether it was made for that place."""
    return f"at_{zlib.crc32((prefix + chr(0) + suffix).encode()):08x}"


def event(name: str, message: object) -> str:
    # Not escaped to ASCII: characters that some readers take for line ends must pass.
    return f"event: {name}\ndata: {json.dumps(to_json(message), ensure_ascii=False)}\n\n"


if __name__ == "__main__":
    main()
