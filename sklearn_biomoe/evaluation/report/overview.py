"""The head of the report: data, protocol, score, decisions and alarms."""

from html import escape
from typing import Any

import pandas as pd

from ..results import StudyResults
from .page import (
    format_count,
    format_number,
    format_range,
    format_tick,
    render_details,
    render_paragraph,
)

CHECKS = (
    "Subjects, overlapping or equal windows in training and test; the label or the rating among "
    "the columns; features scaled before the study; methods that scale or were fitted by test "
    "subjects; classes that a fold lacks; scores worse than chance; with intervals, scores of "
    "elapsed time alone."
)
DOCUMENTED = "Thresholds and their sources: documentation, Checks of windows (docs/checks.md)."
SCORES = {
    "balanced_accuracy": "balanced accuracy of each subject, the mean recall over classes",
    "macro_mae": "macro-averaged MAE of each subject, the mean absolute error in levels of the "
    "windows of each level, averaged over levels; lower is better",
    "mae": "MAE of each subject, the mean absolute error in units of the rating; lower is better",
}


def scored_windows(study: StudyResults) -> pd.DataFrame:
    """Return a row of the predictions for each window that was scored."""
    return study.predictions.drop_duplicates("window")


def render_facts(study: StudyResults, title: str) -> str:
    """Return the heading, and windows, subjects, targets, protocol and chance level."""
    rows = scored_windows(study)
    n_windows = rows["subject"].value_counts()
    n_methods = len(study.methods) - len(study.controls)
    facts = {
        "Windows": f"{len(rows):,}",
        "Subjects": f"{len(n_windows):,}, with {format_range(n_windows)} windows each",
        f"{study.task.target.capitalize()}{'es' if study.task.target == 'class' else 's'}": (
            describe_targets(study, rows)
        ),
        "Methods": f"{n_methods:,}{_count_controls(study)}",
        "Protocol": describe_protocol(study),
        "Score": SCORES.get(study.task.main.name, study.task.main.label),
    }
    if study.task.name == "classification":
        n_classes = len(study.classes)
        chance = format_number(1 / n_classes)
        facts["Chance"] = f"{chance}, for any shares of the {n_classes} classes"
    items = "\n".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f'<header>\n<h1>{escape(title)}</h1>\n<dl class="facts">\n{items}\n</dl>\n</header>'


def _count_controls(study: StudyResults) -> str:
    if not study.controls:
        return ""
    return f", and {format_count(len(study.controls), 'control')}: {'; '.join(study.controls)}"


def describe_targets(study: StudyResults, rows: pd.DataFrame) -> str:
    """Return shares of classes or levels, or the distribution of ratings."""
    target = rows["target"]
    if study.classes is None:
        low, high = format_tick(target.min()), format_tick(target.max())
        mean, sd = format_number(target.mean(), 2), format_number(target.std(ddof=0), 2)
        return f"from {low} to {high}, mean {mean}, standard deviation {sd}"
    shares = {label: (target == label).mean() for label in study.classes}
    separator = " < " if study.task.name == "ordinal" else ", "
    return separator.join(f"{label} {100 * share:.1f} %" for label, share in shares.items())


def describe_protocol(study: StudyResults) -> str:
    """Return the protocol, derived from the predictions of methods that are not controls."""
    predictions = study.predictions[~study.predictions["method"].isin(study.controls)]
    tested = predictions[["repeat", "fold", "subject"]].drop_duplicates()
    n_subjects = tested.groupby(["repeat", "fold"]).size()
    n_folds = format_count(n_subjects.groupby("repeat").size().max(), "fold")
    n_repeats = tested["repeat"].nunique()
    repeated = f", repeated {n_repeats} times" if n_repeats > 1 else ""
    if not holds_out_subjects(study):
        return f"{n_folds} that split subjects{repeated}"
    if n_subjects.max() == 1 and len(n_subjects) > 1:
        return f"leave one subject out: {n_folds}{repeated}"
    each = ", each" if len(n_subjects) > 1 else ""
    return f"{n_folds}{each} leaving out {format_range(n_subjects)} whole subjects{repeated}"


def holds_out_subjects(study: StudyResults) -> bool:
    """Return whether all windows of each subject were tested in the same fold."""
    folds = study.predictions[["method", "repeat", "subject", "fold"]].drop_duplicates()
    return not folds.duplicated(["method", "repeat", "subject"]).any()


def find_weights(study: StudyResults) -> str:
    """Return the hashes of the weights of embedders, or "" if no method embeds."""
    hashes = str(study.environment.get("weights_sha256", ""))
    return "" if " " in hashes.replace(", ", "") else hashes


def render_alarms(study: StudyResults) -> str:
    """Return the study's alarms, or that there are none, and what the study decided."""
    return "\n".join([_render_alarms(study), _render_decisions(study)])


def _render_alarms(study: StudyResults) -> str:
    if not study.alarms:
        return render_paragraph("<b>No alarms.</b>", "quiet") + _render_checks(study)
    items = [
        f"<li><b>{escape(alarm.kind)}:</b> {escape(_quote(alarm.method) + alarm.message)}</li>"
        for alarm in study.alarms
    ]
    heading = f"<h2>{format_count(len(items), 'alarm')}: read before the scores</h2>"
    return "\n".join([f'<div class="alarms" role="alert">{heading}<ul>', *items, "</ul></div>"])


def _quote(method: str | None) -> str:
    return "" if method is None else f'"{method}" '


def _render_checks(study: StudyResults) -> str:
    """Return what was checked, and where it is documented."""
    windows = study.checked or (
        "Windows: not checked, since no method draws columns of X, or check=False. See "
        "check_windows.",
    )
    return render_details("What was checked", _render_list((CHECKS, *windows, DOCUMENTED)))


def _render_decisions(study: StudyResults) -> str:
    if not study.decisions:
        return ""
    return render_details("What was decided", _render_list(study.decisions))


def _render_list(lines: Any) -> str:
    return f'<ul class="note">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'
