"""``sklearn-biomoe study``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .._validation.parameters import check_option
from ..signals import MODALITIES
from .tables import START, Signals, cut_table, read_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@click.command()
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--subject", required=True, help="Column that tells who a window is from.")
@click.option("--label", required=True, help="Column of classes.")
@click.option("--signal", "signals", type=(str, str, float), multiple=True, required=True,
              metavar="COLUMN MODALITY HZ", help="A column whose cells are windows; or the part "
              "before the number of columns of samples, eda of eda_0, eda_1 …; or, with "
              "--duration, a column of samples.")  # fmt: skip
@click.option("--duration", type=click.FloatRange(min=0, min_open=True),
              help="Seconds of windows to cut, where a row of the table is a sample.")  # fmt: skip
@click.option("--step", type=click.FloatRange(min=0, min_open=True),
              help="Seconds from window to window; the duration, if not given.")  # fmt: skip
@click.option("--start", help="Column of the seconds of its session at which a window starts: "
              "finds overlaps, and adds methods that know nothing but that.")  # fmt: skip
@click.option("--weights", default="open", show_default=True,
              help="open, paper, random, or a .safetensors or .pth file.")  # fmt: skip
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path),
              help="Keeps results as they come, so that a second call goes on.")  # fmt: skip
@click.option("--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="The page, an .html file.")  # fmt: skip
def study(
    table: Path,
    subject: str,
    label: str,
    signals: Signals,
    duration: float | None,
    step: float | None,
    start: str | None,
    weights: str,
    folder: Path | None,
    output: Path,
) -> None:
    """Score embeddings on people that were left out, beside simple statistics; write the page.

    TABLE is a CSV or Parquet file with a row for each window; or, with --duration, for each sample:
    windows in which the label changes are dropped. Each signal alone, and all of them together,
    are embedded and classified by logistic regression under leave-one-subject-out.

    \b
    Examples:
      sklearn-biomoe study windows.parquet --subject subject --label label --start start_time \\
          --signal eda eda 4 --signal bvp bvp 64 --weights paper -o study.html
      sklearn-biomoe study samples.csv --subject who --label task --signal EDA eda 4 \\
          --duration 60 --step 30 -o study.html
    """
    from ..evaluation import run_study

    if output.suffix != ".html" or not output.absolute().parent.is_dir():
        raise click.UsageError(
            f"--output {output}: expected an .html file in a folder that is there."
        )
    rates = {modality: rate for _, modality, rate in signals}
    for _, modality, _ in signals:
        check_option("modality", modality, list(MODALITIES))
    if len(rates) < len(signals):
        raise click.UsageError("--signal: each modality once.")
    if duration is None:
        if step is not None:
            raise click.UsageError("--step is for tables of samples, which need --duration too.")
        frame = read_table(table, [subject, label, *([start] if start else [])], signals)
    else:
        if start is not None:
            raise click.UsageError("--start is for tables of windows; --duration finds it itself.")
        frame, dropped = cut_table(table, subject, label, signals, duration, step)
        start = START
        _tell_dropped(len(frame), dropped)
    X = frame[list(rates)]
    result = run_study(
        make_methods(rates, weights),
        X,
        frame[label].to_numpy(),
        frame[subject].to_numpy(),
        intervals=None if start is None else _intervals(frame, start, rates),
        folder=folder,
        progress=sys.stderr.isatty(),
    )
    for method, row in result.summary().iterrows():
        click.echo(f"{method}: {row['mean']:.3f} ± {row['sd']:.3f}")
    click.echo(f"{result.report(output, images=_draw(X, rates), title=table.stem)}")


def _tell_dropped(n_windows: int, dropped: pd.DataFrame) -> None:
    """Say how many windows there are, and why others are not among them."""
    reasons = [f"{n} {reason}" for reason, n in dropped["reason"].value_counts().items()]
    click.echo(f"{n_windows} windows; dropped: {', '.join(reasons) or 'none'}", err=True)


def make_methods(rates: dict[str, float], weights: str) -> dict[str, Any]:
    """Make classifiers of each signal alone, and of all where there are several."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    from .. import TinyBioMoEEmbedder, make_multimodal_embedder

    embedder = TinyBioMoEEmbedder(weights)
    classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    several = {"all": rates} if len(rates) > 1 else {}
    methods = {}
    for name, used in (
        {modality: {modality: rates[modality]} for modality in rates} | several
    ).items():
        embed = make_multimodal_embedder(used, embedder=embedder, impute=True)
        methods[f"embeddings, {name}"] = make_pipeline(embed, StandardScaler(), classifier)
        describe = FunctionTransformer(describe_windows, kw_args={"names": list(used)})
        methods[f"statistics, {name}"] = make_pipeline(
            describe, SimpleImputer(), StandardScaler(), classifier
        )
    return methods


def describe_windows(X: pd.DataFrame, names: list[str]) -> NDArray[np.float64]:
    """Mean, deviation, minimum and maximum of each named signal, (n_windows, 4 x n_signals)."""
    import numpy as np

    from ..signals import read_windows

    columns = []
    for name in names:
        windows = read_windows(X[name], modality=name)
        columns += [
            [measure(window) for window in windows.values]
            for measure in (np.mean, np.std, np.min, np.max)
        ]
    return np.array(columns).T


def _intervals(frame: pd.DataFrame, start: str, rates: dict[str, float]) -> NDArray[np.float64]:
    """When windows start and stop, by the length of the first signal that is there."""
    import numpy as np

    from ..signals import read_windows

    starts = frame[start].to_numpy(np.float64)
    seconds = np.full(len(frame), np.nan)
    for modality, rate in rates.items():
        windows = read_windows(frame[modality], modality=modality)
        there = np.isnan(seconds) & ~windows.missing
        seconds[there] = windows.lengths[there] / rate
    return np.column_stack([starts, starts + np.nan_to_num(seconds)])


def _draw(X: pd.DataFrame, rates: dict[str, float]) -> dict[str, Any]:
    from .. import BiosignalImageTransformer

    return {
        modality: BiosignalImageTransformer(sampling_rate=rate, modality=modality).fit_transform(
            X[modality]
        )
        for modality, rate in rates.items()
    }
