"""What became of planted mistakes, as a table for people."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from softcheck.errors import printable
from softcheck.result import Outcome, Unshown
from softcheck.selftest import EVERYWHERE, Closeness

_WHAT = 200  # characters of what was planted


def render(outcomes: Iterable[Outcome | Unshown], against: Closeness | None) -> Iterator[str]:
    """Yield a table for each loss, and the rates.

    A line is a mistake in the precisions in which the same became of it.
    """
    found = list(outcomes)
    for loss, of_loss in groupby(found, attrgetter("loss")):
        yield f"L = {printable(loss, _WHAT)}"
        yield ""
        yield from _table(list(of_loss), against)
        yield ""
    planted = [one for one in found if isinstance(one, Outcome)]
    seen = [one for one in planted if one.visible]
    named = [one for one in seen if one.place == EVERYWHERE]
    yield (
        f"caught {sum(one.caught for one in seen)} of {len(seen)} planted mistakes that can be "
        f"seen, {sum(one.named for one in named)} of {len(named)} named; "
        f"{len(planted) - len(seen)} are hidden by rounding"
    )
    if against is not None:
        passed = [one for one in seen if one.close]
        yield (
            f"numpy.allclose with atol={against.atol:g}, rtol={against.rtol:g} lets {len(passed)} "
            f"of these {len(seen)} pass, of which softcheck catches "
            f"{sum(one.caught for one in passed)}"
        )


def _table(found: Sequence[Outcome | Unshown], against: Closeness | None) -> Iterator[str]:
    headings = ["mistake", "dtype", "softcheck", *["numpy.allclose"] * bool(against), "what"]
    rows = [headings]
    for (code, said), each in groupby(found, attrgetter("code", "said")):
        what = printable(said, _WHAT)
        cells: dict[tuple[str, ...], list[str]] = {}
        for dtype, ones in groupby(each, lambda one: getattr(one, "dtype", "-")):
            cells.setdefault(tuple(_cells(list(ones), against)), []).append(dtype)
        rows += [[code, ", ".join(dtypes), *cell, what] for cell, dtypes in cells.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *row, what in rows:
        pairs = zip(row, widths, strict=False)
        yield "  ".join([*(f"{cell:<{width}}" for cell, width in pairs), what])


def _cells(found: Sequence[Outcome | Unshown], against: Closeness | None) -> Iterator[str]:
    """Yield what softcheck, and allclose, made of a mistake in one precision."""
    outcomes = [one for one in found if isinstance(one, Outcome)]
    seen = [one for one in outcomes if one.visible]
    for one in found:
        if isinstance(one, Unshown):
            yield f"not shown by this data: {one.reason}"
    if outcomes:
        yield _caught(seen) if seen else "hidden by rounding"
    if against is not None:
        yield _passed(seen) if seen else "-"


def _caught(seen: Sequence[Outcome]) -> str:
    caught = f"caught {sum(one.caught for one in seen)} of {len(seen)}"
    missed = [one.place for one in seen if not one.caught]
    if missed:
        return f"{caught}, MISSED {_places(missed)}"
    everywhere = [one for one in seen if one.place == EVERYWHERE]
    return f"{caught}, {'named' if everywhere[0].named else 'not named'}" if everywhere else caught


def _passed(seen: Sequence[Outcome]) -> str:
    passed = [one.place for one in seen if one.close]
    if len(passed) in (0, len(seen)):
        return "passes all" if passed else "catches all"
    return f"passes {_places(passed)}"


def _places(places: Sequence[str]) -> str:
    return " and ".join(f"in {place}" if place != EVERYWHERE else place for place in places)
