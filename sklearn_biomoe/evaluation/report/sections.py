"""Sections of the report: scores, comparisons, confusion matrices, curves, subjects, methods."""

from collections.abc import Iterator, Mapping
from html import escape
from itertools import combinations
from typing import Any

import pandas as pd

from ..results import StudyResults
from .charts import compute_roc_curve, render_legend, render_roc_chart, render_strips
from .page import (
    format_count,
    format_interval,
    format_number,
    format_p_value,
    render_details,
    render_paragraph,
    render_table,
)

MAX_CURVES = 6  # colours
DARK_SHARE = 0.8  # cells of larger shares have white text
MAX_COLUMNS = 8  # methods side by side on a sheet of paper
MAX_UNFOLDED = 12  # confusion matrices, and methods with their parameters
SCORE_COLUMNS = ["Method", "Balanced accuracy", "95 % interval", "Chance", "p", "Macro-F1"]
SCORE_COLUMNS += ["ROC-AUC", "Seconds"]


def rank_methods(study: StudyResults) -> pd.DataFrame:
    """Return the summary by decreasing mean, controls last."""
    ranked = study.summary().sort_values("mean", ascending=False, kind="stable")
    is_control = ranked.index.isin(study.controls)
    return pd.concat([ranked[~is_control], ranked[is_control]])


def render_facts(study: StudyResults, title: str) -> str:
    """Return the heading, and windows, subjects, classes, protocol and chance level."""
    rows = study.predictions.drop_duplicates("window")
    n_windows = rows["subject"].value_counts()
    fewest, most = n_windows.min(), n_windows.max()
    each = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    shares = {label: (rows["target"] == label).mean() for label in study.classes}
    n_classes = len(study.classes)
    facts = {
        "Windows": f"{len(rows):,}",
        "Subjects": f"{len(n_windows):,}, with {each} windows each",
        "Classes": ", ".join(f"{label} {100 * share:.1f} %" for label, share in shares.items()),
        "Methods": f"{study.predictions['method'].nunique() - len(study.controls):,}",
        "Protocol": _describe_protocol(study.predictions),
        "Score": "balanced accuracy of each subject, the mean recall over classes",
        "Chance": f"{format_number(1 / n_classes)}, for any shares of the {n_classes} classes",
    }
    items = "\n".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f'<header>\n<h1>{escape(title)}</h1>\n<dl class="facts">\n{items}\n</dl>\n</header>'


def _describe_protocol(predictions: pd.DataFrame) -> str:
    """Return the cross-validation protocol, derived from the predictions."""
    tested = predictions[["repeat", "fold", "subject"]].drop_duplicates()
    n_subjects = tested.groupby(["repeat", "fold"]).size()
    n_folds = format_count(n_subjects.groupby("repeat").size().max(), "fold")
    n_repeats = tested["repeat"].nunique()
    repeated = f", repeated {n_repeats} times" if n_repeats > 1 else ""
    if not _holds_out_subjects(predictions):
        return f"{n_folds} that split subjects{repeated}"
    fewest, most = n_subjects.min(), n_subjects.max()
    if most == 1:
        return f"leave one subject out: {n_folds}{repeated}"
    size = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    return f"{n_folds}, each leaving out {size} whole subjects{repeated}"


def _holds_out_subjects(predictions: pd.DataFrame) -> bool:
    """Return whether all windows of each subject were tested in the same fold."""
    folds = predictions[["repeat", "subject", "fold"]].drop_duplicates()
    return not folds.duplicated(["repeat", "subject"]).any()


def render_alarms(study: StudyResults) -> str:
    """Return the study's alarms, or that there are none."""
    if not study.alarms:
        return render_paragraph("<b>No alarms.</b>", "quiet") + _render_checks(study)
    items = [
        f"<li><b>{escape(', '.join(filter(None, [alarm.kind, alarm.method])))}:</b> "
        f"{escape(alarm.message)}</li>"
        for alarm in study.alarms
    ]
    heading = f"<h2>{format_count(len(items), 'alarm')}: read before the scores</h2>"
    return "\n".join([f'<div class="alarms" role="alert">{heading}<ul>', *items, "</ul></div>"])


CHECKS = (
    "Subjects, overlapping or equal windows in training and test; the label among the columns; "
    "features scaled before the study; methods that scale or were fitted by test subjects; classes "
    "that a fold lacks; with intervals, scores of elapsed time alone."
)


def _render_checks(study: StudyResults) -> str:
    """Return what was checked, and where it is documented."""
    windows = study.checked or (
        "Windows: not checked, since no method draws columns of X, or check=False. See "
        "check_windows.",
    )
    documented = "Thresholds and their sources: documentation, Checks of windows (docs/checks.md)."
    items = "".join(f"<li>{escape(line)}</li>" for line in (CHECKS, *windows, documented))
    return render_details("What was checked", f'<ul class="note">{items}</ul>')


def render_scores(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return the scores of all methods as a table and a chart."""
    n_methods, row = len(ranked) - len(study.controls), ranked.iloc[0]
    best = f"<strong>{escape(str(ranked.index[0]))}</strong>"
    opening = (
        f"Of {n_methods} methods, {best} scored highest:" if n_methods > 1 else f"{best} scored"
    )
    lead = (
        f"{opening} a balanced accuracy of <strong>{format_number(row['mean'])}</strong>, the mean "
        f"over subjects (95 % interval {format_interval(row['low'], row['high'])}; chance "
        f"{format_number(1 / len(study.classes))})."
    )
    selected = (
        "The best method was selected by these scores. Its score on new subjects will probably be "
        "lower."
    )
    caption = (
        "Mean ± standard deviation over subjects, best method first. 95 % interval: of the mean, "
        "from bootstraps over subjects. Chance: 95 % of the means with predictions permuted within "
        "subjects. p: share of permutations that score as high."
    )
    if study.controls:
        caption += " Controls, which use only the time of a window, are listed last."
    return "\n".join(
        [
            render_paragraph(lead, "lead"),
            render_paragraph(selected, "note") if n_methods > 1 else "",
            render_table(SCORE_COLUMNS, _score_rows(ranked), caption=caption, kind="best"),
            render_strips(study, ranked),
        ]
    )


def _score_rows(ranked: pd.DataFrame) -> list[list[str]]:
    return [
        [
            str(name),
            f"{format_number(row['mean'])} ± {format_number(row['sd'])}",
            format_interval(row["low"], row["high"]),
            format_interval(row["chance_low"], row["chance_high"]),
            format_p_value(row["p_value"]),
            format_number(row["macro_f1"]),
            format_number(row["roc_auc"]),
            f"{row['seconds']:,.1f}",
        ]
        for name, row in ranked.iterrows()
    ]


def render_comparisons(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return comparisons of the best method with all others."""
    best, *others = ranked.index
    if not others:
        return ""
    pairs = study.comparisons(list(combinations(ranked.index, 2)))  # each as better minus worse
    rows = [
        [
            row["other"],
            ("+" if row["difference"] > 0 else "") + format_number(row["difference"]),
            format_interval(row["low"], row["high"]),
            format_p_value(row["p_value"]),
            format_p_value(row["p_corrected"]),
        ]
        for _, row in pairs[pairs["method"] == best].iterrows()
    ]
    text = (
        f"Balanced accuracy of <strong>{escape(str(best))}</strong> minus that of each other "
        f"method on the same subjects: {format_count(len(rows), 'comparison')} of the "
        f"{len(pairs):,} in the study."
    )
    caption = (
        "Mean difference over subjects. The corrected p (Holm) accounts for the number of "
        "comparisons in the study."
    )
    columns = ["Other method", "Difference", "95 % interval", "p", "p, corrected"]
    return render_paragraph(text) + render_table(columns, rows, caption=caption)


def render_confusions(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return the confusion matrix of each method."""
    n_repeats = study.predictions["repeat"].nunique()
    summed = f", summed over {n_repeats} repeats" if n_repeats > 1 else ""
    note = (
        "Rows are true classes, columns predicted classes. Numbers are windows of all "
        f"subjects{summed}; percentages and colours are shares of the row."
    )
    width = 3 + 4.4 * len(study.classes)  # rem that names of classes need
    figures = [_render_confusion(study.confusion(name), str(name)) for name in ranked.index]
    grids = [
        f'<div class="multiples confusions" style="--least:{width:.1f}rem">{"".join(some)}</div>'
        for some in (figures[:MAX_UNFOLDED], figures[MAX_UNFOLDED:])
        if some
    ]
    return render_paragraph(note, "note") + _fold_others(grids, len(figures) - MAX_UNFOLDED)


def _fold_others(parts: list[str], n_others: int) -> str:
    """Return the first part, of the best methods, and the other parts folded."""
    first, *others = parts
    if not others:
        return first
    return (
        f"{first}\n{render_details(format_count(n_others, 'other method'), chr(10).join(others))}"
    )


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
    return (
        f"<figure><figcaption>{escape(name)}</figcaption>\n<table><thead><tr><td></td>{head}</tr>"
        f"</thead>\n<tbody>{body}</tbody></table></figure>\n"
    )


def render_roc_curves(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return ROC curves of the best methods: of the second of two classes, or of each class."""
    columns = [f"probability_{label}" for label in study.classes]
    by_method = dict(list(study.predictions.groupby("method")))
    available = [name for name in ranked.index if by_method[name][columns].notna().all(axis=None)]
    if not available:
        return render_paragraph("No method has probabilities, which ROC curves need.", "note")
    shown = available[:MAX_CURVES]
    charts = [
        render_roc_chart([compute_roc_curve(by_method[name], label) for name in shown], str(label))
        for label in (study.classes[1:] if len(study.classes) == 2 else study.classes)
    ]
    legend = render_legend(
        [(str(name), format_number(ranked.loc[name, "roc_auc"])) for name in shown]
    )
    return (
        render_paragraph(escape(_describe_curves(study, ranked, available)), "note")
        + f'<div class="multiples curves">{"".join(charts)}{legend}</div>'
    )


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


def render_subjects(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return the score of each subject by each method."""
    scores = study.scores.pivot_table("balanced_accuracy", "subject", "method", dropna=False)
    n_windows = study.predictions.drop_duplicates("window")["subject"].value_counts()
    n_methods = len(ranked)
    tables = []
    for start in range(0, n_methods, MAX_COLUMNS):
        names = list(ranked.index[start : start + MAX_COLUMNS])
        rows = [
            [subject, f"{n_windows[subject]:,}", *map(format_number, scores.loc[subject, names])]
            for subject in scores.index
        ]
        caption = (
            f"Balanced accuracy of each subject: methods {start + 1} to {start + len(names)} of "
            f"{n_methods}, best first."
        )
        columns = ["Subject", "Windows", *names]
        tables.append(render_table(columns, rows, caption=caption, kind="narrow"))
    return _fold_others(tables, n_methods - MAX_COLUMNS)


def render_methods(study: StudyResults) -> str:
    """Return each method with its parameters."""
    items = "\n".join(
        f"<dt>{escape(name)}</dt><dd><pre>{escape(text)}</pre></dd>"
        for name, text in study.methods.items()
    )
    content = f'<dl class="methods">\n{items}\n</dl>'
    if len(study.methods) <= MAX_UNFOLDED:
        return content
    return render_details(format_count(len(study.methods), "method"), content)


def render_environment(study: StudyResults) -> str:
    """Return versions, machine and hashes of weights."""
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in _flatten(study.environment)
    ]
    return "\n".join(['<table class="wide keys"><tbody>', *rows, "</tbody></table>"])


def _flatten(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Yield all values of nested dicts as strings, with their names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{within}{name}: ")
        else:
            yield f"{within}{name}", str(value)


def render_held_out_data(study: StudyResults) -> str:
    """Return which data of the test subject the methods have used."""
    if _holds_out_subjects(study.predictions):
        text = (
            "Each window was predicted by a model fitted without any window of the same subject, "
            "signals or labels. To predict, a method may use all unlabelled windows of the test "
            "subject, or some that are marked for calibration, as SubjectScaler does with "
            "unseen='own' or 'calibration'; see the list of methods."
        )
    else:
        text = (
            "Windows of one subject were tested in several folds, by models fitted on other "
            "windows of that subject. The scores do not apply to new subjects."
        )
    return render_paragraph(escape(text))
