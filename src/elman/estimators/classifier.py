"""One label for a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import DataConversionWarning

from elman._typing import Array
from elman.data import Sequences
from elman.data.labels import sequence_labels
from elman.errors import warn
from elman.estimators.classification import Classification


class RNNClassifier(ClassifierMixin, Classification):
    """A recurrent network that predicts one label for each sequence.

    The defaults were chosen by cross-validation on many kinds of series; each parameter says why. The
    network of the notes is ``cell="tanh", readout="last", standardize=True, differences=False,
    frame=None, recurrent_rate=1, n_members=1``.

    ``fit`` minimises the mean cross-entropy over sequences. Of the notes' L = Σ L_t (N3) only L_T
    counts.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        H of each layer, lowest first.
    cell : {"tanh", "relu", "leaky", "gru", "lstm", "dense"}, Cell, or sequence of these
        The cell of all layers, or one for each. ``"dense"`` has no recurrence. A ``Cell`` is an
        instance of one of elman's classes or of your own. ``"gru"`` is the default, because its
        gates carry an error through far more steps than ``"tanh"``, the notes' cell.
    bidirectional : bool
        Whether to add to each layer one that runs from the last step to the first. The output sees
        both. Predictions need whole sequences, so ``step`` is not available.
    n_members : int or "auto"
        How many networks to train on the same batches, each from initial weights of its own, so that
        the result depends less on these. After training they are merged into one network, whose z is
        the mean of theirs. So a classifier predicts the normalised geometric mean of their
        probabilities, and a regressor the mean of their numbers (with ``loss="poisson"`` the geometric
        mean). The history has means over the networks.
        ``"auto"`` is 4, or else 2, if training is short: the parameters of all networks, times the
        steps of all epochs, are at most 4·10¹¹, about half a minute on two cores. Otherwise it is 1.
        Models that answer every step have one.
        ``warm_start`` and ``partial_fit`` train the merged network further, as one; ``partial_fit``
        begins with one.
    solver : {"adam", "sgd", "momentum", "nesterov", "rmsprop"}
        The optimizer.
    alpha : float
        Strength of the penalty on squared weights, divided by the number of sequences in a batch,
        as in ``MLPClassifier``.
    batch_size : int or "auto"
        Sequences in an update. ``"auto"`` is 16 for up to 1,024 sequences; for more it is a 64th of
        them, rounded to a power of two, and at most 64.
    learning_rate : {"cosine", "constant"}
        The schedule over all updates. ``"cosine"`` rises during ``warmup``, then falls to 0.
    learning_rate_init : float
        The highest learning rate; 0.003 suits ``"adam"``. If training diverges, it continues from the
        last good weights with half the rate, at most eight times; ``history_`` says so.
    recurrent_rate : float
        Multiplies the learning rate of the recurrent weights W. The default makes them change slowly,
        because every step of a sequence multiplies by them. With 0 they stay as they were drawn.
    warmup : float
        The share of all updates during which a ``"cosine"`` schedule rises.
    max_iter : int or "auto"
        The largest number of epochs. ``"auto"`` is as many as make 1,500 updates, and at least 10,
        because small data sets need many epochs.
    shuffle : bool
        Whether each epoch takes the sequences in a new order.
    random_state : int, RandomState or None
        An int gives the same bits run after run.
    tol : float
        For ``n_iter_no_change``: an epoch that improves the loss (with ``early_stopping`` the score)
        by less does not count.
    verbose : bool
        Whether to print a line after each epoch.
    warm_start : bool
        Whether ``fit`` starts from the weights of the last ``fit``. It then also keeps the front end
        of that ``fit``, even if ``standardize``, ``differences``, ``frame`` or ``step_size`` have
        changed.
    momentum : float
        For ``"momentum"`` and ``"nesterov"``.
    early_stopping : bool
        Whether to keep some sequences aside, and to end with the weights that have the best accuracy
        on these.
    validation_fraction : float
        The share kept aside, the same for each class, but at least one sequence of each class that
        has two or more.
    n_iter_no_change : int or None
        None: train for all of ``max_iter``, until a ``"cosine"`` schedule has fallen to 0. A number:
        stop after that many epochs without improvement, with the weights of the best epoch;
        ``history_`` says so. Epochs count only once the loss is below that of guessing by more than
        ``tol``: before that, learning has not begun.
    beta_1, beta_2, epsilon : float
        For ``"adam"``; ``"rmsprop"`` uses ``beta_2`` and ``epsilon``.
    clip_norm : float or None
        The largest norm of the gradient, over all parameters together. None does not clip.
    class_weight : dict, "balanced" or None
        Multiplies the loss of each class.
    dropout : float
        The share p of a layer's outputs that is set to 0 during training; the others are multiplied by
        1 / (1 - p). Each sequence has a new mask at each update, the same for all its steps (Gal and
        Ghahramani 2016). Masks depend on ``random_state``, not on the engine or ``n_jobs``.
    recurrent_dropout : float
        The same for the states that W multiplies.
    readout : {"auto", "last", "mean", "max"}
        What the output sees of a sequence: the state of its last step, or for each unit the mean or
        the maximum over all steps. ``"auto"`` is ``"max"``: then the network need not remember until
        the end what it has recognised. For a regressor ``"auto"`` is ``"mean"``, because all steps may
        contribute to a number. Models that answer every step always use ``"last"``.
    bias : bool
        Whether there are the biases b and c.
    learn_initial_state : bool
        Whether the states before the first step are learned, as parameters. If not, they are zeros.
    standardize : bool, "sequence" or "auto"
        Whether to bring each feature to mean 0 and deviation 1, measured over all steps in ``fit``.
        With ``"sequence"`` the network also sees each sequence standardised by its own mean and
        deviation, z = (x - mean) / deviation (0 where it does not vary), and how large that deviation
        is: the level, log(deviation / training deviation + 10⁻⁶), minus its mean in ``fit``.
        Predictions then need whole sequences, so ``step`` is not available. ``"auto"`` is
        ``"sequence"``, because classes often differ in shape and not in mean or size. For models that
        answer every step it is True, because a step must not use later ones.
    differences : bool
        Whether the network also sees how much each feature changed since the step before (0 at the
        first step). With ``standardize="sequence"`` these are changes of z. The default is True,
        because changes are small compared with the values themselves, and hard to learn from these.
    frame : (length, stride), "auto" or None
        Whether the network sees ``length`` steps of a sequence as one, every ``stride`` steps. So T
        steps become 1 + (T - length) // stride; steps after the last whole frame are not seen, and a
        sequence shorter than a frame is filled up with its last step. Frames take length / stride times
        the memory of the data.
        ``"auto"`` makes about 128 steps of a long sequence, from which networks learn best: the stride
        is the median T / 128, rounded, at least 1; the length is 8 strides, but at most the median
        T / 4 and 512 numbers. If the length is 1, it is None.
        Models that answer every step take ``(length, 1)``: each step with those before it. Before the
        beginning the first step is repeated. For them ``"auto"`` is None.
    step_size : int
        How many columns of a two-dimensional X make a step.
    tokens : bool or "auto"
        Whether each step is one symbol, and U x_t is the column of U that belongs to it. ``"auto"``: if
        X is texts (each character is a symbol) or lists of words. True: also if X is whole numbers.
        Then ``standardize``, ``differences`` and ``frame`` have no effect.
    min_frequency : int
        Symbols that ``fit`` sees less often than this are treated as unknown: they share one column
        with symbols that it has never seen.
    tbptt_steps : int or None
        For models that answer every step, on long sequences. None: each update uses the exact
        gradient of whole sequences. A number k: each batch is cut into windows of k steps, with an
        update for each window. States are carried from one window to the next, but errors go back
        only to the first step of their window (truncated back-propagation through time). So the
        network does not learn dependencies of more than k steps. Each window has new dropout masks.
    checkpoint_steps : "auto", int or None
        For how many steps to keep the states for the backward pass; the others are computed a second
        time. The gradient is the same to the bit. ``"auto"`` keeps all states if they take less than
        128 MB in each thread, and otherwise √T of T. None always keeps all: this saves a third of the
        time at most, but memory grows with the number of steps.
    engine : {"compiled", "reference"}
        The compute engine: compiled functions, or the notes' equations as they are written, in NumPy.
    n_jobs : int or None
        The largest number of threads. None and -1 mean all cores of this process. The number never
        changes a result.

    Attributes
    ----------
    classes_ : array (n_classes,)
    n_features_in_ : int
        The columns of a two-dimensional X, or else the features of a step.
    feature_names_in_ : array of str
        If X had names.
    vocabulary_ : dict
        If X was tokens: the column of U for each token, in ascending order. One more column is for
        unknown tokens.
    network_ : Network
        With ``network_.parameters`` U, W, b, V, c.
    mean_, scale_ : arrays (n_features,)
        The numbers that standardise a step.
    n_members_ : int
        The number of networks that ``n_members`` led to.
    frame_ : (length, stride) or None
        The frame that ``frame`` led to.
    history_ : list of dict
        A row for each epoch: loss, accuracy, validation_score, learning_rate, gradient_norm. The loss
        is the mean over sequences. Accuracies are weighted, by ``class_weight`` too. ``"recovered"``
        is there if training diverged and continued, ``"stopped"`` if it ended early; both are text.
    n_iter_, loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_
        The same, under scikit-learn's names.

    Examples
    --------
    >>> import numpy as np
    >>> from elman import RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 10, 2)).cumsum(axis=1)  # random walks in the plane
    >>> y = np.where(X[:, -1, 0] > 0, "right", "left")
    >>> RNNClassifier(32, max_iter=30, random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    _every_step = False
    _auto_readout = "max"

    score = Classification.score  # not ClassifierMixin's, which knows nothing of sequences

    def predict_proba(self, X: Any, initial_state: Any = None) -> Array:
        """Compute each sequence's probabilities, an array (n_samples, n_classes).

        Parameters
        ----------
        X
            As in ``fit``.
        initial_state : Carry, or list with an entry a layer, optional
            The states before the first steps: ``state.carry`` of a state from ``step``; or for each
            layer h, (n_samples, H), or a mapping from names of states. If left out, zeros, or what was
            learned.
        """
        return self._outputs(X, initial_state)[1]

    def predict_log_proba(self, X: Any, initial_state: Any = None) -> Array:
        """Compute the logarithms of ``predict_proba``.

        Parameters
        ----------
        X
            As in ``fit``.
        initial_state : Carry, or list with an entry a layer, optional
            The states before the first steps: ``state.carry`` of a state from ``step``; or for each
            layer h, (n_samples, H), or a mapping from names of states. If left out, zeros, or what was
            learned.
        """
        with np.errstate(divide="ignore"):  # a probability may have underflowed to 0
            return np.asarray(np.log(self.predict_proba(X, initial_state)))

    def predict(self, X: Any, initial_state: Any = None) -> Array:
        """Compute each sequence's most probable label, an array (n_samples,).

        Parameters
        ----------
        X
            As in ``fit``.
        initial_state : Carry, or list with an entry a layer, optional
            The states before the first steps: ``state.carry`` of a state from ``step``; or for each
            layer h, (n_samples, H), or a mapping from names of states. If left out, zeros, or what was
            learned.
        """
        fitted, y_hat, _ = self._outputs(X, initial_state, reduced=True)
        return fitted.answers.decoded(y_hat)

    def _values(self, y: Any, sequences: Sequences) -> Array:
        labels = sequence_labels(y, len(sequences))
        if getattr(y, "ndim", 1) == 2:
            warn(
                f"A column-vector y was passed when a 1d array was expected: its shape is {y.shape}. "
                "It is taken as np.ravel(y).",
                DataConversionWarning,
            )
        return labels
