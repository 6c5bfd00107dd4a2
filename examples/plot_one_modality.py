"""
One modality: from a signal to a score
======================================

The wrist pulse of six simulated subjects is drawn as images, the images are embedded, and a linear
classifier distinguishes rest and stress in held-out subjects.
"""

# %%
# The data have one row per window and one column per signal. Each cell is an array, here 60 s at 64
# Hz. `sklearn_biomoe.datasets.fetch_stress_predict` returns real recordings in the same format; the
# tutorial of the documentation uses a folder of files.

from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(6, 8, modalities=["bvp"], random_state=0)
print(windows.data.head())

# %%
# A minute of pulse is about 70 beats, too many for a curve, so each window is drawn as power over
# time and frequency. Images are drawn on access: a stack needs only the memory of its signals.

from sklearn_biomoe import BiosignalImageTransformer

to_images = BiosignalImageTransformer(["spectrogram_psd"], sampling_rate=64, modality="bvp")
images = to_images.fit_transform(windows.data["bvp"])
print(images)

# %%
# Inspect some images first. The figure shows two windows of one subject, with axes in seconds and
# hertz. The bright line is the heart rate; the lines above it are harmonics.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_biomoe.plotting import plot_image

figure, axes = plt.subplots(1, 2, figsize=(8.5, 4.4), layout="constrained")
for label, (axis, state) in enumerate(zip(axes, ["rest", "stress"], strict=True)):
    window = np.flatnonzero((windows.groups == 2) & (windows.target == label))[0]
    plot_image(axis, images, window, 0)
    axis.set_title(f"subject 2, {state}")
plt.show()

# %%
# The embedder returns a 192-dimensional vector per image. The weights of the network come with the
# package and are frozen.

from sklearn_biomoe import TinyBioMoEEmbedder

embeddings = TinyBioMoEEmbedder().fit_transform(images)
print(embeddings.shape)

# %%
# The embedder learns nothing from the data, so embeddings are computed once, before the folds. In
# each fold, the scaler and the classifier are fitted on all subjects except the test subject.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
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

# %%
# With six subjects, the mean has a large uncertainty, so report the standard deviation as well.
# `sklearn_biomoe.run_study` also computes a confidence interval and the chance level.
