"""Exporting models to files and libraries that answer as elman does, without elman.

portable      a model as all exporters see it
symbols       a cell's equations written down instead of computed
extras        packages that only an exporter needs
onnx          an ONNX file, for ONNX Runtime and others
onnx_graph    its nodes, names and constants
torch         a torch.nn.Module, and back
torch_names   where weights stand in its layers
torch_module  that module; only it and torch_front_end import torch
keras         weights in Keras's order, and back
exported      the methods of a network for all this
c             one C99 file with a function for a step, or for a sequence

A front end that does more than standardise is written in onnx_front_end, torch_front_end and
c_front_end.

A cell is written once, in ``equations/cells``. If a library has it as a layer of its own, the exporter
knows the order of its gates and its biases. Otherwise the lines of ``Cell.forward`` are written down
(``symbols``), also those of a user's own cell.
"""

from elman.exporting.exported import Exported
from elman.exporting.kinds import KINDS, export, exported
from elman.exporting.portable import Portable

__all__ = ["KINDS", "Exported", "Portable", "export", "exported"]
