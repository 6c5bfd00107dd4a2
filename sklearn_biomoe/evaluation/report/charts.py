"""Charts as SVG, shown in the page and saved as files, with colours and fonts of charts.css."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from math import ceil, floor, log10
from typing import Any

import numpy as np

from ..._typing import Array
from .page import format_tick, read_style, render_link

SIDE, LEFT, RIGHT, BELOW, ABOVE = 264.0, 44.0, 10.0, 40.0, 10.0  # of a plot and its margins
GAP, TITLE, LINE = 24.0, 22.0, 18.0  # between plots of a file, and heights of texts in it
LETTER = 7.5  # width of most letters of a title
MOST_TICKS = 5
N_COLOURS = 6  # --c0 to --c5 of style.css
SUPERFLUOUS_PIXELS = 0.1  # steps of curves that are not visible


@dataclass(frozen=True)
class Chart:
    """Shapes in a rectangle of pixels.

    Parameters
    ----------
    width, height : float
    shapes : str
        SVG elements, without ids.
    label : str
        What it shows, for screen readers.
    title : str, default=""
        Shown above or below it.
    """

    width: float
    height: float
    shapes: str
    label: str
    title: str = ""

    def render(self) -> str:
        """Return the chart as an element of a page."""
        size = f'viewBox="0 0 {self.width:g} {self.height:g}"'
        return f'<svg {size} role="img" aria-label="{escape(self.label)}">{self.shapes}</svg>'

    def to_file(self) -> str:
        """Return the chart as an SVG file, in colours for paper."""
        size = f'width="{self.width:g}" height="{self.height:g}"'
        text = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {self.width:g} '
            f'{self.height:g}"><title>{escape(self.label)}</title><style>{_file_style()}</style>'
            f'<rect width="100%" height="100%" fill="#fff"/>{self.shapes}</svg>\n'
        )
        return _replace_variables(text)


@cache
def _file_style() -> str:
    return re.sub(r"\s+", " ", read_style("charts.css"))


def _replace_variables(text: str) -> str:
    """Replace variables of CSS, which most programs for vector graphics do not know."""
    colours = dict(re.findall(r"--([\w-]+):\s*([^;]+);", read_style("style.css").split("}")[0]))
    return re.sub(r"var\(--([\w-]+)\)", lambda match: " ".join(colours[match[1]].split()), text)


@dataclass(frozen=True)
class Scale:
    """A linear axis.

    Parameters
    ----------
    low, high : float
    name : str
    """

    low: float
    high: float
    name: str

    @classmethod
    def of(cls, values: Any, name: str) -> "Scale":
        """Return an axis from one round number to another that shows all values."""
        low, high = float(np.min(values)), float(np.max(values))
        step = tick_step(low, high)
        low, high = floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step
        return cls(low, high if high > low else low + step, name)

    def ticks(self) -> Array:
        """Return round numbers on the axis."""
        step = tick_step(self.low, self.high)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return np.arange(first, last + 1) * step

    def at(self, values: Any) -> Any:
        """Return places from 0 to 1."""
        return (np.asarray(values) - self.low) / (self.high - self.low)


def tick_step(low: float, high: float) -> float:
    """Return 1, 2 or 5 times a power of 10, so that at most five steps lie between two numbers.

    Examples
    --------
    >>> tick_step(0, 1), tick_step(-3, 11), tick_step(2, 2)
    (0.2, 5.0, 1.0)
    """
    if high <= low:
        return 1.0
    least = (high - low) / MOST_TICKS
    power = 10.0 ** floor(log10(least) + 1e-9)
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


class Plot:
    """A square with two axes, to which shapes are added."""

    def __init__(self, x: Scale, y: Scale) -> None:
        self.x, self.y = x, y
        self._shapes = [
            f'<rect class="frame" x="{LEFT:g}" y="{ABOVE:g}" width="{SIDE:g}" height="{SIDE:g}"/>',
            *self._ticks(),
            f'<text x="{LEFT + SIDE / 2:g}" y="{ABOVE + SIDE + 33:g}" text-anchor="middle">'
            f"{escape(x.name)}</text>",
            f'<text transform="translate(11 {ABOVE + SIDE / 2:g}) rotate(-90)" '
            f'text-anchor="middle">{escape(y.name)}</text>',
        ]

    def _ticks(self) -> list[str]:
        bottom = ABOVE + SIDE
        texts = []
        for tick, x in zip(self.x.ticks(), LEFT + SIDE * self.x.at(self.x.ticks()), strict=True):
            texts.append(
                f'<text x="{x:.4g}" y="{bottom + 16:g}" text-anchor="middle">'
                f"{format_tick(tick)}</text>"
            )
        for tick, y in zip(self.y.ticks(), bottom - SIDE * self.y.at(self.y.ticks()), strict=True):
            texts.append(
                f'<text x="{LEFT - 6:g}" y="{y + 4:.4g}" text-anchor="end">'
                f"{format_tick(tick)}</text>"
            )
        return texts

    def _at(self, points: Array) -> Array:
        """Return pixels of points, shape (n_points, 2)."""
        places = np.column_stack([self.x.at(points[:, 0]), self.y.at(points[:, 1])])
        return [LEFT, ABOVE + SIDE] + places * [SIDE, -SIDE]

    def add_line(self, start: tuple[float, float], stop: tuple[float, float], kind: str) -> None:
        """Draw a straight line, of a class of charts.css."""
        (x1, y1), (x2, y2) = self._at(np.array([start, stop], dtype=float))
        self._shapes.append(
            f'<line class="{kind}" x1="{x1:.5g}" y1="{y1:.5g}" x2="{x2:.5g}" y2="{y2:.5g}"/>'
        )

    def add_curves(self, curves: Sequence[Array], *, marked: bool = False) -> None:
        """Draw curves in the colours of a legend, the first one thick and on top."""
        shapes = [self._curve(points, number, marked) for number, points in enumerate(curves)]
        self._shapes += shapes[::-1]

    def _curve(self, points: Array, number: int, marked: bool) -> str:
        at = np.round(self._at(np.asarray(points, dtype=float)), 1)
        changed = np.r_[True, (np.abs(np.diff(at, axis=0)) >= SUPERFLUOUS_PIXELS).any(axis=1)]
        path = "L".join(f"{x:g} {y:g}" for x, y in at[changed])
        marks = "".join(
            f'<circle cx="{x:g}" cy="{y:g}" r="2.5" style="fill:{colour_of(number)}"/>'
            for x, y in at
        )
        return f'<path {curve_style(number)} d="M{path}"/>{marks if marked else ""}'

    def add_points(self, points: Array, kind: str, colours: Sequence[str] = ()) -> None:
        """Draw dots of a class of charts.css, or in colours."""
        at = np.round(self._at(np.asarray(points, dtype=float)), 1)
        styles = [f' style="fill:{colour}"' for colour in colours] or [""] * len(at)
        self._shapes += [
            f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="3"{style}/>'
            for (x, y), style in zip(at, styles, strict=True)
        ]

    def chart(self, label: str, title: str = "") -> Chart:
        """Return the finished chart."""
        width, height = LEFT + SIDE + RIGHT, ABOVE + SIDE + BELOW
        return Chart(width, height, "".join(self._shapes), label, title)


def colour_of(number: int) -> str:
    """Return the colour of an entry of a legend."""
    return f"var(--c{number % N_COLOURS})"


def curve_style(number: int) -> str:
    """Return the attributes of a curve of a legend."""
    kind = "curve" if number else "first curve"
    return f'class="{kind}" style="stroke:{colour_of(number)}"'


def render_charts(
    charts: Sequence[Chart],
    *,
    file: str,
    caption: str,
    kind: str = "",
    legend: Sequence[str] = (),
    colours: Sequence[str] = (),
) -> str:
    """Return charts side by side, with a legend and a link that saves all as a file.

    The legend names curves; or, with a colour for each name, dots.
    """
    figures = "\n".join(
        f"<figure>{chart.render()}"
        + (f"<figcaption>{escape(chart.title)}</figcaption>" if chart.title else "")
        + "</figure>"
        for chart in charts
    )
    items = "".join(
        f'<li><svg aria-hidden="true">{_sample(number, colours, "0", "50%", "100%", "50%")}</svg>'
        f"{escape(name)}</li>"
        for number, name in enumerate(legend)
    )
    listed = f'<ul class="legend">{items}</ul>' if legend else ""
    link = render_link(f"{file}.svg", join_charts(charts, legend, caption, colours).to_file())
    return (
        f'<div class="multiples curves {kind}">{figures}{listed}</div>\n'
        f'<p class="note">{escape(caption)}{link}</p>'
    )


def _sample(number: int, colours: Sequence[str], x1: str, middle: str, x2: str, y: str) -> str:
    """Return the line from x1 to x2, or the dot in the middle, of an entry of a legend."""
    if colours:
        return (
            f'<circle class="mapped" cx="{middle}" cy="{y}" r="4" style="fill:{colours[number]}"/>'
        )
    return f'<line {curve_style(number)} x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/>'


def join_charts(
    charts: Sequence[Chart], legend: Sequence[str], label: str, colours: Sequence[str] = ()
) -> Chart:
    """Return one chart that shows several with their titles, and the legend below."""
    n_columns = min(len(charts), 4)
    width, height = charts[0].width + GAP, charts[0].height + TITLE + GAP
    shapes = []
    for number, chart in enumerate(charts):
        row, column = divmod(number, n_columns)
        x, y = column * width, row * height
        shapes.append(
            f'<text class="title" x="{x + LEFT:g}" y="{y + 15:g}">{escape(chart.title)}</text>'
            f'<svg x="{x:g}" y="{y + TITLE:g}" width="{chart.width:g}" height="{chart.height:g}">'
            f"{chart.shapes}</svg>"
        )
    bottom = ceil(len(charts) / n_columns) * height
    for number, name in enumerate(legend):
        y = bottom + LINE * number
        left, middle, right = (f"{x:g}" for x in (LEFT, LEFT + 13, LEFT + 26))
        shapes.append(
            f"{_sample(number, colours, left, middle, right, f'{y:g}')}"
            f'<text class="title" x="{LEFT + 34:g}" y="{y + 4:g}">{escape(name)}</text>'
        )
    names = max((LEFT + 42 + LETTER * len(name) for name in legend), default=0.0)
    total = bottom + LINE * len(legend)
    return Chart(max(n_columns * width, names), total, "".join(shapes), label)
