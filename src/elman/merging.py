"""Merging several networks of one architecture (the members) into one, whose z is the mean of theirs.

A layer of H units in each of M members becomes a layer of M·H units: for each gate, the members' rows
stand one under another. Units are connected within their member only, so W, and U above the first
layer, are block-diagonal. V has the members' V side by side, divided by M, and c is the mean of theirs.

Cells and readouts are computed unit by unit. So the merged network has the members' states, and its
output is

    z  =  (1/M) Σ_m z_m

So a classifier answers the normalised geometric mean of the members' probabilities, and a regressor the
mean of their answers, or the geometric mean where ŷ = exp z (Poisson's loss).

Letters: M members, P parameters of each, H units, D inputs, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod

import numpy as np

from elman._typing import Array
from elman.parameters import Architecture, Parameters


def merged_architecture(architecture: Architecture, n_members: int) -> Architecture:
    """The architecture of the merged network of so many members."""
    return replace(architecture, hidden=tuple(n_members * H for H in architecture.hidden))


class Members:
    """Networks of one architecture side by side, and the network that they are merged into.

    Parameters
    ----------
    architecture : Architecture
        The architecture of each member.
    vector : array (M P,)
        All parameters, those of one member behind those of another.

    Attributes
    ----------
    architecture, vector
    each : list of Parameters
        The parameters of each member: views on ``vector``.
    network : Parameters
        The merged network, as of the last ``merge``. A single member is the network itself.
    """

    def __init__(self, architecture: Architecture, vector: Array) -> None:
        self.architecture = architecture
        self.vector = vector
        parts = vector.reshape(-1, architecture.n_parameters)
        self.each = [Parameters(architecture, part) for part in parts]
        if len(self.each) == 1:
            self.network = self.each[0]
        else:
            larger = merged_architecture(architecture, len(self.each))
            self.network = Parameters.zeros(larger, vector.dtype)
        self.merge()

    @classmethod
    def of(cls, each: Sequence[Parameters]) -> Members:
        """Put networks side by side. Several are copied; a single one is not."""
        architecture = each[0].architecture
        if len(each) > 1:
            return cls(architecture, np.concatenate([parameters.vector for parameters in each]))
        members = cls(architecture, each[0].vector)
        members.each, members.network = [each[0]], each[0]
        return members

    def restore(self, vector: Array) -> None:
        """Set all parameters."""
        self.vector[...] = vector
        self.merge()

    def merge(self) -> None:
        """Bring the merged network up to date with the members."""
        M = len(self.each)
        if M == 1:
            return
        for places, member in zip(self._places, self.each, strict=True):
            for name, place in places.items():
                block = member[name].reshape(place.shape)
                place[...] = block / M if name == "V" else block
        if "c" in self.network:
            with np.errstate(over="ignore", invalid="ignore"):  # training says that it diverged
                self.network["c"][...] = sum(member["c"] for member in self.each) / M

    @cached_property
    def _places(self) -> list[Mapping[str, Array]]:
        """Where each member's parameters stand in the merged network: views on it, all but c."""
        M = len(self.each)
        return [places_of(self.architecture, self.network, m, M) for m in range(M)]


def places_of(
    architecture: Architecture, network: Parameters, m: int, n_members: int
) -> dict[str, Array]:
    """Find where a member's parameters stand in the merged network of so many.

    Parameters
    ----------
    architecture : Architecture
        The architecture of a member.
    network : Parameters
        The parameters of the merged network.
    m : int
        Which member.
    n_members : int
        M.

    Returns
    -------
    dict of str to array
        For each parameter of the member but c, a view on the merged network's, with as many numbers in
        the same order.
    """
    M, directions = n_members, len(architecture.directions)
    places = {}
    for name, spec in architecture.specs.items():
        if name == "c":
            continue
        H = None if spec.layer is None else architecture.hidden[spec.layer - 1]
        # Rows: as many groups as there are gates (or states), each of M·H. V has only one.
        n_rows = spec.shape[0]
        rows = (n_rows, 1, 1) if H is None else (n_rows // H, M, H)
        # Columns: the units of this layer or of those below, in each direction; or the features.
        if spec.role == "recurrent":
            columns = (1, M, spec.shape[1])
        elif spec.role == "output" or (spec.role == "input" and spec.layer != 1):
            columns = (directions, M, spec.shape[1] // directions)
        else:
            columns = (prod(spec.shape[1:]), 1, 1)
        view = network[name].reshape(rows + columns)
        row, column = min(m, rows[1] - 1), min(m, columns[1] - 1)
        places[name] = view[:, row, :, :, column]
    return places
