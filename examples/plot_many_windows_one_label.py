"""
Many windows, one label
=======================

A session of four minutes has one label, "rest" or "stress", and four windows. In stressful
sessions, only one window shows stress. Three kinds of pooling are compared on held-out subjects,
and the attention weights are compared with the stress window.
"""

# %%
# Sessions are assembled from windows of skin conductance of eight simulated subjects. Half of the
# sessions contain one stress window, at a random position.

import numpy as np
import pandas as pd

from sklearn_biomoe.datasets import make_biosignal_windows

simulated = make_biosignal_windows(8, 48, modalities=["eda"], effect_size=2, random_state=0)
random = np.random.default_rng(0)
rows = []
for subject in range(1, 9):
    own = simulated.groups == subject
    rest, stress = (np.flatnonzero(own & (simulated.target == label)).tolist() for label in (0, 1))
    for session in range(6):
        windows = [rest.pop() for _ in range(4)]
        if session % 2:
            windows[random.integers(4)] = stress.pop()
        label = "stress" if session % 2 else "rest"
        rows += [(subject, f"{subject}-{session}", label, window) for window in windows]
table = pd.DataFrame(rows, columns=["subject", "session", "label", "window"])
print(table.head())

# %%
# Each window is embedded once. ``gather_trials`` collects the windows of each session into a bag. A
# bag is one row of X for scikit-learn, with one label and one subject.

from sklearn_biomoe import make_biosignal_embedder
from sklearn_biomoe.trials import gather_trials

embedder = make_biosignal_embedder("eda", 4, representations=["waveform"])
embeddings = embedder.fit_transform(simulated.data["eda"].iloc[table["window"]])
bags, y, subjects, names = gather_trials(
    embeddings, table["session"], y=table["label"], groups=table["subject"]
)
print(f"{len(embeddings)} windows, {len(bags)} bags, the first of shape {bags[0].shape}")

# %%
# Mean of the embeddings, votes of windows, and attention pooling, each trained on seven subjects
# and tested on the eighth.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe.trials import AttentionMILClassifier, TrialAggregator, WindowVotingClassifier

classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
methods = {
    "mean of embeddings": make_pipeline(TrialAggregator("mean"), classifier),
    "windows vote": WindowVotingClassifier(classifier),
    "attention": AttentionMILClassifier(max_epochs=30, learning_rate=0.005),
}
for name, method in methods.items():
    scores = cross_val_score(
        method, bags, y, groups=subjects, cv=LeaveOneGroupOut(), scoring="balanced_accuracy"
    )
    print(f"{name}: balanced accuracy {scores.mean():.2f} ± {scores.std():.2f} over subjects")

# %%
# Attention weights in held-out sessions with stress. Each row is a session, each column a window.
# Circles mark the stress window, which was not given to any method.

import matplotlib.pyplot as plt

attention = np.empty((len(bags), 4))
for train, test in LeaveOneGroupOut().split(bags, y, subjects):
    fitted = methods["attention"].fit(bags[train], y[train])
    attention[test] = fitted.attention(bags[test])
is_stress = simulated.target[table["window"]].reshape(len(bags), 4)[y == "stress"]

figure, axis = plt.subplots(figsize=(5, 6), layout="constrained")
shown = axis.imshow(attention[y == "stress"], vmin=0, vmax=1, cmap="viridis", aspect="auto")
axis.plot(is_stress.argmax(axis=1), np.arange(len(is_stress)), "o", mfc="none", mec="red", ms=10)
axis.set(xlabel="window of the session", ylabel="stressful session", xticks=range(4))
axis.set(title="Attention weights; red: stress window")
figure.colorbar(shown, label="weight (sum of each row: 1)")
plt.show()

found = attention[y == "stress"].argmax(axis=1) == is_stress.argmax(axis=1)
print(f"largest weight at the stress window in {found.sum()} of {len(found)} sessions; chance: 6")
