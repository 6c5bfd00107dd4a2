"""
Explaining a prediction
=======================

A classifier detects windows of pulse that contain a burst of tremor. The explanation must find the
time and the frequency of the burst. The signals are simulated, so both are known.
"""

# %%
# Half of the windows contain a burst of 6 s at a random time, with a random frequency from 2.5 to
# 4.5 Hz; ``events`` contains both. The classes do not differ otherwise.

from sklearn_biomoe.datasets import make_event_windows

windows = make_event_windows("burst", 6, 12, random_state=0)
X, y = windows.data["bvp"], windows.target
print(windows.events[y == 1].head(3).round(1))

# %%
# Spectrograms of the windows are embedded and classified by a linear model. It is trained on five
# subjects and tested on the sixth.

from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import make_biosignal_embedder

model = make_pipeline(
    make_biosignal_embedder("bvp", windows.sampling_rates["bvp"]),
    StandardScaler(),
    LogisticRegression(C=0.1),
)
train, test = windows.groups < 6, windows.groups == 6
model.fit(X[train], y[train])
print(f"balanced accuracy {balanced_accuracy_score(y[test], model.predict(X[test])):.2f}")

# %%
# One window with a burst. Occlusion hides patches of the image and measures how far the decision
# falls. Red patches support the class "burst", blue patches oppose it.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_biomoe import explain
from sklearn_biomoe.explanation import plot_explanation

scores = np.where(test & (y == 1), model.decision_function(X), -np.inf)
row = int(scores.argmax())
(explanation,) = explain(model, X[[row]], target=1)
plot_explanation(explanation, figure=plt.figure(figsize=(12, 5), layout="constrained"))
plt.show()

# %%
# The maximum of the importance, compared with the simulated burst:

(image,) = explanation.images
event = windows.events.loc[row]
second = image.times[image.over_time.argmax()]
hertz = image.frequencies[image.over_frequencies.argmax()]
print(f"maximum importance at {second:.0f} s and {hertz:.1f} Hz")
print(f"the burst lasts from {event.start:.0f} to {event.stop:.0f} s, at {event.low + 0.25:.1f} Hz")

# %%
# The same with integrated gradients, along a path from a blurred image to the image.

(by_gradient,) = explain(model, X[[row]], method="gradient", target=1)
plot_explanation(by_gradient, figure=plt.figure(figsize=(12, 5), layout="constrained"))
plt.show()
