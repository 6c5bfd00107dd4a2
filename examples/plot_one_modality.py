"""
From signals to an honest score
===============================

Skin conductance and pulse of six simulated subjects become pictures, the pictures become
embeddings, and a linear classifier tells rest from stress in subjects that it never saw.
"""

# %%
# The data: one row per window, one column per signal, whose cells are arrays. Real recordings come
# from :func:`sklearn_biomoe.datasets.fetch_stress_predict` in the same form.

from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(6, 8, modalities=["eda", "bvp"], random_state=0)
print(windows.data.head())

# %%
# Each modality gets a picture: a curve for slow skin conductance, a spectrogram for the pulse.
# Pictures are drawn when they are looked at.

import matplotlib.pyplot as plt

from sklearn_biomoe import BiosignalImageTransformer

rates = windows.sampling_rates
draw = {
    "eda": BiosignalImageTransformer(["waveform"], sampling_rate=rates["eda"], modality="eda"),
    "bvp": BiosignalImageTransformer(
        ["spectrogram_psd"], sampling_rate=rates["bvp"], modality="bvp"
    ),
}
figure, axes = plt.subplots(1, 2, figsize=(8, 4))
for axis, (modality, drawer) in zip(axes, draw.items(), strict=True):
    images = drawer.fit_transform(windows.data[modality])
    axis.imshow(images[0, 0])
    axis.set(title=images.image_names[0], xticks=[], yticks=[])
plt.show()

# %%
# The embedder turns each picture into 192 numbers. The backbone's weights are the package's own.

from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import TinyBioMoEEmbedder

embed = make_column_transformer(
    (make_pipeline(draw["eda"], TinyBioMoEEmbedder()), "eda"),
    (make_pipeline(draw["bvp"], TinyBioMoEEmbedder()), "bvp"),
)
embeddings = embed.fit_transform(windows.data)
print(embeddings.shape)

# %%
# Nothing above learnt from the data, so the embeddings can be computed once, before the folds. The
# scaler and the classifier are fitted inside them, on all subjects but the one that is scored.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.preprocessing import StandardScaler

scores = cross_val_score(
    make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced")),
    embeddings,
    windows.target,
    groups=windows.groups,
    cv=LeaveOneGroupOut(),
    scoring="balanced_accuracy",
)
print(f"balanced accuracy {scores.mean():.2f} ± {scores.std():.2f} over {len(scores)} subjects")
