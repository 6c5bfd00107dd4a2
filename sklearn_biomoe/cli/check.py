"""``sklearn-biomoe check``."""

from pathlib import Path

import click

from .options import POSITIVE, STEP_HELP, check_output
from .study import check_table, read_rates, read_study_windows
from .tables import SignalColumn


@click.command()
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--subject", required=True, help="Column of subjects.")
@click.option("--label", required=True, help="Column of classes.")
@click.option("--signal", "signals", type=(str, str, float), multiple=True, required=True,
              metavar="COLUMN MODALITY HZ", help="As of the command study.")  # fmt: skip
@click.option("--duration", type=POSITIVE,
              help="Seconds of windows to cut if each row is a sample.")  # fmt: skip
@click.option("--step", type=POSITIVE, help=STEP_HELP)
@click.option("--start", help="Column of the seconds at which windows start in their session. "
              "Order, time and overlaps are checked.")  # fmt: skip
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path),
              help="The report, an .html file.")  # fmt: skip
def check(
    table: Path,
    subject: str,
    label: str,
    signals: tuple[SignalColumn, ...],
    duration: float | None,
    step: float | None,
    start: str | None,
    output: Path | None,
) -> None:
    """Check units, sampling rates, kinds of signals, sensors and design; write a report.

    TABLE is a CSV or Parquet file as for the command study. The findings are printed. Exits with 1
    if there are errors.

    \b
    Examples:
      sklearn-biomoe check windows.parquet --subject subject --label label --start start_time \\
          --signal eda eda 4 --signal bvp bvp 64 -o windows.html
      sklearn-biomoe check samples.csv --subject who --label task --signal EDA eda 4 \\
          --duration 60 --step 30
    """
    if output is not None:
        check_output(output, ".html")
    read_rates(signals)
    frame, start = read_study_windows(table, subject, label, signals, duration, step, start)
    report = check_table(frame, subject, label, signals, start)
    click.echo(str(report))
    if output is not None:
        click.echo(f"{report.write(output, title=table.stem)}")
    if report.of_grade("error"):
        raise click.exceptions.Exit(1)
