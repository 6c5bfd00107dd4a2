"""Draw the contact sheets of docs/pictures.md from real recordings.

Run from the repository's root: ``SKLEARN_BIOMOE_DATA=... python docs/draw_pictures.py``.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from recordings import Recording, read_recordings

from sklearn_biomoe import BiosignalImageTransformer, EDADecomposer, SignalFilter
from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.plotting import plot_images
from sklearn_biomoe.representations import REPRESENTATIONS

OUTPUT = Path(__file__).parent / "pictures"
EACH = [name for name, entry in REPRESENTATIONS.items() if not entry.joins_channels]
N_COLUMNS = 5


def main() -> None:
    OUTPUT.mkdir(exist_ok=True)
    recordings = read_recordings(Path(os.environ["SKLEARN_BIOMOE_DATA"]))
    for modality, recording in recordings.items():
        draw_every_representation(modality, recording)
    eda = recordings["eda"].signal[None]
    draw_decomposition(eda, recordings["eda"].sampling_rate)
    windows = fetch_stress_predict(protocol="transitions")
    pair = windows.data.loc[cleanest_pair(windows)]
    draw_value_ranges(pair["eda"], windows.data["eda"][windows.data["subject"] <= 18])
    draw_modalities_together(pair)
    draw_tiles(pair["bvp"])


def cleanest_pair(windows) -> np.ndarray:
    """Rows of the onset of stress whose pulse shows the least movement, of subjects 2 to 18."""
    onsets = windows.pairs[(windows.target == 1) & (windows.groups <= 18)]
    spikes = [max(np.abs(x).max() / x.std() for x in windows.data["bvp"][pair]) for pair in onsets]
    return onsets[int(np.argmin(spikes))]


def draw_every_representation(modality: str, recording: Recording) -> None:
    """Draw the signal in all ways, five in a row."""
    # Pieces of 8 s, which suit a minute of pulse, would leave three of them in 10 s.
    shorter = {"spectrogram_window": 3.0} if modality in ("bvp", "ppg") else {}
    for part, names in enumerate([EACH[:N_COLUMNS], EACH[N_COLUMNS:]]):
        drawer = BiosignalImageTransformer(
            names, sampling_rate=recording.sampling_rate, modality=modality, **shorter
        )
        save(drawer.fit_transform(recording.signal[None]), f"{modality}_{part + 1}", [""])


def draw_decomposition(eda: np.ndarray, sampling_rate: float) -> None:
    """Draw skin conductance parted into its components."""
    parts = EDADecomposer(
        ("raw", "tonic", "phasic", "detrended", "sympathetic"), sampling_rate=sampling_rate
    )
    drawer = BiosignalImageTransformer(
        ["waveform_stacked", "waveform_overlaid"],
        sampling_rate=sampling_rate,
        modality="eda",
        value_range="window",
    )
    save(drawer.fit_transform(parts.fit_transform(eda)), "decomposition", [""])


def draw_value_ranges(pair: pd.Series, training: pd.Series) -> None:
    """Draw a window before and one after stress began, with each kind of vertical axis."""
    for value_range in ("preset", "window", "training"):
        drawer = BiosignalImageTransformer(
            ["waveform"], sampling_rate=4, modality="eda", value_range=value_range
        ).fit(training)
        save(drawer.transform(pair), f"range_{value_range}", ["before", "after"])


def draw_modalities_together(pair: pd.DataFrame) -> None:
    """Draw skin conductance and pulse of one window in one picture."""
    to_64_hertz = SignalFilter(sampling_rate=4, resample_to=64, modality="eda")
    together = pd.DataFrame({"eda": to_64_hertz.fit_transform(pair["eda"]), "bvp": pair["bvp"]})
    drawer = BiosignalImageTransformer(
        ["waveform_stacked", "waveform_overlaid"], sampling_rate=64, modality=["eda", "bvp"]
    )
    save(drawer.fit_transform(together), "together", ["before", "after"])


def draw_tiles(pair: pd.Series) -> None:
    """Draw a minute of pulse whole, and in tiles of 10 s."""
    for name, tile_length in (("whole", None), ("tiles", 10)):
        drawer = BiosignalImageTransformer(
            ["waveform"], sampling_rate=64, modality="bvp", tile_length=tile_length
        )
        save(drawer.fit_transform(pair.iloc[:1]), name, [""])


def save(images, name: str, titles: list[str]) -> None:
    figure = plot_images(images, titles=titles)
    figure.savefig(OUTPUT / f"{name}.png", dpi=90, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
