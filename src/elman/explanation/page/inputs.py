"""In panel 2: of many inputs with names, those that enter most strongly."""

from __future__ import annotations

import numpy as np

from elman.data.frontend import numbered
from elman.explanation.page.markup import details, number, table, text
from elman.explanation.page.view import MATRIX, View, capped


def named_inputs(view: View) -> list[str]:
    """Of inputs that have names, as those of frames have, those that enter most strongly."""
    ex = view.explanation
    if ex.layer > 1 or ex.features == numbered(ex.D):
        return []
    entering = np.abs(ex.x) * np.linalg.norm(ex.U, axis=0)  # (T, D), ‖U's column x‖ of each
    dU = np.linalg.norm(ex.gradients[f"U{ex.layer}"], axis=0)
    root = np.sqrt(np.square(entering).mean(axis=0))
    order = np.argsort(-root, kind="stable")[:MATRIX]
    return [
        details(
            "The inputs that enter most strongly",
            table(
                "Each input i puts its column of U, times its value, into U_frd. Over all steps, the "
                f"largest first.{capped(len(order), ex.D, 'inputs')}",
                [
                    "input",
                    "‖U<sub>i</sub> x<sub>i</sub>‖, root mean square",
                    "largest",
                    "at step",
                    "‖U<sub>i</sub>‖",
                    "‖dL/dU<sub>i</sub>‖",
                ],
                [
                    [
                        text(ex.features[i]),
                        number(float(root[i])),
                        number(float(entering[:, i].max())),
                        str(1 + int(entering[:, i].argmax())),
                        number(float(np.linalg.norm(ex.U[:, i]))),
                        number(float(dU[i])),
                    ]
                    for i in order.tolist()
                ],
                class_="inputs",
            ),
        )
    ]
