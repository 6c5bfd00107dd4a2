"""Strips: the score of each subject by each method, with means, intervals and chance."""

from html import escape
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from ..._typing import Array
from ..results import StudyResults
from .charts import Chart, Scale
from .page import format_interval, format_number, format_tick, render_link

STRIP_HEIGHT, MIDDLE = 38, 19  # pixels
MAX_UNBROKEN_STRIPS = 18  # fit on a sheet of paper
DOT_WIDTH = 1.3  # percent of a strip's width
NAME_WIDTH, PLOT_WIDTH, VALUE_WIDTH = 230, 520, 60  # pixels in the file
LETTERS = 34  # of a name in a line of the file


def render_strips(study: StudyResults, summary: pd.DataFrame) -> str:
    """Return a strip for each method: a dot for each subject, the mean and its interval."""
    main = study.task.main
    values = np.concatenate([study.scores[main.name], summary["chance"]])
    scale = Scale.of(values[np.isfinite(values)], main.label)
    # Ends of intervals may be outside of the possible values, for which the axis ends at them.
    intervals = summary[["low", "high", "chance_low", "chance_high"]]
    ends = np.append(intervals, [scale.low, scale.high])
    scale = Scale(float(np.nanmin(ends)), float(np.nanmax(ends)), main.label)
    rows = {
        str(name): (row, study.scores[study.scores["method"] == name].sort_values(main.name))
        for name, row in summary.iterrows()
    }
    axis = _draw_axis(scale)
    shapes = {name: _draw_strip(*each, main.name, scale) for name, each in rows.items()}
    strips = [
        _render_strip(name, row, scores[main.name], shapes[name])
        for name, (row, scores) in rows.items()
    ]
    caption = (
        f"{main.label}: a dot for each subject (hover for the name), the mean over subjects with "
        "its 95 % interval, and chance (dashed: mean of permuted predictions; shaded: 95 % of "
        "them)."
    )
    link = render_link("scores.svg", _join(summary, shapes, axis, caption).to_file())
    between = (
        '<div class="strip axis" aria-hidden="true"><span></span>'
        f'<svg height="18">{axis}</svg><span></span></div>'
    )
    together = " together" if len(strips) <= MAX_UNBROKEN_STRIPS else ""
    return "\n".join(
        [
            f'<figure class="strips{together}">',
            between if len(strips) > 10 else "",
            *strips,
            between,
            f"<figcaption>{escape(caption)}{link}</figcaption>",
            "</figure>",
        ]
    )


def _place(scale: Scale, values: Any) -> Any:
    """Return horizontal positions in percent of a strip's width, for any width of the page."""
    return 2 + 96 * scale.at(values)


def _draw_axis(scale: Scale) -> str:
    return "".join(
        f'<text x="{_place(scale, tick):.2f}%" y="13" text-anchor="middle">{format_tick(tick)}'
        "</text>"
        for tick in scale.ticks()
    )


def _draw_strip(row: pd.Series, scores: pd.DataFrame, metric: str, scale: Scale) -> str:
    values = scores[metric].to_numpy()
    left, right = (_place(scale, row[end]) for end in ("chance_low", "chance_high"))
    chance = _place(scale, row["chance"])
    shapes = [
        *(_line("grid", x, x, 0, STRIP_HEIGHT) for x in _place(scale, scale.ticks())),
        f'<rect class="by-chance" x="{left:.2f}%" y="0" width="{right - left:.2f}%" '
        f'height="{STRIP_HEIGHT}"/>',
        _line("chance", chance, chance, 0, STRIP_HEIGHT),
        *_draw_dots(scores["subject"], _place(scale, values), values),
    ]
    if pd.notna(row["low"]):
        ends = _place(scale, row["low"]), _place(scale, row["high"])
        shapes += [_line(kind, *ends, MIDDLE, MIDDLE) for kind in ("halo", "interval")]
    x = _place(scale, row["mean"])
    shapes.append(f'<circle class="mean" cx="{x:.2f}%" cy="{MIDDLE}" r="5"/>')
    return "".join(shapes)


def _draw_dots(subjects: pd.Series, places: Array, values: Array) -> list[str]:
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


def _render_strip(name: str, row: pd.Series, values: pd.Series, shapes: str) -> str:
    label = (
        f"{name}: mean {format_number(row['mean'])}, 95 % interval "
        f"{format_interval(row['low'], row['high'])}, {len(values)} subjects from "
        f"{format_number(values.min())} to {format_number(values.max())}"
    )
    return (
        f'<div class="strip"><span>{escape(name)}</span>\n<svg height="{STRIP_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{shapes}</svg>\n'
        f"<span>{format_number(row['mean'])}</span></div>"
    )


def _join(summary: pd.DataFrame, shapes: dict[str, str], axis: str, label: str) -> Chart:
    """Return all strips with their names and means in one chart."""
    parts, y = [], 8
    for name, row in zip(shapes, summary["mean"], strict=True):
        lines = wrap(name, LETTERS) or [""]
        height = max(STRIP_HEIGHT, 16 * len(lines) + 6)
        top = y + height / 2 - 8 * len(lines) + 12
        parts += [
            f'<text class="title" x="8" y="{top + 16 * number:g}">{escape(line)}</text>'
            for number, line in enumerate(lines)
        ]
        middle = y + (height - STRIP_HEIGHT) / 2
        parts.append(_nest(middle, STRIP_HEIGHT, shapes[name]))
        parts.append(
            f'<text class="title" x="{NAME_WIDTH + PLOT_WIDTH + VALUE_WIDTH - 8}" '
            f'y="{y + height / 2 + 5:g}" text-anchor="end">{format_number(row)}</text>'
        )
        y += height
    parts.append(_nest(y, 18, axis))
    return Chart(NAME_WIDTH + PLOT_WIDTH + VALUE_WIDTH, y + 26, "".join(parts), label)


def _nest(y: float, height: int, shapes: str) -> str:
    return f'<svg x="{NAME_WIDTH}" y="{y:g}" width="{PLOT_WIDTH}" height="{height}">{shapes}</svg>'
