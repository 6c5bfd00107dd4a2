"""
A missing sensor
================

A missing window, for example of a sensor that dropped out, is not an error. Each fusion method
handles it differently. Here the pulse is deleted from an increasing share of windows.
"""

# %%
# Six simulated subjects with skin conductance and pulse. The pulse of the first window is missing:
# its cell is None.

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(6, 8, modalities=["eda", "bvp"], random_state=0)
first = windows.data["bvp"][:2].copy()
first[0] = None
images = BiosignalImageTransformer(sampling_rate=64, modality="bvp").fit_transform(first)
print(images.missing)

# %%
# Its image is blank and is not embedded; its embedding is NaN. All windows are therefore embedded
# once, and embeddings are set to NaN instead of deleting signals.

import numpy as np

from sklearn_biomoe import make_multimodal_embedder

embedder = make_multimodal_embedder(windows.sampling_rates)
embeddings = embedder.fit_transform(windows.data)  # 192 columns of eda, then of bvp
eda, bvp = list(range(192)), list(range(192, 384))


def without_pulse(share):
    """Delete the pulse of a random share of the windows."""
    X = embeddings.copy()
    deleted = np.random.default_rng(0).permutation(len(X))[: round(share * len(X))]
    X[np.ix_(deleted, bvp)] = np.nan
    return X


# %%
# Early fusion imputes the mean embedding of the training windows and adds an indicator column (for
# signals, ``make_multimodal_embedder(..., impute=True)`` does both). Additive fusion averages the
# available embeddings. Late fusion combines the predictions of the available modalities.

from sklearn.compose import make_column_transformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import LateFusionClassifier
from sklearn_biomoe.fusion import AdditiveFusion

classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
impute = make_column_transformer(
    ("passthrough", eda), (SimpleImputer(), bvp), (MissingIndicator(features="all"), bvp[:1])
)
methods = {
    "early": make_pipeline(impute, classifier),
    "additive": make_pipeline(AdditiveFusion(), classifier),
    "late": LateFusionClassifier([("eda", classifier, eda), ("bvp", classifier, bvp)]),
}

# %%
# All methods are evaluated on held-out subjects. The pulse is missing in training and test windows.

from sklearn.model_selection import LeaveOneGroupOut, cross_val_score

shares = [0, 0.2, 0.4, 0.6, 0.8]
scores = {
    method: [
        cross_val_score(
            estimator,
            without_pulse(share),
            windows.target,
            groups=windows.groups,
            cv=LeaveOneGroupOut(),
            scoring="balanced_accuracy",
        ).mean()
        for share in shares
    ]
    for method, estimator in methods.items()
}
alone = cross_val_score(
    classifier,
    embeddings[:, eda],
    windows.target,
    groups=windows.groups,
    cv=LeaveOneGroupOut(),
    scoring="balanced_accuracy",
).mean()
print("balanced accuracy", {name: np.round(row, 2).tolist() for name, row in scores.items()})

# %%
# The dotted line is the score of skin conductance alone. A fusion method should not score lower; if
# it does, using the unreliable sensor reduces the score. The figure shows one random deletion of 48
# windows; others give different curves.

import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(6.5, 4), layout="constrained")
for (method, row), marker in zip(scores.items(), "os^", strict=True):
    axis.plot(100 * np.array(shares), row, marker=marker, label=method)
axis.axhline(alone, color="black", linestyle=":", label="skin conductance alone")
axis.set(xlabel="windows without pulse (%)", ylabel="balanced accuracy")
axis.legend()
plt.show()
