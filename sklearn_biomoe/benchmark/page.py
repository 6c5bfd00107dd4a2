"""The page of a benchmark: scores of each set, ranks, transfers and effort."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from .._files import check_path, replace_file
from ..evaluation import Study
from ..evaluation.report.page import (
    MISSING,
    format_count,
    format_interval,
    format_number,
    format_p_value,
    render_page,
    render_paragraph,
    render_sections,
    render_table,
)
from ..evaluation.report.strips import render_strips
from ..evaluation.statistics import LEVEL
from .results import BenchmarkResults

FEWEST = 3  # sets and methods of a critical-difference diagram


def write_page(benchmark: BenchmarkResults, path: str | os.PathLike[str]) -> Path:
    """Write the page; see `Benchmark.report`."""
    path = check_path(path)
    sections = {name: _render_set(benchmark, name) for name in benchmark.studies}
    sections |= {
        "Mean rank": _render_ranks(benchmark.ranks()),
        "Transfer between sets": _render_transfer(benchmark.transfer),
        "Effort": _render_effort(benchmark.scores),
        "Left out": _render_left_out(benchmark.left_out),
    }
    sections = {name: content for name, content in sections.items() if content}
    body = "\n".join([_render_facts(benchmark), render_sections(sections)])
    replace_file(path, render_page("Benchmark", body).encode())
    return path


def _render_facts(benchmark: BenchmarkResults) -> str:
    own = benchmark.scores
    methods = own.loc[~own["is_control"], "method"].unique()
    facts = {
        "Sets": ", ".join(benchmark.studies),
        "Methods": ", ".join(methods),
        "Protocol": "leave one subject out; standardised features; logistic or ridge regression",
        "Intervals": "95 % of the mean over subjects",
    } | benchmark.environment
    items = "\n".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f'<header>\n<h1>Benchmark</h1>\n<dl class="facts">\n{items}\n</dl>\n</header>'


def _render_set(benchmark: BenchmarkResults, name: str) -> str:
    study, scores = benchmark.studies[name], benchmark.scores
    own = scores[scores["set"] == name]
    n_subjects, n_rows = int(own["n_subjects"].iloc[0]), int(own["n_rows"].iloc[0])
    unit = own["unit"].iloc[0]
    counts = f"{format_count(n_subjects, 'tested subject')}, {format_count(n_rows, unit)}. "
    counts += f"{study.task.main.label}."
    together = own[own["signals"] == "all"]
    parts = [render_paragraph(escape(counts))]
    if study.classes is not None:
        parts.append(render_strips(study, _ordered(study, together)))
    columns = ["Method", "Signals", study.task.main.label, "95 % interval", "p"]
    columns += ["Subjects without choices", "Incomplete"]
    table = [
        [
            row.method,
            row.signals,
            format_number(row.mean),
            format_interval(row.low, row.high),
            format_p_value(row.p_value),
            format_number(row.other_subjects),
            "" if row.is_control and not row.n_incomplete else f"{row.n_incomplete:,}",
        ]
        for row in _records(own)
    ]
    caption = (
        f"{name}: each method with all signals and with each one. p: for a mean better than with "
        "predictions permuted within subjects. Subjects without choices: the mean over subjects on "
        f"which nothing was chosen. Incomplete: {unit}s without some feature, which is filled with "
        "its mean over the training subjects; a missing estimate is replaced by the median target "
        "of the training subjects."
    )
    parts.append(render_table(columns, table, caption=caption))
    return "\n".join([*parts, _render_alarms(study)])


def _records(scores: pd.DataFrame) -> Iterator[Any]:
    yield from scores.itertuples()


def _render_alarms(study: Study) -> str:
    items = "".join(f"<li>{escape(str(alarm))}</li>" for alarm in study.alarms)
    return f'<div class="alarms"><ul>{items}</ul></div>' if items else ""


def _ordered(study: Study, together: pd.DataFrame) -> pd.DataFrame:
    """Return the summary of methods with all signals, the best first and controls last."""
    ranked = together.sort_values(["is_control", "mean"], ascending=[True, False])
    return study.summary().loc[ranked["method"]]


def _render_ranks(ranks: pd.DataFrame) -> str:
    if ranks.shape[1] < 2:
        return ""
    mean = ranks.mean().sort_values()
    rows = [
        [
            name,
            format_number(value, 2),
            *(format_number(rank, 1) for rank in ranks[name]),
        ]
        for name, value in mean.items()
    ]
    caption = "Rank of each method on each set, by all signals together; 1 is the best."
    table = render_table(["Method", "Mean rank", *ranks.index], rows, caption=caption)
    if min(ranks.shape) < FEWEST or find_spec("aeon") is None or find_spec("matplotlib") is None:
        note = "A critical-difference diagram needs 3 sets, 3 methods, aeon and matplotlib."
        return table + render_paragraph(note, "note")
    return _draw_critical_difference(ranks) + table


def _draw_critical_difference(ranks: pd.DataFrame) -> str:
    """Return a figure of mean ranks; methods on one line do not differ by Nemenyi's test."""
    import matplotlib as mpl
    from aeon.visualisation import plot_critical_difference
    from matplotlib import pyplot as plt

    with mpl.rc_context({"font.size": 9, "figure.dpi": 160}), plt.ioff():
        figure, _ = plot_critical_difference(
            ranks.to_numpy(), list(ranks), lower_better=True, test="nemenyi", alpha=LEVEL, width=7,
            textspace=2,
        )  # fmt: skip
        file = io.BytesIO()
        figure.savefig(file, format="png", bbox_inches="tight", facecolor="white")
        plt.close(figure)
    content = base64.b64encode(file.getvalue()).decode()
    caption = (
        f"Mean ranks over {len(ranks)} sets. Methods joined by a line do not differ significantly "
        f"(Nemenyi's test, {LEVEL:g}), as plotted by aeon. With so few sets, only large "
        "differences are significant."
    )
    return (
        f'<figure><img style="width:100%;max-width:60rem" alt="{escape(caption)}" '
        f'src="data:image/png;base64,{content}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _render_transfer(transfer: pd.DataFrame) -> str:
    tables = []
    for signals, own in transfer.groupby("signals", sort=False):
        pairs = own[["trained on", "tested on"]].drop_duplicates().to_numpy().tolist()
        by_key = own.set_index(["trained on", "tested on", "method"])
        rows = [
            [method, *(_share(by_key.loc[(*pair, method)]) if (*pair, method) in by_key.index
                       else MISSING for pair in pairs)]
            for method in own["method"].unique()
        ]  # fmt: skip
        columns = ["Method", *(f"{train} → {test}" for train, test in pairs)]
        caption = (
            f"Signals: {signals}. Share of pairs of windows of a subject in the right order, mean "
            "over the subjects of the tested set, with its 95 % interval; 0.5 is chance. Within a "
            "set, leave one subject out."
        )
        tables.append(render_table(columns, rows, caption=caption))
    return "\n".join(tables)


def _share(row: Any) -> str:
    return f"{format_number(row['mean'])} ({format_interval(row['low'], row['high'])})"


def _render_effort(scores: pd.DataFrame) -> str:
    own = scores[(scores["signals"] == "all") & ~scores["is_control"]]
    rows = [
        [
            row.method,
            row.set,
            f"{row.n_rows:,}",
            f"{row.n_features:,}",
            f"{row.n_embedded:,}",
            format_number(row.seconds_features, 1),
            format_number(row.seconds_study, 1),
        ]
        for row in own.itertuples()
    ]
    columns = ["Method", "Set", "Rows", "Features", "Images embedded"]
    columns += ["Seconds, features", "Seconds, study"]
    caption = (
        "Images that were in the cache already, such as those of another method, do not count."
    )
    return render_table(columns, rows, caption=caption)


def _render_left_out(left_out: pd.DataFrame) -> str:
    if left_out.empty:
        return ""
    rows = left_out[["set", "subject", "reason"]].to_numpy().tolist()
    return render_table(["Set", "Subject", "Reason"], rows, caption="Sets and subjects left out.")
