"""
A missing sensor
================

Sensors drop out. A window without its pulse is no error: each way of fusing modalities has its own
answer to it. Here the pulse is taken away from more and more windows.
"""

# %%
# Six simulated subjects with skin conductance and pulse. In the first window the pulse is gone:
# its cell is None.

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(6, 8, modalities=["eda", "bvp"], random_state=0)
first = windows.data["bvp"][:2].copy()
first[0] = None
images = BiosignalImageTransformer(sampling_rate=64, modality="bvp").fit_transform(first)
print(images.missing)

# %%
# Its image is blank and never embedded: its embedding is NaN. So it makes no difference whether
# signals are taken away or their embeddings, and all windows are embedded once.

import numpy as np

from sklearn_biomoe import make_multimodal_embedder

embed = make_multimodal_embedder(windows.sampling_rates)
embeddings = embed.fit_transform(windows.data)  # eda's 192 columns, then bvp's
eda, bvp = list(range(192)), list(range(192, 384))


def without_pulse(share):
    """Take the pulse from this share of windows, drawn at random."""
    X = embeddings.copy()
    gone = np.random.default_rng(0).permutation(len(X))[: round(share * len(X))]
    X[np.ix_(gone, bvp)] = np.nan
    return X


# %%
# Early fusion fills gaps with the mean embedding of the training windows, and gets a column that
# tells where (from signals, ``make_multimodal_embedder(..., impute=True)`` does both). Additive
# fusion takes the mean of what is there. Late fusion lets what is there decide.

from sklearn.compose import make_column_transformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe.fusion import AdditiveFusion, LateFusionClassifier

classify = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
fill = make_column_transformer(
    ("passthrough", eda), (SimpleImputer(), bvp), (MissingIndicator(features="all"), bvp[:1])
)
methods = {
    "early": make_pipeline(fill, classify),
    "additive": make_pipeline(AdditiveFusion(), classify),
    "late": LateFusionClassifier([("eda", classify, eda), ("bvp", classify, bvp)]),
}

# %%
# Every method is scored by subject, with pulse missing in training and in testing alike.

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
    classify,
    embeddings[:, eda],
    windows.target,
    groups=windows.groups,
    cv=LeaveOneGroupOut(),
    scoring="balanced_accuracy",
).mean()
print("balanced accuracy", {name: np.round(row, 2).tolist() for name, row in scores.items()})

# %%
# The dotted line is what skin conductance scores by itself. Whatever fusion does about missing
# windows, it should not fall below that: if it does, the sensor that drops out costs more than it
# brings. One deletion of 48 windows is drawn here; another one would move the curves.

import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(6.5, 4), layout="constrained")
for (method, row), marker in zip(scores.items(), "os^", strict=True):
    axis.plot(100 * np.array(shares), row, marker=marker, label=method)
axis.axhline(alone, color="black", linestyle=":", label="skin conductance alone")
axis.set(xlabel="windows without pulse (%)", ylabel="balanced accuracy")
axis.legend()
plt.show()
