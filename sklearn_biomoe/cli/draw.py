"""``sklearn-biomoe draw``."""

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import click
import numpy as np

from .._files import new_file
from ..distributed.tasks import Part
from ..plotting import MAX_IMAGES, plot_images
from ..transformers import BiosignalImageTransformer
from .options import WindowOptions, check_output, first_windows, plan, window_options

BATCH_ROWS = 1000  # windows to choose from


@click.command()
@click.argument("source")
@window_options
@click.option("--windows", "n_windows", type=click.IntRange(1, 100), default=6, show_default=True,
              help="Number of windows, spread evenly over the first 1000.")  # fmt: skip
@click.option("--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="A .png, .pdf or .svg file.")  # fmt: skip
def draw(source: str, n_windows: int, output: Path, **options: Any) -> None:
    """Draw windows of SOURCE on a contact sheet, with axes in seconds, hertz and units.

    SOURCE is a recording (.csv, .parquet, .edf, or the .hea file of a WFDB record), or a Parquet
    file with a column whose cells are windows.

    \b
    Examples:
      sklearn-biomoe draw S1.csv --channel EDA --modality eda --sampling-rate 4 \\
          --duration 60 -o sheet.png
      sklearn-biomoe draw rest.edf --channel "ECG ECG" --modality ecg --duration 10 -o sheet.png
    """
    check_output(output, ".png", ".pdf", ".svg")
    chosen = WindowOptions(**options)
    parts, rate = plan([source], chosen, [])
    sheet = draw_sheet(parts, rate, chosen, n_windows)
    with new_file(output) as file:
        sheet.savefig(file, format=output.suffix[1:])
    click.echo(f"{output}")


def draw_sheet(parts: Sequence[Part], rate: float, options: WindowOptions, n_windows: int) -> Any:
    """Return a figure that is about as wide as high."""
    ids, windows = first_windows(parts, BATCH_ROWS)
    rows = np.unique(np.linspace(0, len(windows) - 1, n_windows).round().astype(int))
    transformer = BiosignalImageTransformer(
        sampling_rate=rate, modality=options.modality, **options.image_parameters
    )
    images = transformer.fit(windows).transform(windows.iloc[rows])
    n_images = len(images.image_names)
    if len(rows) * n_images > MAX_IMAGES:
        raise click.UsageError(
            f"--windows {n_windows}: a sheet holds up to {MAX_IMAGES} images, and each window has "
            f"{n_images}; pass --windows {MAX_IMAGES // n_images}."
        )
    titles = [f"row {row}" for row in rows]
    if "start_time" in ids.schema.names:
        titles = [f"from {seconds:g} s" for seconds in ids["start_time"].to_numpy()[rows]]
    windows_per_row = ceil(sqrt(len(rows) / n_images))
    return plot_images(images, titles=titles, windows_per_row=windows_per_row)
