"""Speed of drawing, compared with other libraries.

Random windows with the size of 60 s of skin conductance at 4 Hz and of pulse at 64 Hz are drawn as
images of 224 x 224 pixels: by this package in batches, by the other libraries one after the other,
alternately in one process with two threads. The results are medians of the ratios. The reference
computes the same maps with the named library, applies matplotlib's viridis to decibels or values
(or scales them to grey levels), and resizes with Pillow. Power spectrograms are also resized with
scikit-image, with anti-aliasing. Maps of pairs are computed twice: for the complete window, with a
map that is then reduced, and for the window averaged to 224 samples ("equal output").
"""

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import environment
import matplotlib as mpl
import numpy as np
import pyts
import pywt
import skimage
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from pyts.approximation import PiecewiseAggregateApproximation
from pyts.image import GramianAngularField, MarkovTransitionField, RecurrencePlot
from scipy.signal import spectrogram
from skimage.transform import resize

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.representations.scalograms import scalogram_frequencies
from sklearn_biomoe.representations.spectrograms import segment_length
from sklearn_biomoe.signals import MODALITIES

SIZE = 224
N_ROUNDS = 7
SECONDS_PER_LIBRARY = 0.3  # per round; determines the number of windows
WINDOWS = {"eda": (4.0, 240), "bvp": (64.0, 3840)}
VIRIDIS = mpl.colormaps["viridis"]
PAIRS = {
    "recurrence": RecurrencePlot(),
    "recurrence_thresholded": RecurrencePlot(threshold="distance", percentage=20),
    "gasf": GramianAngularField(method="summation"),
    "gadf": GramianAngularField(method="difference"),
    "mtf": MarkovTransitionField(n_bins=8, strategy="quantile"),
}
DrawFunction = Callable[[NDArray[np.float64]], object]
Resizer = Callable[[NDArray[np.float64]], NDArray[np.floating]]


def by_pillow(values: NDArray[np.float64]) -> NDArray[np.floating]:
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def by_skimage(values: NDArray[np.float64]) -> NDArray[np.floating]:
    return resize(values, (SIZE, SIZE), anti_aliasing=True)


def coloured(scaled: NDArray[np.float64], resized: Resizer = by_pillow) -> NDArray[np.uint8]:
    """Convert values from 0 to 1, with the first row at the bottom, to an image."""
    return VIRIDIS(resized(scaled[::-1]), bytes=True)[..., :3]


def decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 + np.log10(np.maximum(power / power.max(), 1e-5)) / 5


def agg_waveform(signal: NDArray[np.float64]) -> object:
    figure = Figure(figsize=(SIZE / 100, SIZE / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.plot(signal, "k", linewidth=0.9)
    axes.margins(0)
    axes.axis("off")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def scipy_spectrogram(
    name: str, modality: str, rate: float, resized: Resizer = by_pillow
) -> DrawFunction:
    low, high = MODALITIES[modality].frequency_range
    mode = "psd" if name == "spectrogram_psd" else "angle"

    def draw_one(signal: NDArray[np.float64]) -> object:
        piece = segment_length(len(signal), rate, MODALITIES[modality])
        n_fft = 1 << (max(piece, round(16 * rate / (high - low))) - 1).bit_length()
        frequencies, _, values = spectrogram(
            signal, rate, "hann", piece, piece - piece // 8, n_fft, mode=mode
        )
        values = values[(frequencies >= low) & (frequencies <= high)]
        if name == "spectrogram_psd":
            return coloured(decibels(values), resized)
        if name == "spectrogram_angle":
            return coloured((values + np.pi) / (2 * np.pi))
        phases = np.unwrap(values, axis=-1)
        return coloured((phases - phases.min()) / np.ptp(phases))

    return draw_one


def pywt_scalogram(modality: str, rate: float, n_times: int) -> DrawFunction:
    scales = rate / np.array(scalogram_frequencies(n_times, rate, MODALITIES[modality]))

    def draw_one(signal: NDArray[np.float64]) -> object:
        transform, _ = pywt.cwt(signal - signal.mean(), scales, "cmor1.5-1.0", 1 / rate)
        return coloured(decibels(np.abs(transform) ** 2))

    return draw_one


def pyts_pairs(name: str, n_samples: int | None) -> DrawFunction:
    """Draw the map of the window, or of the window averaged to ``n_samples``."""
    shorten = PiecewiseAggregateApproximation(
        window_size=None, output_size=n_samples, overlapping=False
    )

    def draw_one(signal: NDArray[np.float64]) -> object:
        series = signal[None] if n_samples is None else shorten.transform(signal[None])
        field = PAIRS[name].transform(series)[0]
        if not name.startswith("recurrence"):
            return coloured((field + 1) / 2 if name != "mtf" else field)
        grey = np.minimum(256 * (field / field.max()), 255)[::-1].astype(np.uint8)
        if name == "recurrence_thresholded":
            grey = 255 - grey
        resized = Image.fromarray(grey).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        return np.repeat(np.asarray(resized)[..., None], 3, axis=2)

    return draw_one


def seconds(draw: Callable[[int], object], n_windows: int) -> float:
    started = time.perf_counter()
    draw(n_windows)
    return time.perf_counter() - started


def compare(
    windows: NDArray[np.float64], name: str, modality: str, reference: DrawFunction
) -> dict:
    """Draw windows alternately with both; return the ratios of windows per second."""
    rate = WINDOWS[modality][0]

    to_images = BiosignalImageTransformer(
        [name], sampling_rate=rate, modality=modality, value_range="window"
    )

    def draw_package(n_windows: int) -> NDArray[np.uint8]:
        return np.asarray(to_images.fit_transform(windows[:n_windows]))

    def draw_reference(n_windows: int) -> list[object]:
        return [reference(window) for window in windows[:n_windows]]

    n_package, n_reference = window_count(draw_package, 32), window_count(draw_reference, 1)
    ratios = [
        n_package
        / seconds(draw_package, n_package)
        * seconds(draw_reference, n_reference)
        / n_reference
        for _ in range(N_ROUNDS)
    ]
    return {
        "median_ratio": round(statistics.median(ratios), 2),
        "smallest": round(min(ratios), 2),
        "largest": round(max(ratios), 2),
    }


def window_count(draw: Callable[[int], object], n_windows: int) -> int:
    """Return the number of windows, at most 256, drawn in SECONDS_PER_LIBRARY after a warm-up."""
    draw(n_windows)
    elapsed = seconds(draw, n_windows)
    return int(np.clip(n_windows * SECONDS_PER_LIBRARY / elapsed, n_windows, 256))


def methods(modality: str) -> dict[str, tuple[str, DrawFunction]]:
    """Return the representation and the reference function of each comparison."""
    rate, n_times = WINDOWS[modality]
    found: dict[str, tuple[str, DrawFunction]] = {"waveform": ("waveform", agg_waveform)}
    for name in ("spectrogram_psd", "spectrogram_angle", "spectrogram_phase"):
        found[name] = (name, scipy_spectrogram(name, modality, rate))
    found["spectrogram_psd, skimage"] = (
        "spectrogram_psd",
        scipy_spectrogram("spectrogram_psd", modality, rate, by_skimage),
    )
    found["scalogram"] = ("scalogram", pywt_scalogram(modality, rate, n_times))
    for name in PAIRS:
        found[f"{name}, equal output"] = (name, pyts_pairs(name, SIZE))
        found[f"{name}, whole window"] = (name, pyts_pairs(name, None))
    return found


def main() -> None:
    torch.set_num_threads(2)
    results: dict[str, dict] = {}
    for modality, (_, n_times) in WINDOWS.items():
        rng = np.random.default_rng(0)
        windows = 5 + np.cumsum(rng.normal(size=(256, n_times)), axis=1)
        for comparison, (name, reference) in methods(modality).items():
            key = f"{modality}: {comparison}"
            results[key] = compare(windows, name, modality, reference)
            print(key, json.dumps(results[key]), flush=True)
    environment.write(
        Path(__file__).parent / "results" / "drawing.json",
        n_rounds=N_ROUNDS,
        threads=torch.get_num_threads(),
        load_average_of_5_minutes=round(os.getloadavg()[1], 1),
        others={
            "matplotlib": mpl.__version__,
            "pyts": pyts.__version__,
            "PyWavelets": pywt.__version__,
            "scikit-image": skimage.__version__,
        },
        times_faster_than_others=results,
    )


if __name__ == "__main__":
    main()
