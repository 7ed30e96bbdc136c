"""What stands below and above a sum: the actions that it runs over, and those it leaves out."""

from collections.abc import Sequence

from softcheck.derive.reading.notation.cursor import shown, spelled
from softcheck.derive.reading.notation.names import Names
from softcheck.derive.reading.notation.vocabulary import SETS, SIZE_LETTERS
from softcheck.derive.reading.tokens import ReadError, Token

_NO_ACTIONS = {"d", "e", "n", "s"}
"""Letters that stay a differential, a number, the number of actions or the state."""


def binders(
    names: Names, below: Sequence[Token], above: Sequence[Token], of: Token
) -> list[tuple[str, tuple[str, ...]]]:
    """Return the actions that a sum runs over, and those that each of them leaves out."""
    inner = names.nested(below)
    bound = [_binder(inner)]
    while inner.sees(","):
        inner.take()
        bound.append(_binder(inner))
    if len(set(bound)) < len(bound):
        # `a' \in A, a' \neq a` names its action twice.
        if len(bound) != 2 or inner.done:
            raise ReadError("a sum that binds an action twice", of.start)
        bound.pop()
    skip = _range(inner, bound[-1], above)
    inner.end()
    if skip and len(bound) > 1:
        raise ReadError("a double sum with an action left out, write two sums", of.start)
    return [(name, tuple(skip)) for name in bound]


def _range(names: Names, name: str, above: Sequence[Token]) -> list[str]:
    """Take the rest of what stands below a sum, and return the actions that it leaves out."""
    if names.sees("="):
        names.take()
        # From 0 to n - 1 are n actions too.
        last = list(above[-2:]) if spelled(above[-2:]) == "-1" else []
        if last and names.sees("1", kind="number"):
            last = []
        if not (names.sees("0" if last else "1", kind="number") and above):
            raise names.refuse("1, and n above the sum")
        names.take()
        _upper(names, above[: len(above) - len(last)])
        return []
    if above:
        raise ReadError("a sum with an end and no start", above[0].start)
    skip: list[str] = []
    if names.commands("in"):
        names.take()
        _action_set(names)
        skip += _left_out(names)
    if names.sees(":", ",", "|") or names.commands("colon", "mid"):
        names.take()
        if _binder(names) != name:
            raise names.refuse("a condition on the action of the sum")
    if names.commands("neq", "ne"):
        names.take()
        skip += _differing(names, name)
    elif names.commands("notin"):
        names.take()
        skip += _action_list(names)
    return skip


def _differing(names: Names, name: str) -> list[str]:
    r"""Take `b, c` or `b, a \neq c`, for the action `a` of a sum."""
    skip = [_binder(names)]
    while names.sees(","):
        names.take()
        other = _binder(names)
        if names.commands("neq", "ne"):
            if other != name:
                raise names.refuse("a condition on the action of the sum")
            names.take()
            other = _binder(names)
        skip.append(other)
    return skip


def _binder(names: Names) -> str:
    index = names.index(any_letter=True)
    if index is None:
        raise names.refuse("an action")
    return index


def _action_set(names: Names) -> None:
    r"""Take the name of the set of all actions: a letter, `[n]` or `\{1, \dots, n\}`."""
    token = names.take()
    if token.text == "[" or (token.text == "{" and token.kind == "command"):
        content = names.inside(token)
        first = "" if token.text == "[" else spelled(content[:-1])
        if not content or first not in ("", "1,dots,", "1,ldots,", "1,cdots,"):
            raise ReadError(f"a sum over {shown(token)}, expected \\mathcal{{A}}", token.start)
        _upper(names, content[-1:] if first else content)
        return
    if not _is_set(token):
        raise ReadError(f"a sum over {shown(token)}, expected \\mathcal{{A}}", token.start)
    names.found.sets.add(token.text)
    names.state_of_set()


def _left_out(names: Names) -> list[str]:
    r"""Take `\setminus \{a\}`."""
    if not names.commands("setminus", "backslash"):
        return []
    names.take()
    return _action_list(names)


def _action_list(names: Names) -> list[str]:
    r"""Take `\{a, b\}`."""
    content = names.nested(names.inside(names.take()) if names.commands("{") else names.group())
    found = [_binder(content)]
    while content.sees(","):
        content.take()
        found.append(_binder(content))
    content.end()
    return found


def _upper(names: Names, above: Sequence[Token]) -> None:
    text = spelled(above)
    if text in SIZE_LETTERS:
        names.found.sizes.add(text)
    elif text.strip("|") in SETS and (text[0] == "|" or any(map(_is_set, above))):
        names.found.sets.add(text.strip("|"))
    else:
        raise ReadError(f"a sum up to {text!r}, expected n", above[0].start)


def _is_set(token: Token) -> bool:
    """Tell whether a token names the set of actions; a plain A does too."""
    return token.text in SETS and (token.kind == "font" or token.text == "A")


def letters(tokens: Sequence[Token]) -> set[str]:
    r"""Return the letters of actions.

    `x` of `\sum_x`, of `_{x \sim p}`, of `x \in \mathcal{X}` and of `\pi(x)`, `\pi(x|s)`.
    """
    found = set()
    for i, token in enumerate(tokens):
        if token.text in ("pi", "π") and [t.text for t in tokens[i + 1 : i + 2]] == ["("]:
            found |= _first(tokens[i + 2 : i + 4])
        if token.kind != "command":
            continue
        if token.text == "sum" and spelled(tokens[i + 1 : i + 2]) == "_":
            found |= _bound(tokens[i + 2 :])
        elif token.text in ("sim", "in"):
            place = i - 1
            while place > 0 and tokens[place].text in ("'", "^", "prime"):
                place -= 1
            drawn = token.text == "sim" and spelled(tokens[max(place - 2, 0) : place]) == "_{"
            member = token.text == "in" and any(map(_is_set, tokens[i + 1 : i + 2]))
            if place >= 0 and (drawn or member) and tokens[place].kind == "letter":
                found.add(tokens[place].text)
    return {letter for letter in found if letter.islower() and letter not in _NO_ACTIONS}


_BARS = {"|", "mid", "vert", "given"}


def _first(tokens: Sequence[Token]) -> set[str]:
    """Return the letter that is the only argument of a policy, or stands before its bar."""
    letter = [token.text for token in tokens[:1] if token.kind == "letter"]
    alone = len(tokens) > 1 and tokens[1].text in (")", *_BARS)
    return set(letter) if alone else set()


def conditioned(tokens: Sequence[Token]) -> set[str]:
    r"""Return the letters that stand alone behind a bar in brackets: `x` of `\pi(y|x)`.

    Those that the document binds nowhere play the state.
    """
    return {
        token.text
        for before, token, behind in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if before.text.strip() in _BARS
        and (before.kind, before.text) != ("command", "|")  # a divergence
        and token.kind == "letter"
        and behind.text in (")", ",")
    }


def _bound(below: Sequence[Token]) -> set[str]:
    """Return the letters that stand first below a sum."""
    if below and below[0].text != "{":
        return {below[0].text} if below[0].kind == "letter" else set()
    ends = (
        i for i, token in enumerate(below) if token.kind != "letter" and token.text not in "{',"
    )
    return {token.text for token in below[: next(ends, 0)] if token.kind == "letter"}
