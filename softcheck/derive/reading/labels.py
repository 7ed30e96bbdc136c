r"""Letters that name one action throughout: `c` of `L = -\log p_c`, a class or a chosen action.

Nothing binds such a letter. What is defined with it depends on it, though its name does not say so:
it is given the action, wherever it stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from softcheck.derive.expr import Expr, Sym, free_indices, rebuilt
from softcheck.derive.reading.claims import Line, Reading, Stated


def labelled(reading: Reading) -> Reading:
    """Return what a document says, with the actions that its definitions leave unsaid."""
    unsaid = {name: _loose(stated) for name, stated in reading.definitions.items()}
    unsaid = {name: labels for name, labels in unsaid.items() if labels}
    if not unsaid:
        return reading
    definitions = dict(reading.definitions)
    for _ in definitions:
        for name, stated in definitions.items():
            given = stated.definition
            body = _with(given.body, unsaid)
            loose = tuple(sorted(i for i in free_indices(body) if i not in given.params))
            more = tuple(i for i in loose if not i.isdigit())
            if more and more != unsaid.get(name):
                unsaid[name] = more
    for name, stated in definitions.items():
        given = stated.definition
        params = (*given.params, *unsaid.get(name, ()))
        made = replace(given, params=params, body=_with(given.body, unsaid))
        definitions[name] = replace(stated, definition=made)
    known: dict[int, Line] = {}

    def line(old: Line) -> Line:
        # A chain goes on from the same line, and is told by it.
        if id(old) not in known:
            known[id(old)] = replace(
                old, tree=None if old.tree is None else _with(old.tree, unsaid)
            )
        return known[id(old)]

    equalities = [
        replace(e, left=line(e.left), right=line(e.right), head=e.head and line(e.head))
        for e in reading.equalities
    ]
    return replace(reading, definitions=definitions, equalities=equalities)


def _loose(stated: Stated) -> tuple[str, ...]:
    """Return the actions that a definition speaks of and does not name on its left."""
    given = stated.definition
    loose = free_indices(given.body) - {*given.params}
    return tuple(sorted(index for index in loose if not index.isdigit()))


def _with(x: Expr, unsaid: Mapping[str, Sequence[str]]) -> Expr:
    """Return a formula whose quantities are given the actions that their names leave unsaid."""
    if isinstance(x, Sym):
        return Sym(x.name, (*x.args, *unsaid.get(x.name, ())))
    return rebuilt(x, lambda part: _with(part, unsaid))
