"""``sklearn-biomoe draw``."""

from pathlib import Path
from typing import Any

import click

from .options import Asked, first_windows, plan, window_options

BATCH_ROWS = 1000  # among which windows are chosen


@click.command()
@click.argument("source")
@window_options
@click.option("--windows", "n_windows", type=click.IntRange(1, 100), default=6, show_default=True,
              help="How many, spread over the recording or the first 1000 rows.")  # fmt: skip
@click.option("--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="A .png, .pdf or .svg file.")  # fmt: skip
def draw(source: str, n_windows: int, output: Path, **options: Any) -> None:
    """Draw windows of SOURCE on a contact sheet, over axes in seconds, hertz and units.

    SOURCE is a recording (.csv, .parquet, .edf or the .hea of a WFDB record), or a Parquet file
    with a column whose cells are windows.

    \b
    Examples:
      sklearn-biomoe draw S1.csv --channel EDA --modality eda --sampling-rate 4 \\
          --duration 60 -o sheet.png
      sklearn-biomoe draw rest.edf --channel "ECG ECG" --modality ecg --duration 10 -o sheet.png
    """
    _check_output(output)
    asked = Asked(**options)
    parts, rate = plan([source], asked, [])
    sheet = draw_sheet(parts, rate, asked, n_windows)
    from .._files import new_file

    with new_file(output) as file:
        sheet.savefig(file, format=output.suffix[1:])
    click.echo(f"{output}")


def draw_sheet(parts: list[Any], rate: float, asked: Asked, n_windows: int) -> Any:
    """Return the figure."""
    import numpy as np

    from .. import BiosignalImageTransformer
    from ..plotting import plot_images

    ids, windows = first_windows(parts, BATCH_ROWS)
    rows = np.unique(np.linspace(0, len(windows) - 1, n_windows).round().astype(int))
    drawer = BiosignalImageTransformer(
        asked.representations, sampling_rate=rate, modality=asked.modality
    )
    images = drawer.fit(windows).transform(windows.iloc[rows])
    if "start_time" in ids.schema.names:
        titles = [f"from {seconds:g} s" for seconds in ids["start_time"].to_numpy()[rows]]
    else:
        titles = [f"row {row}" for row in rows]
    return plot_images(images, titles=titles)


def _check_output(output: Path) -> None:
    if output.suffix not in (".png", ".pdf", ".svg") or not output.absolute().parent.is_dir():
        raise click.UsageError(
            f"--output {output}: expected a .png, .pdf or .svg file in a folder that is there."
        )
