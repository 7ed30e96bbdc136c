"""The tokens of a display to statements: rows joined, conditions and reasons set apart."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from softcheck.derive.reading.tokens import ReadError, Token

_RELATIONS = {
    "neq": "≠", "ne": "≠", "le": "≤", "leq": "≤", "leqslant": "≤", "ge": "≥", "geq": "≥",
    "geqslant": "≥", "ll": "≪", "gg": "≫", "approx": "≈", "sim": "∼", "simeq": "≃", "cong": "≅",
    "propto": "∝", "to": "→", "rightarrow": "→", "longrightarrow": "→", "leftarrow": "←",
    "mapsto": "↦", "in": "∈", "notin": "∉", "subset": "⊂", "subseteq": "⊆", "lesssim": "≲",
    "gtrsim": "≳", "asymp": "≍", "prec": "≺", "succ": "≻", "doteq": "≐", "lt": "<", "gt": ">",
    "equiv": "=", "coloneqq": ":=", "coloneq": ":=", "triangleq": ":=", "eqqcolon": "=:",
}  # fmt: skip
_SPLITS = {"implies", "Rightarrow", "Longrightarrow", "iff", "Leftrightarrow", "therefore"}
_STACKS = {"overset", "stackrel", "underset"}
_LAYOUTS = {
    "aligned", "align", "split", "gather", "gathered", "equation", "alignat", "alignedat",
    "flalign", "multline", "multlined", "eqnarray", "displaymath", "math", "dmath",
}  # fmt: skip
_OPEN, _CLOSE = ("(", "[", "{"), (")", "]", "}")
_BREAKS = {"cell", "row", "space"}
_OPERATORS = {"+", "-", "*", "/"}


@dataclass
class Statement:
    """One statement: sides with relations between them.

    Attributes
    ----------
    sides : list of list of Token
    relations : list of Token
        One fewer than sides, each with the sign of the relation as its text.
    words : str
        The running text just before it.
    aside : bool
        Whether it stands behind another statement, on its row.
    """

    sides: list[list[Token]]
    relations: list[Token] = field(default_factory=list)
    words: str = ""
    aside: bool = False


def statements(tokens: Sequence[Token]) -> list[Statement]:
    """Return the statements of a display, or of a formula in the text.

    Raises
    ------
    ReadError
        Where an environment has a meaning that is not known.
    """
    found: list[Statement] = []
    words = ""
    for piece, aside in _pieces(_stacked(_laid_out(tokens))):
        if not aside:
            words = ""
        rest = list(piece)
        while rest and rest[0].kind == "text":
            words = f"{words} {rest.pop(0).text}".strip()
        if not rest:
            continue
        statement = _sides(rest, words, aside)
        chain = next((s for s in reversed(found) if not s.aside), None)
        if not statement.sides[0] and statement.relations and chain is not None and not aside:
            chain.sides += statement.sides[1:]
            chain.relations += statement.relations
        else:
            found.append(statement)
        words = ""
    return found


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
        if name == "cases":
            raise ReadError("a distinction of cases is outside what can be decided", token.start)
        if name not in _LAYOUTS:
            raise ReadError(f"the environment {name!r} is not understood", token.start)
        if (name in ("alignat", "alignedat") and token.text == "begin") or (
            token.text == "begin" and i < len(tokens) and tokens[i].text == "["
        ):
            i = min(i + 3, len(tokens))
    return out


def _stacked(tokens: Sequence[Token]) -> list[Token]:
    r"""Replace a relation that carries a mark, `\overset{(a)}{=}`, by the relation."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        if token.kind != "command" or token.text not in _STACKS:
            out.append(token)
            continue
        _, i = _group(tokens, i, token)
        main, i = _group(tokens, i, token)
        if _relation(main, 0) is None:
            raise ReadError(f"\\{token.text} over something that is not a relation", token.start)
        out += main
    return out


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
        if token.text in _RELATIONS:
            return _RELATIONS[token.text], 1
    return None


def _pieces(tokens: Sequence[Token]) -> list[tuple[list[Token], bool]]:
    """Split at rows, commas, words and arrows outside of brackets; tell which stand aside."""
    pieces: list[tuple[list[Token], bool]] = [([], False)]
    depth = 0
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
            pieces += [(inner, True), ([], True)]
            continue
        depth = max(0, depth + _nesting(token))
        inside = depth > 0 or _nesting(token) != 0
        if token.kind == "cell" and not inside:
            if cells % 2 == 0 and _new_column(tokens, i, pieces[-1][0]):
                pieces.append(([], True))
        elif not inside and _breaks(tokens, i, pieces[-1][0]):
            pieces.append(([], token.kind != "row" and token.text not in _SPLITS))
        if token.kind not in _BREAKS if inside else not _is_break(token):
            pieces[-1][0].append(token)
    return pieces


def _nesting(token: Token) -> int:
    """Return 1 for a bracket that opens, -1 for one that closes."""
    if token.kind == "sign" or (token.kind == "command" and token.text in "{}"):
        return (token.text in _OPEN) - (token.text in _CLOSE)
    return 0


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
    if token.kind == "row":
        return not _continues(tokens, i, current)
    if token.kind == "space":
        return bool(current) and not _joins(tokens, i, current)
    if token.kind == "text":
        return bool(current)
    return token.kind != "cell" and _is_break(token)


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
    return ends or (last.kind == "command" and last.text in {*_RELATIONS, "cdot", "times"})


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


def _sides(tokens: Sequence[Token], words: str, aside: bool) -> Statement:
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
