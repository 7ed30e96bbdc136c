"""`softcheck selftest`: plant every known mistake in right data, and see whether it is caught.

Each mistake is planted by its own formula, everywhere, in half of the states and in one state,
in float64 and in float32, and the whole tool runs on it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.dumps import sides
from softcheck.checks.evaluation import Dump
from softcheck.diagnosis.mistakes import MISTAKES, formulas
from softcheck.diagnosis.mistakes.parts import at, gradient, true_gradient
from softcheck.diagnosis.mistakes.record import Formula, Planter
from softcheck.diagnosis.points import points
from softcheck.diagnosis.states import SAMPLE, part
from softcheck.diagnosis.view import View
from softcheck.gradient.policy import Entries
from softcheck.gradient.tolerance import Precision
from softcheck.result import Outcome, Unshown
from softcheck.settings import Settings
from softcheck.tables.case import Case, case_from_arrays
from softcheck.verification import verify_case

EVERYWHERE = "everywhere"
PLACES: dict[str, Callable[[int], slice]] = {
    EVERYWHERE: lambda states: slice(0, states),
    "half of the states": lambda states: slice(states // 2, states),
    "one state": lambda states: slice(states // 3, states // 3 + 1),
}
"""Where a mistake is planted."""

DTYPES = ("float64", "float32")

_MARGIN = 2.0  # a planted mistake can be seen if it is at least so many tolerances large

Arrays: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Data:
    """Right data to plant in."""

    arrays: Arrays
    settings: Settings


def outcomes(case: Case | None, settings: Settings) -> Iterator[Outcome | Unshown]:
    """Plant every mistake in a case, or in built-in data, and verify each.

    Parameters
    ----------
    case : Case or None
        Its Q, logits, alpha, mask and weights are used; of a large one every so-manieth state.
    settings : Settings
        What is declared of a gradient of the case.

    Raises
    ------
    InputError
        If the case is of another loss than that of Eq. (6).
    """
    if case is not None:
        case.require_soft("the mistakes that are planted are those of Eq. (6)")
    data = _built_in() if case is None else [_Data(_arrays(case), settings)]
    known = {dtype: [(each, _planters(each, dtype)) for each in data] for dtype in DTYPES}
    for code, mistake in MISTAKES.items():
        if mistake.planted is None:
            continue
        places = PLACES if mistake.planted.in_parts else {EVERYWHERE: PLACES[EVERYWHERE]}
        shown = False
        for dtype in DTYPES:
            usable = [(each, made[code]) for each, made in known[dtype] if code in made]
            if usable:
                shown = True
                yield from _plant(code, dtype, places, *usable[0])
        if not shown:
            yield Unshown(code=code, reason=mistake.needs.words)


def _plant(
    code: str,
    dtype: str,
    places: Mapping[str, Callable[[int], slice]],
    data: _Data,
    planter: Planter,
) -> Iterator[Outcome]:
    """Plant a mistake at some places."""
    arrays = _cast(data.arrays, dtype)
    view = _view(arrays, data.settings)
    with np.errstate(all="ignore"):
        true = true_gradient(view)
        wrong = planter(view, np.random.default_rng(7))
    for place, of in places.items():
        grad = true.copy()
        where = of(true.shape[1])
        grad[:, where] = wrong[:, where]
        yield _verified(code, dtype, place, grad, view, arrays, data.settings)


def _verified(
    code: str, dtype: str, place: str, grad: Entries, view: View, arrays: Arrays, settings: Settings
) -> Outcome:
    """Run the whole tool on one planted mistake."""
    dumped = view.in_order(grad).astype(dtype)
    visible = _visible(view, dumped.reshape(-1, view.shared.actions).T.astype(np.float64), dtype)
    made = verify_case(case_from_arrays(arrays | {"grad": dumped}), settings)
    failed = {check.name for check in made.checks if check.failed}
    codes = tuple(diagnosis.code for diagnosis in made.diagnosis)
    caught = bool(failed & {"gradient", "fit"})
    return Outcome(code=code, dtype=dtype, place=place, visible=visible, caught=caught, codes=codes)


def _visible(view: View, grad: Entries, dtype: str) -> bool:
    """Whether a gradient is wrong by clearly more than rounding."""
    precision = Precision(dtype)
    e = replace(view.e, dumps={"gradient": Dump(grad, precision, precision)})
    with np.errstate(all="ignore"):
        actual, expected, tolerance, _ = sides(e, "gradient")
        wrong = ~(np.abs(actual - expected) <= _MARGIN * tolerance)
    return bool(wrong.any())


def _planters(data: _Data, dtype: str) -> dict[str, Planter]:
    """Return for each mistake that the data can have how it is planted."""
    view = _view(_cast(data.arrays, dtype), data.settings)
    known: dict[str, Planter] = {}
    for point in points(view, Precision(dtype).unit):
        if len(point.codes) == 1:
            known.setdefault(point.codes[0], at(point.scale, point.scale * point.ratio))
    for formula in formulas(view):
        known.setdefault(formula.code, _by(formula))
    made = {}
    for code, mistake in MISTAKES.items():
        how = mistake.planted
        if how is not None and dtype not in how.not_in and mistake.needs.met(view):
            planter = how.by or known.get(code)
            if planter is not None:
                made[code] = planter
    return made


def _by(formula: Formula) -> Planter:
    return lambda view, _: gradient(view, formula.parts(view))


def _cast(arrays: Mapping[str, NDArray[Any]], dtype: str) -> Arrays:
    """Round tables to a precision; a mask stays a mask."""
    return {
        role: array if array.dtype == np.bool_ else array.astype(dtype)
        for role, array in arrays.items()
    }


def _view(arrays: Arrays, settings: Settings) -> View:
    """Return all states of some data as the formulas see them, with a gradient of 0."""
    case = case_from_arrays(arrays | {"grad": np.zeros_like(arrays["logits"])})
    masked = ~np.isfinite(arrays["logits"])
    if "mask" in arrays:
        masked = masked | ~arrays["mask"]
    return part(case, settings, int(np.count_nonzero(masked)), ())


def _arrays(case: Case) -> Arrays:
    """Return what a case is given by; of a large one every so-manieth state."""
    kept: dict[str, list[NDArray[Any]]] = {}
    stride = max(1, -(-case.states * case.actions // SAMPLE))
    for raw in case.blocks(max(1, SAMPLE // case.actions)):
        chosen = np.arange(raw.start, raw.start + raw.rows) % stride == 0
        for role, array in raw.arrays.items():
            if case.roles[role].check is None:
                kept.setdefault(role, []).append(array[chosen])
    arrays = {role: np.concatenate(parts) for role, parts in kept.items()}
    if "mask" in arrays:
        arrays["mask"] = arrays["mask"].astype(np.bool_)
    if stride == 1:
        arrays = {role: x.reshape(*case.shape, *x.shape[1:]) for role, x in arrays.items()}
    scalars = {
        role: np.asarray(number)
        for role, number in case.scalars.items()
        if case.roles[role].check is None
    }
    return arrays | scalars


def _built_in() -> list[_Data]:
    """Return random data in which every mistake can be planted."""
    generator = np.random.default_rng(4)
    alpha = np.array(0.2)

    def table(*shape: int) -> NDArray[np.float64]:
        return generator.normal(size=shape)

    plain = {"q": 2.0 * table(12, 9, 6), "logits": 3.0 * table(12, 9, 6), "alpha": alpha}
    mask = generator.random((96, 6)) < 0.7
    mask[:, 0] = True
    masked = {"q": table(96, 6), "logits": table(96, 6), "alpha": alpha, "mask": mask}
    weights = np.where(generator.random(96) < 0.1, 0.0, generator.random(96))
    twins = {"q1": table(96, 6), "q2": table(96, 6), "logits": table(96, 6), "alpha": alpha}
    mean = Settings(reduction="mean")
    return [
        _Data(plain, Settings()),
        _Data(plain, mean),
        _Data(masked, Settings()),
        _Data(twins | {"weights": weights}, mean),
    ]
