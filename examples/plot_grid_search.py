"""
Grid search over representations
================================

Which image of the pulse tells most? The question is put to the data, in inner folds by subject,
and the answer is scored on subjects that had no part in it.
"""

# %%
# Five simulated subjects, and four ways to draw their pulse. A preset would take the second.

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(5, 8, modalities=["bvp"], effect_size=0.5, random_state=0)
X, y, groups = windows.data["bvp"], windows.target, windows.groups
candidates = ["waveform", "spectrogram_psd", "scalogram", "gadf"]
images = BiosignalImageTransformer(candidates, sampling_rate=64, modality="bvp").fit_transform(X)

# %%
# One window in each of them:

import matplotlib.pyplot as plt

from sklearn_biomoe.plotting import plot_image

figure, axes = plt.subplots(2, 2, figsize=(8, 7.5), layout="constrained")
for number, axis in enumerate(axes.flat):
    plot_image(axis, images, 0, number)
plt.show()

# %%
# The representation is a parameter of a step, as any other: ``embed__image__representations``. The
# search gets ``groups`` when it is fitted, so that its inner folds keep subjects apart. Embeddings
# are remembered by the image's content: folds and grid points embed each image once.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import make_biosignal_embedder

classify = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
search = GridSearchCV(
    Pipeline([("embed", make_biosignal_embedder("bvp", 64)), ("classify", classify)]),
    {"embed__image__representations": [[name] for name in candidates]},
    scoring="balanced_accuracy",
    cv=GroupKFold(4),
)

# %%
# A score of the chosen one in the folds it was chosen by tends to be too good: the best of four
# flatters itself. So the whole search is scored, by outer folds that leave out a subject each, and
# chooses anew in each of them.

from sklearn.model_selection import LeaveOneGroupOut, cross_validate

outer = cross_validate(
    search,
    X,
    y,
    groups=groups,
    cv=LeaveOneGroupOut(),
    params={"groups": groups},
    scoring="balanced_accuracy",
    return_estimator=True,
)
chosen = [found.best_params_["embed__image__representations"][0] for found in outer["estimator"]]
print("chosen:", chosen)

# %%
# Grey: what each candidate scored in the inner folds, a point for each outer fold. Blue: what the
# choice scored on the subject that was left out.

import numpy as np

inner = np.array([found.cv_results_["mean_test_score"] for found in outer["estimator"]])
honest = outer["test_score"]
spread = np.linspace(-0.15, 0.15, len(honest))  # so that no point hides another
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
for height, name in enumerate([*candidates, "the search"]):
    scores = honest if name == "the search" else inner[:, height]
    colour = "tab:blue" if name == "the search" else "grey"
    axis.plot(scores, height + spread, "o", color=colour, alpha=0.5)
    axis.plot(scores.mean(), height, "|", color=colour, markersize=18, markeredgewidth=3)
axis.axvline(0.5, color="grey", linestyle=":")
axis.set(yticks=range(5), yticklabels=[*candidates, "the search"], xlabel="balanced accuracy")
axis.set_ylim(4.5, -0.5)
plt.show()
print(f"best in inner folds: {inner.max(axis=1).mean():.2f}")
print(f"balanced accuracy {honest.mean():.2f} ± {honest.std():.2f} over {len(honest)} subjects")

# %%
# Here the signals are simulated, and tell nothing about which image suits a real pulse:
# :doc:`/scores` compares them on recordings.
