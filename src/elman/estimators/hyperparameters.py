"""The parameters of the estimators, with their defaults and their allowed values."""

from __future__ import annotations

from functools import update_wrapper
from numbers import Real
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils._tags import Tags

from elman.engines import ENGINES
from elman.equations import CELLS, LOSSES, Cell
from elman.equations.losses import Loss
from elman.equations.readouts import READOUTS
from elman.estimators.constraints import Choice, Number, Switch, Whole
from elman.training import OPTIMIZERS, SCHEDULES


def generator(random_state: Any) -> np.random.Generator:
    """Make NumPy's newer generator from what scikit-learn takes as ``random_state``."""
    return np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))


class _Named:
    """Makes Python's errors about arguments name the class that was called, not the base class."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Give each class its own copy of ``__init__``."""
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            return
        given: Any = cls.__init__
        own: Any = FunctionType(
            given.__code__, given.__globals__, given.__name__, closure=given.__closure__
        )
        update_wrapper(own, given)
        own.__defaults__, own.__kwdefaults__ = given.__defaults__, given.__kwdefaults__
        own.__qualname__ = f"{cls.__qualname__}.__init__"
        type.__setattr__(cls, "__init__", own)


class Hyperparameters(BaseEstimator):
    """The parameters of all estimators. ``RNNClassifier`` says what each means."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Whole(1)],
        "cell": [Choice(*CELLS), Cell, "array-like"],
        "bidirectional": [Switch()],
        "n_members": [Choice("auto"), Whole(1)],
        "solver": [Choice(*OPTIMIZERS)],
        "alpha": [Number(0)],
        "batch_size": [Choice("auto"), Whole(1)],
        "learning_rate": [Choice(*SCHEDULES)],
        "learning_rate_init": [Number(0, closed=False)],
        "recurrent_rate": [Number(0)],
        "warmup": [Number(0, 1)],
        "max_iter": [Choice("auto"), Whole(1)],
        "shuffle": [Switch()],
        "random_state": ["random_state"],
        "tol": [Number(0)],
        "verbose": ["verbose"],
        "warm_start": [Switch()],
        "momentum": [Number(0, 1)],
        "early_stopping": [Switch()],
        "validation_fraction": [Number(0, 1, closed=False)],
        "n_iter_no_change": [Whole(1), None],
        "beta_1": [Number(0, 1)],
        "beta_2": [Number(0, 1)],
        "epsilon": [Number(0, closed=False)],
        "clip_norm": [Number(0, closed=False), None],
        "dropout": [Number(0, 1)],
        "recurrent_dropout": [Number(0, 1)],
        "readout": [Choice("auto", *READOUTS)],
        "bias": [Switch()],
        "learn_initial_state": [Switch()],
        "standardize": [Switch(), Choice("auto", "sequence")],
        "differences": [Switch()],
        "frame": ["array-like", Choice("auto"), None],
        "step_size": [Whole(1)],
        "tokens": [Switch(), Choice("auto")],
        "min_frequency": [Whole(1)],
        "engine": [Choice(*ENGINES)],
        "tbptt_steps": [Whole(1), None],
        "checkpoint_steps": [Choice("auto"), Whole(1), None],
        "n_jobs": [Whole(1), Choice(-1), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (64,),
        *,
        cell: Any = "gru",
        bidirectional: bool = False,
        n_members: Any = "auto",
        solver: str = "adam",
        alpha: float = 0.0,
        batch_size: Any = "auto",
        learning_rate: str = "cosine",
        learning_rate_init: float = 0.003,
        recurrent_rate: float = 0.1,
        warmup: float = 0.05,
        max_iter: Any = "auto",
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        clip_norm: float | None = 1.0,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        readout: str = "auto",
        bias: bool = True,
        learn_initial_state: bool = False,
        standardize: Any = "auto",
        differences: bool = True,
        frame: Any = "auto",
        step_size: int = 1,
        tokens: Any = "auto",
        min_frequency: int = 1,
        tbptt_steps: int | None = None,
        checkpoint_steps: Any = "auto",
        engine: str = "compiled",
        n_jobs: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.cell = cell
        self.bidirectional = bidirectional
        self.n_members = n_members
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.recurrent_rate = recurrent_rate
        self.warmup = warmup
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.clip_norm = clip_norm
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.readout = readout
        self.bias = bias
        self.learn_initial_state = learn_initial_state
        self.standardize = standardize
        self.differences = differences
        self.frame = frame
        self.step_size = step_size
        self.tokens = tokens
        self.min_frequency = min_frequency
        self.tbptt_steps = tbptt_steps
        self.checkpoint_steps = checkpoint_steps
        self.engine = engine
        self.n_jobs = n_jobs

    def _validate_params(self) -> None:
        """Check the parameters as scikit-learn does; explain if a class stands for its instance."""
        for name in ("cell", "loss"):
            if isinstance(given := getattr(self, name, None), type):
                raise InvalidParameterError(
                    f"{name} is the class {given.__name__}; pass an instance, {given.__name__}()."
                )
        rate: Any = self.learning_rate
        if isinstance(rate, Real):
            raise InvalidParameterError(
                f"learning_rate={rate}; expected a schedule, 'cosine' or 'constant'. The rate itself "
                f"is learning_rate_init={rate}."
            )
        if isinstance(self.frame, str | Real) and self.frame != "auto":
            raise InvalidParameterError(
                f"frame={self.frame!r}; expected (length, stride), two whole numbers of steps, as in "
                "frame=(16, 4); 'auto' or None."
            )
        super()._validate_params()

    def __sklearn_tags__(self) -> Tags:
        """Declare what X may be: rows, or three axes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        return tags


class ClassifierParameters(_Named, Hyperparameters):
    """The parameters of RNNClassifier and RNNTagger."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Hyperparameters._parameter_constraints,
        "class_weight": [dict, Choice("balanced"), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (64,),
        *,
        cell: Any = "gru",
        bidirectional: bool = False,
        n_members: Any = "auto",
        solver: str = "adam",
        alpha: float = 0.0,
        batch_size: Any = "auto",
        learning_rate: str = "cosine",
        learning_rate_init: float = 0.003,
        recurrent_rate: float = 0.1,
        warmup: float = 0.05,
        max_iter: Any = "auto",
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        clip_norm: float | None = 1.0,
        class_weight: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        readout: str = "auto",
        bias: bool = True,
        learn_initial_state: bool = False,
        standardize: Any = "auto",
        differences: bool = True,
        frame: Any = "auto",
        step_size: int = 1,
        tokens: Any = "auto",
        min_frequency: int = 1,
        tbptt_steps: int | None = None,
        checkpoint_steps: Any = "auto",
        engine: str = "compiled",
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            cell=cell,
            bidirectional=bidirectional,
            n_members=n_members,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            recurrent_rate=recurrent_rate,
            warmup=warmup,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            clip_norm=clip_norm,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            readout=readout,
            bias=bias,
            learn_initial_state=learn_initial_state,
            standardize=standardize,
            differences=differences,
            frame=frame,
            step_size=step_size,
            tokens=tokens,
            min_frequency=min_frequency,
            tbptt_steps=tbptt_steps,
            checkpoint_steps=checkpoint_steps,
            engine=engine,
            n_jobs=n_jobs,
        )
        self.class_weight = class_weight


class RegressorParameters(_Named, Hyperparameters):
    """The parameters of RNNRegressor and RNNStepRegressor."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Hyperparameters._parameter_constraints,
        "loss": [Choice(*(name for name in LOSSES if not LOSSES[name].takes_classes)), Loss],
        "quantile": [Number(0, 1, closed=False), "array-like"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (64,),
        *,
        cell: Any = "gru",
        bidirectional: bool = False,
        n_members: Any = "auto",
        solver: str = "adam",
        alpha: float = 0.0,
        batch_size: Any = "auto",
        learning_rate: str = "cosine",
        learning_rate_init: float = 0.003,
        recurrent_rate: float = 0.1,
        warmup: float = 0.05,
        max_iter: Any = "auto",
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        clip_norm: float | None = 1.0,
        loss: Any = "squared_error",
        quantile: Any = 0.5,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        readout: str = "auto",
        bias: bool = True,
        learn_initial_state: bool = False,
        standardize: Any = "auto",
        differences: bool = True,
        frame: Any = "auto",
        step_size: int = 1,
        tokens: Any = "auto",
        min_frequency: int = 1,
        tbptt_steps: int | None = None,
        checkpoint_steps: Any = "auto",
        engine: str = "compiled",
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            cell=cell,
            bidirectional=bidirectional,
            n_members=n_members,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            recurrent_rate=recurrent_rate,
            warmup=warmup,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            clip_norm=clip_norm,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            readout=readout,
            bias=bias,
            learn_initial_state=learn_initial_state,
            standardize=standardize,
            differences=differences,
            frame=frame,
            step_size=step_size,
            tokens=tokens,
            min_frequency=min_frequency,
            tbptt_steps=tbptt_steps,
            checkpoint_steps=checkpoint_steps,
            engine=engine,
            n_jobs=n_jobs,
        )
        self.loss = loss
        self.quantile = quantile
