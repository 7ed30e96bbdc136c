"""Other shipped losses on the arrays of a loss: what was computed may be one of them."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product

from softcheck.gradient.definition import Given, Kind, Loss, Variant, Wrong, with_arrays
from softcheck.shipped import names, stored

OTHER_LOSS = "other-loss"
"""The code of all of them."""

_MOST = 8  # ways to give one loss the arrays of another


def others(loss: Loss, variant: Variant) -> Iterator[Wrong]:
    """Yield the shipped losses that some arrays make, with what each of their arrays is.

    An array stands for another of its kind whose name ends alike, such as log-probabilities of a
    teacher for those of a reference; a number for any other one, or for 1.

    Parameters
    ----------
    loss : Loss
    variant : Variant
        Which arrays it has.
    """
    if variant.temperature is not None:  # the policies of the others have none
        return
    for name in names():
        for other in stored(name).variants if name != loss.name else ():
            ways = product(*(_stand_ins(given, variant.givens) for given in other.givens))
            for _, way in zip(range(_MOST), filter(_is_proper, ways), strict=False):
                to = {given.name: each for given, each in zip(other.givens, way, strict=True)}
                yield Wrong(
                    code=OTHER_LOSS,
                    said=f"it is the loss {name}{_with(other, to)}",
                    term=other.formula,
                    factor="",
                    slope=with_arrays(other.slope, to),
                    value=with_arrays(other.value, to),
                )


def _stand_ins(given: Given, among: Sequence[Given]) -> list[str | Fraction]:
    """Return what may be a given of another loss, what has its name first."""
    if given.legal == "positive":  # the logits are not divided here
        return [] if given.default is None else [given.default]
    alike = [each for each in among if each.kind is given.kind]
    if any(each.name == given.name for each in alike):
        return [given.name]
    if given.default is not None:
        return [given.default]
    if given.kind is Kind.NUMBER:
        return [*(each.name for each in alike), Fraction(1)]
    if given.kind is Kind.INDEX:
        return [each.name for each in alike]
    return [each.name for each in alike if _end(each) == _end(given)]


def _end(given: Given) -> str:
    return given.name.partition("_")[2] or given.name


def _is_proper(way: tuple[str | Fraction, ...]) -> bool:
    """Tell whether no array stands for two."""
    arrays = [each for each in way if isinstance(each, str)]
    return len({*arrays}) == len(arrays)


def _with(other: Variant, to: Mapping[str, str | Fraction]) -> str:
    usual = {given.name: given.default for given in other.givens}
    stated = [f"{name} = {each}" for name, each in to.items() if each not in (name, usual[name])]
    return f", with {' and '.join(stated)}" if stated else ""
