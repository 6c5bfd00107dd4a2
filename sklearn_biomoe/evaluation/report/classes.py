"""Confusion matrices, ROC curves, calibration curves and thresholds."""

from html import escape
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_curve

from ..._typing import Array, FloatArray
from ..results import StudyResults
from .charts import Plot, Scale, render_charts
from .page import (
    format_number,
    render_csv_link,
    render_paragraph,
    render_scrolling,
    render_table,
)
from .scores import fold_others

MAX_CURVES = 6  # colours
DARK_SHARE = 0.8  # cells of larger shares have white text
MAX_UNFOLDED = 12  # confusion matrices
N_BINS = 10  # of probabilities in a calibration curve, with as many windows each
THRESHOLDS = np.arange(1, 10) / 10


def render_confusions(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return the confusion matrix of each method."""
    if study.classes is None:
        return ""
    n_repeats = study.predictions["repeat"].nunique()
    summed = f", summed over {n_repeats} repeats" if n_repeats > 1 else ""
    target = study.task.target
    note = (
        f"Rows are true {target}, columns predicted. Numbers are windows of all "
        f"subjects{summed}; percentages and colours are shares of the row."
    )
    counts = {str(name): study.confusion(name) for name in ranked.index}
    link = render_csv_link("confusion", _stack(counts))
    width = 3 + 4.4 * len(study.classes)  # rem that names of classes need
    figures = [_render_confusion(each, name) for name, each in counts.items()]
    grids = [
        f'<div class="multiples confusions" style="--least:{width:.1f}rem">{"".join(some)}</div>'
        for some in (figures[:MAX_UNFOLDED], figures[MAX_UNFOLDED:])
        if some
    ]
    others = fold_others(grids, len(figures) - MAX_UNFOLDED)
    return render_paragraph(escape(note) + link, "note") + others


def _stack(counts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row for each method, true class and predicted class."""
    long = {
        name: each.reset_index().melt("true", value_name="windows") for name, each in counts.items()
    }
    return pd.concat(long, names=["method"]).reset_index(level="method")


def _render_confusion(counts: pd.DataFrame, name: str) -> str:
    head = "".join(f'<th scope="col">{escape(str(label))}</th>' for label in counts.columns)
    body = ""
    for label, row in counts.iterrows():
        cells = "".join(
            f'<td class="{"dark" if share > DARK_SHARE else "light"}" style="--share:{share:.3f}">'
            f"{n:,.0f}<small>{share:.0%}</small></td>"
            for n, share in zip(row, row / max(1, row.sum()), strict=True)
        )
        body += f'<tr><th scope="row">{escape(str(label))}</th>{cells}</tr>'
    table = f"<table><thead><tr><td></td>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
    label = f"Confusion matrix of {name}"
    return (
        f"<figure><figcaption>{escape(name)}</figcaption>\n{render_scrolling(table, label)}"
        "</figure>\n"
    )


def _with_probabilities(study: StudyResults, ranked: pd.DataFrame) -> list[Any]:
    """Return the methods that have probabilities of all windows, best first."""
    columns = [f"probability_{label}" for label in study.classes]
    by_method = dict(list(study.predictions.groupby("method")))
    return [name for name in ranked.index if by_method[name][columns].notna().all(axis=None)]


def compute_roc_curve(predictions: pd.DataFrame, label: Any) -> Array:
    """Return the false and true positive rates of a class, shape (n_points, 2)."""
    positive, scores = predictions["target"] == label, predictions[f"probability_{label}"]
    return np.column_stack(roc_curve(positive, scores)[:2])


def render_roc_curves(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return ROC curves of the best methods: of the second of two classes, or of each class."""
    if study.task.name != "classification":
        return ""
    available = _with_probabilities(study, ranked)
    if not available:
        return render_paragraph("No method has probabilities, which ROC curves need.", "note")
    shown = available[:MAX_CURVES]
    by_method = dict(list(study.predictions.groupby("method")))
    charts = []
    for label in study.classes[1:] if len(study.classes) == 2 else study.classes:
        plot = Plot(Scale(0, 1, "false positive rate"), Scale(0, 1, "true positive rate"))
        plot.add_line((0, 0), (1, 1), "chance")
        plot.add_curves([compute_roc_curve(by_method[name], label) for name in shown])
        charts.append(plot.chart(f"ROC curves of class {label}", f"class {label}"))
    legend = [f"{name}, {format_number(ranked.loc[name, 'roc_auc'])}" for name in shown]
    caption = _describe_curves(study, ranked, available)
    return render_charts(charts, file="roc", caption=caption, legend=legend)


def _describe_curves(study: StudyResults, ranked: pd.DataFrame, available: list[Any]) -> str:
    n_shown = min(len(available), MAX_CURVES)
    methods = "Methods"
    if len(available) > n_shown:
        methods = f"The best {n_shown} of {len(available)} methods"
    two_classes = len(study.classes) == 2
    classes = f"class {study.classes[1]}" if two_classes else "each class against the others"
    text = (
        f"{methods}, {classes}, windows of all subjects pooled. The number beside each name is the "
        "mean ROC-AUC over subjects, which may differ from the area under the pooled curve."
    )
    others = [str(name) for name in ranked.index if name not in available]
    if others:
        text += f" Methods without probabilities have no curve: {'; '.join(others)}."
    return text


def render_probabilities(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return calibration curves, and scores by threshold, of a study of two classes."""
    if study.task.name != "classification" or len(study.classes) != 2:
        return ""
    available = _with_probabilities(study, ranked)
    if not available:
        return ""
    methods = [str(name) for name in available if name not in study.controls]
    thresholds = _render_thresholds(study, methods[0]) if methods else ""
    return f"{_render_calibration(study, available)}\n{thresholds}"


def compute_calibration(predictions: pd.DataFrame, label: Any) -> FloatArray:
    """Return mean probabilities and shares of a class in bins, shape (n_bins, 2)."""
    positive, scores = predictions["target"] == label, predictions[f"probability_{label}"]
    shares, means = calibration_curve(positive, scores, n_bins=N_BINS, strategy="quantile")
    return np.column_stack([means, shares])


def _render_calibration(study: StudyResults, available: list[Any]) -> str:
    label, shown = study.classes[1], available[:MAX_CURVES]
    by_method = dict(list(study.predictions.groupby("method")))
    curves = [compute_calibration(by_method[name], label) for name in shown]
    plot = Plot(Scale(0, 1, f"predicted probability of {label}"), Scale(0, 1, f"share of {label}"))
    plot.add_line((0, 0), (1, 1), "chance")
    plot.add_curves(curves, marked=True)
    legend = []
    for name in shown:
        rows = by_method[name]
        brier = brier_score_loss(rows["target"] == label, rows[f"probability_{label}"])
        legend.append(f"{name}, {format_number(brier)}")
    caption = (
        f"Calibration of the probability of {label}, windows of all subjects pooled: {N_BINS} bins "
        "with equal numbers of windows, those of equal probability in one bin. On the dashed line, "
        "probabilities equal shares. The number beside each name is the Brier score: lower is "
        "better."
    )
    return render_charts(
        [plot.chart(f"Calibration curves of class {label}")],
        file="calibration",
        caption=caption,
        legend=legend,
    )


def tabulate_thresholds(study: StudyResults, method: str) -> pd.DataFrame:
    """Return the mean over subjects of scores at thresholds of the second class's probability.

    Columns are threshold, sensitivity and specificity (of the second class), balanced_accuracy and
    predicted (share of windows predicted as the second class).
    """
    label = study.classes[1]
    rows = study.predictions[study.predictions["method"] == method]
    positive = (rows["target"] == label).to_numpy()
    predicted = rows[f"probability_{label}"].to_numpy()[:, None] >= THRESHOLDS
    table = pd.DataFrame(predicted).set_index([rows["subject"], positive])
    rates = table.groupby(level=[0, 1]).mean()  # of each subject and true class
    by_class = rates.groupby(level=1).mean().to_numpy()  # (2, n_thresholds)
    specificity, sensitivity = 1 - by_class[0], by_class[1]
    return pd.DataFrame(
        {
            "threshold": THRESHOLDS,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "predicted": table.groupby(level=0).mean().mean().to_numpy(),
        }
    )


def _render_thresholds(study: StudyResults, method: str) -> str:
    label, table = study.classes[1], tabulate_thresholds(study, method)
    rows = [
        [f"{row['threshold']:.1f}", *(format_number(value) for value in row[1:4]),
         f"{100 * row['predicted']:.1f} %"]
        for _, row in table.iterrows()
    ]  # fmt: skip
    columns = ["Threshold", "Sensitivity", "Specificity", "Balanced accuracy", f"Predicted {label}"]
    caption = (
        f'"{method}": windows whose probability of {label} is at least the threshold are predicted '
        f"as {label}. Means over subjects. A threshold that is chosen by this table will score "
        "lower on new subjects; choose it on training subjects."
    )
    link = render_csv_link("thresholds", table)
    return render_table(columns, rows, caption=caption, kind="short", link=link)
