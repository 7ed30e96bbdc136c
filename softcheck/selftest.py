"""`softcheck selftest`: plant every known mistake in right data, and see whether it is caught.

What has a name is planted by its own formula, what is made from the loss by the gradient that it
leaves: everywhere, in half of the states and in one state, in float64 and in float32. The whole
tool runs on each.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.dumps import sides
from softcheck.checks.evaluation import Dump
from softcheck.diagnosis.mistakes import MISTAKES, formulas
from softcheck.diagnosis.mistakes.parts import at, scaled, true_gradient
from softcheck.diagnosis.mistakes.record import ANY_DATA, Formula, Mistake, Planter
from softcheck.diagnosis.of_loss import of_program
from softcheck.diagnosis.points import points, scales
from softcheck.diagnosis.states import SAMPLE, part
from softcheck.gradient.definition import Given, Kind, Loss, Variant, Wrong
from softcheck.gradient.policy import Entries
from softcheck.gradient.tolerance import Precision
from softcheck.losses.mistakes import of_variant
from softcheck.result import Diagnosis, Outcome, Unshown
from softcheck.settings import Settings
from softcheck.tables.case import Case, case_from_arrays
from softcheck.tables.declared import Declared
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

_STATES, _ACTIONS = 96, 6  # of the data that come with softcheck

Arrays: TypeAlias = dict[str, NDArray[Any]]


class Closeness(NamedTuple):
    """The tolerances of `numpy.allclose`, with its own defaults."""

    rtol: float = 1e-5
    atol: float = 1e-8


@dataclass(frozen=True)
class _Data:
    """Right data to plant in."""

    arrays: Arrays
    settings: Settings
    declared: Declared

    def case(self, grad: NDArray[Any]) -> Case:
        """Return the case of these data with a gradient."""
        return case_from_arrays(self.arrays | {"grad": grad}, declared=self.declared)

    def cast(self, dtype: str) -> "_Data":
        """Round tables to a precision; masks and numbers of actions stay what they are."""
        arrays = {
            role: array.astype(dtype) if array.dtype.kind == "f" else array
            for role, array in self.arrays.items()
        }
        return replace(self, arrays=arrays)


class _Bench:
    """Data in one precision, as the formulas of mistakes see them."""

    def __init__(self, data: _Data, dtype: str) -> None:
        self.data, self.dtype = data.cast(dtype), dtype
        logits = self.data.arrays["logits"]
        self.case = self.data.case(np.zeros_like(logits))
        masked = ~np.isfinite(logits)
        if "mask" in data.arrays:
            masked = masked | ~data.arrays["mask"]
        self.view = part(self.case, data.settings, int(np.count_nonzero(masked)), ())

    @cached_property
    def known(self) -> dict[str, Planter]:
        """How mistakes are planted that are a scale, a ratio or a formula."""
        view = self.view
        known = {codes[0]: scaled(scale) for scale, codes in scales(view) if len(codes) == 1}
        if view.is_soft:
            for point in points(view, Precision(self.dtype).unit):
                if len(point.codes) == 1:
                    known.setdefault(point.codes[0], at(point.scale, point.scale * point.ratio))
        for formula in formulas(view):
            known.setdefault(formula.code, _by(formula))
        return known

    def visible(self, grad: Entries, dtype: str) -> bool:
        """Tell whether a gradient in some precision is wrong by clearly more than rounding."""
        precision = Precision(dtype)
        e = replace(self.view.e, dumps={"gradient": Dump(grad, precision, precision)})
        with np.errstate(all="ignore"):
            actual, expected, tolerance, _ = sides(e, "gradient")
            wrong = ~(np.abs(actual - expected) <= _MARGIN * tolerance)
        return bool(wrong.any())


class _Mistake(NamedTuple):
    """What is planted.

    Attributes
    ----------
    code, said : str
        Its name, and what was done.
    places : sequence of str
        Where it may be.
    need : str
        What the data must have to show it.
    planter : callable
        How it is planted in some data, None where these cannot show it.
    """

    code: str
    said: str
    places: Sequence[str]
    need: str
    planter: "Callable[[_Bench], Planter | None]"


def outcomes(
    source: Case | Loss, settings: Settings, against: Closeness | None = None
) -> Iterator[Outcome | Unshown]:
    """Plant every mistake in a case, or in built-in data of a loss, and verify each.

    Parameters
    ----------
    source : Case or Loss
        Of a case what its loss is made of, its mask and its weights are used; of a large one every
        so-manieth state. Each variant of a loss has data of its own.
    settings : Settings
        What is declared of a gradient of the case.
    against : Closeness, optional
        A comparison that is made too.
    """
    if isinstance(source, Case):
        declared = replace(settings, expect=None)
        yield from _outcomes([_Data(_arrays(source), declared, Declared(source.loss))], against)
        return
    for variant in source.variants:
        yield from _outcomes(_built_in(source, variant), against)


def _outcomes(data: Sequence[_Data], against: Closeness | None) -> Iterator[Outcome | Unshown]:
    """Plant every mistake, each in the first of some data that can show it."""
    benches = {dtype: [_Bench(each, dtype) for each in data] for dtype in DTYPES}
    case = benches[DTYPES[0]][0].case
    planted = list(_mistakes(case))
    times = Counter(mistake.code for mistake in planted)
    for mistake in planted:
        shown = False
        for dtype in DTYPES:
            for bench in benches[dtype]:
                planter = mistake.planter(bench)
                if planter is not None:
                    shown = True
                    alone = times[mistake.code] == 1
                    yield from _plant(mistake, bench, planter, against, alone=alone)
                    break
        if not shown:
            yield Unshown(
                loss=case.variant.formula,
                code=mistake.code,
                said=mistake.said,
                reason=mistake.need,
            )


def _mistakes(case: Case) -> Iterator[_Mistake]:
    """Yield what can go wrong in a loss: first what has a name in any, or in that of Eq. (6)."""
    soft = case.roles.is_soft
    for code, known in MISTAKES.items():
        if known.planted is not None and (soft or known.every_loss):
            places = tuple(PLACES) if known.planted.in_parts else (EVERYWHERE,)
            how = partial(_of_record, known)
            yield _Mistake(code, known.phrase, places, known.needs.words, how)
    for wrong in () if soft else of_variant(case.loss, case.variant)[0]:
        if not MISTAKES[wrong.code].every_loss:
            how = partial(_of_formula, wrong)
            yield _Mistake(wrong.code, wrong.said, tuple(PLACES), ANY_DATA.words, how)


def _of_record(mistake: Mistake, bench: _Bench) -> "Planter | None":
    how = mistake.planted
    if how is None or bench.dtype in how.not_in or not mistake.needs.met(bench.view):
        return None
    return how.by or bench.known.get(mistake.code)


def _of_formula(wrong: Wrong, bench: _Bench) -> "Planter | None":
    with np.errstate(all="ignore"):
        (value,) = of_program(bench.view, wrong.slope).values
        seen = np.isfinite(value).all() and bench.visible(value, DTYPES[0])
    return (lambda *_: value) if seen else None


def _by(formula: Formula) -> Planter:
    return lambda view, _: formula.gradient(view)


def _plant(
    mistake: _Mistake,
    bench: _Bench,
    planter: Planter,
    against: Closeness | None,
    *,
    alone: bool,
) -> Iterator[Outcome]:
    """Plant a mistake at its places, and run the whole tool; `alone` if no other has its code."""
    view, dtype = bench.view, bench.dtype
    with np.errstate(all="ignore"):
        true = true_gradient(view)
        wrong = planter(view, np.random.default_rng(7))
        right = view.in_order(true).astype(dtype)
    for place in mistake.places:
        where = PLACES[place](true.shape[1])
        grad = true.copy()
        grad[:, where] = wrong[:, where]
        with np.errstate(all="ignore"):
            dumped = view.in_order(grad).astype(dtype)
        made = verify_case(bench.data.case(dumped), bench.data.settings)
        failed = {check.name for check in made.checks if check.failed}
        yield Outcome(
            loss=bench.case.variant.formula,
            code=mistake.code,
            said=mistake.said,
            dtype=dtype,
            place=place,
            visible=bench.visible(dumped.reshape(-1, len(true)).T.astype(np.float64), dtype),
            caught=bool(failed & {"gradient", "fit"}),
            named=any(_names(one, mistake, alone=alone) for one in made.diagnosis),
            close=against and bool(np.allclose(dumped, right, *against)),
        )


def _names(said: Diagnosis, mistake: _Mistake, *, alone: bool) -> bool:
    """Tell whether a diagnosis says a mistake, or has it among its alternatives."""
    others = said.evidence.get("alternatives", ())
    if alone:
        codes = [said.code, *(other["code"] for other in others)]
        return any(mistake.code in each.split("+") for each in codes)
    also = said.evidence.get("also", ())
    texts = [said.message, *also, *(other["said"] for other in others)]
    return any(mistake.said in text for text in texts)


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


def _built_in(loss: Loss, variant: Variant) -> list[_Data]:
    """Return random data of a loss in which every mistake can be planted."""
    generator = np.random.default_rng(4)
    declared, mean = Declared(loss), Settings(reduction="mean")

    def given(*shape: int) -> Arrays:
        arrays = {each.name: _drawn(each, shape, generator) for each in variant.givens}
        return {"logits": 2.0 * generator.normal(size=(*shape, _ACTIONS)), **arrays}

    plain, masked, weighted = given(12, 9), given(_STATES), given(12, 8)
    masked["mask"] = generator.random((_STATES, _ACTIONS)) < 0.7
    masked["mask"][:, 0] = True
    for each in variant.givens:
        if each.kind is Kind.INDEX:
            masked["mask"][np.arange(_STATES), masked[each.name]] = True
    weighted["weights"] = generator.random((12, 8)) * (generator.random((12, 8)) > 0.1)
    if declared.roles.has_critics:
        weighted["q1"] = weighted.pop("q")
        weighted["q2"] = weighted["q1"] + generator.normal(size=weighted["q1"].shape)
    return [
        _Data(plain, Settings(), declared),
        _Data(plain, mean, declared),
        _Data(masked, Settings(), declared),
        _Data(weighted, mean, declared),
    ]


def _drawn(given: Given, shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
    """Return random numbers that an array may hold; a coefficient is far from 0 and from 1."""
    made: NDArray[Any]
    match given.kind:
        case Kind.INDEX:
            return generator.integers(_ACTIONS, size=shape)
        case Kind.TABLE:
            made = 2.0 * generator.normal(size=(*shape, _ACTIONS))
        case Kind.STATE:
            made = generator.normal(size=shape)
        case Kind.NUMBER:
            made = generator.uniform(0.05, 0.4, size=())
    if given.legal in ("not negative", "positive"):
        made = np.abs(made)
    return 1.0 + made if given.legal == "positive" else made
