"""What a side of a statement is by its form: a symbol, a derivative, a tuple, a quotient."""

from collections.abc import Sequence

from softcheck.derive.expr import Add, Diff, Div, Exp, Expr, Mul, Num, Size, Sum, Sym, symbols, walk
from softcheck.derive.reading.conditions import quietly
from softcheck.derive.reading.forms import Side
from softcheck.derive.reading.notation.cursor import Scope
from softcheck.derive.reading.tokens import Token


def names_in(tree: Expr | None) -> set[str]:
    """Return the quantities in a formula, the number of actions included."""
    if tree is None:
        return set()
    sizes = {"n"} if any(isinstance(node, Size) for node in walk(tree)) else set()
    return symbols(tree) | sizes


def side_of(tokens: Sequence[Token], tree: Expr | None) -> Side:
    """Tell what stands on a side."""
    if not tokens:
        return "nothing"
    if is_whole(tokens):
        return "whole"
    match tree:
        case None:
            derives = tokens[0].text in ("partial", "nabla") or (
                tokens[0].text in ("frac", "dfrac", "tfrac")
                and any(token.text in ("partial", "nabla") for token in tokens[1:4])
            )
            return "derivative" if derives else "unread"
        case Num():
            return "number"
        case Sym(_, ()) | Size():
            return "symbol"
        case Sym():
            return "entry"
        case Diff():
            return "derivative"
        case Mul(factors) if isinstance(factors[-1], Diff) and not any(
            isinstance(f, Sum) for f in factors
        ):
            return "derivative"
    return "expression"


def is_whole(tokens: Sequence[Token]) -> bool:
    """Tell whether tokens are one pair of brackets that holds a list."""
    signs = [(token.text, token.kind) for token in tokens]
    if len(tokens) < 3 or signs[0][0] not in ("(", "[", "{") or signs[-1][0] not in (")", "]", "}"):
        return False
    depth, commas = 0, False
    for place, (text, kind) in enumerate(signs):
        if kind in ("sign", "command"):
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        commas = commas or (depth == 1 and text == ",")
        if depth == 0 and place < len(signs) - 1:
            return False
    return commas


def updates(left: Expr | None, right: Expr | None) -> bool:
    """Tell whether a sum holds the symbol that it is said to be."""
    if not isinstance(left, Sym) or not isinstance(right, Add):
        return False
    return any(left in (t.factors if isinstance(t, Mul) else (t,)) for t in right.terms)


def is_quotient(tree: Expr | None) -> bool:
    """Tell whether a tree is an exponential by a sum of them."""
    return (
        isinstance(tree, Div)
        and any(isinstance(node, Exp) for node in walk(tree.over))
        and isinstance(tree.under, Sum | Sym)
    )


def entry_letter(sides: Sequence[Sequence[Token]], scope: Scope) -> str | None:
    r"""Return a letter for the action of `p = \mathrm{softmax}(z)`, an equation of whole tables."""
    softmaxes, named = 0, set[str]()
    for side in sides:
        if _is_softmax(side):
            softmaxes += 1
        else:
            tree = quietly(side, scope)
            if not isinstance(tree, Sym) or len(tree.args) > 1:
                return None
            named |= {*tree.args}
    if not softmaxes or len(named) > 1:
        return None
    taken = {token.text for side in sides for token in side}
    return next(iter(named), next((letter for letter in "aijk" if letter not in taken), None))


def _is_softmax(side: Sequence[Token]) -> bool:
    """Tell whether a side is a softmax of something, and no entry of it."""
    if len(side) < 2 or side[0].kind != "font" or side[0].text != "softmax":
        return False
    depth = 0
    for place, token in enumerate(side[1:], 1):
        depth += token.kind == "sign" and token.text in "([{"
        depth -= token.kind == "sign" and token.text in ")]}"
        if depth == 0:
            return place == len(side) - 1
    return False
