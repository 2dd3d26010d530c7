"""The methods of a network that export it or read it from elsewhere; ``Network`` inherits them."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from elman._typing import Array
from elman.errors import ElmanError
from elman.exporting.keras import from_keras, to_keras
from elman.exporting.kinds import export
from elman.exporting.portable import Portable
from elman.exporting.torch import from_layers, from_torch, to_torch
from elman.parameters import Parameters
from elman.persistence import parameters_from


class Exported:
    """Exports a network to files and libraries that run without elman, and reads it back."""

    parameters: Parameters

    @classmethod
    @abstractmethod
    def from_parameters(cls, parameters: Parameters) -> Self:
        """Make a network around parameters."""

    def _portable(self, every_step: bool | None = None) -> Portable:
        return Portable.of_network(self.parameters, every_step)

    def export(self, path: str | os.PathLike[str], *, every_step: bool | None = None) -> None:
        """Write the network to a file that runs without elman, replacing an older one at once.

        Any other file that is there already stays, and is an error.

        Parameters
        ----------
        path : path
            Its suffix says the kind: ``.onnx`` for ONNX Runtime and others, ``.c`` for a C99 file with
            a function for a step, ``.pt`` for PyTorch (weights that ``from_torch`` reads).
        every_step : bool, optional
            Whether to return ŷ_t of every step, or only of each sequence's last. If left out: of every
            step, unless the readout is of all steps. A ``.c`` file answers each step.

        Raises
        ------
        ValueError
            If the suffix is none of these.
        ElmanError
            If such a file cannot express the network, or a package that writes it is missing.
        FileExistsError
            If there is a file already that elman did not write.
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        export(self._portable(every_step), path)

    def to_torch(self, *, every_step: bool | None = None) -> Any:
        """Make a ``torch.nn.Module`` of the same weights. Needs PyTorch (``elman[torch]``).

        ``module(x, lengths)`` takes x (n_samples, n_timesteps, D), and the number of steps of each
        sequence; without ``lengths`` all have the same. ``module.logits`` returns z, for training. It
        uses torch.nn's layers for cells that torch has.

        Parameters
        ----------
        every_step : bool, optional
            As in ``export``.
        """
        return to_torch(self._portable(every_step))

    @classmethod
    def from_torch(
        cls, module: Any, linear: Any = None, *, loss: Any = "cross_entropy", readout: str = "last"
    ) -> Self:
        """Make a network from the weights of a ``torch.nn.Module``.

        Parameters
        ----------
        module : module of ``to_torch``, path of a .pt file of ``export``, or torch.nn.RNN, GRU or LSTM
            No code in a file is run.
        linear : torch.nn.Linear, optional
            The output layer of a torch.nn.RNN, GRU or LSTM.
        loss, readout
            For torch.nn's layers; modules and files of elman have their own.

        Raises
        ------
        ElmanError
            If it is none of these, or is an estimator's (use the estimator's ``from_torch``).
        """
        if linear is not None:
            return cls.from_parameters(from_layers(module, linear, loss, readout))
        model = from_torch(module)
        if model.kind != "Network":
            raise ElmanError(
                f"it holds a {model.kind}; read it by {model.kind}.from_torch, and take its network_"
            )
        return cls.from_parameters(parameters_from(model.settings, model.arrays))

    def to_keras(self) -> list[Array]:
        """Return the weights as ``keras_model.set_weights`` takes them.

        They are kernel, recurrent kernel and bias of each layer, with the gates in Keras's order, and
        those of the Dense. ``Bidirectional`` has the forward ones, then the backward ones.

        Raises
        ------
        ElmanError
            If Keras has no such cell (``leaky``, or one of your own), or initial states are learned.
        """
        return to_keras(self._portable())

    @classmethod
    def from_keras(
        cls,
        weights: Sequence[Any],
        cell: str | Sequence[str],
        *,
        bidirectional: bool = False,
        loss: Any = "cross_entropy",
        readout: str = "last",
    ) -> Self:
        """Make a network from ``keras_model.get_weights()``, of recurrent layers and one Dense.

        Parameters
        ----------
        weights : list of arrays
        cell : str or sequence of str
            One for all layers or one for each. A GRU needs ``reset_after=True``.
        bidirectional, loss, readout
            As in ``Network``; sizes and biases follow from the arrays.

        Raises
        ------
        ElmanError
            If the arrays are not those of such layers.
        """
        return cls.from_parameters(
            from_keras(weights, cell, bidirectional=bidirectional, loss=loss, readout=readout)
        )
