"""One network alone: tanh, the last state, steps as they come in, each feature standardised, one rate.

Tests of bits, streams, carries, engines and files say so, whatever the estimators' defaults are.
"""

PLAIN = {
    "cell": "tanh",
    "readout": "last",
    "standardize": True,
    "differences": False,
    "frame": None,
    "recurrent_rate": 1.0,
    "n_members": 1,
}


def plain_model(kind, *sizes, **parameters):
    """Make an estimator of that kind; parameters that are given count."""
    return kind(*sizes, **PLAIN | parameters)
