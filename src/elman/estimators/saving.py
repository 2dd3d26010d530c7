"""Fitted estimators leave: as model files, and as what runs without elman; and come back."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import numpy as np

from elman._typing import Array
from elman.errors import ElmanError
from elman.estimators.answers import Classes, Numbers
from elman.estimators.files import fitted_from, model_of, params_from
from elman.estimators.predicting import Predicting
from elman.exporting import Portable, export
from elman.exporting.keras import to_keras
from elman.exporting.torch import from_torch, to_torch
from elman.persistence import Model, fitting_together, read_model, write_model


class Saved(Predicting):
    """Model files and exports of a fitted estimator."""

    _answers: ClassVar[type[Classes | Numbers]]

    def save(self, path: str | os.PathLike[str], *, optimizer: bool = False) -> None:
        """Write the fitted estimator to a model file (safetensors), replacing what is there at once.

        A ``random_state`` that is a generator, ``n_jobs`` and ``checkpoint_steps`` are not stored.

        Parameters
        ----------
        path : path
        optimizer : bool
            Whether to store the optimizer and the state of the random generator too, so that
            ``partial_fit`` after ``load`` goes on to the same bits as without; the file is up to three
            times as large. Without them it goes on with the weights alone.

        Raises
        ------
        NotFittedError
            If there is nothing to save yet.
        OSError
            If the file cannot be written; what was there is as it was.
        """
        write_model(path, *self._model(optimizer))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a fitted estimator from a model file. No code runs.

        Raises
        ------
        ModelFileError
            If the file is damaged, altered, foreign, or holds something else.
        OSError
            If there is no such file, or it cannot be read.
        """
        model = read_model(path, kind=cls.__name__)
        with fitting_together(path):
            return cls._of_model(model)

    @classmethod
    def _of_model(cls, model: Model) -> Self:
        """Put an estimator together again from what a model file holds of it."""
        estimator = cls(**params_from(model))
        estimator._fitted = fitted_from(
            model, cls._answers, estimator._make_engine(), estimator.random_state
        )
        return estimator

    def _model(self, optimizer: bool = False) -> Model:
        """What a model file holds of it."""
        return model_of(type(self).__name__, self.get_params(), self._state, optimizer=optimizer)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a file that runs without elman.

        The front end and the units of y are in it: it takes X as ``predict`` does, in three axes, and
        gives what ``predict_proba`` gives, or of a regressor ``predict``. Of tokens it takes the
        numbers of their columns, as ``network_input`` gives them; the file says which token has which.

        Parameters
        ----------
        path : path
            Its suffix says the kind: ``.onnx`` for ONNX Runtime and others, ``.c`` for a C99 file with
            a function for a step (with ``standardize="sequence"``, for a whole sequence), ``.pt`` for
            PyTorch (weights that ``from_torch`` reads).

        Raises
        ------
        NotFittedError
            If there is nothing to export yet.
        ValueError
            If the suffix is none of these.
        ElmanError
            If such a file cannot express the model, or a package that writes it is missing.
        OSError
            If the file cannot be written; what was there is as it was.
        """
        export(self._portable(), path)

    def to_torch(self) -> Any:
        """Make a ``torch.nn.Module`` of the same weights. Needs PyTorch (``elman[torch]``).

        ``module(x, lengths)`` takes x (n_samples, n_timesteps, n_features), and how many steps each
        sequence has; left out, all have the same. It gives what ``predict_proba`` gives, or of a
        regressor ``predict``; ``module.logits`` gives z, for training. Its layers are torch.nn's
        where torch has the cell.

        Raises
        ------
        NotFittedError
            If there is nothing to export yet.
        ElmanError
            If torch is not installed.
        """
        return to_torch(self._portable())

    @classmethod
    def from_torch(cls, module: Any) -> Self:
        """Make a fitted estimator of a module of ``to_torch``, with the weights that it has now.

        Parameters
        ----------
        module : module of ``to_torch``, or path of a .pt file of ``export``
            No code of a file runs.

        Raises
        ------
        ElmanError
            If it is neither, or that of another kind of estimator.
        """
        model = from_torch(module)
        if model.kind != cls.__name__:
            raise ElmanError(f"it holds a {model.kind}; read it by {model.kind}.from_torch")
        return cls._of_model(model)

    def to_keras(self) -> list[Array]:
        """Return the weights as ``keras_model.set_weights`` takes them.

        First mean, variance and count of a ``Normalization``, where ``standardize`` is on; then layer
        by layer kernel, recurrent kernel and bias, with Keras's order of gates; then those of the
        Dense, which answers in the units of y. Behind ``frame``, ``differences`` or
        ``standardize="sequence"`` there is no Normalization: give the Keras model what
        ``network_input(X)`` gives, ``Input((None, n_inputs))``. Of tokens make that one-hot, with as
        many columns as ``U1`` has.

        Raises
        ------
        NotFittedError
            If there is nothing to export yet.
        ElmanError
            If Keras has no such cell: ``leaky``, or one of your own; or initial states are learned.
        """
        return to_keras(self._portable())

    def _portable(self) -> Portable:
        """The model as exporters see it."""
        fitted = self._state
        parameters, answers, front_end = fitted.network.parameters, fitted.answers, fitted.front_end
        mean = scale = None
        about: dict[str, Any] = {}
        if isinstance(answers, Classes):
            about["classes"] = answers.classes.tolist()
        if isinstance(answers, Numbers) and (answers.mean.any() or (answers.scale != 1).any()):
            each = answers.loss.outputs_a_number
            mean, scale = (np.repeat(of, each) for of in (answers.mean, answers.scale))
        if (vocabulary := fitted.format.vocabulary) is not None:
            about["tokens"] = [*vocabulary.tokens, "<unknown>"]  # x is the place of its token here
        if names := fitted.format.step_names:
            about["features"] = list(names)
        filling, reading = None, fitted.format.reading
        if reading is not None and reading.get("missing") is not None:
            from elman.reading.missing import Filling

            filling = Filling.from_settings(reading["missing"])
            about["missing"] = f"NaN, filled as in training ({filling.policy})"
            if "features" in about:
                about["features"] = about["features"][: len(filling.means)]
        return Portable(
            parameters,
            self._every_step,
            front_end,
            mean,
            scale,
            self._model(),
            about,
            filling,
        )
