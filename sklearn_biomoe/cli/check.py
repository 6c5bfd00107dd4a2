"""``sklearn-biomoe check``."""

from pathlib import Path
from typing import Any

import click

from .options import WINDOW_SOURCE_OPTIONS, SignalCommand, add_options, check_output, pick
from .sources import SourceOptions, read_source
from .study import check_study_windows


@click.command(cls=SignalCommand)
@click.argument("source", type=click.Path(path_type=Path))
@add_options(*WINDOW_SOURCE_OPTIONS)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path),
              help="The report, an .html file.")  # fmt: skip
def check(source: Path, output: Path | None, **options: Any) -> None:
    """Check units, sampling rates, kinds of signals, sensors and design; write a report.

    SOURCE is as for the command study. The findings are printed. Exits with 1 if there are errors.

    \b
    Examples:
      sklearn-biomoe check windows.parquet -o windows.html
      sklearn-biomoe check samples.csv --subject who --label task --signal EDA eda 4 \\
          --duration 60 --step 30
    """
    if output is not None:
        check_output(output, ".html")
    report = check_study_windows(read_source(source, pick(SourceOptions, options)))
    click.echo(str(report))
    if output is not None:
        click.echo(f"{report.write(output, title=source.stem)}")
    if report.of_grade("error"):
        raise click.exceptions.Exit(1)
