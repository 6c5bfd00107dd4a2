"""Draw the figures of docs/images.md from real recordings, and the losses of the open weights.

Requires `pip install '.[docs]'`, and the folder of recordings in the environment variable
SKLEARN_BIOMOE_DATA, see `recordings.read_recordings`.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from recordings import Recording, read_empatica, read_recordings

from sklearn_biomoe import BiosignalImages, BiosignalImageTransformer, EDADecomposer, SignalFilter
from sklearn_biomoe.plotting import plot_images
from sklearn_biomoe.pretraining.loss_plot import plot_losses
from sklearn_biomoe.representations import REPRESENTATIONS
from sklearn_biomoe.representations.axes import pair_axes

OUTPUT = Path(__file__).parent / "images"
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
PAIRS = [name for name, entry in REPRESENTATIONS.items() if entry.axes is pair_axes]
OTHERS = [  # for one channel, stacked and overlaid waveforms equal the waveform
    name for name in REPRESENTATIONS if name not in PAIRS and not name.startswith("waveform_")
]


def main() -> None:
    folder = Path(os.environ["SKLEARN_BIOMOE_DATA"])
    OUTPUT.mkdir(exist_ok=True)
    recordings = read_recordings(folder)
    for modality, recording in recordings.items():
        rows = [[draw(modality, recording, names)] for names in (OTHERS, PAIRS)]
        save(OUTPUT / f"{modality}.png", rows)
    wristband = folder / "stress_predict" / "Raw_data"
    save(OUTPUT / "ranges.png", [draw_ranges(recordings["eda"], wristband / "S04")])
    save(OUTPUT / "components.png", [[draw_components(recordings["eda"])]])
    save(OUTPUT / "channels.png", [[draw_channels(wristband / "S07", 370, 390)]])
    save(OUTPUT / "tiles.png", draw_tiles(wristband / "S13", 1530, 1590))
    log = pd.read_csv(RESULTS / "open_pretraining_log.csv")
    plot_losses(log, OUTPUT / "open_weights_curves.png")


def draw(modality: str, recording: Recording, representations: list[str]) -> Figure:
    # The preset of 8 s suits a minute of pulse; these windows have 10 s.
    shorter = {"spectrogram_window": 3.0} if modality in ("bvp", "ppg") else {}
    to_images = BiosignalImageTransformer(
        representations, sampling_rate=recording.sampling_rate, modality=modality, **shorter
    )
    return plot_images(to_images.fit_transform(recording.signal[None]), titles=[modality])


def draw_ranges(recording: Recording, folder: Path) -> list[Figure]:
    """Draw a window with each kind of value range, trained on the full minutes of `folder`."""
    signal, rate = read_empatica(folder / "EDA.csv", "EDA")
    n_times = round(60 * rate)
    training = signal[: len(signal) // n_times * n_times].reshape(-1, n_times)
    figures = []
    for value_range in ("preset", "window", "training"):
        to_images = BiosignalImageTransformer(
            ["waveform"], sampling_rate=rate, modality="eda", value_range=value_range
        )
        images = to_images.fit(training).transform(recording.signal[None])
        figures.append(plot_images(images, titles=[value_range]))
    return figures


def draw_components(recording: Recording) -> Figure:
    decomposer = EDADecomposer(["raw", "tonic", "phasic"], sampling_rate=recording.sampling_rate)
    components = decomposer.fit_transform(recording.signal[None])
    images = draw_together(components, recording.sampling_rate, "eda")
    return plot_images(images, titles=["raw, tonic, phasic"])


def draw_channels(folder: Path, start: float, stop: float) -> Figure:
    """Draw skin conductance and pulse of one window, at the sampling rate of the pulse."""
    (eda, slow), (bvp, fast) = (read_seconds(folder, name, start, stop) for name in ("EDA", "BVP"))
    eda = SignalFilter(sampling_rate=slow, resample_to=fast).fit_transform(eda[None])[0]
    windows = np.stack([eda, bvp])[None]  # (1, 2, n_times)
    return plot_images(draw_together(windows, fast, ["eda", "bvp"]), titles=["eda and bvp"])


def draw_together(windows: np.ndarray, sampling_rate: float, modality) -> BiosignalImages:
    to_images = BiosignalImageTransformer(
        ["waveform_stacked", "waveform_overlaid"],
        sampling_rate=sampling_rate,
        modality=modality,
        value_range="window",
    )
    return to_images.fit_transform(windows)


def draw_tiles(folder: Path, start: float, stop: float) -> list[list[Figure]]:
    """Draw a minute of pulse as one image and in tiles."""
    signal, rate = read_seconds(folder, "BVP", start, stop)
    whole, tiles = (
        BiosignalImageTransformer(
            representations, sampling_rate=rate, modality="bvp", tile_length=tile_length
        ).fit_transform(signal[None])
        for representations, tile_length in (
            (["waveform", "spectrogram_psd", "scalogram"], None),
            (["waveform"], 10.0),
        )
    )
    return [[plot_images(whole, titles=["a minute"])], [plot_images(tiles, titles=["tiles"])]]


def read_seconds(folder: Path, name: str, start: float, stop: float) -> tuple[np.ndarray, float]:
    signal, rate = read_empatica(folder / f"{name}.csv", name)
    return signal[round(start * rate) : round(stop * rate)], rate


def save(path: Path, rows: list[list[Figure]]) -> None:
    """Write rows of figures as one image of 256 colours."""
    strips = [np.hstack([to_pixels(figure) for figure in row]) for row in rows]
    width = max(strip.shape[1] for strip in strips)
    padding = [((0, 0), (0, width - strip.shape[1]), (0, 0)) for strip in strips]
    sheet = np.vstack(
        [np.pad(*strip, constant_values=255) for strip in zip(strips, padding, strict=True)]
    )
    Image.fromarray(sheet).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def to_pixels(figure: Figure) -> np.ndarray:
    """Render a figure as an array of shape (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


if __name__ == "__main__":
    main()
