"""
Write like the manual
=====================

A character model of Python's own reference, a text that every Python has, which reaches 2 bits a
character in a minute or two. It reads the texts of ``help("topics")``, keeps every tenth paragraph
aside, and learns to predict each character of the others from those before it. It prints how many bits
a character of what was kept aside costs it: 6.7 if it knew nothing but which characters there are, 4.7
if it knew how often each comes. Then it writes some lines itself. ::

    python examples/write_like_the_manual.py
"""

from pydoc_data.topics import topics

import numpy as np

from elman import RNNTagger

PIECES = 32  # the text is gone through at so many places side by side


def texts() -> tuple[str, str]:
    """What is learned from, and what is kept aside: paragraphs that are in no two topics."""
    paragraphs = list(
        dict.fromkeys(part for name in sorted(topics) for part in topics[name].split("\n\n"))
    )
    learned = [part for i, part in enumerate(paragraphs) if i % 10 != 9]
    return "\n\n".join(learned), "\n\n".join(paragraphs[9::10])


def trained(text: str, n_units: int = 128, n_epochs: int = 15, seed: int = 0) -> RNNTagger:
    """Fit a model to the text, cut in pieces, and to the same one character later."""
    length = -(-len(text) // PIECES)
    pieces = [text[start : start + length + 1] for start in range(0, len(text) - 1, length)]
    model = RNNTagger(n_units, max_iter=n_epochs, tbptt_steps=64, random_state=seed, verbose=True)
    return model.fit([piece[:-1] for piece in pieces], [piece[1:] for piece in pieces])


def bits_a_character(model: RNNTagger, text: str) -> float:
    """The mean of -log₂ of the probability that each character had, from those before it."""
    probabilities = model.predict_proba([text[:-1]])[0]  # (n, n_classes)
    column = {character: k for k, character in enumerate(model.classes_.tolist())}
    known = np.array([character in column for character in text[1:]])
    columns = [column[character] for character in text[1:] if character in column]
    likely = np.full(len(text) - 1, 1e-6)  # what was never seen cannot be foretold
    likely[known] = probabilities[known, columns]
    return float(-np.log2(likely).mean())


def main() -> None:
    """Train, measure, write."""
    text, kept = texts()
    print(f"{len(text):,} characters to learn from, {len(kept):,} kept aside")
    model = trained(text)
    print(f"{bits_a_character(model, kept):.3f} bits a character of what was kept aside")
    print(model.sample(400, prompt="The ", temperature=0.6, random_state=0))


if __name__ == "__main__":
    main()
