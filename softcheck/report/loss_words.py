"""How a loss is put into words, for every format for people."""

from collections.abc import Iterator

from softcheck.errors import printable
from softcheck.report.derive_words import listed
from softcheck.result import LossArray, LossReading, LossVariant

_FORMULA = 2_000


def heading(report: LossReading) -> str:
    """Return what a loss is, in a few words."""
    return ", ".join(filter(None, (report.title, report.equation)))


def facts(variant: LossVariant) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of a variant, each fact under its name."""
    yield "loss", f"L = {_formula(variant.loss.reading)}"
    yield "gradient", f"∂L/∂{variant.by} = {_formula(variant.gradient.reading)}"
    where = f", where {printable(listed(variant.where), _FORMULA)}" if variant.where else ""
    yield variant.status.value, f"for every number of actions n >= 1{where}"
    for given in variant.arrays:
        yield "array", array(given)
    for stopped in variant.harmless:
        yield "harmless", f"L = {_formula(stopped)}"


def array(given: LossArray) -> str:
    """Return what an array is, on one line."""
    about = f": {printable(given.about)}" if given.about else ""
    legal = "" if given.legal == "finite" else f", {given.legal}"
    default = "" if given.default is None else f", {given.default} if there is none"
    named = f"{printable(given.name)} = {printable(given.symbol)}"
    return f"{named}, {given.shape}, {given.dtype}{legal}{default}{about}"


def _formula(reading: str) -> str:
    return printable(reading, _FORMULA)
