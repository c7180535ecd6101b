"""Animated SVGs of a terminal: what moves is shown as it moved, and pauses are cut short."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from itertools import pairwise

from rich.color import Color
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

CELL_X, CELL_Y, MARGIN = 8.4, 18.0, 12.0
LONGEST_S = 0.8
"""A machine that thinks makes no good picture: nothing but the end stands still for longer."""
SHORTEST_S = 0.05
END_S = 2.5
STILL = 1 / 3
"""The most of the whole time that the end may stand."""

Frame = tuple[float, str]
"""When it came (seconds), and the screen with its escape sequences."""
Span = tuple[float, float]


def paced(frames: Iterable[Frame]) -> list[tuple[Span, str]]:
    """Each screen with when it is shown, from 0 on: no pause is long, and the end stands for a third at most."""
    shown: list[tuple[Span, str]] = []
    given = list(frames)
    at = 0.0
    for (came, screen), (goes, _) in pairwise(given):
        stays = min(max(goes - came, SHORTEST_S), LONGEST_S)
        shown.append(((at, at + stays), screen))
        at += stays
    shown.append(((at, at + min(END_S, at * STILL / (1 - STILL))), given[-1][1]))
    return shown


def animation(frames: Iterable[Frame], columns: int, rows: int) -> str:
    """An SVG that shows the frames one after the other, again and again; where nothing is animated, the last one."""
    shown = paced(frames)
    end = shown[-1][0][1]
    lines: dict[tuple[int, str], list[Span]] = {}
    for span, screen in shown:
        # As a whole: a terminal's colours last beyond the end of a line.
        for row, line in enumerate(Text.from_ansi(screen).split("\n", allow_blank=True)[:rows]):
            if svg := "".join(_pieces(line, MARGIN + (row + 0.75) * CELL_Y)):
                _add(lines.setdefault((row, svg), []), span)
    rules, groups = [], []
    for number, ((_, svg), spans) in enumerate(lines.items()):
        if spans == [(0.0, end)]:
            groups.append(svg)
            continue
        rules.append(_rule(number, spans, end))
        groups.append(f'<g class="a{number}">{svg}</g>')
    width, height = columns * CELL_X + 2 * MARGIN, rows * CELL_Y + 2 * MARGIN
    rules.append("@media (prefers-reduced-motion: reduce) { g { animation: none !important } }")
    style = "text { font: 14px monospace; white-space: pre; fill: #e0e2ea } " + " ".join(rules)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}">\n<style>{style}</style>\n'
        f'<rect width="100%" height="100%" rx="8" fill="#14161b"/>\n' + "\n".join(groups) + "\n</svg>\n"
    )


def _add(spans: list[Span], span: Span) -> None:
    """Add a span, or make the last one longer where it goes on."""
    if spans and spans[-1][1] == span[0]:
        spans[-1] = (spans[-1][0], span[1])
    else:
        spans.append(span)


def _rule(number: int, spans: list[Span], end: float) -> str:
    """The style by which a line is seen in its spans alone."""
    steps = {0.0: 0}
    for first, last in spans:
        steps[100 * first / end] = 1
        steps[100 * last / end] = 0
    keys = " ".join(f"{at:.2f}% {{ opacity: {seen} }}" for at, seen in steps.items())
    still = int(spans[-1][1] == end)
    return (
        f"@keyframes a{number} {{ {keys} }} "
        f".a{number} {{ animation: a{number} {end:.2f}s step-end infinite; opacity: {still} }}"
    )


def _pieces(text: Text, y: float) -> Iterator[str]:
    """One line of a screen as SVG text, cell by cell in its place; nothing for a blank one."""
    column = 0
    for piece in text.divide([offset for span in text.spans for offset in (span.start, span.end)]):
        style = Style.combine([Style(), *(Style.parse(str(span.style)) for span in piece.spans)])
        if piece.plain.strip() or style.underline:
            length = f'textLength="{piece.cell_len * CELL_X:.1f}"'
            content = html.escape(piece.plain, quote=False)
            yield f'<text x="{MARGIN + column * CELL_X:.1f}" y="{y:.1f}" {length}{_paint(style)}>{content}</text>'
        column += piece.cell_len


def _paint(style: Style) -> str:
    decorations = [name for name, on in (("underline", style.underline), ("line-through", style.strike)) if on]
    looks = [f"fill: {_hex(style.color)}"] if style.color and not style.color.is_default else []
    looks += ["font-weight: bold"] if style.bold else []
    looks += ["opacity: 0.6"] if style.dim else []
    css = f' style="{"; ".join(looks)}"' if looks else ""
    return css + (f' text-decoration="{" ".join(decorations)}"' if decorations else "")


def _hex(colour: Color) -> str:
    return colour.get_truecolor(SVG_EXPORT_THEME).hex
