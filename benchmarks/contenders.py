"""The contenders, each as it is well used: a training step, a batch's answers, one step of a stream.

A contender is a function of a problem and a number of threads. It returns two functions: ``run``, which
is what is timed, and ``result``, which gives what ``run`` computes as NumPy arrays, to be compared.
It is called in a process of its own, and imports there what it needs.

Letters: T steps, B sequences, D features, H units, K classes.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.problems import SIZES, Problem

Pair = tuple[Callable[[], Any], Callable[[], dict[str, Any]]]
SGEMM = 1024
TORCH_NAMES = {"tanh": "RNN", "gru": "GRU", "lstm": "LSTM"}
ONNX_NODES = {"tanh": ("RNN", [0]), "gru": ("GRU", [1, 0, 2]), "lstm": ("LSTM", [0, 3, 1, 2])}
"""Names, and the order of the gates: z, r, n of our r, z, n; i, o, f, g of our i, f, g, o."""


class Contender(NamedTuple):
    """A name for people, the package it needs, the function, and what its environment has more."""

    label: str
    package: str
    make: Callable[[Problem, int], Pair]
    takes_ragged: bool = True
    environment: tuple[tuple[str, str], ...] = ()


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


def elman_step_alone(problem: Problem, n_threads: int) -> Pair:
    """Compute in one thread, whatever others may have."""
    return elman_step(problem, 1)


def earlier_step(problem: Problem, n_threads: int, root: str) -> Pair:
    """Compute by the elman of another checkout, as its own contender does."""
    sys.path.insert(0, f"{root}/src")
    contenders = runpy.run_path(f"{root}/benchmarks/contenders.py")
    pair: Pair = contenders["elman_step"](problem, n_threads)
    assert Path(sys.modules["elman"].__file__ or "").is_relative_to(root)
    return pair


def torch_step(problem: Problem, n_threads: int) -> Pair:
    """Compute by PyTorch's nn.RNN, GRU or LSTM; of its two biases one is held at zero.

    But for those of GRU's candidate, which has both.
    """
    import torch

    torch.set_num_threads(n_threads)
    X, labels, parameters = problem.data()
    rnn, output = _torch_network(problem, parameters)
    if problem.shortest is None:
        x: Any = torch.from_numpy(problem.time_major(X))
    else:
        x = torch.nn.utils.rnn.pack_sequence(list(map(torch.from_numpy, X)), enforce_sorted=True)
    y = torch.from_numpy(labels)
    learnt = {"U": rnn.weight_ih_l0, "W": rnn.weight_hh_l0, "V": output.weight, "c": output.bias}

    def run() -> Any:
        rnn.zero_grad(set_to_none=True)
        output.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(output(_last_h(rnn(x))), y)
        loss.backward()
        return loss

    def result() -> dict[str, Any]:
        loss = run().item()
        db = rnn.bias_ih_l0.grad.numpy()
        if problem.cell == "gru":
            db = np.concatenate([db, rnn.bias_hh_l0.grad.numpy()[2 * problem.H :]])
        return {"loss": loss, "b": db, **{name: p.grad.numpy() for name, p in learnt.items()}}

    return run, result


def jax_step(problem: Problem, n_threads: int) -> Pair:
    """Compute by JAX's scan under jit, U x_t of all steps in one product."""
    import jax
    import jax.numpy as jnp

    X, labels, arrays = problem.data()
    x, y = jnp.asarray(problem.time_major(X)), jnp.asarray(labels)
    parameters = {name: jnp.asarray(array) for name, array in arrays.items()}
    tanh, sigmoid = jnp.tanh, jax.nn.sigmoid

    def tanh_step(p: dict[str, Any], states: Any, u: Any) -> Any:
        (h,) = states
        return (tanh(u + h @ p["W"].T),), None

    def gru_step(p: dict[str, Any], states: Any, u: Any) -> Any:
        (h,) = states
        u_r, u_z, u_n = jnp.split(u, 3, axis=1)
        w_r, w_z, w_n = jnp.split(h @ p["W"].T, 3, axis=1)
        n = tanh(u_n + sigmoid(u_r + w_r) * (w_n + p["b"][3 * problem.H :]))
        z = sigmoid(u_z + w_z)
        return ((1 - z) * n + z * h,), None

    def lstm_step(p: dict[str, Any], states: Any, u: Any) -> Any:
        h, s = states
        i, f, g, o = jnp.split(u + h @ p["W"].T, 4, axis=1)
        s = sigmoid(f) * s + sigmoid(i) * tanh(g)
        return (sigmoid(o) * tanh(s), s), None

    cell = {"tanh": tanh_step, "gru": gru_step, "lstm": lstm_step}[problem.cell]
    n_states = 2 if problem.cell == "lstm" else 1

    def loss_of(p: dict[str, Any], x: Any, y: Any) -> Any:
        U_frd = x @ p["U"].T + p["b"][: len(p["U"])]  # (T, B, rows of U)
        before = (jnp.zeros((problem.B, problem.H), jnp.float32),) * n_states
        (h, *_), _ = jax.lax.scan(partial(cell, p), before, U_frd)
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
    """Answer by nn.RNN, GRU or LSTM in inference mode."""
    import torch

    torch.set_num_threads(n_threads)
    X, _, parameters = problem.data()
    x = torch.from_numpy(problem.time_major(X))
    rnn, output = _torch_network(problem, parameters)

    @torch.inference_mode()
    def run() -> Any:
        return output(_last_h(rnn(x))).softmax(dim=1)

    return run, lambda: {"y_hat": run().numpy()}


def onnx_predict(problem: Problem, n_threads: int) -> Pair:
    """Answer by ONNX Runtime's RNN, GRU or LSTM."""
    X, _, _ = problem.data()
    session = _onnx_session(problem, n_threads)
    feed = {"x": problem.time_major(X)}
    feed |= dict.fromkeys(_onnx_states(problem), np.zeros((1, problem.B, problem.H), np.float32))

    def run() -> Any:
        return session.run(["y_hat"], feed)[0]

    return run, lambda: {"y_hat": run()}


# A stream: one step of one sequence, the state carried on


def elman_stream(problem: Problem, n_threads: int) -> Pair:
    """Step by a fitted estimator's public call."""
    from elman import RNNClassifier

    X, _, parameters = problem.data()
    plain = {"n_members": 1, "readout": "last", "frame": None}
    plain |= {"standardize": False, "differences": False}
    model = RNNClassifier(problem.H, cell=problem.cell, max_iter=1, n_jobs=n_threads, **plain)
    model.fit(np.repeat(X[0][None], 10, axis=0), np.arange(10))
    for name, array in model.network_.parameters.items():
        array[...] = parameters[name[0]]
    return _streaming(X[0], model.initial_state, model.step)


def torch_stream(problem: Problem, n_threads: int) -> Pair:
    """Step by nn.RNNCell, GRUCell or LSTMCell in inference mode, in one thread: more are no help."""
    import torch

    torch.set_num_threads(1)
    X, _, parameters = problem.data()
    rnn, output = _torch_network(problem, parameters)
    cell = getattr(torch.nn, f"{TORCH_NAMES[problem.cell]}Cell")(problem.D, problem.H)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in rnn.state_dict().items()})

    is_lstm = problem.cell == "lstm"

    @torch.inference_mode()
    def step(x_t: Any, state: Any) -> Any:
        state = cell(x_t, state)
        return output(state[0] if is_lstm else state).softmax(dim=1), state

    x = torch.from_numpy(X[0])[:, None]  # (T, 1, D)
    zeros = torch.zeros(1, problem.H)
    return _streaming(x, lambda: (zeros, zeros) if is_lstm else zeros, step)


def onnx_stream(problem: Problem, n_threads: int) -> Pair:
    """Step by ONNX Runtime's RNN, GRU or LSTM, in one thread."""
    X, _, _ = problem.data()
    session = _onnx_session(problem, n_threads=1)

    names = _onnx_states(problem)

    def step(x_t: Any, states: Any) -> Any:
        y_hat, *states = session.run(None, {"x": x_t, **dict(zip(names, states, strict=True))})
        return y_hat, states

    x = X[0][:, None, None]  # (T, 1, 1, D)
    return _streaming(x, lambda: [np.zeros((1, 1, problem.H), np.float32)] * len(names), step)


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
    K = len(arrays["V"])
    parameters = Parameters.zeros(Architecture(problem.D, (problem.H,), (problem.cell,), K), dtype)
    for name, array in parameters.items():
        array[...] = arrays[name[0]]
    return parameters


def _torch_network(problem: Problem, parameters: dict[str, np.ndarray]) -> tuple[Any, Any]:
    import torch

    rnn = getattr(torch.nn, TORCH_NAMES[problem.cell])(problem.D, problem.H)
    output = torch.nn.Linear(problem.H, len(parameters["c"]))
    p = {name: torch.from_numpy(array) for name, array in parameters.items()}
    biases = map(torch.from_numpy, _two_biases(problem, parameters["b"]))
    names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
    rnn.load_state_dict(dict(zip(names, (p["U"], p["W"], *biases), strict=True)))
    rnn.bias_hh_l0.requires_grad_(problem.cell == "gru")
    output.load_state_dict({"weight": p["V"], "bias": p["c"]})
    return rnn, output


def _two_biases(problem: Problem, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of U x_t and of W h_{t-1}, for those that have two: ours, and 0 but for GRU's candidate."""
    n = SIZES[problem.cell].U * problem.H
    second = np.zeros(n, np.float32)
    second[n - len(b[n:]) :] = b[n:]
    return b[:n], second


def _onnx_states(problem: Problem) -> list[str]:
    return ["h_0", "s_0"] if problem.cell == "lstm" else ["h_0"]


def _last_h(results: Any) -> Any:
    """Return each sequence's last h, (B, H), of what nn.RNN, GRU or LSTM returns."""
    _, last = results
    return (last[0] if isinstance(last, tuple) else last)[0]


def _onnx_session(problem: Problem, n_threads: int) -> Any:
    import onnxruntime
    from onnx import TensorProto, checker, helper, numpy_helper

    T, D, B, H = "T", problem.D, problem.B, problem.H
    _, _, p = problem.data()
    K = len(p["c"])
    node, gates = ONNX_NODES[problem.cell]
    U, W, b, second_b = (
        np.concatenate([part[g * H : (g + 1) * H] for g in gates])
        for part in (p["U"], p["W"], *_two_biases(problem, p["b"]))
    )
    weights = {
        "U": U[None],
        "W": W[None],
        "b": np.concatenate([b, second_b])[None],
        "V": p["V"],
        "c": p["c"],
        "first": np.array([0]),
    }
    befores = _onnx_states(problem)
    afters = [name.removesuffix("_0") for name in befores]
    nodes = [
        helper.make_node(
            node,
            ["x", "U", "W", "b", "", *befores],
            ["", *afters],
            hidden_size=H,
            **({"linear_before_reset": 1} if problem.cell == "gru" else {}),
        ),
        helper.make_node("Squeeze", ["h", "first"], ["h_T"]),  # (1, B, H) → (B, H)
        helper.make_node("Gemm", ["h_T", "V", "c"], ["y_unactivated"], transB=1),
        helper.make_node("Softmax", ["y_unactivated"], ["y_hat"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [T, B, D]),
            *(helper.make_tensor_value_info(s, TensorProto.FLOAT, [1, B, H]) for s in befores),
        ],
        [
            helper.make_tensor_value_info("y_hat", TensorProto.FLOAT, [B, K]),
            *(helper.make_tensor_value_info(s, TensorProto.FLOAT, [1, B, H]) for s in afters),
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
    # On processors that it does not know, OpenBLAS leaves half of what AVX-512 can do.
    "sgemm_avx512": Contender(
        "sgemm, AVX-512", "numpy", sgemm, environment=(("OPENBLAS_CORETYPE", "SkylakeX"),)
    ),
    "elman": Contender("elman", "elman", elman_step),
    "reference": Contender("reference engine", "elman", partial(elman_step, engine="reference")),
    "torch": Contender("PyTorch", "torch", torch_step),
    "jax": Contender("JAX", "jax", jax_step, takes_ragged=False),
}
if "avx512f" not in Path("/proc/cpuinfo").read_text().split():
    del STEP["sgemm_avx512"]
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
