"""Scores of representations, ranges and tiles, with untrained and open weights.

Every representation of skin conductance and pulse, and options for value ranges, power ranges and
tiles: Stress-Predict, transitions protocol, leave-one-subject-out, subjects 2 to 18. The script
tiles.py evaluates the open weights on tiles. Untrained weights are a weak criterion, and
differences smaller than the standard deviation over subjects are not meaningful. Rows that the
result file contains for the same weights are not computed again.
"""

import json
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import environment
import numpy as np
import pandas as pd
from comparison import CLASSIFIER
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.representations import REPRESENTATIONS

RESULTS = Path(__file__).parent / "results" / "representations"
CHOOSING = range(2, 19)  # subjects
EACH = [name for name, entry in REPRESENTATIONS.items() if not entry.joins_channels]
VARIANTS = {
    "eda": [
        *({"representations": [name]} for name in EACH),
        {"representations": ["waveform"], "value_range": "window"},
        {"representations": ["waveform"], "value_range": "training"},
        {"representations": ["spectrogram_psd"], "power_range": "training"},
        {"representations": ["scalogram"], "power_range": "training"},
    ],
    "bvp": [
        *({"representations": [name]} for name in EACH),
        {"representations": ["waveform"], "value_range": "training"},
        {"representations": ["spectrogram_psd"], "power_range": "training"},
        {"representations": ["scalogram"], "power_range": "training"},
        {"representations": ["waveform"], "tile_length": 10},
        {"representations": ["scalogram"], "tile_length": 10},
    ],
}


@dataclass(frozen=True)
class Choosing:
    """Windows of subjects 2 to 18, and their pairs."""

    signals: dict[str, pd.Series]
    sampling_rates: dict[str, float]
    earlier: np.ndarray  # (n_pairs,), positions of windows
    later: np.ndarray
    target: np.ndarray
    groups: np.ndarray  # of pairs
    owners: np.ndarray  # of windows

    def embed(self, modality: str, weights, **parameters) -> np.ndarray:
        """Embed all windows of a modality, tiles by their mean."""
        to_images = BiosignalImageTransformer(
            sampling_rate=self.sampling_rates[modality], modality=modality, **parameters
        )
        embedder = TinyBioMoEEmbedder(weights, fuse="mean_tiles")
        return make_pipeline(to_images, embedder).fit_transform(self.signals[modality])

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return the balanced accuracy of each held-out subject."""
        return cross_val_score(
            CLASSIFIER,
            features[self.later] - features[self.earlier],
            self.target,
            groups=self.groups,
            cv=LeaveOneGroupOut(),
            scoring="balanced_accuracy",
        )


@cache
def read_choosing() -> Choosing:
    windows = fetch_stress_predict(protocol="transitions")
    chosen = np.isin(windows.groups, CHOOSING)
    pairs = windows.pairs[chosen]
    used = np.unique(pairs)
    earlier, later = np.searchsorted(used, pairs).T
    signals = {modality: windows.data[modality].iloc[used] for modality in VARIANTS}
    return Choosing(
        signals, windows.sampling_rates, earlier, later, windows.target[chosen],
        windows.groups[chosen], windows.data["subject"].to_numpy()[used],
    )  # fmt: skip


def main() -> None:
    warnings.simplefilter("ignore")  # untrained weights, electrodes without contact
    choosing = read_choosing()
    table = RESULTS.with_suffix(".csv")
    rows = pd.read_csv(table).to_dict("records") if table.exists() else []
    blank = np.zeros((1, 224, 224, 3), dtype=np.uint8)
    hashes = {
        weights: TinyBioMoEEmbedder(weights).fit(blank).weights_sha256_
        for weights in ("random", "open")
    }
    for weights, sha256 in hashes.items():
        for modality, variant in ((m, v) for m, each in VARIANTS.items() for v in each):
            if weights == "open" and "tile_length" in variant:
                continue
            key = {
                "weights": f"{weights} {sha256[:12]}",
                "modality": modality,
                "variant": json.dumps(variant),
            }
            if any(key.items() <= row.items() for row in rows):
                continue
            scores = choosing.score(choosing.embed(modality, weights, **variant))
            rows.append(
                key
                | {
                    "mean": round(scores.mean(), 4),
                    "sd_over_subjects": round(scores.std(), 4),
                    "n_subjects": len(scores),
                }
            )
            pd.DataFrame(rows).to_csv(table, index=False)
            print(rows[-1], flush=True)
    environment.write(
        RESULTS.with_suffix(".json"),
        data=f"Stress-Predict, transitions, subjects 2 to 18, {len(choosing.target)} pairs of "
        "windows",
        scores="balanced accuracy, mean and standard deviation over held-out subjects",
        test_subject="the earlier window of each pair, as the baseline of the later one; no "
        "labels. Ranges with 'training' were learnt from unlabelled windows of all 17 subjects",
        weights_sha256=hashes,
    )


if __name__ == "__main__":
    main()
