"""A page taken apart: its elements as a tree, its tables as words, its formulas as a line each."""

from functools import cached_property
from html.parser import HTMLParser

VOID = {"meta", "input", "br"}


class Node:
    """An element: its tag, its attributes, and the elements and words inside it."""

    def __init__(self, tag, attributes=()):
        self.tag, self.inside = tag, []
        self.attributes = {name: value or "" for name, value in attributes}

    def __getitem__(self, name):
        return self.attributes[name]

    def get(self, name):
        return self.attributes.get(name, "")

    @property
    def text(self):
        return "".join(part if isinstance(part, str) else part.text for part in self.inside)

    @cached_property
    def elements(self):
        return [part for part in self.inside if isinstance(part, Node)]

    def all(self, tag, **attributes):
        """Find what is inside, in the page's order; of ``class_`` one name is enough."""
        wanted = [(name.rstrip("_"), value) for name, value in attributes.items()]
        found = []
        for part in self.elements:
            if part.tag == tag and all(part.has(name, value) for name, value in wanted):
                found.append(part)
            found += part.all(tag, **attributes)
        return found

    def one(self, tag, **attributes):
        (found,) = self.all(tag, **attributes)
        return found

    def has(self, name, value):
        return value in (self.get(name).split() if name == "class" else [self.get(name)])


class Outline(HTMLParser):
    """Elements properly nested, their ids, and the text of tables."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.root = Node("")
        self.open, self.ids, self.attributes = [self.root], [], []
        self.feed(page)
        self.close()
        assert self.open == [self.root]

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        self.ids += [value for name, value in attributes if name == "id"]
        node = Node(tag, attributes)
        self.open[-1].inside.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].inside.append(data)

    @property
    def tables(self):
        return [
            [[cell.text for cell in row.elements] for row in table.all("tr")]
            for table in self.root.all("table")
        ]

    @cached_property
    def panels(self):
        return self.root.all("section", class_="panel")

    @cached_property
    def pictures(self):
        """Give the pictures by name; no two may have the same."""
        drawn = [svg for svg in self.root.all("svg") if "viewBox".lower() in svg.attributes]
        named = {svg.elements[0].text: svg for svg in drawn}
        assert len(named) == len(drawn)
        return named


def line_of(node):
    """Write MathML in a line: a/b, h_{t−1}, x^T, ∑_{i≠k}, and W[6×6] for a letter with its shape."""
    if isinstance(node, str):
        return node.replace("\xa0", " ")
    parts = [line_of(part) for part in node.inside]
    if node.tag == "mfrac":
        return "{}/{}".format(*parts)
    if node.tag == "mover":
        return {"yˆ": "ŷ"}["".join(parts)]
    if node.tag == "munder" and node.elements[1].has("class", "shape"):
        return "{}[{}]".format(*parts)
    signs = {"msub": "_", "munder": "_", "msup": "^", "msubsup": "_^", "munderover": "_^"}
    if node.tag in signs:
        base, *scripts = parts
        return base + "".join(
            sign + (script if len(script) == 1 else f"{{{script}}}")
            for sign, script in zip(signs[node.tag], scripts, strict=True)
        )
    return "".join(parts)
