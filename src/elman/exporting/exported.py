"""What a network has of exporters: its methods, which ``Network`` inherits."""

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
    """Leaves in files and libraries that run without elman, and comes back."""

    parameters: Parameters

    @classmethod
    @abstractmethod
    def from_parameters(cls, parameters: Parameters) -> Self:
        """Make a network around parameters."""

    def export(self, path: str | os.PathLike[str], *, every_step: bool | None = None) -> None:
        """Write the network to a file that runs without elman.

        Parameters
        ----------
        path : path
            Its suffix says the kind: ``.onnx`` for ONNX Runtime and others, ``.c`` for a C99 file with
            a function for a step, ``.pt`` for PyTorch (weights that ``from_torch`` reads).
        every_step : bool, optional
            ŷ_t for every step, or only for each sequence's last; left out, for every step, or for a
            sequence once where a readout of all steps is its answer. A ``.c`` file answers each step.

        Raises
        ------
        ValueError
            If the suffix is none of these.
        ElmanError
            If such a file cannot express the network, or a package that writes it is missing.
        OSError
            If the file cannot be written; what was there is as it was.
        """
        export(Portable.of_network(self.parameters, every_step), path)

    def to_torch(self, *, every_step: bool | None = None) -> Any:
        """Make a ``torch.nn.Module`` of the same weights. Needs PyTorch (``elman[torch]``).

        ``module(x, lengths)`` takes x (n_samples, n_timesteps, D), and how many steps each sequence
        has; left out, all have the same. ``module.logits`` gives z, for training. Its layers are
        torch.nn's where torch has the cell.

        Parameters
        ----------
        every_step : bool, optional
            As in ``export``.
        """
        return to_torch(Portable.of_network(self.parameters, every_step))

    @classmethod
    def from_torch(
        cls, module: Any, linear: Any = None, *, loss: Any = "cross_entropy", readout: str = "last"
    ) -> Self:
        """Make a network of the weights of a ``torch.nn.Module``.

        Parameters
        ----------
        module : module of ``to_torch``, path of a .pt file of ``export``, or torch.nn.RNN, GRU or LSTM
            No code of a file runs.
        linear : torch.nn.Linear, optional
            What stands above a torch.nn.RNN, GRU or LSTM.
        loss, readout
            Those of a network of torch.nn's layers; the others know theirs.

        Raises
        ------
        ElmanError
            If it is none of these, or an estimator's: that is read by the estimator's class.
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

        Layer by layer kernel, recurrent kernel and bias, with Keras's order of gates, then those of
        the Dense above; ``Bidirectional``'s are the forward ones, then the backward ones.

        Raises
        ------
        ElmanError
            If Keras has no such cell: ``leaky``, or one of your own; or initial states are learned.
        """
        return to_keras(Portable.of_network(self.parameters, None))

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
        """Make a network of ``keras_model.get_weights()``, of recurrent layers under one Dense.

        Parameters
        ----------
        weights : list of arrays
        cell : str or sequence of str
            One for all layers or one for each. A GRU has to be one of ``reset_after=True``.
        bidirectional, loss, readout
            As in ``Network``; sizes and biases are those of the arrays.

        Raises
        ------
        ElmanError
            If they are not the arrays of such layers.
        """
        return cls.from_parameters(
            from_keras(weights, cell, bidirectional=bidirectional, loss=loss, readout=readout)
        )
