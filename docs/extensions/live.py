"""What the pages compute while they are built: every number in the text comes from the code.

A page has one namespace, that of Python's ``__main__``; ``__file__`` is the page. ::

    ```{live}          code that is run and shown, with what it prints
    ```{numbers}       formulas with their values, a line ``LaTeX := expression`` each; lines that
                       follow one another stand side by side, where there is room
    {num}`expression`  a value in the text
    ```{source} name   a function of elman as it stands, without its docstring
    ```{question} …    a learner's question, and its answer

``:hidden:`` runs code without showing it; ``:writes:`` puts what it prints in its place, which is
Markdown; ``:draws:`` says in words what its picture shows. Code that raises or warns, or that prints
or draws nothing where it is asked to, fails the build.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import importlib
import inspect
import io
import textwrap
import warnings
from typing import Any, ClassVar

import matplotlib
import numpy as np
from docutils import nodes
from docutils.parsers.rst import directives
from matplotlib import pyplot
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

DIGITS = 4

matplotlib.use("agg")


def namespace(env: Any) -> dict[str, Any]:
    """Return the page's own namespace."""
    names = {"__name__": "__main__", "__file__": str(env.doc2path(env.docname)), "np": np}
    return env.current_document.setdefault("live", names)


def number(value: Any, digits: int = DIGITS) -> str:
    """Write a number as LaTeX, by powers of ten where it is very small or large."""
    value = float(value) + 0.0  # no -0
    if value == 0 or (value.is_integer() and abs(value) < 1e5):
        return f"{value:.0f}"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits}f}"
    mantissa, power = f"{value:.1e}".split("e")
    return rf"{mantissa} \cdot 10^{{{int(power)}}}"


def latex(value: Any) -> str:
    """Write a number, a column (1-D) or a matrix; the tiny network's own numbers have one digit."""
    value = np.asarray(value)
    digits = 1 if (value.round(1) == value).all() else DIGITS
    if value.ndim == 0:
        return number(value, digits)
    rows = value[:, None] if value.ndim == 1 else value
    body = r" \\ ".join(" & ".join(number(entry, digits) for entry in row) for row in rows)
    return rf"\begin{{bmatrix}} {body} \end{{bmatrix}}"


class Live(SphinxDirective):
    """Run code, and show it with what it prints."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "hidden": directives.flag,
        "prints": directives.flag,
        "writes": directives.flag,
        "draws": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:  # noqa: D102
        source = "\n".join(self.content)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(source, self.env.docname, "exec"), namespace(self.env))
        if "hidden" in self.options:
            return []
        if "writes" in self.options:
            if not said.getvalue():
                raise self.error("this code should have written something")
            return self.parse_text_to_nodes(said.getvalue())
        shown: list[nodes.Node] = [nodes.literal_block(source, source, language="python")]
        if said.getvalue():
            text = said.getvalue().rstrip()
            shown.append(nodes.literal_block(text, text, language="text", classes=["printed"]))
        elif "prints" in self.options:
            raise self.error("this code should have printed something")
        if "draws" in self.options:
            shown.append(nodes.image("", uri=self.picture(), alt=self.options["draws"]))
        return shown

    def picture(self) -> str:
        """Return the figure that the code has drawn, as an address that holds all of it."""
        if not pyplot.get_fignums():
            raise self.error("this code should have drawn something")
        file = io.BytesIO()
        pyplot.savefig(file, dpi=144)
        pyplot.close("all")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


class Numbers(SphinxDirective):
    """Formulas and their values."""

    has_content = True

    def run(self) -> list[nodes.Node]:  # noqa: D102
        shown: list[nodes.Node] = []
        for paragraph in "\n".join(self.content).split("\n\n"):
            row = nodes.container(classes=["numbers"])
            for line in paragraph.splitlines():
                formula, assigned, expression = line.partition(":=")
                if not assigned:
                    raise self.error(f"expected LaTeX := expression; got {line!r}")
                value = eval(expression, namespace(self.env))
                text = f"{formula.strip()} = {latex(value)}"
                row += nodes.math_block(text, text, nowrap=False, number=None, label=None)
            shown.append(row)
        return shown


class Num(SphinxRole):
    """A value in the text; a number is written as a formula is."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:  # noqa: D102
        value = eval(self.text, namespace(self.env))
        if isinstance(value, str):
            return [nodes.Text(value)], []
        return [nodes.math(latex(value), latex(value))], []


class Source(SphinxDirective):
    """A function's source without its docstring, and where it stands."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:  # noqa: D102
        module_name, _, name = self.arguments[0].rpartition(".")
        module = importlib.import_module(module_name)
        function = getattr(module, name)
        self.env.note_dependency(inspect.getsourcefile(function))
        source = textwrap.dedent(inspect.getsource(function))
        lines = source.splitlines()
        (tree,) = ast.parse(source).body
        assert isinstance(tree, ast.FunctionDef)
        if ast.get_docstring(tree) is not None:
            del lines[tree.body[0].lineno - 1 : tree.body[0].end_lineno]
        text = "\n".join(lines)
        where = nodes.paragraph("", "", classes=["where"])
        where += nodes.literal("", f"src/{module_name.replace('.', '/')}.py")
        return [where, nodes.literal_block(text, text, language="python", classes=["source"])]


class Question(SphinxDirective):
    """A learner's question, and its answer."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"name": directives.unchanged}

    def run(self) -> list[nodes.Node]:  # noqa: D102
        box = nodes.admonition("", classes=["question"])
        title, _ = self.state.inline_text(self.arguments[0], self.lineno)
        box += nodes.title(self.arguments[0], "", *title)
        self.add_name(box)
        self.set_source_info(box)
        self.state.nested_parse(self.content, self.content_offset, box)
        return [box]


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the directives and the role."""
    app.add_directive("live", Live)
    app.add_directive("numbers", Numbers)
    app.add_directive("source", Source)
    app.add_directive("question", Question)
    app.add_role("num", Num())
    return {"parallel_read_safe": True}
