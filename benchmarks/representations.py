"""How well images of each kind tell stress from rest, by untrained and by the open weights.

Every representation of skin conductance and pulse, and the choices there are about value ranges,
powers and tiles, scored on Stress-Predict by the transitions protocol under leave-one-subject-out,
on subjects 2 to 18: those that choices are made on. An untrained network judges images poorly,
and the open weights are asked about the five representations alone that they saw in training, which
showed them in the presets' ranges; benchmarks/tiles.py asks them about tiles. Differences smaller
than the spread over subjects decide nothing. Rows that the result file holds already, with the
same weights, are not computed again.
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
from comparison import REPRESENTATIONS as SEEN_IN_TRAINING
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


def is_asked_of_open_weights(variant: dict) -> bool:
    whole = "tile_length" not in variant
    return whole and set(SEEN_IN_TRAINING).issuperset(variant["representations"])


@dataclass(frozen=True)
class Choosing:
    """Windows of the subjects that choices are made on, and which of them make pairs."""

    signals: dict[str, pd.Series]
    sampling_rates: dict[str, float]
    earlier: np.ndarray  # (n_pairs,), positions of windows
    later: np.ndarray
    target: np.ndarray
    groups: np.ndarray  # of pairs
    owners: np.ndarray  # of windows

    def embed(self, modality: str, weights, **parameters) -> np.ndarray:
        """Embed all windows of a modality, tiles as their mean."""
        drawer = BiosignalImageTransformer(
            sampling_rate=self.sampling_rates[modality], modality=modality, **parameters
        )
        embedder = TinyBioMoEEmbedder(weights, fuse="mean_tiles")
        return make_pipeline(drawer, embedder).fit_transform(self.signals[modality])

    def score(self, features: np.ndarray) -> np.ndarray:
        """Balanced accuracy of each left-out subject."""
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
    warnings.simplefilter("ignore")  # of the untrained network, and of electrodes without contact
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
            if weights == "open" and not is_asked_of_open_weights(variant):
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
        scores="balanced accuracy, mean and standard deviation over left-out subjects",
        test_subject="each pair's earlier window is the baseline of its later one; no labels. "
        "Ranges learnt from training windows were learnt from all 17 subjects' unlabelled windows",
        weights_sha256=hashes,
    )


if __name__ == "__main__":
    main()
