"""``sklearn-biomoe draw``."""

from math import ceil, sqrt
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from .._files import new_file
from .._typing import Rows
from ..plotting import MAX_IMAGES, plot_images
from ..transformers import BiosignalImageTransformer
from .channel_windows import Plan, first_windows, plan_windows, window_options
from .options import Signal, SignalCommand, check_output

BATCH_ROWS = 1000  # windows to choose from


@click.command(cls=SignalCommand)
@click.argument("source")
@window_options
@click.option("--windows", "n_windows", type=click.IntRange(1, 100), default=6, show_default=True,
              help="Number of windows, spread evenly over the first 1000.")  # fmt: skip
@click.option("--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="A .png, .pdf or .svg file.")  # fmt: skip
def draw(source: str, n_windows: int, output: Path, **options: Any) -> None:
    """Draw windows of SOURCE on a sheet, with axes in seconds, hertz and units.

    Above each image is the signal on its own scale. SOURCE is a recording (.csv, .parquet, .edf, or
    the .hea file of a WFDB record), a Parquet file with a column whose cells are windows, or what
    `sklearn-biomoe windows` takes or writes. Several signals are drawn on a sheet each:
    sheet_eda.png, sheet_bvp.png.

    \b
    Examples:
      sklearn-biomoe draw S1.csv --channel EDA --modality eda --sampling-rate 4 \\
          --duration 60 -o sheet.png
      sklearn-biomoe draw windows.parquet -o sheet.png
      sklearn-biomoe draw nights --signal "ECG ECG" ecg --duration 10 -o sheet.png
    """
    check_output(output, ".png", ".pdf", ".svg")
    plan = plan_windows([source], options, by_subject=False)
    for signal in plan.signals:
        path = output
        if len(plan.signals) > 1:
            path = output.with_stem(f"{output.stem}_{signal.name}")
        sheet = draw_sheet(plan, signal, n_windows)
        with new_file(path) as file:
            sheet.savefig(file, format=path.suffix[1:])
        click.echo(f"{path}")


def draw_sheet(plan: Plan, signal: Signal, n_windows: int) -> Any:
    """Return a figure that is about as wide as high."""
    ids, batch = first_windows(plan.parts, BATCH_ROWS)
    windows = plan.windows_of(batch, signal)
    rows = np.unique(np.linspace(0, len(windows) - 1, n_windows).round().astype(int))
    transformer = BiosignalImageTransformer(
        sampling_rate=signal.rate, modality=signal.modality, **plan.images[signal.name]
    )
    images = transformer.fit(windows).transform(windows.iloc[rows])
    n_images = len(images.image_names)
    if len(rows) * n_images > MAX_IMAGES:
        raise click.UsageError(
            f"--windows {n_windows}: a sheet holds up to {MAX_IMAGES} images, and each window has "
            f"{n_images}; pass --windows {MAX_IMAGES // n_images}."
        )
    windows_per_row = ceil(sqrt(len(rows) / n_images))
    return plot_images(images, titles=_titles(ids, rows), windows_per_row=windows_per_row)


def _titles(ids: pa.RecordBatch, rows: Rows) -> list[str]:
    """Return subject, event, labels and start of each row, as far as they are known."""
    chosen = ids.take(pa.array(rows)).to_pylist()
    titles = []
    for row, values in zip(rows, chosen, strict=True):
        values.pop("recording", None)
        start = values.pop("start_time", None)
        parts = [f"{'event ' * (name == 'event')}{value}" for name, value in values.items()]
        parts += [] if start is None else [f"from {start:g} s"]
        titles.append(", ".join(parts) or f"row {row}")
    return titles
