"""The parameters of a network, or its gradients: one vector, and a view of it for each name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.equations import Layer, LayerGradients
from elman.parameters.architecture import Architecture


class Parameters(Mapping[str, Array]):
    """All parameters of a network, or its gradients: one vector, and a view of it for each name.

    If you write into a view, you write into the vector, and the other way round. So an optimizer uses
    one array, and the equations use U, W, b, V and c.

    Attributes
    ----------
    architecture : Architecture
    vector : array (n_parameters,)
    """

    def __init__(self, architecture: Architecture, vector: Array) -> None:
        if len(vector) != architecture.n_parameters:
            raise ValueError(
                f"the vector has {len(vector)} entries; this network has {architecture.n_parameters}"
            )
        self.architecture = architecture
        self.vector = vector

    @classmethod
    def zeros(cls, architecture: Architecture, dtype: npt.DTypeLike) -> Parameters:
        """Make a set of parameters (or of sums of gradients) that are all zero."""
        return cls(architecture, np.zeros(architecture.n_parameters, dtype))

    @classmethod
    def of_gradients(
        cls,
        architecture: Architecture,
        of_layers: Sequence[LayerGradients],
        dV: Array,
        dc: Array,
    ) -> Parameters:
        """Store the gradients that ``equations.network`` computes under the parameters' names.

        Gradients of parameters that the network does not have are left out.

        Parameters
        ----------
        architecture : Architecture
        of_layers : list of LayerGradients, lowest layer first, as in ``layers``
        dV : array (K, H)
        dc : array (K,)

        Returns
        -------
        gradients : Parameters
            Of dV's dtype.
        """
        computed = {"V": dV, "c": dc}
        for spec, of_layer in zip(architecture.stack, of_layers, strict=True):
            computed |= {f"{name}{spec.key}": array for name, array in of_layer._asdict().items()}
        gradients = cls.zeros(architecture, dV.dtype)
        for name, gradient in gradients.items():
            gradient[...] = computed[name]
        return gradients

    def of_tokens(self, columns: IntArray, size: int | None = None) -> Parameters:
        """Make the parameters of a network that knows only some tokens, in the order of ``columns``.

        Parameters
        ----------
        columns : array (n,)
            The columns of U_1 to take.
        size : int, optional
            The number of columns of the new U_1; those behind the n are zero.
        """
        size = len(columns) if size is None else size
        parameters = Parameters.zeros(
            replace(self.architecture, n_features=size), self.vector.dtype
        )
        for name, spec in self.architecture.specs.items():
            if spec.role == "input" and spec.layer == 1:
                parameters[name][:, : len(columns)] = self[name][:, columns]
            else:
                parameters[name][...] = self[name]
        return parameters

    def copy(self) -> Parameters:
        """Copy the vector."""
        return Parameters(self.architecture, self.vector.copy())

    def astype(self, dtype: npt.DTypeLike) -> Parameters:
        """Copy the vector to another dtype."""
        return Parameters(self.architecture, self.vector.astype(dtype))

    @property
    def layers(self) -> list[Layer]:
        """The parameters of each layer, as the equations take them; forward layers before reverse."""
        n_lowest = len(self.architecture.directions)
        return [
            Layer(
                cell,
                self[f"U{key}"],
                self.get(f"W{key}"),
                self.get(f"b{key}"),
                self.get(f"initial{key}"),
                reverse,
                tokens=k < n_lowest and self.architecture.tokens,
            )
            for k, (key, cell, _, reverse) in enumerate(self.architecture.stack)
        ]

    def gate(self, name: str, gate: str) -> Array:
        """A view on the rows of U, W or b that belong to a gate: ``parameters.gate("W1", "f")``.

        Raises
        ------
        KeyError
            If there is no such parameter, or it has no rows of that gate.
        """
        gates = self.architecture.specs[name].gates
        if gate not in gates:
            raise KeyError(f"{name} has rows of {', '.join(gates) or 'no gate'}; got {gate!r}")
        return np.split(self[name], len(gates))[gates.index(gate)]

    @cached_property
    def _views(self) -> dict[str, Array]:
        shapes = self.architecture.shapes
        ends = np.cumsum([prod(shape) for shape in shapes.values()])
        parts = np.split(self.vector, ends[:-1])
        return {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __reduce__(self) -> tuple[Any, ...]:
        # Copied or pickled one by one, the views would lose their vector.
        return Parameters, (self.architecture, self.vector)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {view.shape}" for name, view in self.items())
        return f"Parameters({shapes}; {self.vector.dtype})"
