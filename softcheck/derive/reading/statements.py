"""The tokens of a display to statements: rows joined, conditions and reasons set apart."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from softcheck.derive.reading.tokens import ReadError, Token

RELATIONS = {
    "neq": "≠", "ne": "≠", "le": "≤", "leq": "≤", "leqslant": "≤", "ge": "≥", "geq": "≥",
    "geqslant": "≥", "ll": "≪", "gg": "≫", "approx": "≈", "sim": "∼", "simeq": "≃", "cong": "≅",
    "propto": "∝", "to": "→", "rightarrow": "→", "longrightarrow": "→",
    "leftarrow": "←", "gets": "←",
    "mapsto": "↦", "in": "∈", "notin": "∉", "subset": "⊂", "subseteq": "⊆", "lesssim": "≲",
    "gtrsim": "≳", "asymp": "≍", "prec": "≺", "succ": "≻", "doteq": "≐", "lt": "<", "gt": ">",
    "equiv": ":=", "coloneqq": ":=", "coloneq": ":=", "triangleq": ":=", "eqqcolon": "=:",
}  # fmt: skip
"""Commands of relations, and the sign of each."""

EQUATING = ("=", ":=", "=:", "≐")
"""The relations that claim an equality."""

_SPLITS = {"implies", "Rightarrow", "Longrightarrow", "iff", "Leftrightarrow", "therefore"}
_STACKS = {"overset", "stackrel", "underset"}
_LAYOUTS = {
    "aligned", "align", "split", "gather", "gathered", "equation", "alignat", "alignedat",
    "flalign", "multline", "multlined", "eqnarray", "displaymath", "math", "dmath",
    "IEEEeqnarray",
}  # fmt: skip
_CASES = {"cases", "dcases", "rcases"}
_NUMBERED = {"alignat", "alignedat"}
_PLACED = {"aligned", "gathered", "alignedat", "multlined", "split"}
_COLUMNED = {"IEEEeqnarray"}
_OPEN, _CLOSE = ("(", "[", "{"), (")", "]", "}")
_BREAKS = {"cell", "row", "space"}
_COLONS = {":", "colon"}
_OPERATORS = {"+", "-", "*", "/"}
_NAMING = {"def", "def.", "definition", "by def", "by definition"}
_DENYING = re.compile(r"\bnot\b|\?|\bapprox|\bno\b|\bnever\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?:[A-Z]?\.?\d+(?:\.\d+)*'*[a-z]?'*|[A-Za-z]|[ivx]+|\*+|star|dagger|ast)")
"""What stands in brackets as the number of an equation."""

_SAID = {
    "if", "for", "when", "where", "otherwise", "else", "and", "or", "with", "unless", "all", "any",
    "iff", "whenever", "except", "forall", "then", "so", "since", "because",
}  # fmt: skip
"""Words of the text that are written in a font of formulas."""


@dataclass
class Statement:
    r"""One statement: sides with relations between them.

    Attributes
    ----------
    sides : list of list of Token
    relations : list of Token
        One fewer than sides, each with the sign of the relation as its text.
    words : str
        The running text just before it.
    behind : str
        The running text behind it, with nothing but text: a reason.
    aside : bool
        Whether it stands behind another statement, on its row.
    premise : bool
        Whether an arrow stands before or behind it: one implies the other.
    bound : list of list of Token
        What stands behind a `\\forall` in front of it.
    """

    sides: list[list[Token]]
    relations: list[Token] = field(default_factory=list)
    words: str = ""
    behind: str = ""
    aside: bool = False
    premise: bool = False
    bound: list[list[Token]] = field(default_factory=list)

    @property
    def tokens(self) -> list[Token]:
        """All that stands on its sides."""
        return [token for side in self.sides for token in side]

    @property
    def start(self) -> int:
        """Where it starts."""
        bound = (token for part in self.bound for token in part)
        return min(token.start for token in (*self.tokens, *self.relations, *bound))


def statements(tokens: Sequence[Token]) -> list[Statement]:
    """Return the statements of a display, or of a formula in the text.

    Raises
    ------
    ReadError
        Where an environment has a meaning that is not known.
    """
    found: list[Statement] = []
    words = ""
    last: Statement | None = None
    for piece in _pieces(_stacked(_said(_laid_out(tokens)))):
        if piece.link == "row":
            words = ""
        rest = list(piece.tokens)
        while rest and rest[0].kind == "text":
            words = f"{words} {rest.pop(0).text}".strip()
        if not rest:
            if last is not None and words:
                last.behind = f"{last.behind} {words}".strip()
            continue
        bound = _for_all(rest)
        statement = _sides(rest, words, aside=piece.link == "aside")
        statement.bound = bound
        if bound and not statement.relations:
            statement.aside = True
        statement.premise = piece.link in ("premise", "conclusion")
        if piece.link == "conclusion" and last is not None:
            last.premise = True
        chain = next((s for s in reversed(found) if not s.aside), None)
        goes_on = not statement.sides[0] and statement.relations and not statement.aside
        if goes_on and chain is not None and not statement.premise:
            chain.sides += statement.sides[1:]
            chain.relations += statement.relations
            last = chain
        else:
            found.append(statement)
            last = statement
        words = ""
    return found


def _said(tokens: Sequence[Token]) -> list[Token]:
    """Take words in a font of formulas for the text that they are."""
    return [
        replace(token, kind="text") if token.kind == "font" and token.text in _SAID else token
        for token in tokens
    ]


def _laid_out(tokens: Sequence[Token]) -> list[Token]:
    """Leave out the commands of environments that only lay out."""
    out = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        if token.kind != "command" or token.text not in ("begin", "end"):
            out.append(token)
            continue
        name = ""
        if i < len(tokens) and tokens[i].text == "{":
            i += 1
            while i < len(tokens) and tokens[i].text != "}":
                name += tokens[i].text
                i += 1
            i += 1
        name = name.removesuffix("*")
        if name in _CASES:
            out.append(replace(token, kind="cases"))
            continue
        if name not in _LAYOUTS:
            raise ReadError(f"the environment {name!r} is not understood", token.start)
        takes = name in _NUMBERED or (
            name in _PLACED and tokens[i : i + 1] and tokens[i].text == "["
        )
        if takes and token.text == "begin":
            i = min(i + 3, len(tokens))
        elif name in _COLUMNED and token.text == "begin":
            _, i = _group(tokens, i, token)
    return out


def _stacked(tokens: Sequence[Token]) -> list[Token]:
    r"""Replace a relation that carries a mark, `\overset{(a)}{=}`, by the relation.

    So is a box by the equation in it. A mark that defines makes a definition.
    """
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        if token.kind == "command" and token.text == "boxed":
            inner, after = _group(tokens, i, token)
            if any(_relation(inner, j) for j in _outside(inner)):
                out += _stacked(inner)
                i = after
                continue
        if token.kind != "command" or token.text not in _STACKS:
            out.append(token)
            continue
        mark, i = _group(tokens, i, token)
        main, i = _group(tokens, i, token)
        relation = _relation(main, 0)
        if relation is None:
            raise ReadError(f"\\{token.text} over something that is not a relation", token.start)
        said = "".join(part.text for part in mark).strip().lower()
        if _DENYING.search(said):
            raise ReadError(f"a relation under {said!r} is not understood", token.start)
        if relation[0] == "=" and said in _NAMING:
            main = [replace(main[0], kind="command", text="triangleq")]
        out += main
    return out


def _outside(tokens: Sequence[Token]) -> Iterator[int]:
    """Yield the places outside of brackets."""
    depth = 0
    for j, token in enumerate(tokens):
        depth += _nesting(token)
        if depth == 0:
            yield j


def _group(tokens: Sequence[Token], i: int, of: Token) -> tuple[list[Token], int]:
    depth = 0
    for j in range(i, len(tokens)):
        if tokens[j].kind == "sign":
            depth += (tokens[j].text == "{") - (tokens[j].text == "}")
        if depth == 0:
            inner = tokens[i + 1 : j] if j > i else tokens[i : j + 1]
            return list(inner), j + 1
    raise ReadError(f"\\{of.text} without its argument", of.start)


def _relation(tokens: Sequence[Token], i: int) -> tuple[str, int] | None:
    """Return the relation at a place and how many tokens it takes."""
    token = tokens[i] if i < len(tokens) else None
    if token is None:
        return None
    following = tokens[i + 1].text if i + 1 < len(tokens) else ""
    if token.kind == "sign":
        if token.text == ":" and following == "=":
            return ":=", 2
        if token.text == "=" and following == ":":
            return "=:", 2
        if token.text in ("=", "<", ">"):
            return token.text, 1
    if token.kind == "command":
        if token.text == "not" and following in ("=", "in"):
            return ("≠" if following == "=" else "∉"), 2
        if token.text in RELATIONS:
            return RELATIONS[token.text], 1
    return None


@dataclass
class _Piece:
    """What stands between two breaks, and what the break before it is.

    `link` is "row", "aside" (behind another piece on its row), "premise" or "conclusion" (an arrow
    goes from it, or to it).
    """

    tokens: list[Token]
    link: str


def _pieces(tokens: Sequence[Token]) -> list[_Piece]:
    """Split at rows, commas, words and arrows outside of brackets."""
    pieces = [_Piece([], "row")]
    depth = within = 0
    i = 0
    cells = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        cells = 0 if token.kind == "row" else cells + (token.kind == "cell" and depth == 0)
        reason = depth == 0 and token.kind == "sign" and token.text in "(["
        if reason and i < len(tokens) and tokens[i].kind == "text":
            # A reason in brackets: its words, and a formula that they may hold.
            inner, i = _until_closed(tokens, i)
            pieces += [_Piece(inner, "aside"), _Piece([], "aside")]
            continue
        if token.kind == "space" and depth == 0:
            apart = _bracketed(tokens, i, pieces[-1].tokens)
            if apart is not None:
                inner, i = apart
                pieces += [_Piece(inner, "aside"), _Piece([], "aside")]
                continue
        depth = max(0, depth + _nesting(token))
        inside = depth > 0 or _nesting(token) != 0
        if token.kind == "cell" and not inside:
            if cells % 2 == 0 and _new_column(tokens, i, pieces[-1].tokens):
                pieces.append(_Piece([], "aside"))
        elif not inside and _breaks(tokens, i, pieces[-1].tokens):
            split = token.kind == "command" and token.text in _SPLITS
            link = "row" if token.kind == "row" else "conclusion" if split else "aside"
            pieces.append(_Piece([], link))
            if token.text in _COLONS:
                continue
        within += (token.text == "begin") - (token.text == "end") if token.kind == "cases" else 0
        if within > 0 or (token.kind not in _BREAKS if inside else not _is_break(token)):
            pieces[-1].tokens.append(token)
    return pieces


def _bracketed(
    tokens: Sequence[Token], i: int, current: Sequence[Token]
) -> tuple[list[Token], int] | None:
    """Return what stands in brackets of its own behind a wide space: a condition, or nothing.

    A number of the equation is nothing. What could be a factor is refused.
    """
    while i < len(tokens) and tokens[i].kind in ("space", "cell"):
        i += 1
    if i >= len(tokens) or tokens[i].kind != "sign" or tokens[i].text not in "([":
        return None
    relates = any(_relation(current, j) for j in _outside(current))
    if not relates or _dangles(current) or (tokens[i + 1 : i + 2] and tokens[i + 1].kind == "text"):
        return None
    inner, after = _until_closed(tokens, i + 1)
    rest = _until(tokens, after, ("row",))
    if any(not _is_break(token) and token.kind != "text" for token in rest):
        return None
    if any(_relation(inner, j) for j in _outside(inner)):
        return inner, after
    if _NUMBER.fullmatch("".join(token.text for token in inner)):
        return [], after
    raise ReadError("brackets behind a wide space may be a factor or a remark", tokens[i].start)


def _for_all(tokens: list[Token]) -> list[list[Token]]:
    r"""Take `\forall a, b \in \mathcal{A}:` off the front; return each of its parts."""
    bound: list[list[Token]] = []
    while tokens and tokens[0].text == "forall" and tokens[0].kind == "command":
        part = [tokens.pop(0)]
        while tokens and _quantified(tokens, part):
            part.append(tokens.pop(0))
        while (
            tokens
            and tokens[0].kind in ("sign", "command", "space")
            and (tokens[0].text in (",", ":", ".", "colon"))
        ):
            tokens.pop(0)
        bound.append(part)
    return bound


def _quantified(tokens: Sequence[Token], part: Sequence[Token]) -> bool:
    r"""Tell whether the next token still belongs to what a `\\forall` binds."""
    token, last = tokens[0], part[-1]
    if token.kind == "letter":
        return last.text in ("forall", ",", "in", "neq", "ne", "=")
    if token.kind == "font":
        return last.text == "in"
    if token.kind == "command":
        greek = last.text in ("forall", ",")
        return token.text in ("in", "neq", "ne", "prime", "mid") or (greek and token.text != "sum")
    if token.text == ",":
        return len(tokens) > 1 and tokens[1].kind == "letter" and last.kind == "letter"
    if token.text == "=":
        return len(tokens) > 1 and tokens[1].kind == "letter" and len(part) == 2
    return token.text in ("'", "^", "_") or last.text in ("^", "_")


def _nesting(token: Token) -> int:
    """Return 1 for a bracket that opens, -1 for one that closes."""
    if token.kind == "sign" or (token.kind == "command" and token.text in "{}"):
        return (token.text in _OPEN) - (token.text in _CLOSE)
    return (token.text == "begin") - (token.text == "end") if token.kind == "cases" else 0


def _is_break(token: Token) -> bool:
    """Tell whether a token outside of brackets is no part of a formula."""
    if token.kind in _BREAKS:
        return True
    if token.kind == "sign":
        return token.text in (",", ";", ".")
    return token.kind == "command" and token.text in _SPLITS


def _breaks(tokens: Sequence[Token], i: int, current: Sequence[Token]) -> bool:
    """Tell whether the token before place `i` ends the piece that was gathered so far."""
    token = tokens[i - 1]
    if token.text in _COLONS:
        return _says_for_which(tokens, i, current)
    if token.kind == "row":
        return not _continues(tokens, i, current)
    if token.kind == "space":
        return bool(current) and not _joins(tokens, i, current)
    if token.kind == "text":
        return bool(current)
    return token.kind != "cell" and _is_break(token)


def _says_for_which(tokens: Sequence[Token], i: int, current: Sequence[Token]) -> bool:
    r"""Tell whether a colon sets a range apart from what holds in it: `a \in A: x = 1`."""
    if odd := next((t for t in current if t.text in ("exists", "nexists", "not")), None):
        raise ReadError("a range that is not for all of its actions", odd.start)
    sign = _relation(tokens, i - 1) or (i > 1 and tokens[i - 2].text == "=")
    ranged = any(_relation(current, j) for j in _outside(current))
    quantified = bool(current) and current[0].text == "forall"
    return not sign and ranged and not quantified


def _new_column(tokens: Sequence[Token], i: int, current: Sequence[Token]) -> bool:
    """Tell whether an alignment mark sets two formulas of one row apart.

    Every second mark does, unless the equation that stands before it goes on behind it.
    """
    row = _until(tokens, i, ("row", "text"))
    inked = [token for token in row if token.kind not in ("cell", "space")]
    relates = any(_relation(current, j) for j in range(len(current)))
    if not inked or not relates or _dangles(current):
        return False
    operator = inked[0].kind == "sign" and inked[0].text in _OPERATORS
    goes_on = _relation(inked, 0) is not None and row[0].kind != "cell"
    return not (goes_on or operator or _is_break(inked[0]))


def _until_closed(tokens: Sequence[Token], i: int) -> tuple[list[Token], int]:
    depth = 1
    for j in range(i, len(tokens)):
        depth += _nesting(tokens[j])
        if depth == 0:
            return list(tokens[i:j]), j + 1
    return list(tokens[i:]), len(tokens)


def _dangles(current: Sequence[Token]) -> bool:
    """Tell whether something must follow: the piece is empty, or ends in an operator."""
    if not current:
        return True
    last = current[-1]
    if len(current) > 1 and current[-2].text == "^":
        return False  # the star of a name
    ends = last.kind == "sign" and last.text in (*_OPERATORS, "=", "<", ">")
    return ends or (last.kind == "command" and last.text in {*RELATIONS, "cdot", "times"})


def _continues(tokens: Sequence[Token], i: int, current: Sequence[Token]) -> bool:
    """Tell whether a row goes on with the statement before it, inside of its last side."""
    row = _until(tokens, i, ("row",))
    inked = [token for token in row if token.kind not in ("cell", "space")]
    if not inked or (current and current[-1].kind == "text"):
        return False
    if _dangles(current):
        return bool(current)
    if not (inked[0].kind == "sign" and inked[0].text in _OPERATORS) and not (
        inked[0].kind == "command" and inked[0].text in ("cdot", "times")
    ):
        return False
    # A row that is aligned at a relation of its own, behind a side of its own, is a new statement.
    cells = [j for j, token in enumerate(row) if token.kind == "cell" and j > 0]
    return not any(_relation(row, j + 1) for j in cells if row[0].kind != "cell")


def _joins(tokens: Sequence[Token], i: int, current: Sequence[Token]) -> bool:
    """Tell whether a wide space is only a space: nothing that stands alone comes after it."""
    after = [t for t in _until(tokens, i, ("row", "space", "text")) if t.kind != "cell"]
    if not after:
        return False
    starts = _relation(after, 0) or (after[0].kind == "sign" and after[0].text in _OPERATORS)
    if starts or _dangles(current):
        return True
    if after[0].kind == "command" and after[0].text == "forall":
        return False
    depth = 0
    for j, token in enumerate(after):
        depth += _nesting(token)
        if depth < 0:
            return True
        if depth == 0 and _relation(after, j):
            return False
    return not (after[0].kind == "sign" and after[0].text == "(" and len(after) > 1
                and after[1].kind == "text")  # fmt: skip


def _until(tokens: Sequence[Token], i: int, kinds: tuple[str, ...]) -> list[Token]:
    """Return the tokens up to the next of some kinds, outside of brackets or not."""
    out: list[Token] = []
    for token in tokens[i:]:
        if token.kind in kinds:
            if out or token.kind != "space":
                break
            continue
        out.append(token)
    return out


def _sides(tokens: Sequence[Token], words: str, *, aside: bool) -> Statement:
    """Split a piece at its relations outside of brackets."""
    statement = Statement([[]], words=words, aside=aside)
    depth = 0
    i = 0
    while i < len(tokens):
        token = tokens[i]
        depth += _nesting(token)
        found = _relation(tokens, i) if depth == 0 else None
        if found is None:
            statement.sides[-1].append(token)
            i += 1
        else:
            sign, count = found
            last = tokens[i + count - 1]
            statement.relations.append(Token("sign", sign, token.start, last.end))
            statement.sides.append([])
            i += count
    return statement
