"""
Explain a mistake
=================

A network reads a digit wrong, and is sure of it. ``elman.explain`` opens it up for this one
sequence: every state, every term of the gradient, each with a proof that it is right. Where did it
go wrong, and which rows of the picture would training on it have changed?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import elman
from elman import RNNClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X.reshape(-1, 8, 8), y, random_state=0)
settings = {"standardize": True, "differences": False, "frame": None, "readout": "last"}
model = RNNClassifier(random_state=0, **settings).fit(X_train, y_train)

# %%
# These settings let the network see the rows as they are, and answer from its last state.
#
# The mistake that it is most sure of:

probabilities = model.predict_proba(X_test)
sure = np.where(probabilities.argmax(axis=1) == y_test, 0, probabilities.max(axis=1))
i = sure.argmax()
digit, answer = y_test[i], probabilities[i].argmax()
print(f"{np.count_nonzero(sure)} of {len(X_test)} test digits are wrong.")
print(f"Test digit {i} is a {digit}; the network says, with {sure[i]:.0%}, that it is a {answer}.")

# %%
# The explanation proves every gradient of this sequence, and says how far back its error reaches.

explanation = elman.explain(model, X_test[i], digit)
print(f"{explanation.n_proved} of {explanation.n_terms} terms proved.")
print(explanation.verdict)

# %%
# When did it make up its mind? Beside the picture stand the probabilities after each row, of the
# right digit and of the wrong one; and the size of each row's share in the gradient of W: where
# training on this picture would change the network most.

rows = np.arange(1, 9)
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
left.imshow(X_test[i], cmap="gray_r", extent=(0.5, 8.5, 8.5, 0.5))
left.set(title=f"a {digit}, read as a {answer}", yticks=rows, xticks=[], ylabel="row")
for label, colour in ((digit, "tab:blue"), (answer, "tab:red")):
    middle.plot(explanation.y_activated[:, label], rows, "o-", color=colour, label=f"a {label}")
middle.set(title="probability after each row", yticks=rows, ylim=(8.5, 0.5), xlim=(0, 1))
middle.legend()
right.barh(rows, explanation.norms[-1], color="gray")
right.set(title="share in the gradient", yticks=rows, ylim=(8.5, 0.5))
plt.show()

# %%
# ``explanation.save_html("mistake.html")`` writes all of it as one page, with every number. Does
# it take much to put this right? A step of gradient descent from this picture alone:

after = explanation.update["loss_after"]
print(f"The loss of this picture: {explanation.loss:.2f}, and {after:.2f} after one small step.")
