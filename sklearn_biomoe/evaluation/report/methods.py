"""Methods for a paper, parameters, environment, and what was used of the test subjects."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from ..results import StudyResults
from ..statistics import N_FLIPS, N_PERMUTATIONS
from .overview import (
    SCORES,
    describe_protocol,
    describe_targets,
    find_weights,
    holds_out_subjects,
    scored_windows,
)
from .page import format_count, format_range, render_details, render_paragraph

LINE_BREAK = r"\n *"  # within the representation of an estimator
INTERVALS = (
    "Intervals of 95 % are t intervals over subjects{}. Chance is the mean of {:,} permutations of "
    "the predictions of each subject; the p-value of a method is one-sided, the larger one of the "
    "share of permutations that score as well and of a t-test over subjects."
)
CORRECTION = (
    ", with the variance corrected for subjects that train and test each other (Nadeau and Bengio "
    "2003, doi 10.1023/A:1024068626366)"
)
PAIRS = (
    "Methods are compared by differences of the same subjects: the two-sided p-value is the larger "
    "one of a sign-flip permutation test ({}) and of a t-test; p-values are corrected by Holm's "
    "method for the {} with the same reference or control; effect sizes are Cohen's d of paired "
    "scores."
)


def describe_study(study: StudyResults) -> str:
    """Describe a study in one paragraph, for the methods section of a paper.

    Parameters
    ----------
    study : Study

    Returns
    -------
    text : str
        Windows and subjects, images, weights, methods, protocol, metrics, tests and versions.
    """
    return " ".join(
        [
            _describe_data(study),
            *study.materials,
            *_describe_weights(study),
            *_describe_folds(study),
            _describe_metrics(study),
            *_describe_tests(study),
            *_describe_versions(study.environment),
        ]
    )


def _describe_data(study: StudyResults) -> str:
    rows = scored_windows(study)
    n_windows = rows["subject"].value_counts()
    names = "classes" if study.task.target == "class" else f"{study.task.target}s"
    others = study.n_rows - len(rows)
    rest = f", of {study.n_rows:,} windows in all" if others > 0 else ""
    return (
        f"{len(rows):,} windows of {format_count(len(n_windows), 'subject')} "
        f"({format_range(n_windows)} each) are scored{rest}, with the {names} "
        f"{describe_targets(study, rows)}."
    )


def _describe_weights(study: StudyResults) -> Iterator[str]:
    if hashes := find_weights(study):
        yield f"The SHA-256 of the weights is {hashes}."


def _describe_folds(study: StudyResults) -> Iterator[str]:
    text = f"The protocol is {describe_protocol(study)}"
    yield f"{text}." if holds_out_subjects(study) else f"{text}: scores are not of new subjects."
    n_folds = study.predictions.groupby("method")["fold"].nunique()
    own = [name for name in study.controls if n_folds[name] != n_folds[study.reference]]
    if own:
        yield f"The controls {_list(own)} have {n_folds[own].iloc[0]} folds of their own."
    if study.calibration is not None:
        used = study.calibration.loc[study.scores["subject"].unique()]
        what = "signals and targets" if used["labels"].all() else "signals, without targets,"
        yield (
            f"The {what} of the first {format_range(used['n_windows'])} windows of each test "
            f"subject are used for calibration by {_list(study.calibrated)}, and are not scored."
        )


def _list(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names) or "no method"


def _describe_metrics(study: StudyResults) -> str:
    main, *others = study.task.metrics
    text = f"The main metric is the {SCORES.get(main.name, main.label)}."
    text += f" Other metrics are {', '.join(metric.label for metric in others)}."
    if study.task.name == "ordinal":
        text += (
            " Methods are fitted to the positions of levels, and predictions of regressors are "
            "rounded to the nearest level."
        )
    if study.predictions["repeat"].nunique() > 1:
        text += " Scores of a subject are means over repeats."
    return text


def _describe_tests(study: StudyResults) -> Iterator[str]:
    is_cross_validated = study.predictions["fold"].nunique() > 1
    yield INTERVALS.format(CORRECTION if is_cross_validated else "", N_PERMUTATIONS)
    pairs = study.comparisons()
    if len(pairs):
        n_flips = 2 ** study.scores["subject"].nunique()
        flips = f"all {n_flips:,} flips" if n_flips <= N_FLIPS else f"{N_FLIPS:,} random flips"
        n_corrected = format_range(pairs["n_corrected"])
        yield PAIRS.format(flips, f"{n_corrected} pair{'' if n_corrected == '1' else 's'}")


def _describe_versions(environment: Mapping[str, Any]) -> Iterator[str]:
    packages = environment.get("packages", {})
    listed = [f"{name} {version}" for name, version in packages.items()]
    if "python" in environment:
        listed.insert(0, f"Python {environment['python']}")
    if listed:
        yield f"Software: {', '.join(listed)}."


def render_description(study: StudyResults) -> str:
    """Return the paragraph about the study."""
    return render_paragraph(escape(describe_study(study)), "methods-text")


def render_methods(study: StudyResults) -> str:
    """Return each method with the parameters that differ from their defaults; all are folded."""
    items = _render_items(study.settings or study.methods)
    if not study.settings:
        return items
    note = "Parameters that differ from their defaults."
    full = render_details("All parameters", _render_items(study.methods))
    return f"{render_paragraph(note, 'note')}\n{items}\n{full}"


def _render_items(texts: Mapping[str, str]) -> str:
    items = "\n".join(
        f"<dt>{escape(name)}</dt><dd><pre>{escape(re.sub(LINE_BREAK, ' ', text))}</pre></dd>"
        for name, text in texts.items()
    )
    return f'<dl class="methods">\n{items}\n</dl>'


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


def render_window_report(study: StudyResults) -> str:
    """Return the report of the checks of windows, folded."""
    if not study.window_report:
        return ""
    return render_details("Signals, spectra and quality of windows", study.window_report)


def render_held_out_data(study: StudyResults) -> str:
    """Return which data of the test subject the methods have used."""
    if not holds_out_subjects(study):
        text = (
            "Windows of one subject were tested in several folds, by models fitted on other "
            "windows of that subject. The scores do not apply to new subjects."
        )
    elif study.calibration is not None:
        text = (
            "Each window was predicted by a model fitted without other windows of the same "
            "subject than those for calibration; the table of scores lists what each method uses."
        )
    else:
        text = (
            "Each window was predicted by a model fitted without any window of the same subject, "
            "signals or labels. To predict, a method may use all unlabelled windows of the test "
            "subject, as SubjectScaler does with unseen='own'; see the list of methods."
        )
    return render_paragraph(escape(text))
