"""What became of planted mistakes, as a table for people."""

from collections.abc import Iterable, Iterator

from softcheck.result import Outcome, Unshown
from softcheck.selftest import DTYPES, EVERYWHERE


def render(outcomes: Iterable[Outcome | Unshown]) -> Iterator[str]:
    """Yield a line for each mistake, what the data cannot show, and the rates."""
    found = list(outcomes)
    planted = [one for one in found if isinstance(one, Outcome)]
    yield f"{'mistake':<30}" + "".join(f"{dtype:<32}" for dtype in DTYPES).rstrip()
    for code in dict.fromkeys(one.code for one in planted):
        cells = (
            _cell([one for one in planted if (one.code, one.dtype) == (code, dtype)])
            for dtype in DTYPES
        )
        yield (f"{code:<30}" + "".join(f"{cell:<32}" for cell in cells)).rstrip()
    for one in found:
        if isinstance(one, Unshown):
            yield f"{one.code:<30}not shown by this data: {one.reason}"
    seen = [one for one in planted if one.visible]
    named = [one for one in seen if one.place == EVERYWHERE]
    yield (
        f"caught {sum(one.caught for one in seen)} of {len(seen)} planted mistakes that can be "
        f"seen, {sum(one.named for one in named)} of {len(named)} named; "
        f"{len(planted) - len(seen)} are hidden by rounding"
    )


def _cell(outcomes: list[Outcome]) -> str:
    """Return how often a mistake was caught, and whether it was named."""
    seen = [one for one in outcomes if one.visible]
    if not outcomes:
        return "-"
    if not seen:
        return "hidden by rounding"
    caught = f"caught {sum(one.caught for one in seen)} of {len(seen)}"
    everywhere = [one for one in seen if one.place == EVERYWHERE]
    if not everywhere:
        return caught
    named = everywhere[0].named
    return f"{caught}, {'named' if named else 'not named'}"
