"""``sklearn-biomoe windows``."""

from pathlib import Path
from typing import Any

import click

from .._files import new_file
from .options import WINDOW_SOURCE_OPTIONS, SignalCommand, add_options, check_output, pick
from .sources import SourceOptions, read_source


@click.command(cls=SignalCommand)
@click.argument("source", type=click.Path(path_type=Path))
@add_options(*WINDOW_SOURCE_OPTIONS)
@click.option("--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="A .parquet file.")  # fmt: skip
@click.option("--dropped", type=click.Path(dir_okay=False, path_type=Path),
              help="A .csv file of windows and subjects that are left out.")  # fmt: skip
def windows(source: Path, output: Path, dropped: Path | None, **options: Any) -> None:
    """Cut recordings of a study into windows, at events or at regular times.

    SOURCE is a folder of recordings, whose names follow --pattern; a .csv file with the columns
    subject, path and, if each file holds one signal, signal; a recording; or a table of samples.
    The Parquet file has a row for each window: subject, event, start_time in seconds, all columns
    of labels, and a column of lists for each signal. `draw`, `embed` and `study` read it without
    further options.

    \b
    Examples:
      sklearn-biomoe windows pain_study --pattern '{subject}_{signal}.csv' --signal eda EDA 4 \\
          --signal bvp BVP 64 --events pain_study/events.csv --label level --around -2 18 \\
          -o windows.parquet
      sklearn-biomoe windows nights --signal "EEG O1" eeg --duration 30 --events annotations \\
          -o windows.parquet
    """
    check_output(output, ".parquet")
    if dropped is not None:
        check_output(dropped, ".csv", option="--dropped")
    found = read_source(source, pick(SourceOptions, options))
    found.write(output)
    if dropped is not None and found.dropped is not None:
        with new_file(dropped) as file:
            found.dropped.to_csv(file, index=False)
    click.echo(f"{output}")
