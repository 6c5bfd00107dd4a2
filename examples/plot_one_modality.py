"""
One modality: from a signal to an honest score
==============================================

The pulse at the wrist of six simulated subjects becomes images, the images become embeddings,
and a linear classifier tells rest from stress in subjects that it never saw.
"""

# %%
# The data: one row per window, one column per signal, whose cells are arrays; here 60 s at 64 Hz.
# Real recordings come from :func:`sklearn_biomoe.datasets.fetch_stress_predict` in the same form,
# and files of yours as :doc:`/own_data` tells.

from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(6, 8, modalities=["bvp"], random_state=0)
print(windows.data.head())

# %%
# A minute of pulse is 70 beats, mush as a curve; so each window is drawn as power over time and
# frequency. Images are drawn when they are looked at: a stack of them costs no more than its
# signals.

from sklearn_biomoe import BiosignalImageTransformer

drawer = BiosignalImageTransformer(["spectrogram_psd"], sampling_rate=64, modality="bvp")
images = drawer.fit_transform(windows.data["bvp"])
print(images)

# %%
# Look at some before anything else. Two windows of one subject, over axes that say what the pixels
# mean: the bright line is the heart rate, the lines above it its harmonics.

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
# The embedder turns each image into 192 numbers. The network's weights are the
# package's own, and frozen: nothing is learnt from these windows.

from sklearn_biomoe import TinyBioMoEEmbedder

embeddings = TinyBioMoEEmbedder().fit_transform(images)
print(embeddings.shape)

# %%
# So embeddings can be computed once, before the folds. The scaler and the classifier are fitted
# inside them, on all subjects but the one that is scored.

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
# A mean over six people is not much to go by: the spread between them belongs to the result.
# :func:`sklearn_biomoe.evaluation.run_study` tells its interval, and what chance would score.
