"""One label for a sequence."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import DataConversionWarning

from elman._typing import Array
from elman.data import Sequences
from elman.data.labels import sequence_labels
from elman.estimators.classification import Classification


class RNNClassifier(ClassifierMixin, Classification):
    """A recurrent network that gives each sequence one label, from all its steps, or from its last.

    Its defaults were chosen by cross-validation on series of many kinds, long and short, with one
    feature and with many; each says its reason. The notes' own network is ``cell="tanh",
    readout="last", standardize=True, differences=False, frame=None, recurrent_rate=1, n_members=1``.

    Minimises the mean cross-entropy of one softmax a sequence: of the notes' L = Σ L_t (N3) only L_T
    counts. With ``readout="last"`` it is that of the last step.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        H of each layer, lowest first.
    cell : {"tanh", "relu", "leaky", "gru", "lstm", "dense"}, Cell, or sequence of these
        The cell of all layers, or one for each. ``"dense"`` has no recurrence. A ``Cell`` is an
        instance of one of elman's classes or of your own. ``"gru"`` is the default, because its
        gates carry an error through far more steps than ``"tanh"``, the notes' cell.
    bidirectional : bool
        Whether beside each layer another one goes from the last step to the first. A step is then
        answered from both, a sequence from what ``readout`` makes of each direction. Answers need
        whole sequences: ``step`` refuses.
    n_members : int or "auto"
        How many networks are trained side by side, from first weights of their own, in the same
        batches. Afterwards they are one network, with so many times the units, whose z is the mean of
        theirs: a classifier answers with the normalised geometric mean of their probabilities, a
        regressor with the mean of their numbers (of ``loss="poisson"``, where ŷ = exp z, the
        geometric mean). So the luck of first weights counts for less.
        ``"auto"`` is 4, or else 2, if their parameters times the steps of all epochs are at most
        4·10¹¹, about half a minute on two cores; else it is 1. Models that answer every step have one.
        The history has means over the networks. Going on (``warm_start``, ``partial_fit``) trains
        what they have become as the one network that it is; ``partial_fit`` begins with one.
    solver : {"adam", "sgd", "momentum", "nesterov", "rmsprop"}
        The optimizer.
    alpha : float
        Strength of the penalty on squared weights, divided by the number of sequences of a batch
        as in ``MLPClassifier``.
    batch_size : int or "auto"
        Sequences to an update. ``"auto"`` follows how many there are: 16 up to 1,024, then a 64th of
        them, rounded to a power of two, at most 64.
    learning_rate : {"cosine", "constant"}
        The schedule over all updates. ``"cosine"`` rises during ``warmup``, then falls to 0.
    learning_rate_init : float
        The highest learning rate; 0.003 suits ``"adam"``. If training diverges, the last good weights
        come back and the rate is halved from there on, at most eight times; ``history_`` says so.
    recurrent_rate : float
        Factor on the learning rate of the recurrent weights W. They change slowly with 0.1, because
        every step of a sequence multiplies by them; with 0 they stay as they were drawn.
    warmup : float
        The share of all updates during which a ``"cosine"`` schedule rises.
    max_iter : int or "auto"
        The largest number of epochs. ``"auto"`` is as many as make 1,500 updates, and at least 10:
        small sets need many epochs.
    shuffle : bool
        Whether to take sequences in a new order each epoch.
    random_state : int, RandomState or None
        An int gives the same bits run after run.
    tol : float
        For ``n_iter_no_change``: an epoch that improves the loss (with ``early_stopping`` the score)
        by less does not count.
    verbose : bool
        Whether to print a line an epoch.
    warm_start : bool
        Whether ``fit`` starts from the weights of the last ``fit``. It then also keeps the front end
        of that ``fit``, even if ``standardize``, ``differences``, ``frame`` or ``step_size`` have
        changed.
    momentum : float
        For ``"momentum"`` and ``"nesterov"``.
    early_stopping : bool
        Whether to keep some sequences aside, and end with the weights that have the best accuracy
        on them.
    validation_fraction : float
        The share kept aside, the same for each class. Of a class with two sequences or more at least
        one is kept aside, even if that is more than the share.
    n_iter_no_change : int or None
        None: training goes to the end of its budget, where a ``"cosine"`` schedule is near 0. A number:
        it stops after so many epochs without improvement, with the weights of the best epoch, and
        ``history_`` says so. Epochs count only after the loss was below that of guessing by more
        than ``tol``, since before that learning has not begun.
    beta_1, beta_2, epsilon : float
        For ``"adam"``; ``"rmsprop"`` uses ``beta_2`` and ``epsilon``.
    clip_norm : float or None
        The largest norm of the gradient of all parameters together.
    class_weight : dict, "balanced" or None
        Multiplies the loss of each class.
    dropout : float
        The share p of a layer's units that the next layer, or the output, does not see during
        training; the others are multiplied by 1 / (1 - p). A new mask is drawn for each sequence at
        each update, and stays the same for all steps (Gal and Ghahramani 2016). It depends on
        ``random_state``, not on the engine or ``n_jobs``.
    recurrent_dropout : float
        The same for the states that W takes to the next step.
    readout : {"auto", "last", "mean", "max"}
        What the output sees of a sequence: the state of its last step, or the mean or the largest
        values of the states of all steps, unit by unit. ``"auto"`` is ``"max"``: what decides may
        come at any step, and the network need not remember it to the end. For a regressor ``"auto"``
        is ``"mean"``, since all steps may contribute to a number. Models that answer every step
        always use ``"last"``.
    bias : bool
        Whether there are b and c.
    learn_initial_state : bool
        Whether the states before the first step are learned, as parameters. If not, they are zeros.
    standardize : bool, "sequence" or "auto"
        Whether to bring each feature to mean 0 and deviation 1, measured over all steps in ``fit``.
        With ``"sequence"`` the network also sees each sequence standardised by its own mean and
        deviation, z = (x - mean) / deviation (0 where it does not vary), and the size of that
        deviation: the level, log(deviation / training deviation + 10⁻⁶), minus its mean in ``fit``.
        An answer then needs the whole sequence, so ``step`` is not available. ``"auto"`` is
        ``"sequence"``, because classes often differ in shape, whatever the mean and the size. For
        models that answer every step it is True, because a step must not use later ones.
    differences : bool
        Whether the network also sees how much each feature differs from the step before (the first:
        0). With ``standardize="sequence"`` these are differences of z. The default is True, because a
        change from step to step is small compared with a slow feature, and hard for the network to
        find.
    frame : (length, stride), "auto" or None
        Whether the network takes ``length`` steps of a sequence as one, every ``stride`` steps: T steps
        become 1 + (T - length) // stride. Steps after the last whole frame are not seen. A sequence
        shorter than a frame is filled up with its last step. Networks learn best from about 100 steps
        that each see much: ``"auto"`` is a stride of median T / 128, rounded, at least 1, and a length
        of 8 strides, but of at most median T / 4 steps and 512 numbers; if that leaves one step, it
        is None. Frames take length / stride times the memory of the data. Models that answer every
        step take ``(length, 1)``: each step with those before it, and before the beginning the first
        step repeated; for them ``"auto"`` is None.
    step_size : int
        How many columns of a two-dimensional X make a step.
    tokens : bool or "auto"
        Whether a step is one symbol, and U x_t the column of U that belongs to it. ``"auto"``: where X
        is texts, whose characters are the symbols, or lists of words. True: whole numbers are symbols,
        too. Standardising, differences and frames are of features, and do nothing then.
    min_frequency : int
        Symbols that come less often in ``fit`` share one column with those that it has not seen.
    tbptt_steps : int or None
        For models that answer every step, on long sequences. None: each update uses the exact
        gradient of whole sequences. A number k: each batch is cut into windows of k steps, with an
        update for each window. States are carried from one window to the next, but errors go back
        only to the first step of their window (truncated back-propagation through time). So the
        network does not learn to remember longer than k steps, though its states may. Each window
        has new masks of dropout.
    checkpoint_steps : "auto", int or None
        How many steps' states are kept at the same time for the backward pass; the others are computed
        a second time. The gradient stays exact, to the bit. ``"auto"`` keeps all steps if they take
        less than 128 MB in each thread, and √T of T steps otherwise. None always keeps all: it saves
        a third of the time at most, but memory grows with the number of steps.
    engine : {"compiled", "reference"}
        The compute engine: compiled functions, or the notes' equations as they are written, in NumPy.
    n_jobs : int or None
        The largest number of threads of the compiled engine. None and -1 mean as many as this process
        has cores. The number never changes a result.

    Attributes
    ----------
    classes_ : array (n_classes,)
    n_features_in_ : int
        Columns of a two-dimensional X, else features of a step.
    feature_names_in_ : array of str
        Where X had names.
    vocabulary_ : dict
        Of tokens: the column of U of each, in ascending order. One more is for all others.
    network_ : Network
        With ``network_.parameters`` U, W, b, V, c.
    mean_, scale_ : arrays (n_features,)
        What standardises a step.
    n_members_ : int
        What ``n_members`` has come to.
    frame_ : (length, stride) or None
        What ``frame`` has come to.
    history_ : list of dict
        A row an epoch: loss, accuracy, validation_score, learning_rate, gradient_norm. Accuracies count
        each answer by its weight, ``class_weight`` included. Seldom it also has, in words, what
        happened: ``"recovered"``, training diverged and went on; ``"stopped"``, why it ended early.
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
            The states before the first steps: ``state.carry`` of a state that ``step`` returned, or
            for each layer h, (n_samples, H), or a mapping from the names of its states. Left out,
            they are zeros, or what was learned.
        """
        return self._outputs(X, initial_state)[1]

    def predict_log_proba(self, X: Any, initial_state: Any = None) -> Array:
        """Compute the logarithms of ``predict_proba``.

        Parameters
        ----------
        X
            As in ``fit``.
        initial_state : Carry, or list with an entry a layer, optional
            The states before the first steps: ``state.carry`` of a state that ``step`` returned, or
            for each layer h, (n_samples, H), or a mapping from the names of its states. Left out,
            they are zeros, or what was learned.
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
            The states before the first steps: ``state.carry`` of a state that ``step`` returned, or
            for each layer h, (n_samples, H), or a mapping from the names of its states. Left out,
            they are zeros, or what was learned.
        """
        fitted, y_hat, _ = self._outputs(X, initial_state, reduced=True)
        return fitted.answers.decoded(y_hat)

    def _values(self, y: Any, sequences: Sequences) -> Array:
        labels = sequence_labels(y, len(sequences))
        if getattr(y, "ndim", 1) == 2:
            warnings.warn(
                f"A column-vector y was passed when a 1d array was expected: its shape is {y.shape}. "
                "It is taken as np.ravel(y).",
                DataConversionWarning,
                stacklevel=5,
            )
        return labels
