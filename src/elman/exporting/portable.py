"""A model as all exporters see it: a network, and everything before and after it.

    x  →  filling  →  front end  →  layers  →  readout  →  V r + c  →  ŷ
       →  ŷ · target_scale + target_mean

Letters: D features, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from elman._typing import Array
from elman.data import FrontEnd
from elman.errors import ElmanError
from elman.parameters import Architecture, Parameters
from elman.persistence import Model

if TYPE_CHECKING:
    from elman.reading.missing import Filling


@dataclass(frozen=True, eq=False)
class Portable:
    """A model to be exported.

    Attributes
    ----------
    parameters : Parameters
    every_step : bool
        Whether each step is answered, or a sequence once.
    front_end : FrontEnd
        It turns the steps of a sequence into the network's steps.
    target_mean, target_scale : arrays (K,), float64, or None
        They bring ŷ to the units of y; None if ŷ is in these already.
    model : Model
        What elman needs to make the same estimator or network again.
    about : mapping
        Information for people who use the file: classes, names of features.
    filling : Filling or None
        It fills missing values, NaN, before the front end.
    """

    parameters: Parameters
    every_step: bool
    front_end: FrontEnd
    target_mean: Array | None
    target_scale: Array | None
    model: Model
    about: Mapping[str, Any]
    filling: Filling | None = None

    @classmethod
    def of_network(cls, parameters: Parameters, every_step: bool | None) -> Portable:
        """Make one from a network; by default it answers each step, unless a readout reads all."""
        architecture, dtype = parameters.architecture, parameters.vector.dtype
        D = architecture.n_inputs
        return cls(
            parameters,
            architecture.readout == "last" if every_step is None else every_step,
            FrontEnd(np.zeros(D, dtype), np.ones(D, dtype)),
            None,
            None,
            Model("Network", architecture.settings, dict(parameters)),
            {},
        )

    def __post_init__(self) -> None:
        if self.dtype not in (np.float32, np.float64):
            raise ElmanError(f"a network of {self.dtype} cannot be exported; export the real one")
        if not np.isfinite(self.parameters.vector).all():
            raise ElmanError(
                "the network has parameters that are NaN or infinite; a model that gives no answers "
                "cannot be exported. Train it again with a lower learning rate."
            )
        if self.every_step and self.architecture.readout != "last":
            raise ElmanError(
                f"readout={self.architecture.readout!r} answers a sequence once; to export answers at "
                "each step, take a network with readout='last', or leave every_step out."
            )

    @property
    def architecture(self) -> Architecture:
        """The shape of the network."""
        return self.parameters.architecture

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, for all numbers except ŷ in the units of y (float64)."""
        return self.parameters.vector.dtype

    @property
    def n_columns(self) -> int:
        """The number of features of a step, without indicators of missing values."""
        return self.front_end.n_features if self.filling is None else len(self.filling.means)

    @property
    def mean(self) -> Array:
        """What standardises a step, (D,)."""
        return self.front_end.mean

    @property
    def scale(self) -> Array:
        """What standardises a step, (D,)."""
        return self.front_end.scale

    @property
    def standardizes(self) -> bool:
        """Whether mean and scale change x."""
        return bool(self.mean.any() or (self.scale != 1).any())

    @property
    def kind(self) -> Literal["probabilities", "predictions"]:
        """What the answers are called."""
        takes_classes = self.architecture.loss_function.takes_classes
        return "probabilities" if takes_classes else "predictions"

    @property
    def summary(self) -> str:
        """The network in a line."""
        a = self.architecture
        layers = ", ".join(
            f"{H} {type(cell).__name__.lower()}"
            for H, cell in zip(a.hidden, a.layer_cells, strict=True)
        )
        both = " in both directions" if a.bidirectional else ""
        answers = "each step" if self.every_step else f"a sequence (readout {a.readout})"
        frame, frames = self.front_end.frame, ""
        if frame is not None:
            every = "step" if frame.stride == 1 else f"{frame.stride} steps"
            frames = f" in frames of {frame.length} steps every {every}"
        takes = f"{self.front_end.n_features} features"
        if a.tokens:
            takes = f"one of {a.n_features} tokens a step"
        return f"{takes}{frames}, {layers} units{both}, {a.n_outputs} outputs for {answers}"
