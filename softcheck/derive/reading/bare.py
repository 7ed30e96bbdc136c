"""Equalities in the running text, where no markup says that they are formulas."""

# ruff: noqa: RUF001  the characters that look alike are what this file is about

import re
from collections.abc import Collection, Iterator

_SIGNS = "＝﹦⁼₌≐≑≒≓≔≕≖≗≘≙≚≛≜≝≞≟≡≣⩮⩴⩵⩶═꞊⹀🟰"
"""Characters that say "equal", or look as if they did."""

_UNEQUAL = re.compile(
    r"(?:eqref|eqnum|eqno|leqno|equations?|sequence|frequency|require\w*|unequal|neq+|[a-z]*[lg]eq+"
    r"(?:slant)?|[a-z]*(?:prec|succ|sub|sup|set|sim|approx|lessgtr|lesseq|tri\w*)[a-z]*eq+\w*)",
    re.IGNORECASE,
)
"""Names with "eq" in them that claim no equality."""

_TEXT = {
    "emph", "textbf", "textit", "texttt", "textsc", "textrm", "textsf", "textmd", "textsl",
    "textnormal", "textup", "underline", "uline", "section", "subsection", "subsubsection",
    "paragraph", "subparagraph", "chapter", "part", "caption", "captionof", "footnote",
    "footnotetext", "footnotemark", "cite", "citep", "citet", "citeauthor", "citeyear",
    "citealp", "citealt", "nocite", "ref", "eqref", "autoref", "cref", "Cref", "pageref",
    "nameref", "label", "item", "title", "author", "date", "maketitle", "thanks", "url", "href",
    "hspace", "vspace", "vskip", "hskip", "smallskip", "medskip", "bigskip", "noindent",
    "indent", "centering", "raggedright", "raggedleft", "par", "newline", "newpage",
    "clearpage", "pagebreak", "linebreak", "hline", "toprule", "midrule", "bottomrule",
    "cmidrule", "cline", "multicolumn", "multirow", "includegraphics", "linewidth", "textwidth",
    "columnwidth", "textheight", "paperwidth", "paperheight", "hsize", "documentclass",
    "documentstyle", "usepackage", "RequirePackage", "PassOptionsToPackage", "begin", "end",
    "bibliography", "bibliographystyle", "bibitem", "newblock", "tableofcontents", "appendix",
    "and", "thispagestyle", "pagestyle", "newtheorem", "theoremstyle", "setcounter",
    "addtocounter", "setlength", "addtolength", "small", "footnotesize", "scriptsize", "tiny",
    "normalsize", "large", "Large", "LARGE", "huge", "Huge", "bf", "it", "rm", "sf", "tt", "sc",
    "em", "bfseries", "itshape", "ttfamily", "rmfamily", "sffamily", "mdseries", "upshape",
    "LaTeX", "TeX", "quad", "qquad", "xspace", "color", "textcolor", "definecolor", "colorbox",
    "fbox", "mbox", "hbox", "vbox", "parbox", "raisebox", "rule", "ldots", "dots", "today",
    "copyright", "dag", "draw", "node", "path", "fill", "coordinate", "State", "Statex", "For",
    "EndFor", "If", "ElsIf", "Else", "EndIf", "While", "EndWhile", "Return", "Require",
    "Ensure", "Comment", "Procedure", "EndProcedure", "Function", "EndFunction", "KwIn",
    "KwOut", "KwData", "KwResult", "SetKwInOut", "qed", "newif", "else", "fi", "makeatletter",
    "makeatother", "protect", "relax", "expandafter", "csname", "endcsname", "input", "include",
}  # fmt: skip
"""Commands that set words: they are no sign of mathematics."""

_SURROUNDINGS = {
    "document", "abstract", "itemize", "enumerate", "description", "list", "center",
    "flushleft", "flushright", "figure", "table", "tabular", "tabularx", "tabulary",
    "longtable", "array", "minipage", "quote", "quotation", "verse", "theorem", "lemma",
    "proposition", "corollary", "definition", "remark", "example", "proof", "claim",
    "conjecture", "assumption", "property", "observation", "fact", "note", "notation",
    "exercise", "problem", "solution", "question", "answer", "algorithm", "algorithmic",
    "algorithm2e", "thebibliography", "appendix", "appendices", "acknowledgements",
    "acknowledgments", "ack", "frame", "block", "alertblock", "exampleblock", "columns",
    "column", "titlepage", "sloppypar", "multicols", "tikzpicture", "scope", "axis",
    "wrapfigure", "wraptable", "subfigure", "subtable", "threeparttable", "tablenotes", "small",
    "footnotesize", "scriptsize", "keywords", "IEEEkeywords", "adjustbox", "landscape",
    "spacing", "singlespace",
}  # fmt: skip
"""Environments that hold running text."""

_OPTIONS = r"\s*+(?:\{[^{}\n]*+\}\s*+)?\["
_GREEK = "\u0370-\u03ff"

_TOKEN = re.compile(
    r"(?P<around>\\(?:begin|end)[ \t]*+\{(?P<name>[^{}\n]*+)\})"
    r"|(?P<escape>\\[^A-Za-z])"
    r"|(?P<settings>\\[A-Za-z]*+(?<=setup|..set|metry)\*?+\s*+\{)"
    r"|\\(?P<command>[A-Za-z@]++)\*?+"
    rf"|(?P<sign>(?<![<>!=+*/-])={{1,2}}(?![=>])|[{_SIGNS}])"
    r"|(?P<stop>[.!?](?=\s)|\n[ \t\r>]*+\n)"
    r"|(?P<skip>https?://[^\s<>()\[\]{}]++|^={3,}+[ \t]*+$|</?[A-Za-z][^<>]*+>)"
    rf"|(?P<math>(?<![^\W\d_])(?=[^\W\d_]{{0,3}}[{_GREEK}])[^\W\d_]{{1,4}}(?![^\W\d_])"
    r"|[\u2200-\u22ff\u27c0-\u27ef\u2980-\u2aff\u2080-\u209c\u2102\u210b\u2112\u2115\u2119\u211d]"
    r"|[\u2124\u2130\u2113\U0001d400-\U0001d7ff]|(?<=[\w)}\]])(?:\^[\w{(*]|_\{))"
    r"|(?P<word>[^\W\d_]{2,}+)"
    r"|(?P<bracket>[\[\]{}])",
    re.MULTILINE,
)
_KEY = re.compile(r"[A-Za-z][\w ./@-]*[A-Za-z0-9]\s*\Z")
_SET = re.compile(r"\\[A-Za-z]+\*?(?:\s*\{[^{}\n]*\})?[ \t]*\Z")
_APART = 2
"""Words in a row that set a sign and mathematics apart."""

_FUNCTIONS = {"log", "exp", "ln", "softmax", "max", "min", "argmax", "if", "for"}


def says_equal(command: str) -> bool:
    r"""Tell whether the name of a command is one of an equality: `\eq`, `\xlongequal`."""
    if command == "triangleq":
        return True
    return "eq" in command.lower() and _UNEQUAL.fullmatch(command) is None


def holds_equality(text: str) -> bool:
    """Tell whether a piece of text that is set as code holds an equality of mathematics."""
    return next(Bare().equalities(text), None) is not None


class Bare:
    r"""Finds equalities in one piece of running text after the other.

    An equality is a sign with a command of TeX, a Greek letter or an operator of mathematics on
    either side, nearer than two words; or any sign in an environment that is not known.

    Parameters
    ----------
    surroundings : collection of str
        The environments of running text that a document declares.
    words : collection of str
        The commands of a document's own that stand for words.
    """

    def __init__(self, surroundings: Collection[str] = (), words: Collection[str] = ()) -> None:
        self._surroundings = _SURROUNDINGS | set(surroundings)
        self._words = _TEXT | set(words)
        self._unknown: list[str] = []
        self._first: int | None = None  # where the mathematics began that a sign may belong to
        self._sign: int | None = None  # a sign that mathematics may follow
        self._between = 0  # words since either

    def equalities(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield where equalities stand in a piece of text, and in which unknown environment."""
        self._stop()
        settings: list[bool] = []  # the brackets that are open, and which of them hold settings
        for match in _TOKEN.finditer(text):
            kind = self._kind(match)
            if kind == "settings":
                settings.append(True)
            elif kind == "bracket":
                _bracket(text, match, settings)
            elif kind == "stop":
                self._stop()
            elif kind == "word":
                self._between += 1
                if self._between == _APART:
                    self._stop()
            elif kind in ("sign", "math"):
                here = match.start()
                key = settings and settings[-1] and _KEY.search(text, max(0, here - 40), here)
                if kind == "math" or not key:
                    yield from self._met(kind, here, match.end())

    def _kind(self, match: re.Match[str]) -> str | None:
        """Return what a token is to an equality."""
        if match["around"]:
            self._around(match)
            return "stop"
        if match["word"]:
            return None if match[0] in _FUNCTIONS else "word"
        if match["command"]:
            if match["command"] in self._words:
                return None
            return "sign" if says_equal(match["command"]) else "math"
        return match.lastgroup

    def _stop(self) -> None:
        self._first = self._sign = None
        self._between = 0

    def _met(self, kind: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
        """Yield the equality that a sign or a piece of mathematics completes."""
        around = self._unknown[-1] if self._unknown else ""
        whole = self._first if kind == "sign" else self._sign
        self._between = 0
        if whole is not None or (kind == "sign" and around):
            yield start if whole is None else whole, end, around
            self._stop()
        elif kind == "sign":
            self._sign = start
        if kind == "math" and self._first is None:
            self._first = start

    def _around(self, match: re.Match[str]) -> None:
        """Follow an environment that opens or closes."""
        name = match["name"].strip()
        if match[0].startswith("\\begin"):
            if name.removesuffix("*") not in self._surroundings:
                self._unknown.append(name)
        elif self._unknown and self._unknown[-1] == name:
            self._unknown.pop()


def _bracket(text: str, match: re.Match[str], settings: list[bool]) -> None:
    """Follow brackets: the first ones behind a command hold settings."""
    start = match.start()
    if match[0] in "[{":
        behind = match[0] == "[" and _SET.search(text, max(0, start - 80), start)
        settings.append(bool(behind))
    elif settings:
        settings.pop()
