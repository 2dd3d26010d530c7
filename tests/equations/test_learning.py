"""N4: a step against the gradient."""

import numpy as np

from elman.equations import descend


def test_steps_in_place_against_the_gradient():
    W = np.array([[1.0, -2.0], [0.5, 4.0]])
    gradient = np.array([[2.0, 1.0], [-4.0, 8.0]])
    given = W
    descend(W, gradient, 0.25)
    np.testing.assert_array_equal(given, [[0.5, -2.25], [1.5, 2.0]])
    np.testing.assert_array_equal(gradient, [[2.0, 1.0], [-4.0, 8.0]])


def test_a_small_step_lowers_a_loss_by_its_slope():
    def loss(theta):
        return ((theta - [1.0, -3.0]) ** 2).sum()

    theta = np.array([0.5, 2.0])
    gradient = 2 * (theta - [1.0, -3.0])
    before = loss(theta)
    descend(theta, gradient, 1e-6)
    np.testing.assert_allclose(before - loss(theta), 1e-6 * gradient @ gradient, rtol=2e-6)
