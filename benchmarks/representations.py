"""How well pictures of each kind tell stress from rest, by an untrained network.

Every representation of skin conductance and pulse, and the choices there are about value ranges,
powers and tiles, scored on Stress-Predict by the transitions protocol under leave-one-subject-out,
on subjects 2 to 18: those that choices are made on. An untrained network judges pictures poorly,
so differences smaller than the spread over subjects decide nothing. Rows that the result file holds
already are not computed again.
"""

import json
import warnings
from pathlib import Path

import environment
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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


def main() -> None:
    warnings.simplefilter("ignore")  # of the untrained network, and of electrodes without contact
    windows = fetch_stress_predict(protocol="transitions")
    chosen = np.isin(windows.groups, CHOOSING)
    pairs = windows.pairs[chosen]
    used = np.unique(pairs)
    earlier, later = np.searchsorted(used, pairs).T
    table = RESULTS.with_suffix(".csv")
    rows = pd.read_csv(table).to_dict("records") if table.exists() else []
    for modality, variants in VARIANTS.items():
        signals = windows.data[modality].iloc[used]
        for parameters in variants:
            variant = json.dumps(parameters)
            if any((row["modality"], row["variant"]) == (modality, variant) for row in rows):
                continue
            drawer = BiosignalImageTransformer(
                sampling_rate=windows.sampling_rates[modality], modality=modality, **parameters
            )
            embedder = TinyBioMoEEmbedder("random", fuse="mean_tiles")
            features = make_pipeline(drawer, embedder).fit_transform(signals)
            scores = cross_val_score(
                make_pipeline(
                    StandardScaler(),
                    LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000),
                ),
                features[later] - features[earlier],
                windows.target[chosen],
                groups=windows.groups[chosen],
                cv=LeaveOneGroupOut(),
                scoring="balanced_accuracy",
            )
            rows.append(
                {
                    "modality": modality,
                    "variant": variant,
                    "mean": round(scores.mean(), 4),
                    "sd_over_subjects": round(scores.std(), 4),
                    "n_subjects": len(scores),
                }
            )
            pd.DataFrame(rows).to_csv(table, index=False)
            print(rows[-1], flush=True)
    environment.write(
        RESULTS.with_suffix(".json"),
        data=f"Stress-Predict, transitions, subjects 2 to 18, {len(pairs)} pairs of windows",
        scores="balanced accuracy, mean and standard deviation over left-out subjects",
        test_subject="each pair's earlier window is the baseline of its later one; no labels. "
        "Ranges learnt from training windows were learnt from all 17 subjects' unlabelled windows",
        weights="random",
        weights_sha256=embedder.weights_sha256_,
    )


if __name__ == "__main__":
    main()
