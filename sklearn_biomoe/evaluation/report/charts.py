"""Figures drawn as SVG without a library, so that they fit telephones and share the page's type.

They hold no ids, which would have to differ, and take their colours from the page's style.
"""

from collections.abc import Sequence
from html import escape
from math import ceil, floor
from typing import Any

import numpy as np
import pandas as pd

from ..._typing import Array
from .page import interval, number

STRIP, MIDDLE = 38, 19  # dots high
MOST_ON_A_SHEET = 18  # strips, on paper
BESIDE = 1.3  # percent of the width in which dots count as beside each other
SIDE, LEFT, BELOW, ABOVE = 264.0, 38, 38, 10  # of a ROC plot, and around it


def strips(study: Any, summary: pd.DataFrame) -> str:
    """Draw a strip for each method: a dot for each subject, the mean and its interval.

    Places along a strip are percentages of its width, so that it fits any page while dots stay
    round and letters as large as they are.
    """
    chance = 1 / len(study.classes)
    of_method = dict(list(study.scores.groupby("method")))
    everything = [*study.scores["balanced_accuracy"].dropna(), chance]
    scale = _Scale(floor(min(everything) * 10) / 10, ceil(max(everything) * 10) / 10)
    axis = _axis(scale)
    rows = [
        _strip(str(name), row, of_method[name], scale, chance) for name, row in summary.iterrows()
    ]
    band = " Shaded: where chance would put it." if "chance_low" in summary else ""
    together = " together" if len(rows) <= MOST_ON_A_SHEET else ""
    return "\n".join(
        [
            f'<figure class="strips{together}">',
            axis if len(rows) > 10 else "",
            *rows,
            axis,
            "<figcaption>Balanced accuracy: a dot for each subject (point at one to see whose), "
            f"the mean over subjects with its 95 % interval, and chance (dashed).{band}"
            "</figcaption>",
            "</figure>",
        ]
    )


class _Scale:
    """Places on a strip, in percent of its width."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def at(self, value: float) -> float:
        return 2 + 96 * (value - self.low) / (self.high - self.low)

    def ticks(self) -> Array:
        return np.round(np.arange(self.low, self.high + 0.05, 0.1), 1)


def _axis(scale: _Scale) -> str:
    ticks = "".join(
        f'<text x="{scale.at(tick):.2f}%" y="13" text-anchor="middle">{tick:.1f}</text>'
        for tick in scale.ticks()
    )
    return (
        '<div class="strip axis" aria-hidden="true"><span></span>'
        f'<svg height="18">{ticks}</svg><span></span></div>'
    )


def _strip(name: str, row: pd.Series, scores: pd.DataFrame, scale: _Scale, chance: float) -> str:
    scores = scores.dropna(subset="balanced_accuracy").sort_values("balanced_accuracy")
    values = scores["balanced_accuracy"].to_numpy()
    told = (
        f"{name}: mean {number(row['mean'])}, 95 % interval {interval(row['low'], row['high'])}, "
        f"{len(values)} subjects from {number(values.min())} to {number(values.max())}"
    )
    drawn = [_vertical(scale.at(tick), "grid") for tick in scale.ticks()]
    if {"chance_low", "chance_high"} <= set(row.index):
        left, right = (np.clip(scale.at(row[end]), 2, 98) for end in ("chance_low", "chance_high"))
        drawn.append(
            f'<rect class="by-chance" x="{left:.2f}%" y="0" width="{right - left:.2f}%" '
            f'height="{STRIP}"/>'
        )
    drawn.append(_vertical(scale.at(chance), "chance"))
    places = np.array([scale.at(value) for value in values])
    for subject, value, x, y in zip(scores["subject"], values, places, _swarm(places), strict=True):
        drawn.append(
            f'<circle class="dot" cx="{x:.2f}%" cy="{y:.1f}" r="3.5"><title>subject '
            f"{escape(str(subject))}: {number(value)}</title></circle>"
        )
    if pd.notna(row["low"]) and pd.notna(row["high"]):
        drawn += [_horizontal(scale, row, kind) for kind in ("halo", "interval")]
    drawn.append(f'<circle class="mean" cx="{scale.at(row["mean"]):.2f}%" cy="{MIDDLE}" r="5"/>')
    return (
        f'<div class="strip"><span>{escape(name)}</span>\n<svg height="{STRIP}" role="img" '
        f'aria-label="{escape(told)}">{"".join(drawn)}</svg>\n'
        f"<span>{number(row['mean'])}</span></div>"
    )


def _vertical(x: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{STRIP}"/>'


def _horizontal(scale: _Scale, row: pd.Series, kind: str) -> str:
    left, right = scale.at(row["low"]), scale.at(row["high"])
    return f'<line class="{kind}" x1="{left:.2f}%" x2="{right:.2f}%" y1="{MIDDLE}" y2="{MIDDLE}"/>'


def _swarm(places: Array) -> Array:
    """Return heights that set dots beside each other apart: middle, above, below, further above."""
    bins = pd.Series(np.round(places / BESIDE))
    rank = bins.groupby(bins).cumcount().to_numpy()
    steps = np.where(rank % 2, 1, -1) * ((rank + 1) // 2)
    return MIDDLE + steps * min(5.0, 14 / max(1, np.abs(steps).max(initial=0)))


def curve(positive: pd.Series, scores: pd.Series) -> Array:
    """Return the points of a ROC curve, of shape (n_points, 2): false and true positive rates."""
    from sklearn.metrics import roc_curve

    false_rate, true_rate, _ = roc_curve(positive, scores)
    return np.column_stack([false_rate, true_rate])


def roc_plot(curves: Sequence[Array], name: str) -> str:
    """Draw curves, the first one thick, into a square."""
    width, height = LEFT + SIDE + 10, ABOVE + SIDE + BELOW
    bottom, right = ABOVE + SIDE, LEFT + SIDE
    drawn = [
        f'<rect class="frame" x="{LEFT}" y="{ABOVE}" width="{SIDE:g}" height="{SIDE:g}"/>',
        f'<line class="chance" x1="{LEFT}" y1="{bottom:g}" x2="{right:g}" y2="{ABOVE}"/>',
    ]
    for tick in (0, 0.5, 1):
        x, y = LEFT + tick * SIDE, bottom - tick * SIDE
        drawn += [
            f'<text x="{x:g}" y="{bottom + 15:g}" text-anchor="middle">{tick:g}</text>',
            f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>',
        ]
    middle = ABOVE + SIDE / 2
    drawn += [
        f'<text x="{LEFT + SIDE / 2:g}" y="{bottom + 32:g}" text-anchor="middle">'
        "false positive rate</text>",
        f'<text transform="translate(11 {middle:g}) rotate(-90)" text-anchor="middle">'
        "true positive rate</text>",
    ]
    order = list(enumerate(curves))[::-1]  # the first lies on top
    drawn += [_path(points, number) for number, points in order]
    label = f"ROC curves of class {name}"
    return (
        f'<figure><svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{''.join(drawn)}</svg><figcaption>class {escape(name)}</figcaption></figure>\n"
    )


def _path(points: Array, number: int) -> str:
    at = np.round([LEFT, ABOVE + SIDE] + points * [SIDE, -SIDE], 1)
    changed = np.r_[True, (np.diff(at, axis=0) != 0).any(axis=1)]
    way = "L".join(f"{x:g} {y:g}" for x, y in at[changed])
    return f'<path class="{_curve_class(number)}" d="M{way}" style="stroke:var(--c{number})"/>'


def _curve_class(number: int) -> str:
    return "first curve" if number == 0 else "curve"


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Name curves by their colours, each with a number."""
    items = [
        '<li><svg aria-hidden="true"><line class="'
        f'{_curve_class(i)}" x1="0" x2="100%" y1="50%" y2="50%" style="stroke:var(--c{i})"/></svg>'
        f"{escape(name)}, {value}</li>"
        for i, (name, value) in enumerate(entries)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'
