"""``sklearn-biomoe study``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
from ..evaluation import run_study
from ..pipelines import make_multimodal_embedder
from ..transformers import BiosignalImageTransformer, TinyBioMoEEmbedder
from .options import (
    DURATION,
    EVENT_OPTIONS,
    IMAGE_OPTIONS,
    LABEL,
    RESAMPLE_TO,
    SIGNAL,
    START,
    STEP,
    SUBJECT,
    WEIGHTS_HELP,
    ImageParameters,
    Signal,
    SignalCommand,
    add_options,
    check_output,
    image_parameters,
    pick,
)
from .sources import SourceOptions, read_source


@click.command(cls=SignalCommand)
@click.argument("source", type=click.Path(path_type=Path))
@add_options(
    SIGNAL, *EVENT_OPTIONS, SUBJECT, LABEL, START, DURATION, STEP, RESAMPLE_TO, *IMAGE_OPTIONS
)
@click.option("--weights", default="open", show_default=True, help=WEIGHTS_HELP)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path),
              help="Keeps results, so that a second call continues.")  # fmt: skip
@click.option("--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="The report, an .html file.")  # fmt: skip
def study(
    source: Path,
    representation: tuple[str, ...],
    value_range: tuple[str, ...],
    weights: str,
    folder: Path | None,
    output: Path,
    **options: Any,
) -> None:
    """Evaluate embeddings on held-out subjects, next to simple statistics; write a report.

    SOURCE is what `sklearn-biomoe windows` takes or writes; or a CSV or Parquet file with a row for
    each window, or, with --duration, a row for each sample; windows in which the label changes are
    dropped. Each signal alone, and all signals together, are embedded and classified by logistic
    regression with leave-one-subject-out. Start times of windows are used to find overlaps, and for
    methods that use only this time.

    \b
    Examples:
      sklearn-biomoe study windows.parquet --weights paper -o study.html
      sklearn-biomoe study pain_study --pattern '{subject}_{signal}.csv' --signal eda EDA 4 \\
          --signal bvp BVP 64 --events pain_study/events.csv --label level --around -2 18 \\
          -o study.html
      sklearn-biomoe study samples.csv --subject who --label task --signal EDA eda 4 \\
          --duration 60 --step 30 -o study.html
    """
    check_output(output, ".html")
    windows = read_source(source, pick(SourceOptions, options))
    subject, label, start = (getattr(windows.description, x) for x in ("subject", "label", "start"))
    if label is None:
        names = ", ".join(windows.description.labels)
        raise click.UsageError(f"Pass --label, the column of classes{names and f': {names}'}.")
    frame, signals = windows.table, windows.description.signals
    unlabelled = frame[label].isna()
    if unlabelled.any():
        click.echo(f"note: {unlabelled.sum()} windows without {label} are left out", err=True)
        frame = frame[~unlabelled].reset_index(drop=True)
    images = image_parameters(signals, representation, value_range)
    X = frame[[signal.name for signal in signals]]
    result = run_study(
        make_methods(signals, images, weights),
        X,
        frame[label].to_numpy(),
        frame[subject].to_numpy(),
        intervals=None if start is None else _intervals(X, frame[start], signals),
        folder=folder,
        progress=sys.stderr.isatty(),
    )
    for method, row in result.summary().iterrows():
        click.echo(f"{method}: {row['mean']:.3f} ± {row['sd']:.3f}")
    drawn = {
        signal.name: BiosignalImageTransformer(
            sampling_rate=signal.rate, modality=signal.modality, **images[signal.name]
        ).fit_transform(X[signal.name])
        for signal in signals
    }
    click.echo(f"{result.report(output, images=drawn, title=source.stem)}")


def make_methods(
    signals: Sequence[Signal], images: ImageParameters, weights: str
) -> dict[str, Any]:
    """Return classifiers of each signal alone, and of all signals if there are several."""
    embedder = TinyBioMoEEmbedder(weights)
    classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    rates = {signal.name: (signal.modality, signal.rate) for signal in signals}
    selections = {name: [name] for name in rates}
    if len(rates) > 1:
        selections["all"] = list(rates)
    methods = {}
    for title, selected in selections.items():
        embed = make_multimodal_embedder(
            {name: rates[name] for name in selected}, embedder=embedder, impute=True
        )
        for name in selected:
            for parameter, value in images[name].items():
                embed.set_params(**{f"{name}__image__{parameter}": value})
        methods[f"embeddings, {title}"] = make_pipeline(embed, StandardScaler(), classifier)
        describe = FunctionTransformer(describe_windows, kw_args={"names": selected})
        methods[f"statistics, {title}"] = make_pipeline(
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


def _intervals(X: pd.DataFrame, start: pd.Series, signals: Sequence[Signal]) -> FloatArray:
    """Return the seconds at which windows start and stop, by their longest signal."""
    seconds = [
        [0 if cell is None else len(cell) / signal.rate for cell in X[signal.name]]
        for signal in signals
    ]
    starts = start.to_numpy(np.float64)
    return np.column_stack([starts, starts + np.max(seconds, axis=0)])
