"""
Early and late fusion
=====================

Skin conductance and pulse, alone and fused in three ways: concatenated embeddings, the mean of the
embeddings, and the mean of the probabilities of one classifier per modality.
"""

# %%
# Six simulated subjects with eight windows of one minute. Both signals are embedded into one table.

from sklearn_biomoe import make_multimodal_embedder
from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(6, 8, modalities=["eda", "bvp"], random_state=0)
embedder = make_multimodal_embedder(windows.sampling_rates).set_output(transform="pandas")
X = embedder.fit_transform(windows.data)
X.iloc[:2, [0, 1, -2, -1]]

# %%
# The embedder learns nothing, so all methods use the same table with 192 columns per modality. They
# differ in the selected columns and in the fusion.

from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import LateFusionClassifier
from sklearn_biomoe.fusion import AdditiveFusion

classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
columns = {name: [c for c in X.columns if c.startswith(name)] for name in ("eda", "bvp")}
methods = {
    "eda alone": make_pipeline(
        make_column_transformer(("passthrough", columns["eda"])), classifier
    ),
    "bvp alone": make_pipeline(
        make_column_transformer(("passthrough", columns["bvp"])), classifier
    ),
    "early": classifier,
    "additive": make_pipeline(AdditiveFusion(), classifier),
    "late, mean": LateFusionClassifier([(name, classifier, columns[name]) for name in columns]),
}

# %%
# A study evaluates all methods on the same held-out subjects.

from sklearn_biomoe import run_study

study = run_study(methods, X, windows.target, windows.groups)
summary = study.summary()
for method, row in summary.iterrows():
    print(f"{method}: balanced accuracy {row['mean']:.2f} ± {row['sd']:.2f}")

# %%
# Each point is a subject; the bar is the mean with its 95 % confidence interval. The dotted line is
# the chance level.

import matplotlib.pyplot as plt
import numpy as np

spread = np.linspace(-0.15, 0.15, 6)  # vertical offsets, so that points do not overlap
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
for height, method in enumerate(methods):
    own = study.scores.loc[study.scores["method"] == method, "balanced_accuracy"]
    mean, low, high = summary.loc[method, ["mean", "low", "high"]]
    axis.plot([low, high], [height, height], color="tab:blue", linewidth=6, alpha=0.35)
    axis.plot(own, height + spread, "o", color="black", markersize=4, alpha=0.5)
    axis.plot(mean, height, "|", color="tab:blue", markersize=18, markeredgewidth=3)
axis.axvline(0.5, color="grey", linestyle=":")
axis.set(yticks=range(len(methods)), yticklabels=methods, xlabel="balanced accuracy")
axis.set_ylim(len(methods) - 0.5, -0.5)
plt.show()

# %%
# Planned comparisons are paired over subjects and corrected for their number. With six subjects
# and three pairs, the smallest corrected p-value of a sign-flip test is 3 * 2 / 2**6 = 0.09, so no
# difference can be significant.

planned = [("early", "late, mean"), ("early", "eda alone"), ("early", "bvp alone")]
study.comparisons(planned).round(3)

# %%
# Late fusion also returns the probabilities of each modality.

late = methods["late, mean"].fit(X, windows.target)
by_modality = late.predict_by_modality(X[:3])
print({name: probabilities[:, 1].round(2).tolist() for name, probabilities in by_modality.items()})
