"""What stands below and above a sum: the actions that it runs over, and those it leaves out."""

from collections.abc import Sequence

from softcheck.derive.notation.cursor import shown
from softcheck.derive.notation.names import Names
from softcheck.derive.notation.vocabulary import SIZES
from softcheck.derive.tokens import ReadError, Token


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
        if not (names.sees("1", kind="number") and above):
            raise names.refuse("1, and n above the sum")
        names.take()
        _upper(names, above)
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
    token = names.take()
    if token.text != "A" or token.kind not in ("font", "letter"):
        raise ReadError(f"a sum over {shown(token)}, expected \\mathcal{{A}}", token.start)
    if names.sees("("):
        names.inside(names.take())


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
    text = "".join(token.text for token in above)
    if text not in {*SIZES, "A", "|A|"}:
        raise ReadError(f"a sum up to {text!r}, expected n", above[0].start)
    if text in SIZES:
        names.scope.sizes.add(text)
