"""Elements, tables, numbers and MathML: strings of markup, made by small functions.

Whatever a user wrote goes through ``text``; everything else here is markup already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from html import escape

import numpy as np


def text(value: object) -> str:
    """Escape what a user wrote."""
    return escape(str(value))


def short(value: object, n: int) -> str:
    """Escape what a user wrote, n characters of it at the most."""
    written = str(value)
    return text(written if len(written) <= n else written[: n - 1] + "…")


def element(tag: str, *content: str, **attributes: str | int | float | bool | None) -> str:
    """Write an element: ``class_`` is class, ``aria_label`` aria-label; None and False are left out."""
    pairs = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return f"<{tag}{pairs}>{''.join(content)}</{tag}>"


def paragraph(*content: str, class_: str | None = None) -> str:
    """Write a paragraph."""
    return element("p", *content, class_=class_)


def details(summary: str, *content: str, class_: str | None = None, open: bool = False) -> str:
    """Write what opens when its summary is chosen, without a script."""
    return element("details", element("summary", summary), *content, class_=class_, open=open)


def question(asked: str, *answer: str) -> str:
    """Write a question that learners ask, its answer folded away."""
    return details(asked, *(paragraph(part) for part in answer), class_="question")


def figure(picture: str, caption: str, name: str) -> str:
    """Frame a picture; a wide one scrolls sideways, by the keyboard as well."""
    frame = element(
        "div", picture, class_="scroll", tabindex=0, role="group", aria_label=f"Picture: {name}"
    )
    return element("figure", frame, element("figcaption", caption))


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], class_: str | None = None
) -> str:
    """Write a table; the first cell of a row is its heading."""
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{c}</td>" for c in rest) + "</tr>"
        for first, *rest in rows
    )
    written = element(
        "table",
        element("caption", element("span", caption)),
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>",
        class_=class_,
    )
    name = re.sub("<[^>]*>", "", caption).split(".")[0]
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="Table: {name}">{written}</div>'
    )


# Numbers. The script writes them by toFixed and toExponential, and both have to agree: these round
# a tie away from zero, where Python rounds it to even, and they know no -0.


def fixed(value: float, digits: int = 4) -> str:
    """Write a number with so many digits behind the point, unless it is very large."""
    if not abs(value) < 1e5:
        return scientific(value)
    return _rounded(value, "f", digits)


def scientific(value: float, digits: int = 3) -> str:
    """Write a number as JavaScript does, 1.234e-5."""
    if not np.isfinite(value):
        return "none" if np.isnan(value) else "∞" if value > 0 else "-∞"
    mantissa, _, power = _rounded(value, "e", digits).partition("e")
    return f"{mantissa}e{int(power):+d}"


def number(value: float, digits: int = 4) -> str:
    """Write a number with so many digits, by powers of ten only where it is very small or large."""
    if value == 0 or not np.isfinite(value):
        return "0" if value == 0 else scientific(value)
    power = int(scientific(value, digits - 1).partition("e")[2])
    within = -3 <= power <= 3
    return fixed(value, digits - 1 - power) if within else scientific(value, digits - 1)


def _rounded(value: float, kind: str, digits: int) -> str:
    value = float(value) + 0.0
    longer = format(value, f".{digits + 1}{kind}")
    if longer.partition("e")[0].endswith("5") and float(longer) == value:  # it may be a tie
        exact = Decimal(value)
        shift = exact.adjusted() if kind == "e" else 0
        unit = Decimal(1).scaleb(shift - digits)
        value = float(exact.quantize(unit, rounding=ROUND_HALF_UP))
    return format(value, f".{digits}{kind}")


def subscript(n: int | str) -> str:
    """Write digits below the line."""
    return str(n).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def small(value: float) -> str:
    """Write an error or a bound: two digits are enough."""
    return "0" if value == 0 else scientific(value, 1)


def count(n: int, noun: str) -> str:
    """Write a number of things: 1 step, 28 steps."""
    return f"{n:,} {noun if n == 1 else noun + 's'}"


# MathML

OPENING, CLOSING = "([⟨", ")]⟩"


def math(notation: str, block: bool = False) -> str:
    """Write MathML for a formula in a plain notation, tokens with spaces between them.

    ``h_t`` and ``h_{t-1}`` are subscripts, ``x^T`` is a superscript, ``a//b`` a fraction of two
    tokens, ``W::128×128`` is W with its shape under it. Brackets are as tall as what they enclose.
    """
    rows = [""]  # the formula, and each bracket that is open
    for token in filter(None, notation.split(" ")):
        if token in OPENING:
            rows.append("")
        rows[-1] += _token(token)
        if token in CLOSING and len(rows) > 1:
            inside = rows.pop()
            rows[-1] += f"<mrow>{inside}</mrow>"
    display = "block" if block else None
    return element("math", f"<mrow>{''.join(rows)}</mrow>", display=display)


def _token(token: str) -> str:
    if "::" in token:
        base, note = token.split("::")
        return f'<munder>{_token(base)}<mtext class="shape">{text(note)}</mtext></munder>'
    if "//" in token:
        above, below = token.split("//")
        return f"<mfrac>{_token(above)}{_token(below)}</mfrac>"
    found = re.fullmatch(r"([^_^]+)(?:_(\{[^}]*\}|[^_^]+))?(?:\^(\{[^}]*\}|[^_^]+))?", token)
    if found is None:
        return _atom(token)
    base, below, above = found.groups()
    parts = [_atom(base), *(_script(script) for script in (below, above) if script)]
    if len(parts) == 1:
        return parts[0]
    tag = "msubsup" if below and above else "msub" if below else "msup"
    if base in ("∑", "∏"):
        tag = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}[tag]
    return f"<{tag}>{''.join(parts)}</{tag}>"


def _script(script: str) -> str:
    if script == "T":  # transposed
        return '<mi mathvariant="normal">T</mi>'
    atoms = re.findall(r"[^\W\d_]+|\d+|\S", script.strip("{}"))
    return "<mrow>" + "".join(_atom(atom) for atom in atoms) + "</mrow>"


def _atom(symbol: str) -> str:
    if re.fullmatch(r"[\d.,]+", symbol):
        return f"<mn>{symbol}</mn>"
    if re.fullmatch(r"[d∂][^\W\d_]\W?", symbol):
        return f'<mrow><mi mathvariant="normal">{symbol[0]}</mi>{_atom(symbol[1:])}</mrow>'
    if symbol == "ŷ":  # as one letter it has no italics, and y has
        return '<mover accent="true"><mi>y</mi><mo stretchy="false">ˆ</mo></mover>'
    if symbol == "if":
        return '<mspace width="2em"/><mtext>if&#160;</mtext>'
    if symbol in ("log", "Im"):
        return f'<mi>{symbol}</mi><mspace width=".17em"/>'
    if symbol[0].isalpha():
        return f"<mi>{text(symbol)}</mi>"
    symbol = symbol.replace("-", "−")
    return f"<mo>{text(symbol)}</mo>"


def panel(number: int, name: str, notes: str, lead: str, reading: str, *content: str) -> str:
    """Write one panel: its idea, how to read it, and what there is to read."""
    return element(
        "section",
        f'<p class="eyebrow">Panel {number} · {notes}</p><h2 id="title-{number}">{name}</h2>',
        paragraph(lead, class_="lead"),
        paragraph("<b>How to read this.</b> ", reading, class_="reading"),
        *content,
        id=f"panel-{number}",
        class_="panel",
        aria_labelledby=f"title-{number}",
    )
