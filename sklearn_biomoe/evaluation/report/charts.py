"""Charts as SVG, with colours and fonts from the style sheet and without ids."""

from collections.abc import Sequence
from html import escape
from math import ceil, floor
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from ..._typing import Array
from ..results import StudyResults
from .page import format_interval, format_number

STRIP_HEIGHT, MIDDLE = 38, 19  # pixels
MAX_UNBROKEN_STRIPS = 18  # fit on a sheet of paper
DOT_WIDTH = 1.3  # percent of a strip's width
SIDE, LEFT, BELOW, ABOVE = 264.0, 38, 38, 10  # of a ROC chart and its margins


class _Scale:
    """Horizontal positions in percent of a strip's width, for any width of the page."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def at(self, value: Any) -> Any:
        return 2 + 96 * (value - self.low) / (self.high - self.low)

    def ticks(self) -> Array:
        return np.round(np.arange(self.low, self.high + 0.05, 0.1), 1)


def render_strips(study: StudyResults, summary: pd.DataFrame) -> str:
    """Return a strip for each method: a dot for each subject, the mean and its interval."""
    chance = 1 / len(study.classes)
    values = [*study.scores["balanced_accuracy"], chance]
    scale = _Scale(floor(min(values) * 10) / 10, ceil(max(values) * 10) / 10)
    axis = _render_axis(scale)
    strips = [
        _render_strip(str(name), row, study.scores[study.scores["method"] == name], scale, chance)
        for name, row in summary.iterrows()
    ]
    together = " together" if len(strips) <= MAX_UNBROKEN_STRIPS else ""
    return "\n".join(
        [
            f'<figure class="strips{together}">',
            axis if len(strips) > 10 else "",
            *strips,
            axis,
            "<figcaption>Balanced accuracy: a dot for each subject (hover for the name), the mean "
            "over subjects with its 95 % interval, and chance (dashed; shaded: 95 % of permuted "
            "predictions).</figcaption>",
            "</figure>",
        ]
    )


def _render_axis(scale: _Scale) -> str:
    ticks = "".join(
        f'<text x="{scale.at(tick):.2f}%" y="13" text-anchor="middle">{tick:.1f}</text>'
        for tick in scale.ticks()
    )
    return (
        '<div class="strip axis" aria-hidden="true"><span></span>'
        f'<svg height="18">{ticks}</svg><span></span></div>'
    )


def _render_strip(
    name: str, row: pd.Series, scores: pd.DataFrame, scale: _Scale, chance: float
) -> str:
    scores = scores.sort_values("balanced_accuracy")
    values = scores["balanced_accuracy"].to_numpy()
    label = (
        f"{name}: mean {format_number(row['mean'])}, 95 % interval "
        f"{format_interval(row['low'], row['high'])}, {len(values)} subjects from "
        f"{format_number(values.min())} to {format_number(values.max())}"
    )
    left, right = (np.clip(scale.at(row[end]), 2, 98) for end in ("chance_low", "chance_high"))
    shapes = [
        *(_line("grid", x, x, 0, STRIP_HEIGHT) for x in map(scale.at, scale.ticks())),
        f'<rect class="by-chance" x="{left:.2f}%" y="0" width="{right - left:.2f}%" '
        f'height="{STRIP_HEIGHT}"/>',
        _line("chance", scale.at(chance), scale.at(chance), 0, STRIP_HEIGHT),
        *_render_dots(scores["subject"], scale.at(values), values),
    ]
    if pd.notna(row["low"]):
        ends = scale.at(row["low"]), scale.at(row["high"])
        shapes += [_line(kind, *ends, MIDDLE, MIDDLE) for kind in ("halo", "interval")]
    shapes.append(f'<circle class="mean" cx="{scale.at(row["mean"]):.2f}%" cy="{MIDDLE}" r="5"/>')
    return (
        f'<div class="strip"><span>{escape(name)}</span>\n<svg height="{STRIP_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(shapes)}</svg>\n'
        f"<span>{format_number(row['mean'])}</span></div>"
    )


def _render_dots(subjects: pd.Series, places: Array, values: Array) -> list[str]:
    """Return dots at heights around the middle, so that dots with nearby places do not overlap."""
    bins = pd.Series(np.round(places / DOT_WIDTH))
    rank = bins.groupby(bins).cumcount().to_numpy()
    steps = np.where(rank % 2, 1, -1) * ((rank + 1) // 2)
    heights = MIDDLE + steps * min(5.0, 14 / max(1, np.abs(steps).max(initial=0)))
    return [
        f'<circle class="dot" cx="{x:.2f}%" cy="{y:.1f}" r="3.5"><title>subject '
        f"{escape(str(subject))}: {format_number(value)}</title></circle>"
        for subject, value, x, y in zip(subjects, values, places, heights, strict=True)
    ]


def _line(kind: str, x1: float, x2: float, y1: int, y2: int) -> str:
    return f'<line class="{kind}" x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y1}" y2="{y2}"/>'


def compute_roc_curve(predictions: pd.DataFrame, label: Any) -> Array:
    """Return the false and true positive rates of a class, shape (n_points, 2)."""
    positive, scores = predictions["target"] == label, predictions[f"probability_{label}"]
    return np.column_stack(roc_curve(positive, scores)[:2])


def render_roc_chart(curves: Sequence[Array], name: str) -> str:
    """Return a chart of the ROC curves of a class, the first curve thick and on top."""
    width, height = LEFT + SIDE + 10, ABOVE + SIDE + BELOW
    bottom, right, middle = ABOVE + SIDE, LEFT + SIDE, ABOVE + SIDE / 2
    shapes = [
        f'<rect class="frame" x="{LEFT}" y="{ABOVE}" width="{SIDE:g}" height="{SIDE:g}"/>',
        f'<line class="chance" x1="{LEFT}" y1="{bottom:g}" x2="{right:g}" y2="{ABOVE}"/>',
        f'<text x="{LEFT + SIDE / 2:g}" y="{bottom + 32:g}" text-anchor="middle">'
        "false positive rate</text>",
        f'<text transform="translate(11 {middle:g}) rotate(-90)" text-anchor="middle">'
        "true positive rate</text>",
    ]
    for tick in (0, 0.5, 1):
        x, y = LEFT + tick * SIDE, bottom - tick * SIDE
        shapes += [
            f'<text x="{x:g}" y="{bottom + 15:g}" text-anchor="middle">{tick:g}</text>',
            f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>',
        ]
    shapes += [_render_curve(points, number) for number, points in enumerate(curves)][::-1]
    label = escape(f"ROC curves of class {name}")
    return (
        f'<figure><svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">'
        f"{''.join(shapes)}</svg><figcaption>class {escape(name)}</figcaption></figure>\n"
    )


def _render_curve(points: Array, number: int) -> str:
    at = np.round([LEFT, ABOVE + SIDE] + points * [SIDE, -SIDE], 1)
    changed = np.r_[True, (np.diff(at, axis=0) != 0).any(axis=1)]
    path = "L".join(f"{x:g} {y:g}" for x, y in at[changed])
    return f'<path {_curve_style(number)} d="M{path}"/>'


def render_legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return the names of curves in their colours, each with a number."""
    items = [
        f'<li><svg aria-hidden="true"><line {_curve_style(number)} x1="0" x2="100%" y1="50%" '
        f'y2="50%"/></svg>{escape(name)}, {value}</li>'
        for number, (name, value) in enumerate(entries)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _curve_style(number: int) -> str:
    kind = "curve" if number else "first curve"
    return f'class="{kind}" style="stroke:var(--c{number})"'
