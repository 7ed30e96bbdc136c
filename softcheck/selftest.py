"""`softcheck selftest`: plant every known mistake in right data, and see whether it is caught.

Each mistake is planted by its own formula, everywhere, in half of the states and in one state,
in float64 and in float32, and the whole tool runs on it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.dumps import sides
from softcheck.checks.evaluation import Dump
from softcheck.diagnosis.catalogue import entries
from softcheck.diagnosis.formulas import Formula, formulas, right
from softcheck.diagnosis.points import points
from softcheck.diagnosis.states import SAMPLE, part
from softcheck.diagnosis.view import View
from softcheck.gradient.policy import Array
from softcheck.gradient.tolerance import Precision
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

NO_MISTAKE = frozenset({"first-wrong", "unexplained"})
"""Codes that only say where to look."""

_MARGIN = 2.0  # a planted mistake can be seen if it is at least so many tolerances large
_IMPOSSIBLE = frozenset({("low-precision", "float32")})
_BY_PLACE = frozenset(
    {
        "clipped-gradient",
        "isolated-entries",
        "nan-from-mask",
        "not-finite",
        "permuted-states",
        "scaled-by-state",
        "transposed",
    }
)

Arrays = dict[str, NDArray[Any]]
Planter = Callable[[View, np.random.Generator], Array]


@dataclass(frozen=True)
class Outcome:
    """What became of one planted mistake.

    Attributes
    ----------
    code, dtype, place : str
    visible : bool
        Whether it changes an entry by more than rounding.
    caught : bool
        Whether the verification failed.
    codes : tuple of str
        What it was called.
    """

    code: str
    dtype: str
    place: str
    visible: bool
    caught: bool
    codes: tuple[str, ...]

    @property
    def missed(self) -> bool:
        """Whether a mistake that can be seen was not."""
        return self.visible and not self.caught

    @property
    def named(self) -> bool:
        """Whether its name is among the explanations."""
        return any(self.code in codes.split("+") for codes in self.codes)


@dataclass(frozen=True)
class Unshown:
    """A mistake that the data cannot show, and why."""

    code: str
    reason: str


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
    """
    data = _built_in() if case is None else [_Data(_arrays(case), settings)]
    known = {dtype: [(each, _planters(each, dtype)) for each in data] for dtype in DTYPES}
    for code in entries():
        if code in NO_MISTAKE:
            continue
        shown = False
        for dtype in DTYPES:
            usable = [(each, made[code]) for each, made in known[dtype] if code in made]
            if usable and (code, dtype) not in _IMPOSSIBLE:
                shown = True
                yield from _plant(code, dtype, *usable[0])
        if not shown:
            yield Unshown(code, _NEEDS.get(code, "nothing in this data differs by it"))


def _plant(code: str, dtype: str, data: _Data, planter: Planter) -> Iterator[Outcome]:
    """Plant a mistake at every place."""
    arrays = _cast(data.arrays, dtype)
    view = _view(arrays, data.settings)
    with np.errstate(all="ignore"):
        true = _right(view)
        wrong = planter(view, np.random.default_rng(7))
    for place, of in PLACES.items():
        if place != EVERYWHERE and code in _BY_PLACE:
            continue
        grad = true.copy()
        where = of(true.shape[1])
        grad[:, where] = wrong[:, where]
        yield _verified(code, dtype, place, grad, view, arrays, data.settings)


def _verified(
    code: str, dtype: str, place: str, grad: Array, view: View, arrays: Arrays, settings: Settings
) -> Outcome:
    """Run the whole tool on one planted mistake."""
    dumped = view.in_order(grad).astype(dtype)
    visible = _visible(view, dumped.reshape(-1, view.shared.actions).T.astype(np.float64), dtype)
    made = verify_case(case_from_arrays(arrays | {"grad": dumped}), settings)
    failed = {check.name for check in made.checks if check.failed}
    codes = tuple(diagnosis.code for diagnosis in made.diagnosis)
    return Outcome(code, dtype, place, visible, bool(failed & {"gradient", "fit"}), codes)


def _visible(view: View, grad: Array, dtype: str) -> bool:
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
    made: dict[str, Planter] = {}
    for point in points(view.shared, Precision(dtype).unit):
        if len(point.codes) == 1:
            made.setdefault(point.codes[0], _at(point.scale, point.scale * point.ratio))
    for formula in formulas(view):
        if formula.code and formula.code not in _OWN:
            made.setdefault(formula.code, _of_formula(formula))
    made |= {code: _at(*numbers) for code, numbers in _FREE.items()}
    made |= {code: planter for code, (needs, planter) in _OWN.items() if needs(view)}
    return made


def _at(x: float, y: float) -> Planter:
    def plant(view: View, _: np.random.Generator) -> Array:
        a, b = right(view)[:2]
        grad: Array = (x * a + y * b) * view.e.factor
        return grad

    return plant


def _of_formula(formula: Formula) -> Planter:
    def plant(view: View, _: np.random.Generator) -> Array:
        parts = formula.parts(view)
        grad: Array = (parts.a + parts.b) * (
            view.e.factor if parts.factor is None else parts.factor
        )
        return grad

    return plant


def _right(view: View) -> Array:
    a, b = right(view)[:2]
    grad: Array = (a + b) * view.e.factor
    return grad


def _sampled_entropy(view: View, generator: np.random.Generator) -> Array:
    drawn = (view.p.cumsum(axis=0) > generator.random(view.p.shape[1])).argmax(axis=0)
    chosen = np.zeros_like(view.p)
    chosen[drawn, np.arange(drawn.size)] = 1.0
    grad: Array = (view.alpha * (chosen - view.p) - view.J(view.q)) * view.e.factor
    return grad


def _permuted(view: View, generator: np.random.Generator) -> Array:
    return _right(view)[:, generator.permutation(view.p.shape[1])]


def _stale(view: View, _: np.random.Generator) -> Array:
    true = _right(view)
    step = 0.01 * true / np.abs(true).max(initial=1e-300)
    logits = view.e.block.logits - step
    moved = view.at(logits=np.where(view.legal > 0, logits, -np.inf))
    return _right(moved)


def _low_precision(view: View, _: np.random.Generator) -> Array:
    single = [x.astype(np.float32) for x in (view.q, view.e.block.logits, view.alpha)]
    q, logits, alpha = single
    z = logits - logits.max(axis=0)
    w = np.exp(z)
    log_pi = np.where(view.legal > 0, z - np.log(w.sum(axis=0)), np.float32(0.0))
    pi = w / w.sum(axis=0)
    g = q - alpha * log_pi
    single_grad = -pi * (g - (pi * g).sum(axis=0)) * view.e.factor.astype(np.float32)
    grad: Array = single_grad.astype(np.float64)
    return grad


def _isolated(view: View, _: np.random.Generator) -> Array:
    grad = _right(view).copy()
    action, state = np.unravel_index(np.argsort(np.abs(grad), axis=None)[-2], grad.shape)
    grad[action, state] *= -1.0
    return grad


def _nan(view: View, _: np.random.Generator) -> Array:
    legal = view.legal > 0
    return np.where(legal & ~legal.all(axis=0), np.nan, _right(view))


def _not_finite(view: View, _: np.random.Generator) -> Array:
    grad = _right(view)
    grad[:, ::2] = np.inf
    return grad


def _clipped(view: View, _: np.random.Generator) -> Array:
    grad = _right(view)
    bound = np.quantile(np.abs(grad), 0.8)
    return grad.clip(-bound, bound)


def _scaled_by_state(view: View, generator: np.random.Generator) -> Array:
    grad: Array = _right(view) * generator.uniform(0.2, 0.9, view.p.shape[1])
    return grad


def _always(_: View) -> bool:
    return True


_OWN: dict[str, tuple[Callable[[View], bool], Planter]] = {
    "sampled-entropy": (_always, _sampled_entropy),
    "permuted-states": (lambda view: view.shared.states > 1, _permuted),
    "stale": (_always, _stale),
    "low-precision": (_always, _low_precision),
    "isolated-entries": (lambda view: view.shared.states > 1, _isolated),
    "nan-from-mask": (lambda view: view.e.legal is not None, _nan),
    "detached-policy": (_always, _at(0.0, 0.0)),
    "not-finite": (lambda view: view.shared.states > 1, _not_finite),
    "clipped-gradient": (_always, _clipped),
    "scaled-by-state": (lambda view: view.shared.states > 1, _scaled_by_state),
}
"""Mistakes that are read off a gradient, and so cannot be planted by their row of the table."""

_FREE = {
    "q-scaled": (0.1, 1.0),
    "other-alpha": (1.0, 1.0537),
    "other-scale": (0.317, 0.317),
    "loss-scaled": (65536.0, 65536.0),
}

_NEEDS = {
    "first-critic": "it needs two critics",
    "mean-critic": "it needs two critics",
    "max-critic": "it needs two critics",
    "masked-in-softmax": "it needs masked actions with finite logits",
    "masked-q-zero": "it needs masked actions with finite logits",
    "nan-from-mask": "it needs masked actions",
    "padding-in-denominator": "it needs masked actions, or weights of 0",
    "broadcast-weights": "it needs weights",
    "weights-normalised": "it needs weights",
    "weights-ignored": "it needs weights",
    "double-softmax": "it is tried without masked actions only",
    "mean-over-states": "it is what is declared, or there is one state",
    "mean-over-actions": "there is one action",
    "summed-over-states": "it is what is declared",
    "mean-over-states-and-actions": "it is what is declared",
    "log-alpha-as-alpha": "alpha is 0, or differs by state",
    "transposed": "it needs several states",
    "permuted-states": "it needs several states",
    "next-state-policy": "it needs several states",
    "softmax-over-states": "it needs several states",
    "isolated-entries": "it needs several states",
    "not-finite": "it needs several states",
    "scaled-by-state": "it needs several states",
}


def _cast(arrays: Mapping[str, NDArray[Any]], dtype: str) -> Arrays:
    """Round tables to a precision; a mask stays a mask."""
    return {
        role: array if array.dtype == np.bool_ else array.astype(dtype)
        for role, array in arrays.items()
    }


def _view(arrays: Arrays, settings: Settings) -> View:
    """Return all states of some data as the formulas see them."""
    case = case_from_arrays(arrays)
    masked = ~np.isfinite(arrays["logits"])
    if "mask" in arrays:
        masked = masked | ~arrays["mask"]
    return part(case, settings, int(np.count_nonzero(masked)), ())


def _arrays(case: Case) -> Arrays:
    """Return what a case is given by; of a large one every so-manieth state."""
    roles = {"logits", "alpha", "mask", "weights"}
    kept: dict[str, list[NDArray[Any]]] = {}
    stride = max(1, -(-case.states * case.actions // SAMPLE))
    for raw in case.blocks(max(1, SAMPLE // case.actions)):
        chosen = np.arange(raw.start, raw.start + raw.rows) % stride == 0
        for role, array in raw.arrays.items():
            if role in roles or role[:1] == "q":
                kept.setdefault(role, []).append(array[chosen])
    arrays = {role: np.concatenate(parts) for role, parts in kept.items()}
    if "mask" in arrays:
        arrays["mask"] = arrays["mask"].astype(np.bool_)
    if stride == 1:
        arrays = {role: x.reshape(*case.shape, *x.shape[1:]) for role, x in arrays.items()}
    scalars = {role: np.asarray(case.scalars[role]) for role in roles & set(case.scalars)}
    return arrays | scalars


def _built_in() -> list[_Data]:
    """Return random data in which every mistake can be planted."""
    generator = np.random.default_rng(4)
    alpha = np.array(0.2)

    def table(*shape: int) -> Array:
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
