"""Fitted estimators as model files, and as files and objects of other libraries."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import numpy as np

from elman._files import require_ours_or_nothing
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
        """Write the fitted estimator to a model file (safetensors), replacing an older one at once.

        Any other file that is there already stays, and is an error.
        ``n_jobs``, ``checkpoint_steps``, and a ``random_state`` that is a generator, are not stored.

        Parameters
        ----------
        path : path
        optimizer : bool
            Whether to store the optimizer and the random generator too, so that ``partial_fit`` after
            ``load`` gives the same bits as without saving. The file is up to three times as large.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        FileExistsError
            If there is a file already that is no model of elman's.
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        require_ours_or_nothing(path, "model")
        self._write(path, optimizer)

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
        """Make an estimator again from the contents of a model file."""
        estimator = cls(**params_from(model))
        estimator._fitted = fitted_from(
            model, cls._answers, estimator._make_engine(), estimator.random_state
        )
        return estimator

    def _write(self, path: str | os.PathLike[str], optimizer: bool = False) -> None:
        """Write a model file, and replace any file that is there."""
        write_model(path, *self._model(optimizer))

    def _model(self, optimizer: bool = False) -> Model:
        """The contents of a model file."""
        return model_of(type(self).__name__, self.get_params(), self._state, optimizer=optimizer)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a file that runs without elman, replacing an older one at once.

        Any other file that is there already stays, and is an error.

        The file includes the front end and the units of y. It takes X as ``predict`` does (with three
        axes), and returns what ``predict_proba`` returns, or a regressor's ``predict``. Tokens are
        passed as numbers, as ``network_input`` returns them; the file lists the token of each number.

        Parameters
        ----------
        path : path
            Its suffix says the kind: ``.onnx`` for ONNX Runtime and others, ``.c`` for a C99 file with
            a function for a step (with ``standardize="sequence"``, for a whole sequence), ``.pt`` for
            PyTorch (weights that ``from_torch`` reads).

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the suffix is none of these.
        ElmanError
            If such a file cannot express the model, or a package that writes it is missing.
        FileExistsError
            If there is a file already that elman did not write.
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        export(self._portable(), path)

    def to_torch(self) -> Any:
        """Make a ``torch.nn.Module`` of the same weights. Needs PyTorch (``elman[torch]``).

        ``module(x, lengths)`` takes x (n_samples, n_timesteps, n_features), and the number of steps of
        each sequence; without ``lengths`` all have the same. It returns what ``predict_proba`` returns,
        or a regressor's ``predict``; ``module.logits`` returns z, for training. It uses torch.nn's
        layers for cells that torch has.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ElmanError
            If torch is not installed.
        """
        return to_torch(self._portable())

    @classmethod
    def from_torch(cls, module: Any) -> Self:
        """Make a fitted estimator from a module of ``to_torch``, with the module's present weights.

        Parameters
        ----------
        module : module of ``to_torch``, or path of a .pt file of ``export``
            No code in a file is run.

        Raises
        ------
        ElmanError
            If it is neither, or belongs to another kind of estimator.
        """
        model = from_torch(module)
        if model.kind != cls.__name__:
            raise ElmanError(f"it holds a {model.kind}; read it by {model.kind}.from_torch")
        return cls._of_model(model)

    def to_keras(self) -> list[Array]:
        """Return the weights as ``keras_model.set_weights`` takes them.

        If ``standardize`` is True, they begin with mean, variance and count of a ``Normalization``.
        Then come kernel, recurrent kernel and bias of each layer, with the gates in Keras's order, and
        those of the Dense, whose output is in the units of y. With ``frame``, ``differences`` or
        ``standardize="sequence"`` there is no Normalization: pass ``network_input(X)`` to the Keras
        model, ``Input((None, n_inputs))``. Make tokens one-hot, with as many columns as ``U1``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ElmanError
            If Keras has no such cell (``leaky``, or one of your own), or initial states are learned.
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
