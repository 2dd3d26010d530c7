"""A front end in C99 that does more than standardise: differences, frames, a sequence by itself.

    NAME_step(&state, x, y)    makes a sample of x; the network takes a step when a frame is whole
    NAME_predict(x, T, y)      takes a whole sequence, frame by frame, each made of x as it is needed

Letters: T samples and D features of a sequence, F numbers a sample, K outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import indent

from elman.data.frontend import CONSTANT, FLOOR
from elman.exporting.portable import Portable


@dataclass(frozen=True, eq=False)
class CFrontEnd:
    """The parts of a C file for a front end.

    Attributes
    ----------
    model : Portable
    name : str
        The beginning of the names of functions.
    real, answer : str
        The types of numbers, and of answers.
    """

    model: Portable
    name: str
    real: str
    answer: str

    @property
    def alone(self) -> bool:
        """Whether it only standardises, so that each step of a sequence is a step of the network."""
        return self.model.front_end.standardizes_alone

    @property
    def steps(self) -> bool:
        """Whether there is a function for a step."""
        return self.model.front_end.level is None

    @property
    def whole(self) -> bool:
        """Whether there is a function for whole sequences."""
        return not self.steps or self._waits

    @property
    def _waits(self) -> bool:
        """Whether there are steps without an answer of their own."""
        frame = self.model.front_end.frame
        return frame is not None and not frame.aligned

    @property
    def _frame(self) -> tuple[int, int, int]:
        """Length and stride of a frame, and how many of its samples come before its step."""
        frame = self.model.front_end.frame
        if frame is None:
            return 1, 1, 0
        return frame.length, frame.stride, (frame.length - 1) * frame.aligned

    @property
    def step_signature(self) -> str:
        """The parameters of the function for a step."""
        return f"void {self.name}_step{self._takes(self.model.n_columns)}"

    @property
    def inner_signature(self) -> str:
        """The same for steps without missing values; no difference if none are filled."""
        if self.model.filling is None:
            return self.step_signature
        return f"static void {self.name}_filled_step{self._takes(self.model.front_end.n_features)}"

    def _takes(self, n: int) -> str:
        x, y = f"const {self.real} x[{n}]", f"{self.answer} y[{self.model.architecture.n_outputs}]"
        return f"({self.name}_state *state, {x}, {y})"

    @property
    def predict_signature(self) -> str:
        """The parameters of the function for a sequence."""
        return f"void {self.name}_predict(const {self.real} x[], int T, {self.answer} y[])"

    # The comment at the beginning

    def usage(self) -> Iterator[str]:
        """Say how the functions are called, and what they take and return."""
        name = self.name
        D, K = self.model.n_columns, self.model.architecture.n_outputs
        if self.steps:
            yield f"    {name}_state state;"
            yield f"    {name}_begin(&state);             before the first step of a sequence"
            yield f"    {name}_step(&state, x, y);        at each step"
        if self.whole:
            yield f"    {name}_predict(x, T, y);          of a whole sequence of T steps, T at least 1"
        yield ""
        if self.model.architecture.tokens:
            n = self.model.architecture.n_features
            yield f"x: which of the {n} tokens the step is, from 0; what is none is the last."
        else:
            yield f"x: the {D} features of a step, as they were in training" + (
                f"; of {name}_predict, T times {D}."
                if self.steps and self.whole
                else "."
                if self.steps
                else ", for T steps."
            )
        if self.model.filling is not None:
            yield "   A value that is missing is NAN, and is filled as in training."
        kind = self.model.kind
        if not self.steps and self.model.every_step:
            yield f"y: {K} {kind} for each of the T steps."
        elif not self.steps:
            yield f"y: {K} {kind}."
        else:
            yield f"y: {K} {kind}, the answer if the sequence ended with this step."
        if self.steps and self._waits:
            length, stride, _ = self._frame
            every = "step" if stride == 1 else f"{stride} steps"
            yield f"   It is NAN before step {length}, and changes every {every} from there."
            yield f"   A sequence shorter than {length} steps is answered by {name}_predict alone."
        if not self.steps:
            yield (
                "There is no function for a step: standardize='sequence' needs mean and deviation of"
            )
            yield "the whole sequence."

    # State

    def fields(self) -> Iterator[str]:
        """Its members in the struct of states."""
        front_end = self.model.front_end
        if self.alone or not self.steps:
            return
        if front_end.differences:
            yield f"{self.real} before[{front_end.n_features}];"
        if front_end.frame is not None:
            yield f"{self.real} samples[{front_end.n_inputs}];"
        if self._waits:
            yield f"{self.answer} answer[{self.model.architecture.n_outputs}];"
            yield "int n_samples;"
        if front_end.differences or not self._waits:
            yield "int began;"

    def begin(self) -> Iterator[str]:
        """The lines that set them before the first step."""
        if self.alone or not self.steps:
            return
        if self._waits:
            yield f"for (int k = 0; k < {self.model.architecture.n_outputs}; k++)"
            yield "    state->answer[k] = NAN;"
            yield "state->n_samples = 0;"
        if self.model.front_end.differences or not self._waits:
            yield "state->began = 0;"

    # Functions

    def functions(self) -> Iterator[str]:
        """All of them; they call ``network(state, input, y)``, which is there already."""
        if not self.steps:
            yield self._measure()
        yield self._sample()
        if self.steps:
            yield self._step()
        if self.whole:
            yield self._predict()

    def _sample(self) -> str:
        front_end, D = self.model.front_end, self.model.front_end.n_features
        of_sequence = self.model.front_end.level is not None
        own = ", const measured *own" if of_sequence else ""
        factor = " * own->factor[d]" if self._factors else ""
        lines = ["out[d] = (x[d] - mean[d]) / scale[d];"]
        last, blocks = "out[d]", ["x"]
        if of_sequence:
            blocks.append("z")
            last = f"out[{D} + d]"
            lines += [
                f"{last} = own->deviation[d] > 0",
                f"    ? ({self.real})((x[d]{factor} - own->mean[d]) / own->deviation[d]) : 0;",
            ]
        if front_end.differences:
            blocks.append("difference")
            lines.append(f"{self.real} earlier = {last};")
            if of_sequence:
                lines += [
                    "if (before && own->deviation[d] > 0)",
                    f"    earlier = ({self.real})((before[d]{factor} - own->mean[d])"
                    " / own->deviation[d]);",
                ]
            else:
                lines += ["if (before)", "    earlier = (before[d] - mean[d]) / scale[d];"]
            lines.append(f"out[{len(blocks) - 1} * {D} + d] = {last} - earlier;")
        before = f", const {self.real} *before" if front_end.differences else ""
        body = indent("\n".join(lines), " " * 8)
        return (
            f"/* out = [{', '.join(blocks)}] of a step x, standardised */\n"
            f"static void sample(const {self.real} *x{before}{own}, {self.real} *out)\n"
            f"{{\n    for (int d = 0; d < {D}; d++) {{\n{body}\n    }}\n}}\n"
        )

    @property
    def _factors(self) -> bool:
        """Whether squares could overflow; a factor, which is a power of two, prevents it."""
        return self.real == "double"

    def measured_type(self) -> str:
        """The type of what is measured for a sequence."""
        D = self.model.front_end.n_features
        factor = f"factor[{D}], " if self._factors else ""
        return (
            "/* of one sequence; a deviation of 0: the feature does not vary */\n"
            f"typedef struct {{\n    double {factor}mean[{D}], deviation[{D}];\n}} measured;\n"
        )

    def _measure(self) -> str:
        D, factor = self.model.front_end.n_features, " * factor" if self._factors else ""
        largest = [
            "double largest = 0;",
            "for (int t = 0; t < T; t++)",
            f"    largest = fmax(largest, fabs(x[t * {D} + d]));",
            "const double factor = largest > 1e100 ? 0x1p-600 : largest < 1e-100 ? 0x1p600 : 1;",
            "own->factor[d] = factor;",
        ]
        lines = [
            *(largest if self._factors else []),
            "double total = 0, squares = 0;",
            "for (int t = 0; t < T; t++)",
            f"    total += x[t * {D} + d]{factor};",
            "const double centre = total / T;",
            "for (int t = 0; t < T; t++) {",
            f"    const double off = x[t * {D} + d]{factor} - centre;",
            "    squares += off * off;",
            "}",
            "const double variance = squares / T, rounding = T * 0x1p-52 * fabs(centre);",
            "const double deviation = variance <= rounding * rounding ? 0 : sqrt(variance);",
            "own->mean[d] = centre;",
            f"own->deviation[d] = deviation <= {CONSTANT!r} * fabs(centre) ? 0 : deviation;",
            f"const double share = deviation{factor.replace('*', '/')} / scale[d];",
            f"levels[d] = ({self.real})(log(fmin(share, 1e300) + {FLOOR!r}) - level[d]);",
        ]
        body = indent("\n".join(lines), " " * 8)
        return (
            f"{self.measured_type()}\nstatic void measure(const {self.real} *x, int T, measured *own, "
            f"{self.real} *levels)\n{{\n    for (int d = 0; d < {D}; d++) {{\n{body}\n    }}\n}}\n"
        )

    def _step(self) -> str:
        front_end = self.model.front_end
        D, F = front_end.n_features, front_end.n_numbers
        length, stride, _ = self._frame
        before = "state->began ? state->before : 0, " if front_end.differences else ""
        lines = [f"{self.real} now[{F}];", f"sample(x, {before}now);"]
        if front_end.differences:
            lines += [f"for (int d = 0; d < {D}; d++)", "    state->before[d] = x[d];"]
        if self._waits:
            lines += ["state->began = 1;"] * front_end.differences
            lines += [
                "if (state->n_samples >= 0) /* else it is between two frames */",
                f"    for (int j = 0; j < {F}; j++)",
                f"        state->samples[state->n_samples * {F} + j] = now[j];",
                f"if (++state->n_samples == {length}) {{",
                "    network(state, state->samples, state->answer);",
                f"    for (int i = {stride * F}; i < {length * F}; i++)",
                f"        state->samples[i - {stride * F}] = state->samples[i];",
                f"    state->n_samples -= {stride};",
                "}",
                f"for (int k = 0; k < {self.model.architecture.n_outputs}; k++)",
                "    y[k] = state->answer[k];",
            ]
        elif front_end.frame is None:
            lines += ["state->began = 1;", "network(state, now, y);"]
        else:
            lines += [
                f"for (int i = {F}; i < {length * F}; i++)",
                f"    state->samples[i - {F}] = state->samples[i];",
                f"for (int k = state->began ? {length - 1} : 0; k < {length}; k++)",
                f"    for (int j = 0; j < {F}; j++)",
                f"        state->samples[k * {F} + j] = now[j];",
                "state->began = 1;",
                "network(state, state->samples, y);",
            ]
        return f"{self.inner_signature}\n{{\n{indent(chr(10).join(lines), '    ')}\n}}\n"

    def _predict(self) -> str:
        front_end, K = self.model.front_end, self.model.architecture.n_outputs
        D, F, n_inputs = front_end.n_features, front_end.n_numbers, front_end.n_inputs
        length, stride, back = self._frame
        of_sequence = front_end.level is not None
        lines = [f"{self.name}_state state;", f"{self.real} input[{n_inputs}];"]
        if of_sequence:
            lines += ["measured own;", f"measure(x, T, &own, input + {length * F});"]
        lines.append(f"{self.name}_begin(&state);")
        if back or length == stride == 1:
            lines.append("const int n_steps = T;")
        else:
            lines.append(f"const int n_steps = T < {length} ? 1 : 1 + (T - {length}) / {stride};")
        first = f"i * {stride}" if stride > 1 else "i"
        at = f"{first} + k" if not back else f"{first} + k - {back}"
        arguments = [f"x + t * {D}"]
        if front_end.differences:
            arguments.append(f"t ? x + (t - 1) * {D} : 0")
        arguments += ["&own"] * of_sequence + [f"input + k * {F}"]
        lines += [
            "for (int i = 0; i < n_steps; i++) {",
            f"    for (int k = 0; k < {length}; k++) {{",
        ]
        lines += [f"        int t = {at};"]
        lines += ["        if (t < 0)", "            t = 0;"] * bool(back)
        lines += ["        if (t > T - 1)", "            t = T - 1;"]
        lines += [f"        sample({', '.join(arguments)});", "    }"]
        y = f"y + i * {K}" if self.model.every_step else "y"
        lines += [f"    network(&state, input, {y});", "}"]
        return f"{self.predict_signature}\n{{\n{indent(chr(10).join(lines), '    ')}\n}}\n"
