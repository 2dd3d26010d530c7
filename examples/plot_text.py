"""
Text, character by character
============================

A network reads Python's own manual, which every Python installation has, and learns to predict each
character from those before it. Then it shows which characters surprise it, and writes some lines
itself.
"""

import textwrap
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import numpy as np

from elman import RNNTagger

paragraphs = [part for name in sorted(topics) for part in topics[name].split("\n\n")]
paragraphs = list(dict.fromkeys(paragraphs))  # some stand under two topics
text = "\n\n".join(paragraphs[:500])
kept = "\n\n".join(paragraphs[500:530])
print(f"{len(text):,} characters to learn from, {len(kept):,} for the test")

# %%
# A string is a sequence, and a character a step. The labels are the same text, one character
# later. The text is cut into 16 pieces, which are read side by side, and after every 32 steps
# there is an update.

length = len(text) // 16
pieces = [text[start : start + length] for start in range(0, 16 * length, length)]
model = RNNTagger(80, tbptt_steps=32, max_iter=12, learning_rate_init=0.01, random_state=0)
model.fit([piece[:-1] for piece in pieces], [piece[1:] for piece in pieces])

# %%
# How well does it predict? The measure is the mean surprise in bits. At b bits, the next character
# is as uncertain as one of 2ᵇ characters that are equally likely.


def surprise(text):
    """Return -log2 of the probability that each character had, after the first."""
    probabilities = model.predict_proba([text[:-1]])[0]
    columns = {character: k for k, character in enumerate(model.classes_)}
    found = [columns.get(character, -1) for character in text[1:]]
    likely = np.where(np.array(found) < 0, 1e-6, probabilities[np.arange(len(found)), found])
    return -np.log2(likely)  # a character that was never seen counts as one in a million


counts = np.unique(list(text), return_counts=True)[1]
frequencies = counts / counts.sum()
entropy = -(frequencies * np.log2(frequencies)).sum()
mean = surprise(kept).mean()
print(f"{mean:.2f} bits: one of {2**mean:.0f} characters.")
print(f"Who knows only how often each comes: {entropy:.2f} bits, one of {2**entropy:.0f}.")

# %%
# Where is it surprised? Dark characters are those that it did not expect. The first letter of a
# word is harder to predict than the others.

bits = surprise(kept)
letter = np.array([character.isalpha() for character in kept])
first = letter[1:] & ~letter[:-1]
print(f"First letters: {bits[first].mean():.1f} bits.", end=" ")
print(f"Other letters: {bits[letter[1:] & ~first].mean():.1f} bits.")

prose = max(kept.split("\n\n"), key=lambda part: sum(map(str.islower, part)))
passage = " ".join(prose.split())[:240].ljust(240)
bits = np.r_[0, surprise(passage)].reshape(4, 60)
figure, ax = plt.subplots(figsize=(9, 1.8), layout="constrained")
shown = ax.imshow(bits, cmap="Oranges", vmax=10, aspect="auto")
for i, character in enumerate(passage):
    ax.text(i % 60, i // 60, character, family="monospace", ha="center", va="center")
ax.axis("off")
figure.colorbar(shown, label="bits")
plt.show()

# %%
# It writes: each character is drawn from the probabilities that the model gives. A low
# temperature prefers the likely ones.

written = model.sample(300, prompt="The", temperature=0.5, random_state=0)
print(textwrap.fill("The" + written))
