"""Scores of methods, their comparisons, and scores of subjects."""

from html import escape
from typing import Any

import pandas as pd

from ..baselines import TRAINING_NAMES
from ..comparisons import describe_limits
from ..results import StudyResults
from ..tasks import Metric
from .overview import find_weights
from .page import (
    format_count,
    format_interval,
    format_number,
    format_p_value,
    render_csv_link,
    render_details,
    render_paragraph,
    render_table,
)
from .strips import render_strips

MAX_COLUMNS = 7  # methods side by side on a sheet of paper
MAX_OTHER_METRICS = 3  # in the table of the main metric


def rank_methods(study: StudyResults) -> pd.DataFrame:
    """Return the summary, the best mean first and controls last."""
    ascending = not study.task.main.greater_is_better
    ranked = study.summary().sort_values("mean", ascending=ascending, kind="stable")
    is_control = ranked.index.isin(study.controls)
    return pd.concat([ranked[~is_control], ranked[is_control]])


def render_scores(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return the scores of all methods as tables and a chart."""
    n_methods = len(ranked) - len(study.controls)
    shown = _cut_intervals(study, ranked)
    selected = (
        "The best method was selected by these scores. Its score on new subjects will probably be "
        "worse."
    )
    return "\n".join(
        [
            render_paragraph(_describe_best(study, shown, n_methods), "lead"),
            render_paragraph(selected, "note") if n_methods > 1 else "",
            *_render_score_tables(study, shown, render_csv_link("scores", ranked, index=True)),
            render_strips(study, shown),
        ]
    )


def _cut_intervals(study: StudyResults, ranked: pd.DataFrame) -> pd.DataFrame:
    """Return the table with intervals of errors, which are symmetric, that end at 0."""
    if study.task.main.greater_is_better:
        return ranked
    return ranked.assign(low=ranked["low"].clip(lower=0))


def _describe_best(study: StudyResults, ranked: pd.DataFrame, n_methods: int) -> str:
    name, row, main = escape(str(ranked.index[0])), ranked.iloc[0], study.task.main
    best = f"<strong>{name}</strong>"
    opening = f"Of {n_methods} methods, {best} scored best:" if n_methods > 1 else f"{best} scored"
    return (
        f"{opening} a mean {escape(_lower(main))} over subjects of <strong>"
        f"{format_number(row['mean'])}</strong> (95 % interval "
        f"{format_interval(row['low'], row['high'])}; {_describe_chance(study, ranked)})."
    )


def _describe_chance(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return the chance level of the best method, and the score of the best constant.

    These are equal for balanced accuracy. For errors, a constant scores better than permutations.
    """
    if study.task.name == "classification":
        return f"chance {format_number(1 / len(study.classes))}"
    permuted = f"with its predictions permuted: {format_number(ranked['chance'].iloc[0])}"
    constants = ranked[ranked.index.isin(TRAINING_NAMES)]  # the best one first
    if constants.empty:
        return permuted
    return f"{permuted}; {constants.index[0]}: {format_number(constants['mean'].iloc[0])}"


def _lower(metric: Metric) -> str:
    """Return the name of a metric within a sentence."""
    label = metric.label
    return label if label[1:2].isupper() else label[0].lower() + label[1:]


def _render_score_tables(study: StudyResults, ranked: pd.DataFrame, link: str) -> list[str]:
    main, *others = study.task.metrics
    is_wide = len(others) > MAX_OTHER_METRICS
    beside = [] if is_wide else others
    columns = ["Method", main.label, "95 % interval", "Chance", "p"]
    columns += [*(metric.label for metric in beside), *_extra_columns(study), "Seconds"]
    rows = [_score_row(study, str(name), row, beside) for name, row in ranked.iterrows()]
    tables = [render_table(columns, rows, caption=_caption(study), kind="best", link=link)]
    if is_wide:
        tables.append(_render_other_metrics(ranked, others))
    return tables


def _score_row(study: StudyResults, name: str, row: pd.Series, metrics: list[Metric]) -> list[str]:
    cells = [
        name,
        f"{format_number(row['mean'])} ± {format_number(row['sd'])}",
        format_interval(row["low"], row["high"]),
        format_interval(row["chance_low"], row["chance_high"]),
        format_p_value(row["p_value"]),
        *(format_number(row[metric.name]) for metric in metrics),
    ]
    if study.calibration is not None:
        cells.append(_describe_use(row))
    return [*cells, f"{row['seconds']:,.1f}"]


def _extra_columns(study: StudyResults) -> list[str]:
    return [] if study.calibration is None else ["Used of the test subject"]


def _describe_use(row: pd.Series) -> str:
    if not row["n_calibration"]:
        return "nothing"
    labels = "with" if row["calibration_labels"] else "without"
    return (
        f"{row['n_calibration']:.3g} windows, {row['calibration_seconds']:.4g} s, {labels} targets"
    )


def _caption(study: StudyResults) -> str:
    kind = study.task.name
    text = (
        "Mean ± standard deviation over subjects, best method first. 95 % interval of the mean: t "
        "interval over subjects. Chance: 95 % of the means with predictions permuted within "
        "subjects. p: one-sided, for a mean better than chance."
    )
    if kind != "classification":
        text += f" {study.task.main.label}: lower is better; intervals are cut at 0."
    if study.calibration is not None:
        text += " Used of the test subject: windows for calibration, which are not scored."
    text += " Seconds: to fit and predict in all folds"
    if find_weights(study):
        text += "; embeddings that are kept for later methods count for the first one"
    text += "."
    if study.controls:
        text += " Controls are listed last."
    return text


def _render_other_metrics(ranked: pd.DataFrame, others: list[Metric]) -> str:
    columns = ["Method", *(metric.label for metric in others), "Subjects left out"]
    rows = [
        [name, *(format_number(row[metric.name]) for metric in others), _left_out(row)]
        for name, row in ranked.iterrows()
    ]
    caption = (
        "Means over subjects. Within: correlation of the windows of a subject. Between: "
        "correlation of the subjects' means; that of a training mean is negative, because it "
        "leaves the test subject out. Subjects left out: their ratings or predictions are "
        "constant, or of fewer than three windows, so that a metric is undefined."
    )
    return render_table(columns, rows, caption=caption, kind="metrics")


def _left_out(row: pd.Series) -> str:
    return f"{row['n_undefined']:.0f} of {row['n_subjects']:.0f}"


def render_comparisons(study: StudyResults) -> str:
    """Return the planned comparisons: with the reference method and with each control."""
    table = study.comparisons()
    if table.empty:
        return ""
    n_subjects = study.scores["subject"].nunique()
    main = study.task.main
    better = "Positive" if main.greater_is_better else "Negative"
    text = (
        f"{main.label} of each method minus that of another one on the same {n_subjects} subjects: "
        f"with the reference <strong>{escape(study.reference)}</strong>"
        f"{' and with each control' if study.controls else ''}. {better} differences are better."
    )
    limits = describe_limits(table, n_subjects)
    possible = " to ".join(dict.fromkeys(map(format_p_value, sorted(table["p_lowest"].unique()))))
    lowest = f"The smallest corrected p that {n_subjects} subjects allow: {possible}."
    return "\n".join(
        [
            render_paragraph(text),
            render_paragraph(f"<strong>{escape(limits)}</strong>") if limits else "",
            render_paragraph(lowest, "note"),
            _render_pairs(table),
        ]
    )


def _render_pairs(table: pd.DataFrame) -> str:
    columns = ["Method", "Compared with", "Difference", "95 % interval", "Effect size"]
    columns += ["95 % interval", "p, corrected", "p"]
    rows = [
        [
            row["method"],
            row["other"],
            format_signed(row["difference"]),
            format_interval(row["low"], row["high"]),
            format_signed(row["effect_size"], 2),
            format_interval(row["effect_low"], row["effect_high"], 2),
            format_p_value(row["p_corrected"]),
            format_p_value(row["p_value"]),
        ]
        for _, row in table.iterrows()
    ]
    caption = (
        "Difference: mean over subjects. Effect size: the mean difference divided by its standard "
        "deviation over subjects (Cohen's d of paired scores). p, corrected: by Holm's method, for "
        "the methods that are compared with the same other one."
    )
    link = render_csv_link("comparisons", table)
    return render_table(columns, rows, caption=caption, kind="pairs", link=link)


def format_signed(value: Any, digits: int = 3) -> str:
    """Return a number with its sign."""
    text = format_number(value, digits)
    return f"+{text}" if pd.notna(value) and round(value, digits) > 0 else text


def render_subjects(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return the score of each subject by each method."""
    main = study.task.main
    scores = study.scores.pivot_table(main.name, "subject", "method", dropna=False)
    n_windows = study.predictions.drop_duplicates("window")["subject"].value_counts()
    n_methods = len(ranked)
    n_columns = n_methods if n_methods == MAX_COLUMNS + 1 else MAX_COLUMNS
    tables = []
    for start in range(0, n_methods, n_columns):
        names = list(ranked.index[start : start + n_columns])
        rows = [
            [subject, f"{n_windows[subject]:,}", *map(format_number, scores.loc[subject, names])]
            for subject in scores.index
        ]
        caption = f"{main.label} of each subject, best method first."
        if n_methods > n_columns:
            caption = (
                f"{main.label} of each subject: methods {start + 1} to {start + len(names)} of "
                f"{n_methods}, best first."
            )
        link = "" if start else render_csv_link("subjects", study.scores)
        columns = ["Subject", "Windows", *names]
        tables.append(render_table(columns, rows, caption=caption, kind="narrow", link=link))
    return fold_others(tables, n_methods - n_columns)


def fold_others(parts: list[str], n_others: int) -> str:
    """Return the first part, of the best methods, and the other parts folded."""
    first, *others = parts
    if not others:
        return first
    return (
        f"{first}\n{render_details(format_count(n_others, 'other method'), chr(10).join(others))}"
    )
