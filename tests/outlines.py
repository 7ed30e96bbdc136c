"""A page as its reader hears it: a line for each block, and what its pictures are called."""

import re
from html.parser import HTMLParser

INLINE = {"code", "strong", "a", "span", "math", "svg", "text", "i", "title"}
SILENT = {"style", "head"}
VOID = {"meta", "br", "hr"}


class Page(HTMLParser):
    """All elements and texts of a page, in order; it has to be well-formed."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.texts = []
        self.lines = [""]
        self.opened = []
        self.feed(text)
        self.close()
        assert not self.opened, f"never closed: {self.opened}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if not self.is_inline() and tag not in INLINE | {"td", "th", "dd"}:
            self.lines.append("")
        if tag not in VOID:
            self.opened.append(tag)
        if label := dict(attributes).get("aria-label"):
            self.lines[-1] += f"({label}) "

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in ("td", "th", "dt"):
            self.lines[-1] += " | "
        elif not self.is_inline():
            self.lines.append("")
        opened = self.opened.pop()
        assert opened == tag, f"</{tag}> ends <{opened}>"

    def handle_data(self, data):
        self.texts.append(data)
        if not SILENT & {*self.opened}:
            self.lines[-1] += data

    def is_inline(self):
        inside = {"math", "td", "th", "dd", "figcaption", "svg"} & {*self.opened}
        return bool(inside) or (bool(self.opened) and self.opened[-1] in INLINE)

    @property
    def outline(self):
        """The lines that say something."""
        return "".join(f"{line.strip()}\n" for line in self.lines if line.strip())


def outline(text):
    """Return a page as its reader hears it, but for the versions of what made it."""
    return re.sub(r"(?<=, Python )\S+, NumPy \S+", "V, NumPy V", Page(text).outline)
