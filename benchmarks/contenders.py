"""The contenders, each as it is well used: a training step, a batch's answers, one step of a stream.

A contender is a function of a problem and a number of threads. It returns two functions: ``run``, which
is what is timed, and ``result``, which gives what ``run`` computes as NumPy arrays, to be compared.
It is called in a process of its own, and imports there what it needs.

Letters: T steps, B sequences, D features, H units, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.problems import Problem

Pair = tuple[Callable[[], Any], Callable[[], dict[str, Any]]]
SGEMM = 1024


class Contender(NamedTuple):
    """A name for people, the package it needs, and the function."""

    label: str
    package: str
    make: Callable[[Problem, int], Pair]
    takes_ragged: bool = True


# The training step: forward, loss, all gradients


def elman_step(
    problem: Problem, n_threads: int, engine: str = "compiled", dtype: type = np.float32
) -> Pair:
    """Compute by one of elman's engines."""
    from elman.data import Batch, Targets, as_sequences
    from elman.engines import get_engine

    X, labels, _ = problem.data()
    parameters = _elman_parameters(problem, dtype)
    batch = Batch.all_of(as_sequences([x.astype(dtype) for x in X]), every_step=False)
    weights = np.full(problem.B, 1 / problem.B, dtype)
    targets = Targets(labels, weights, every_step=False)
    chosen = get_engine(engine, n_threads)

    def run() -> Any:
        return chosen.loss_and_gradients(parameters, batch, targets)

    def result() -> dict[str, Any]:
        evaluation = run()
        gradients = {name[0]: gradient for name, gradient in evaluation.gradients.items()}
        return {"loss": evaluation.loss, **gradients}

    return run, result


def torch_step(problem: Problem, n_threads: int) -> Pair:
    """Compute by PyTorch's nn.RNN; of its two biases one is held at zero."""
    import torch

    torch.set_num_threads(n_threads)
    X, labels, parameters = problem.data()
    rnn, output = _torch_network(problem, parameters)
    if problem.shortest is None:
        x: Any = torch.from_numpy(problem.time_major(X))
    else:
        x = torch.nn.utils.rnn.pack_sequence(list(map(torch.from_numpy, X)), enforce_sorted=True)
    y = torch.from_numpy(labels)
    learnt = {"U": rnn.weight_ih_l0, "W": rnn.weight_hh_l0, "b": rnn.bias_ih_l0}
    learnt |= {"V": output.weight, "c": output.bias}

    def run() -> Any:
        rnn.zero_grad(set_to_none=True)
        output.zero_grad(set_to_none=True)
        _, h = rnn(x)  # (1, B, H): of a packed batch each sequence's last
        loss = torch.nn.functional.cross_entropy(output(h[0]), y)
        loss.backward()
        return loss

    def result() -> dict[str, Any]:
        return {"loss": run().item(), **{name: p.grad.numpy() for name, p in learnt.items()}}

    return run, result


def jax_step(problem: Problem, n_threads: int) -> Pair:
    """Compute by JAX's scan under jit, U x_t of all steps in one product."""
    import jax
    import jax.numpy as jnp

    X, labels, arrays = problem.data()
    x, y = jnp.asarray(problem.time_major(X)), jnp.asarray(labels)
    parameters = {name: jnp.asarray(array) for name, array in arrays.items()}

    def loss_of(p: dict[str, Any], x: Any, y: Any) -> Any:
        U_frd = x @ p["U"].T + p["b"]  # (T, B, H)
        h_0 = jnp.zeros((problem.B, problem.H), jnp.float32)
        h, _ = jax.lax.scan(lambda h, u: (jnp.tanh(u + h @ p["W"].T), None), h_0, U_frd)
        log_y_hat = jax.nn.log_softmax(h @ p["V"].T + p["c"])
        return -jnp.take_along_axis(log_y_hat, y[:, None], axis=1).mean()

    step = jax.jit(jax.value_and_grad(loss_of))

    def run() -> Any:
        return jax.block_until_ready(step(parameters, x, y))

    def result() -> dict[str, Any]:
        loss, gradients = run()
        return {"loss": float(loss), **{name: np.asarray(g) for name, g in gradients.items()}}

    return run, result


def sgemm(problem: Problem, n_threads: int) -> Pair:
    """Multiply two large matrices by NumPy's BLAS: what the machine can do."""
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((2, SGEMM, SGEMM), dtype=np.float32)
    C = np.empty_like(A)
    return lambda: np.matmul(A, B, out=C), dict


# Prediction: ŷ of each sequence's last step


def elman_predict(
    problem: Problem, n_threads: int, engine: str = "compiled", dtype: type = np.float32
) -> Pair:
    """Answer by Network.forward."""
    from elman import Network
    from elman.engines import get_engine

    X, _, _ = problem.data()
    x = np.stack(X).astype(dtype)  # (B, T, D)
    network = Network.from_parameters(
        _elman_parameters(problem, dtype), get_engine(engine, n_threads)
    )
    run = partial(network.forward, x, every_step=False)
    return run, lambda: {"y_hat": run()}


def torch_predict(problem: Problem, n_threads: int) -> Pair:
    """Answer by nn.RNN in inference mode."""
    import torch

    torch.set_num_threads(n_threads)
    X, _, parameters = problem.data()
    x = torch.from_numpy(problem.time_major(X))
    rnn, output = _torch_network(problem, parameters)

    @torch.inference_mode()
    def run() -> Any:
        return output(rnn(x)[1][0]).softmax(dim=1)

    return run, lambda: {"y_hat": run().numpy()}


def onnx_predict(problem: Problem, n_threads: int) -> Pair:
    """Answer by ONNX Runtime's RNN."""
    X, _, _ = problem.data()
    session = _onnx_session(problem, n_threads)
    feed = {"x": problem.time_major(X), "h_0": np.zeros((1, problem.B, problem.H), np.float32)}

    def run() -> Any:
        return session.run(["y_hat"], feed)[0]

    return run, lambda: {"y_hat": run()}


# A stream: one step of one sequence, the state carried on


def elman_stream(problem: Problem, n_threads: int) -> Pair:
    """Step by a fitted estimator's public call."""
    from elman import RNNClassifier

    X, _, parameters = problem.data()
    model = RNNClassifier(problem.H, max_iter=1, standardize=False, n_jobs=n_threads)
    model.fit(np.repeat(X[0][None], 10, axis=0), np.arange(10))
    for name, array in model.network_.parameters.items():
        array[...] = parameters[name[0]]
    return _streaming(X[0], model.initial_state, model.step)


def torch_stream(problem: Problem, n_threads: int) -> Pair:
    """Step by nn.RNNCell in inference mode, in one thread: more are no help."""
    import torch

    torch.set_num_threads(1)
    X, _, parameters = problem.data()
    rnn, output = _torch_network(problem, parameters)
    cell = torch.nn.RNNCell(problem.D, problem.H)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in rnn.state_dict().items()})

    @torch.inference_mode()
    def step(x_t: Any, h: Any) -> Any:
        h = cell(x_t, h)
        return output(h).softmax(dim=1), h

    x = torch.from_numpy(X[0])[:, None]  # (T, 1, D)
    return _streaming(x, lambda: torch.zeros(1, problem.H), step)


def onnx_stream(problem: Problem, n_threads: int) -> Pair:
    """Step by ONNX Runtime's RNN, in one thread."""
    X, _, _ = problem.data()
    session = _onnx_session(problem, n_threads=1)

    def step(x_t: Any, h: Any) -> Any:
        return session.run(None, {"x": x_t, "h_0": h})

    x = X[0][:, None, None]  # (T, 1, 1, D)
    return _streaming(x, lambda: np.zeros((1, 1, problem.H), np.float32), step)


def _streaming(
    x: Any, initial_state: Callable[[], Any], step: Callable[[Any, Any], tuple[Any, Any]]
) -> Pair:
    state = initial_state()
    x_t = x[0]

    def run() -> None:
        nonlocal state
        _, state = step(x_t, state)

    def result() -> dict[str, Any]:
        h = initial_state()
        for x_t in x:
            y_hat, h = step(x_t, h)
        return {"y_hat": np.asarray(y_hat).reshape(1, -1)}

    return run, result


# The networks


def _elman_parameters(problem: Problem, dtype: type) -> Any:
    from elman.parameters import Architecture, Parameters

    _, _, arrays = problem.data()
    K, H = arrays["V"].shape
    parameters = Parameters.zeros(Architecture(problem.D, (H,), ("tanh",), K), dtype)
    for name, array in parameters.items():
        array[...] = arrays[name[0]]
    return parameters


def _torch_network(problem: Problem, parameters: dict[str, np.ndarray]) -> tuple[Any, Any]:
    import torch

    rnn = torch.nn.RNN(problem.D, problem.H)
    output = torch.nn.Linear(problem.H, len(parameters["c"]))
    p = {name: torch.from_numpy(array) for name, array in parameters.items()}
    zero = torch.zeros(problem.H)
    names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
    rnn.load_state_dict(dict(zip(names, (p["U"], p["W"], p["b"], zero), strict=True)))
    rnn.bias_hh_l0.requires_grad_(False)
    output.load_state_dict({"weight": p["V"], "bias": p["c"]})
    return rnn, output


def _onnx_session(problem: Problem, n_threads: int) -> Any:
    import onnxruntime
    from onnx import TensorProto, checker, helper, numpy_helper

    T, D, B, H = "T", problem.D, problem.B, problem.H
    _, _, p = problem.data()
    K = len(p["c"])
    weights = {
        "U": p["U"][None],
        "W": p["W"][None],
        "b": np.concatenate([p["b"], np.zeros_like(p["b"])])[None],  # it has two, as PyTorch does
        "V": p["V"],
        "c": p["c"],
        "first": np.array([0]),
    }
    nodes = [
        helper.make_node("RNN", ["x", "U", "W", "b", "", "h_0"], ["", "h"], hidden_size=H),
        helper.make_node("Squeeze", ["h", "first"], ["h_T"]),  # (1, B, H) → (B, H)
        helper.make_node("Gemm", ["h_T", "V", "c"], ["y_unactivated"], transB=1),
        helper.make_node("Softmax", ["y_unactivated"], ["y_hat"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [T, B, D]),
            helper.make_tensor_value_info("h_0", TensorProto.FLOAT, [1, B, H]),
        ],
        [
            helper.make_tensor_value_info("y_hat", TensorProto.FLOAT, [B, K]),
            helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, B, H]),
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


_TRUTH = {"engine": "reference", "dtype": np.float64}
STEP_TRUTH = Contender("float64", "elman", partial(elman_step, **_TRUTH))
STEP = {
    "sgemm": Contender("sgemm", "numpy", sgemm),
    "elman": Contender("elman", "elman", elman_step),
    "reference": Contender("reference engine", "elman", partial(elman_step, engine="reference")),
    "torch": Contender("PyTorch", "torch", torch_step),
    "jax": Contender("JAX", "jax", jax_step, takes_ragged=False),
}
PREDICT_TRUTH = Contender("float64", "elman", partial(elman_predict, **_TRUTH))
PREDICT = {
    "elman": Contender("elman", "elman", elman_predict),
    "torch": Contender("PyTorch", "torch", torch_predict),
    "onnx": Contender("ONNX Runtime", "onnxruntime", onnx_predict),
}
STREAM = {
    "elman": Contender("elman", "elman", elman_stream),
    "torch": Contender("PyTorch", "torch", torch_stream),
    "onnx": Contender("ONNX Runtime", "onnxruntime", onnx_stream),
}
