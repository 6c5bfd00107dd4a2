"""``sklearn-biomoe study``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from .._typing import FloatArray
from .._validation.subjects import name_some
from ..evaluation import Study, run_study
from ..evaluation.tasks import TASKS, read_target
from ..signals import WindowReport, check_windows
from ..transformers import BiosignalImageTransformer, TinyBioMoEEmbedder
from .options import (
    IMAGE_OPTIONS,
    WEIGHTS_HELP,
    WINDOW_SOURCE_OPTIONS,
    SignalCommand,
    add_options,
    check_output,
    image_parameters,
    pick,
)
from .sources import SourceOptions, read_source
from .study_methods import add_marks, make_methods
from .study_protocol import PROTOCOL_OPTIONS, ProtocolOptions, read_protocol
from .windows_file import Description, StudyWindows

# fmt: off
STUDY_OPTIONS = [
    click.option("--task", type=click.Choice(["auto", *TASKS]), default="auto", show_default=True,
                 help="What --label holds. With auto, --levels are ordinal, text and up to five "
                      "whole numbers are classes, and other numbers are ratings."),
    click.option("--levels", metavar="LOW,...,HIGH",
                 help="Names of ordered levels, from the lowest to the highest."),
    *PROTOCOL_OPTIONS,
    click.option("--title", help="Of the report. [default: Study of LABEL]"),
    click.option("--weights", default="open", show_default=True, help=WEIGHTS_HELP),
    click.option("--ignore-checks", is_flag=True,
                 help="Continue if `sklearn-biomoe check` finds errors in the windows."),
    click.option("--folder", type=click.Path(file_okay=False, path_type=Path),
                 help="Keeps results, so that a second call continues."),
    click.option("--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path),
                 help="The report, an .html file."),
]
# fmt: on


@click.command(cls=SignalCommand)
@click.argument("source", type=click.Path(path_type=Path))
@add_options(*WINDOW_SOURCE_OPTIONS, *IMAGE_OPTIONS, *STUDY_OPTIONS)
def study(
    source: Path,
    representation: tuple[str, ...],
    value_range: tuple[str, ...],
    task: str,
    levels: str | None,
    title: str | None,
    weights: str,
    ignore_checks: bool,
    folder: Path | None,
    output: Path,
    **options: Any,
) -> None:
    """Evaluate embeddings on held-out subjects, next to simple controls; write a report.

    SOURCE is what `sklearn-biomoe windows` takes or writes; or a CSV or Parquet file with a row for
    each window, or, with --duration, a row for each sample; windows in which the label changes are
    dropped. All signals together, and each signal alone, are embedded; classes are predicted by
    logistic regression, ordered levels by a logistic regression for each threshold, and ratings by
    ridge regression, with leave-one-subject-out. Controls predict by targets alone and by
    statistics of the signals. Start times of windows are used to find overlaps, and for controls
    that use only this time.

    \b
    Examples:
      sklearn-biomoe study windows.parquet --weights paper -o study.html
      sklearn-biomoe study pain_study --pattern '{subject}_{signal}.csv' --signal eda EDA 4 \\
          --signal bvp BVP 64 --events pain_study/events.csv --label level --around -2 18 \\
          --levels none,low,high --title "Levels of heat" -o levels.html
      sklearn-biomoe study windows.parquet --label nrs --title "Ratings of heat" -o ratings.html
      sklearn-biomoe study samples.csv --subject who --label task --signal EDA eda 4 \\
          --duration 60 --step 30 -o study.html
    """
    check_output(output, ".html")
    protocol = read_protocol(pick(ProtocolOptions, options))
    windows = _with_labels(read_source(source, pick(SourceOptions, options)))
    frame, description = windows.table, windows.description
    signals, subjects = description.signals, frame[description.subject].to_numpy()
    target = read_labels(frame[description.label], levels, task)
    X = frame[[signal.name for signal in signals]]
    intervals = _intervals(X, frame, description)
    if protocol.scales_by_calibration:
        X = add_marks(X, subjects, protocol.mark(subjects, intervals))
    checked = check_study_windows(windows)
    if not ignore_checks:
        _stop_at_errors(checked)
    images = image_parameters(signals, representation, value_range)
    decided = read_target(target, X, task).task.name
    methods = make_methods(
        signals, images, weights, decided, scale_by_calibration=protocol.scales_by_calibration
    )
    names = ", ".join(signal.name for signal in signals)
    counts = f"{len(X)} windows of {len(np.unique(subjects))} subjects"
    click.echo(f"note: study of {counts}, with the signals {names}", err=True)
    result = run_study(
        methods,
        X,
        target,
        subjects,
        task=task,
        cv=protocol.cv,
        calibration=protocol.calibration,
        intervals=intervals,
        folder=folder,
        check=checked,
    )
    _write_scores(result)
    drawn = {
        signal.name: BiosignalImageTransformer(
            sampling_rate=signal.rate, modality=signal.modality, **images[signal.name]
        ).fit_transform(X[signal.name])
        for signal in signals
    }
    embedder = TinyBioMoEEmbedder(weights)  # whose cache has the images of the study
    embeddings = np.hstack([embedder.fit_transform(each) for each in drawn.values()])
    title = title or f"Study of {description.label}"
    page = result.report(output, images=drawn, embeddings=embeddings, title=title)
    click.echo(f"{page}")


def _with_labels(windows: StudyWindows) -> StudyWindows:
    """Return windows without those that have no label; raise UsageError if no column is chosen."""
    label = windows.description.label
    if label is None:
        names = ", ".join(windows.description.labels)
        expected = f"the column of classes, levels or ratings{names and f': {names}'}"
        raise click.UsageError(f"Pass --label, {expected}.")
    unlabelled = windows.table[label].isna()
    if not unlabelled.any():
        return windows
    click.echo(f"note: {unlabelled.sum()} windows without {label} are left out", err=True)
    return replace(windows, table=windows.table[~unlabelled].reset_index(drop=True))


def _write_scores(result: Study) -> None:
    """Write decisions to standard error, and the scores of all methods to standard output."""
    for decision in result.decisions:
        click.echo(f"note: {decision}", err=True)
    click.echo(f"{result.task.main.label}, mean ± standard deviation over subjects:")
    for method, row in result.summary().iterrows():
        click.echo(f"{method}: {row['mean']:.3f} ± {row['sd']:.3f}")


def read_labels(labels: pd.Series, levels: str | None, task: str) -> pd.Series:
    """Return the target; raise UsageError for ordered levels whose order is not known."""
    if levels is not None:
        return order_levels(labels, levels, task)
    if task == "ordinal" and labels.dtype.kind not in "iuf":
        found = ",".join(map(str, labels.unique()))
        raise click.UsageError(f"--task ordinal needs --levels, in the right order: {found}.")
    return labels


def order_levels(labels: pd.Series, levels: str, task: str) -> pd.Series:
    """Return labels as ordered categories; raise UsageError if they do not match the levels."""
    if task not in ("auto", "ordinal"):
        raise click.UsageError(f"--levels is for ordered levels, not for --task {task}.")
    names: list[Any] = [name.strip() for name in levels.split(",")]
    if labels.dtype.kind in "iuf":
        try:
            names = pd.to_numeric(pd.Series(names)).tolist()
        except ValueError:
            raise click.UsageError(f"--levels {levels}, but {labels.name} holds numbers.") from None
    if len(set(names)) < len(names):
        raise click.UsageError(f"--levels {levels}: a level is given twice.")
    problems = []
    if unused := [name for name in names if name not in set(labels)]:
        problems.append(f"no window is {name_some(unused)}")
    if not (known := labels.isin(names)).all():
        problems.append(f"{labels.name} also holds {name_some(labels[~known].unique())}")
    if problems:
        raise click.UsageError(
            f"--levels {levels}, but {' and '.join(problems)}. Expected all levels, with commas "
            "between them, such as none,low,high."
        )
    return labels.astype(pd.CategoricalDtype(names, ordered=True))


def check_study_windows(windows: StudyWindows) -> WindowReport:
    """Check the windows of a study that have a label."""
    description = windows.description
    table = windows.table
    if description.label is not None:
        table = table[table[description.label].notna()].reset_index(drop=True)
    return check_windows(
        table[[signal.name for signal in description.signals]],
        None if description.label is None else table[description.label].to_numpy(),
        table[description.subject].to_numpy(),
        sampling_rates={signal.name: signal.rate for signal in description.signals},
        modalities={signal.name: signal.modality for signal in description.signals},
        start=None if description.start is None else table[description.start].to_numpy(),
    )


def _stop_at_errors(report: WindowReport) -> None:
    errors = report.of_grade("error")
    if errors:
        listed = " ".join(f"{each.kind}: {each.message} {each.advice}" for each in errors)
        raise click.ClickException(
            f"the windows have {len(errors)} error{'s' if len(errors) > 1 else ''}. {listed} "
            "`sklearn-biomoe check` writes a report; --ignore-checks continues nevertheless."
        )


def _intervals(X: pd.DataFrame, frame: pd.DataFrame, description: Description) -> FloatArray | None:
    """Return the seconds at which windows start and stop, by their longest signal, if known."""
    if description.start is None:
        return None
    seconds = [
        [0 if cell is None else len(cell) / signal.rate for cell in X[signal.name]]
        for signal in description.signals
    ]
    starts = frame[description.start].to_numpy(np.float64)
    return np.column_stack([starts, starts + np.max(seconds, axis=0)])
