"""
Grid search over representations
================================

Choose the representation of the pulse in inner folds, and evaluate the choice on held-out subjects.
"""

# %%
# Five simulated subjects, and four representations of their pulse. The second is the preset.

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(5, 8, modalities=["bvp"], effect_size=0.5, random_state=0)
X, y, groups = windows.data["bvp"], windows.target, windows.groups
candidates = ["waveform", "spectrogram_psd", "scalogram", "gadf"]
images = BiosignalImageTransformer(candidates, sampling_rate=64, modality="bvp").fit_transform(X)

# %%
# One window in each representation:

import matplotlib.pyplot as plt

from sklearn_biomoe.plotting import plot_image

figure, axes = plt.subplots(2, 2, figsize=(8, 7.5), layout="constrained")
for number, axis in enumerate(axes.flat):
    plot_image(axis, images, 0, number)
plt.show()

# %%
# The representation is a parameter of a step: ``embed__image__representations``. ``fit`` of the
# search gets ``groups``, so that inner folds keep subjects apart. Embeddings are cached by image
# content, so folds and grid points embed each image once.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import make_biosignal_embedder

classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
search = GridSearchCV(
    Pipeline([("embed", make_biosignal_embedder("bvp", 64)), ("classify", classifier)]),
    {"embed__image__representations": [[name] for name in candidates]},
    scoring="balanced_accuracy",
    cv=GroupKFold(4),
)

# %%
# The best of four scores in the inner folds is optimistic. Therefore the complete search is
# evaluated in outer folds, each with one test subject and a search of its own.

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
chosen = [fitted.best_params_["embed__image__representations"][0] for fitted in outer["estimator"]]
print("chosen:", chosen)

# %%
# Grey: scores of each candidate in the inner folds, one point per outer fold. Blue: scores of the
# search on the test subjects.

import numpy as np

inner = np.array([fitted.cv_results_["mean_test_score"] for fitted in outer["estimator"]])
outer_scores = outer["test_score"]
spread = np.linspace(-0.15, 0.15, 5)  # vertical offsets, so that points do not overlap
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
for height, name in enumerate([*candidates, "search"]):
    scores = outer_scores if name == "search" else inner[:, height]
    colour = "tab:blue" if name == "search" else "grey"
    axis.plot(scores, height + spread, "o", color=colour, alpha=0.5)
    axis.plot(scores.mean(), height, "|", color=colour, markersize=18, markeredgewidth=3)
axis.axvline(0.5, color="grey", linestyle=":")
axis.set(yticks=range(5), yticklabels=[*candidates, "search"], xlabel="balanced accuracy")
axis.set_ylim(4.5, -0.5)
plt.show()
print(f"best in inner folds: {inner.max(axis=1).mean():.2f}")
print(f"balanced accuracy {outer_scores.mean():.2f} ± {outer_scores.std():.2f} over 5 subjects")

# %%
# These signals are simulated. The page *Scores* of the documentation compares representations on
# real recordings.
