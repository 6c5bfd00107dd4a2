"""``sklearn-biomoe study``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from .._typing import FloatArray
from .._validation.parameters import check_option
from ..evaluation import run_study
from ..pipelines import make_multimodal_embedder
from ..signals import MODALITIES, WindowReport, check_windows, cut_windows
from ..transformers import BiosignalImageTransformer, TinyBioMoEEmbedder
from .options import (
    POSITIVE,
    STEP_HELP,
    VALUE_RANGES,
    WEIGHTS_HELP,
    check_output,
    parse_value_range,
)
from .tables import SignalColumn, check_numbers, read_columns, read_windows_table

START = "seconds from the recording's start"  # a column of the windows that are cut from samples
ImageParameters = dict[str, dict[str, Any]]  # by modality


@click.command()
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--subject", required=True, help="Column of subjects.")
@click.option("--label", required=True, help="Column of classes.")
@click.option("--signal", "signals", type=(str, str, float), multiple=True, required=True,
              metavar="COLUMN MODALITY HZ", help="Column whose cells are windows; or the common "
              "part of the names of columns of samples, such as eda of eda_0, eda_1 …; or, with "
              "--duration, a column of samples.")  # fmt: skip
@click.option("--duration", type=POSITIVE,
              help="Seconds of windows to cut if each row is a sample.")  # fmt: skip
@click.option("--step", type=POSITIVE, help=STEP_HELP)
@click.option("--start", help="Column of the seconds at which windows start in their session. "
              "Overlaps are found, and methods that use only this time are added.")  # fmt: skip
@click.option("--representation", multiple=True, metavar="[MODALITY=]NAME",
              help="Such as waveform, for all signals or one of them; can be repeated. "
              "[default: those of the modality]")  # fmt: skip
@click.option("--value-range", multiple=True, metavar="[MODALITY=]RANGE",
              help=f"Vertical axis of waveforms, for all signals or one of them: {VALUE_RANGES}. "
              "[default: preset]")  # fmt: skip
@click.option("--weights", default="open", show_default=True, help=WEIGHTS_HELP)
@click.option("--ignore-checks", is_flag=True,
              help="Continue if `sklearn-biomoe check` finds errors in the windows.")  # fmt: skip
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path),
              help="Keeps results, so that a second call continues.")  # fmt: skip
@click.option("--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="The report, an .html file.")  # fmt: skip
def study(
    table: Path,
    subject: str,
    label: str,
    signals: tuple[SignalColumn, ...],
    duration: float | None,
    step: float | None,
    start: str | None,
    representation: tuple[str, ...],
    value_range: tuple[str, ...],
    weights: str,
    ignore_checks: bool,
    folder: Path | None,
    output: Path,
) -> None:
    """Evaluate embeddings on held-out subjects, next to simple statistics; write a report.

    TABLE is a CSV or Parquet file with a row for each window, or, with --duration, a row for each
    sample; windows in which the label changes are dropped. Each signal alone, and all signals
    together, are embedded and classified by logistic regression with leave-one-subject-out.

    \b
    Examples:
      sklearn-biomoe study windows.parquet --subject subject --label label --start start_time \\
          --signal eda eda 4 --signal bvp bvp 64 --weights paper -o study.html
      sklearn-biomoe study samples.csv --subject who --label task --signal EDA eda 4 \\
          --duration 60 --step 30 -o study.html
    """
    check_output(output, ".html")
    rates = read_rates(signals)
    images = _image_parameters(list(rates), representation, value_range)
    frame, start = read_study_windows(table, subject, label, signals, duration, step, start)
    if not ignore_checks:
        _stop_at_errors(check_table(frame, subject, label, signals, start))
    X = frame[list(rates)]
    result = run_study(
        make_methods(rates, images, weights),
        X,
        frame[label].to_numpy(),
        frame[subject].to_numpy(),
        intervals=None if start is None else _intervals(X, frame[start], rates),
        folder=folder,
        progress=sys.stderr.isatty(),
    )
    for method, row in result.summary().iterrows():
        click.echo(f"{method}: {row['mean']:.3f} ± {row['sd']:.3f}")
    drawn = {
        modality: BiosignalImageTransformer(
            sampling_rate=rate, modality=modality, **images[modality]
        ).fit_transform(X[modality])
        for modality, rate in rates.items()
    }
    click.echo(f"{result.report(output, images=drawn, title=table.stem)}")


def _stop_at_errors(report: WindowReport) -> None:
    errors = report.of_grade("error")
    if errors:
        listed = " ".join(f"{each.kind}: {each.message} {each.advice}" for each in errors)
        raise click.ClickException(
            f"the windows have {len(errors)} error{'s' if len(errors) > 1 else ''}. {listed} "
            "`sklearn-biomoe check` writes a report; --ignore-checks continues nevertheless."
        )


def read_rates(signals: tuple[SignalColumn, ...]) -> dict[str, float]:
    """Return sampling rates in Hz by modality; raise for unknown and repeated modalities."""
    for _, modality, _ in signals:
        check_option("modality", modality, list(MODALITIES))
    rates = {modality: rate for _, modality, rate in signals}
    if len(rates) < len(signals):
        raise click.UsageError("--signal: pass each modality only once.")
    return rates


def read_study_windows(
    table: Path,
    subject: str,
    label: str,
    signals: tuple[SignalColumn, ...],
    duration: float | None,
    step: float | None,
    start: str | None,
) -> tuple[pd.DataFrame, str | None]:
    """Return windows with subjects and labels, and the column of their start times if any."""
    if duration is None:
        if step is not None:
            raise click.UsageError("--step is for tables of samples, which need --duration too.")
        columns = [subject, label, *([start] if start else [])]
        return read_windows_table(table, columns, signals), start
    if start is not None:
        raise click.UsageError("--start is for tables of windows; --duration computes it.")
    return cut_samples(table, subject, label, signals, duration, step), START


def check_table(
    frame: pd.DataFrame,
    subject: str,
    label: str,
    signals: tuple[SignalColumn, ...],
    start: str | None,
) -> WindowReport:
    """Check the windows of a frame, in columns named after their modalities."""
    return check_windows(
        frame,
        frame[label].to_numpy(),
        frame[subject].to_numpy(),
        sampling_rates={modality: rate for _, modality, rate in signals},
        start=None if start is None else frame[start].to_numpy(),
    )


def _image_parameters(
    modalities: list[str], representations: tuple[str, ...], value_ranges: tuple[str, ...]
) -> ImageParameters:
    """Return parameters of `BiosignalImageTransformer` by modality."""
    parameters: ImageParameters = {modality: {} for modality in modalities}
    for modality, name in _by_modality("--representation", representations, modalities):
        parameters[modality].setdefault("representations", []).append(name)
    for modality, text in _by_modality("--value-range", value_ranges, modalities):
        parameters[modality]["value_range"] = parse_value_range(text)
    return parameters


def _by_modality(
    option: str, values: tuple[str, ...], modalities: list[str]
) -> list[tuple[str, str]]:
    """Return pairs of modality and value, for all modalities if a value does not name one."""
    pairs = []
    for each in values:
        modality, equals, value = each.rpartition("=")
        if equals and modality not in modalities:
            raise click.UsageError(f"{option} {each}: no --signal has the modality {modality!r}.")
        pairs += [(name, value) for name in ([modality] if equals else modalities)]
    return pairs


def cut_samples(
    path: Path,
    subject: str,
    label: str,
    signals: tuple[SignalColumn, ...],
    duration: float,
    step: float | None,
) -> pd.DataFrame:
    """Cut windows from a table with a row for each sample, in the order of each subject's rows.

    Return a frame as from `read_windows_table`, with a column `START`. Rows whose label is empty
    are stretches without a label.
    """
    columns = {modality: column for column, modality, _ in signals}
    rates = {modality: rate for _, modality, rate in signals}
    if len(set(rates.values())) > 1:
        raise click.UsageError(
            "--duration cuts tables with a row for each sample, whose signals share one sampling "
            "rate; resample them, or write windows as cells of a Parquet file."
        )
    samples = read_columns(path, list(dict.fromkeys([subject, label, *columns.values()])))
    check_numbers(path, samples[list(columns.values())])
    if samples[subject].isna().any():
        row = int(samples[subject].isna().to_numpy().argmax())
        raise ValueError(f"{path}: row {row} has no {subject!r}; every sample needs one.")
    parts = dict(iter(samples.groupby(subject, sort=False)))
    cut = cut_windows(
        {
            who: {modality: part[column].to_numpy() for modality, column in columns.items()}
            for who, part in parts.items()
        },
        rates,
        duration=duration,
        step=step,
        labels={who: part[label].to_numpy() for who, part in parts.items()},
        label_rate=signals[0][2],
    )
    reasons = [f"{n} {reason}" for reason, n in cut.dropped["reason"].value_counts().items()]
    click.echo(f"{len(cut.data)} windows; dropped: {', '.join(reasons) or 'none'}", err=True)
    frame = cut.data[list(rates)]
    return frame.assign(**{subject: cut.groups, label: cut.target, START: cut.start_times})


def make_methods(rates: dict[str, float], images: ImageParameters, weights: str) -> dict[str, Any]:
    """Return classifiers of each signal alone, and of all signals if there are several."""
    embedder = TinyBioMoEEmbedder(weights)
    classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    selections = {modality: [modality] for modality in rates}
    if len(rates) > 1:
        selections["all"] = list(rates)
    methods = {}
    for name, selected in selections.items():
        embed = make_multimodal_embedder(
            {modality: rates[modality] for modality in selected}, embedder=embedder, impute=True
        )
        for modality in selected:
            for parameter, value in images[modality].items():
                embed.set_params(**{f"{modality}__image__{parameter}": value})
        methods[f"embeddings, {name}"] = make_pipeline(embed, StandardScaler(), classifier)
        describe = FunctionTransformer(describe_windows, kw_args={"names": selected})
        methods[f"statistics, {name}"] = make_pipeline(
            describe, SimpleImputer(), StandardScaler(), classifier
        )
    return methods


def describe_windows(X: pd.DataFrame, names: list[str]) -> FloatArray:
    """Return mean, deviation, minimum and maximum of each signal, (n_windows, 4 x n_signals)."""
    measures = (np.mean, np.std, np.min, np.max)
    columns = [
        [np.nan if cell is None else measure(cell) for cell in X[name]]
        for name in names
        for measure in measures
    ]
    return np.array(columns, dtype=np.float64).T


def _intervals(X: pd.DataFrame, start: pd.Series, rates: dict[str, float]) -> FloatArray:
    """Return the seconds at which windows start and stop, by their longest signal."""
    seconds = [
        [0 if cell is None else len(cell) / rate for cell in X[modality]]
        for modality, rate in rates.items()
    ]
    starts = start.to_numpy(np.float64)
    return np.column_stack([starts, starts + np.max(seconds, axis=0)])
