"""
Which seconds and which hertz moved a decision
==============================================

A classifier learns to tell pulse with a burst of tremor from pulse without. Nobody tells it when
the burst comes, nor how fast it shakes; the explanation has to find both. The signals are
simulated, so that the place is known.
"""

# %%
# Half of the windows hold a burst of 6 s at a random second and a random frequency from 2.5 to
# 4.5 Hz; ``events`` says where. Classes differ in nothing else.

from sklearn_biomoe.datasets import make_event_windows

windows = make_event_windows("burst", 6, 12, random_state=0)
X, y = windows.data["bvp"], windows.target
print(windows.events[y == 1].head(3).round(1))

# %%
# Windows become spectrograms, spectrograms embeddings, and a linear classifier decides. It is
# trained on five subjects, and asked about the sixth.

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
# One window with a burst. Occlusion hides patches of its image, of some seconds and some hertz,
# and sees how far the decision falls. Red patches spoke for the burst, blue ones against it.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_biomoe.explanation import explain, plot_explanation

scores = np.where(test & (y == 1), model.decision_function(X), -np.inf)
row = int(scores.argmax())
(explanation,) = explain(model, X[[row]], target=1)
plot_explanation(explanation, figure=plt.figure(figsize=(12, 5), layout="constrained"))
plt.show()

# %%
# Was it right? The greatest importance, beside what was put into the signal:

(image,) = explanation.images
event = windows.events.loc[row]
second = image.times[image.over_time.argmax()]
hertz = image.frequencies[image.over_frequencies.argmax()]
print(f"points to {second:.0f} s and {hertz:.1f} Hz")
print(f"the burst lasts from {event.start:.0f} to {event.stop:.0f} s, at {event.low + 0.25:.1f} Hz")

# %%
# The same by gradients, which follow the decision from a blurred image to the one seen.

(by_gradient,) = explain(model, X[[row]], method="gradient", target=1)
plot_explanation(by_gradient, figure=plt.figure(figsize=(12, 5), layout="constrained"))
plt.show()
