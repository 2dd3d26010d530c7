"""
Digits, row by row
==================

A picture can be read like a line of text: from top to bottom, one row of pixels after another. How
many rows of a handwritten digit does a network have to see before it knows which one it is?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from elman import RNNClassifier

X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 8, 8)  # 8 steps, the rows, with 8 features each
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# By default, each sequence is standardised by its own mean, which is known only at its end, and a
# short one is read two steps at a time. This model is asked after every row, so it is standardised
# by the mean of the training set, and reads one row at a time.

model = RNNClassifier(standardize=True, frame=None, random_state=0).fit(X_train, y_train)
print(f"All 8 rows: {model.score(X_test, y_test):.1%} of {len(X_test)} test digits are right.")

# %%
# ``step`` gives the model one row of every test digit, and returns its answer so far.

state = model.initial_state(len(X_test))
probabilities = []
for row in range(8):
    answer, state = model.step(X_test[:, row], state)
    probabilities.append(answer)
probabilities = np.array(probabilities)  # (8 rows, digits, 10 classes)
right = (model.classes_[probabilities.argmax(axis=2)] == y_test).mean(axis=1)
for row, share in enumerate(right, start=1):
    print(f"after row {row}: {share:6.1%}")

# %%
# Four digits, and beside each row what the network thinks of the ten classes once it has seen it.
# Dark is likely.

shown = [int(np.flatnonzero(y_test == digit)[0]) for digit in (2, 3, 7, 9)]
figure, axes = plt.subplots(2, 4, figsize=(9, 4.6), layout="constrained")
for i, (above, below) in zip(shown, axes.T, strict=True):
    above.imshow(X_test[i], cmap="gray_r")
    above.set(xticks=[], yticks=range(8), yticklabels=range(1, 9), title=f"a {y_test[i]}")
    below.imshow(probabilities[:, i], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    below.set(xticks=range(10), yticks=range(8), yticklabels=range(1, 9), xlabel="class")
axes[0, 0].set_ylabel("row")
axes[1, 0].set_ylabel("rows seen")
plt.show()
