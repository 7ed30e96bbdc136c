"""Softmax quantities of a block of states: log pi, pi, g, V and what they are made of.

A block holds `rows` states as arrays of shape `(actions, rows)`: actions first, so that every
sum over actions adds contiguous rows. All arithmetic is float64.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Entries: TypeAlias = Array  # (actions, rows)
States: TypeAlias = Array  # (rows,)
PerState: TypeAlias = Array  # (rows,), or (1,) where all states share it
Quantity: TypeAlias = Array  # (actions, rows), or (rows,) for what is one number a state
Number: TypeAlias = Any  # of one entry or state, or an array of them: a formula is written once
Flags: TypeAlias = NDArray[np.bool_]  # (actions, rows)
Counts: TypeAlias = NDArray[np.intp]  # (rows,)
Indices: TypeAlias = NDArray[np.intp]  # of some rows
Some: TypeAlias = Indices | slice  # of rows: those, or all of them without a copy

FLOOR = -750.0
"""Shifted logits end here: exp of anything below -745.2 is 0, and 0 times finite stays 0."""

_SAFE = -700.0  # pi cannot be 0 from here on

LONG = 256
"""From so many actions on a block has few rows, and the actions of a state lie side by side."""

LINE = 8
"""So many numbers make a cache line. A processor takes a line at a time: where an array begins in
the middle of one, much of it is read twice."""

_PIECE = 8_192
"""So many entries at a time go through a formula: what it makes on the way stays in the cache."""

_RUN = 18  # so many terms are added one after the other
_FEW = 4  # and so many runs of products


@dataclass(frozen=True, slots=True)
class Repeats:
    """Entries that stand for several actions each, which are alike in all that they are given.

    They are at most half as many as the actions, so that a sum over entries has no more roundings
    than one over actions, the product with a count included: see `tolerance.summation`.

    Attributes
    ----------
    actions : int
        Of each state.
    counts : Entries
        How many actions an entry stands for: 0 where a state has fewer entries than others.
    """

    actions: int
    counts: Entries


class Buffers:
    """Scratch arrays of one thread, by name, kept from block to block; and what sums count.

    An array is valid until the same name is asked for again; its content is then arbitrary. What
    a check computes is called `value`, and what it needs on the way `scratch`: an array that is
    still in the cache costs half of one that is not.

    Parameters
    ----------
    repeats : Repeats, optional
        For how many actions the entries of a block stand; without it, each is an action.
    long : int
        From so many actions on those of a state lie side by side.
    """

    def __init__(self, repeats: Repeats | None = None, long: int = LONG) -> None:
        self.repeats = repeats
        self.long = long
        self._flat: dict[str, Array] = {}
        self._shaped: dict[tuple[str, tuple[int, int], int], Entries] = {}

    def over(self, repeats: Repeats | None, long: int = LONG) -> "Buffers":
        """Return the same arrays for a block of such entries, or that lies otherwise."""
        if repeats is None and long == self.long:
            return self
        made = Buffers(repeats, long)
        made._flat, made._shaped = self._flat, self._shaped
        return made

    def of_states(self, states: Some) -> "Buffers":
        """Return the same arrays for some states of the block."""
        if self.repeats is None:
            return self
        return self.over(replace(self.repeats, counts=self.repeats.counts[:, states]))

    def actions(self, x: Entries) -> int:
        """Return how many actions the entries of a block stand for."""
        return len(x) if self.repeats is None else self.repeats.actions

    def number_of(self, flags: Flags) -> Counts:
        """Return at how many actions of each state flags hold."""
        if self.repeats is None:
            number: Counts = np.count_nonzero(flags, axis=0)
        else:
            number = np.where(flags, self.repeats.counts, 0.0).sum(axis=0).astype(np.intp)
        return number

    def number_in_all(self, flags: Flags) -> int:
        """Return at how many actions of all states flags hold."""
        if self.repeats is None:
            return int(np.count_nonzero(flags))
        return int(self.repeats.counts.sum(where=flags))

    def __reduce__(self) -> tuple[type["Buffers"], tuple[()]]:
        """Leave the arrays behind: nothing in them is meant for another process."""
        return Buffers, ()

    def __call__(self, name: str, shape: tuple[int, int]) -> Entries:
        """Return an array of `(actions, rows)`, allocated only if it has outgrown the last one."""
        found = self._shaped.get((name, shape, self.long))
        return self._make(name, shape) if found is None else found

    def given(self, name: str, given: Quantity) -> Entries:
        """Return float64 of `(actions, rows)`, in an array only if they do not lie as those do."""
        is_alike = given.dtype == np.float64 and given.flags.aligned and given.flags.f_contiguous
        # Else each action is to begin on a cache line.
        if is_alike and self._order(given.shape) == "F":
            return given
        out = self(name, given.shape)
        np.copyto(out, given)
        return out

    def _order(self, shape: tuple[int, ...]) -> Literal["C", "F"]:
        return "F" if shape[0] >= self.long else "C"

    def _make(self, name: str, shape: tuple[int, int]) -> Entries:
        size = math.prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.size < size:
            room = np.empty(size + LINE)
            start = -(room.ctypes.data // room.itemsize) % LINE
            flat = self._flat[name] = room[start : start + size]
            for key in [key for key in self._shaped if key[0] == name]:
                del self._shaped[key]
        made = flat[:size].reshape(shape, order=self._order(shape))
        self._shaped[name, shape, self.long] = made
        return made


def fill(out: Entries, formula: Callable[..., Number], *numbers: Number) -> Entries:
    """Put in `out` what a formula makes of numbers, each `Entries`, `PerState` or one number."""
    actions, rows = out.shape
    wide = min(rows, _PIECE)
    high = max(1, _PIECE // wide)

    def piece(x: Number, of: slice, states: slice) -> Number:
        if not isinstance(x, np.ndarray) or x.size == 1:
            return x
        return x[of, states] if x.ndim == 2 else x[states]

    for left in range(0, rows, wide):
        states = slice(left, left + wide)
        for top in range(0, actions, high):
            of = slice(top, top + high)
            out[of, states] = formula(*(piece(x, of, states) for x in numbers))
    return out


@dataclass(frozen=True, slots=True)
class Target:
    """What -log pi is weighted by, y(a) = dense(a) + uniform + chosen 1{a = index}.

    It is 0 at a masked action. None is 0, and `index` and `chosen` go together.

    Attributes
    ----------
    actions : int
    dense : Entries or None
    uniform : PerState or None
        At every legal action.
    legal : Flags or None
        Where an action is legal; None where all are, or nothing is uniform.
    index : Counts or None
        The number of an action that is legal, one for each state.
    chosen : PerState or None
    of_chosen : PerState or None
        The size of what `chosen` is made of, no less than its own; None where it is made of itself.
    """

    actions: int
    dense: Entries | None = None
    uniform: PerState | None = None
    legal: Flags | None = None
    index: Counts | None = None
    chosen: PerState | None = None
    of_chosen: PerState | None = None

    @property
    def parts(self) -> int:
        """How many numbers y is added from."""
        return sum(part is not None for part in (self.dense, self.uniform, self.chosen))

    def total(self, buffers: Buffers) -> PerState:
        """Return sum y."""
        total: PerState = np.zeros(1)
        if self.dense is not None:
            total = total + sum_over_actions(self.dense, buffers)
        if self.uniform is not None:
            count = self.actions if self.legal is None else buffers.number_of(self.legal)
            total = total + count * self.uniform
        return total if self.chosen is None else total + self.chosen

    def size(self) -> "Target":
        """Return |dense| + |uniform| + `of_chosen`, which is at least |y|."""
        parts = (
            self.dense,
            self.uniform,
            self.chosen if self.of_chosen is None else self.of_chosen,
        )
        dense, uniform, chosen = (None if part is None else np.abs(part) for part in parts)
        return Target(self.actions, dense, uniform, self.legal, self.index, chosen)

    def add_to(self, out: Entries, times: float, buffers: Buffers) -> None:
        """Add `times` y to `out`."""
        if self.dense is not None:
            out += np.multiply(self.dense, times, out=buffers("target", out.shape))
        if self.uniform is not None:
            legal = True if self.legal is None else self.legal
            np.add(out, times * self.uniform, out=out, where=legal)
        if self.chosen is not None:
            out[self.index, np.arange(out.shape[1])] += times * self.chosen

    def sum_with(self, x: Entries, buffers: Buffers) -> States:
        """Return sum y x, where x is finite."""
        total: States = np.zeros(x.shape[1])
        if self.dense is not None:
            total += sum_of_products(self.dense, x, buffers)
        if self.uniform is not None:
            legal = x if self.legal is None else np.where(self.legal, x, 0.0)
            total += self.uniform * sum_over_actions(legal, buffers)
        if self.chosen is not None:
            total += self.chosen * x[self.index, np.arange(x.shape[1])]
        return total


@dataclass(frozen=True, slots=True)
class Rough:
    """How far the coefficients of a block that were computed may be off, in units of U.

    As the coefficients of `Block`; None where they are numbers as they were given.
    """

    q: Entries | None = None
    alpha: PerState | None = None
    target: Target | None = None
    zeta: PerState | None = None
    rest: PerState | None = None


def _mapped(given: Any, function: Callable[[Array], Array]) -> Any:
    """Return what a function makes of an array, or of each of what a block consists of.

    It is no closure: one that calls itself would hold a block until garbage is collected.
    """
    if isinstance(given, np.ndarray):
        return function(given)
    if isinstance(given, Target | Rough | Repeats):
        parts = {each.name: _mapped(getattr(given, each.name), function) for each in fields(given)}
        return replace(given, **parts)
    return given


@dataclass(frozen=True, slots=True)
class Block:
    """The givens of `rows` states.

    With s = logsumexp(theta) the loss of a state is

        L = -sum_a pi(a) (q(a) - alpha log pi(a)) - sum_a y(a) log pi(a) + zeta s^2 + rest.

    Attributes
    ----------
    q, logits : Entries
        Finite at legal actions; at a masked action q is 0 and the logit is -inf. Where the loss has
        a temperature, the logits are divided by it.
    alpha : PerState
        Finite, and for SAC the temperature of its entropy.
    soft : bool
        Whether the loss has a q or an alpha; if not they are 0, and no array is made of them.
    target : Target or None
        y.
    zeta, rest : PerState or None
    rough : Rough or None
    data : mapping of str to array
        For a loss of another form: its arrays by name, `Quantity` or the numbers of actions.
    summands : tuple of Block
        The terms of the loss by themselves, but for the last; a copy of some states has none.
    repeats : Repeats or None
        For how many actions the entries stand; None where each is an action.
    """

    q: Entries
    logits: Entries
    alpha: PerState
    soft: bool = True
    target: Target | None = None
    zeta: PerState | None = None
    rest: PerState | None = None
    rough: Rough | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    summands: "tuple[Block, ...]" = ()
    repeats: Repeats | None = None

    @property
    def rows(self) -> int:
        """How many states it holds."""
        rows: int = self.logits.shape[1]
        return rows

    def state(self, row: int) -> "Block":
        """Return a copy of one state."""
        return self.states(slice(row, row + 1))

    def states(self, rows: Some) -> "Block":
        """Return a copy of some states."""

        def some(given: Array) -> Array:
            kept = given.shape in {(), (1,)} and self.rows > 1
            copied: Array = (given if kept else given[..., rows]).copy()
            return copied

        return self._mapped(some)

    def _mapped(self, function: Callable[[Array], Array]) -> "Block":
        """Return a block of what a function makes of each array."""
        made = {each.name: _mapped(getattr(self, each.name), function) for each in fields(self)}
        made["data"] = {name: _mapped(array, function) for name, array in self.data.items()}
        return Block(**made | {"summands": ()})

    def apart(self, entries: Sequence[int]) -> "tuple[Block, list[int]]":
        """Return one state in which some entries stand for one action each, and where these are."""
        if self.repeats is None:
            return self, [*entries]
        many = [entry for entry in entries if self.repeats.counts[entry, 0] > 1.0]
        counts = np.concatenate([self.repeats.counts, np.ones((len(many), 1))])
        np.subtract.at(counts[:, 0], many, 1.0)
        at = {entry: len(self.logits) + place for place, entry in enumerate(many)}
        made = self._taken([*range(len(self.logits)), *many])
        made = replace(made, repeats=replace(self.repeats, counts=counts))
        return made, [at.get(entry, entry) for entry in entries]

    def _taken(self, entries: Sequence[int]) -> "Block":
        """Return a block of some entries."""
        return self._mapped(lambda given: given[list(entries)] if given.ndim > 1 else given)

    def _filled(self, entries: int) -> "Block":
        """Return one state with more entries, which stand for no action."""
        own, none = len(self.logits), entries - len(self.logits)
        of = self.repeats or Repeats(own, np.ones((own, 1)))
        counts = np.concatenate([of.counts, np.zeros((none, 1))])
        return replace(self._taken([*range(own), *[0] * none]), repeats=replace(of, counts=counts))

    @classmethod
    def joined(cls, blocks: "Sequence[Block]") -> "Block":
        """Return blocks of one row each, of one loss, side by side."""
        if any(block.repeats is not None for block in blocks):
            most = max(len(block.logits) for block in blocks)
            blocks = [block._filled(most) for block in blocks]

        def joined(parts: list[Any]) -> Any:
            first = next((part for part in parts if part is not None), None)
            if isinstance(first, Mapping):
                return {name: joined([part[name] for part in parts]) for name in first}
            if isinstance(first, Target | Rough | Repeats):
                names = [each.name for each in fields(first)]
                of = {name: [getattr(part, name) for part in parts] for name in names}
                if of.get("legal") and any(legal is not None for legal in of["legal"]):
                    every = np.ones_like(blocks[0].logits, dtype=np.bool_)
                    of["legal"] = [every if legal is None else legal for legal in of["legal"]]
                return type(first)(**{name: joined(of[name]) for name in names})
            return np.concatenate(parts, axis=-1) if isinstance(first, np.ndarray) else first

        names = [each.name for each in fields(cls)]
        return cls(**{name: joined([getattr(block, name) for block in blocks]) for name in names})


@dataclass(frozen=True, slots=True)
class Policy:
    """The softmax policy of a block and its soft values.

    Attributes
    ----------
    z, pi : Entries
        z = logits - max (at least `FLOOR`), pi = exp(z) / Z.
    highest : States
        The largest logit.
    log_Z : States
        Z = sum exp z is in [1, actions].
    depth : States
        The largest |z| of an action whose pi is not 0.
    deep : bool
        Whether there may be an action whose pi is 0.
    live : Counts
        How many actions have a pi that is not 0.
    g : Entries
        q - alpha log pi.
    value : States
        V = sum pi g.
    """

    z: Entries
    pi: Entries
    highest: States
    log_Z: States
    depth: States
    deep: bool
    live: Counts
    g: Entries
    value: States

    @property
    def log_pi(self) -> Entries:
        """The logarithm of pi, z - log Z."""
        return self.z - self.log_Z

    @property
    def logsumexp(self) -> States:
        """The logarithm of the sum of exp theta."""
        return self.highest + self.log_Z


def sum_over_actions(x: Entries, buffers: Buffers) -> States:
    """Sum over the actions into a new array.

    Pairwise down to 18 terms, so that at most 17 + log2(actions / 18) roundings, rounded up, lie
    on the way of a term (Higham, *Accuracy and Stability of Numerical Algorithms*, section 4.2);
    NumPy adds contiguous terms pairwise too. The order does not depend on the number of rows.
    """
    if buffers.repeats is not None:
        x = np.multiply(x, buffers.repeats.counts, out=buffers("counted", x.shape))
    return _sum(x, buffers)


def _sum(x: Entries, buffers: Buffers) -> States:
    """Return the sum over the entries."""
    count, rows = x.shape
    if rows == 1 and count < LONG:  # NumPy would take the terms for contiguous ones
        return _sum(np.repeat(x, 2, axis=1), buffers)[:1]
    tree = x if count < LONG else np.asfortranarray(x)
    while _RUN < count < LONG:
        half = count // 2
        kept = count - half
        pairs = buffers("sum", (kept, rows)) if tree is x else tree
        np.add(tree[:half], tree[kept:count], out=pairs[:half])
        if kept > half and tree is x:
            pairs[half] = x[half]
        tree, count = pairs, kept
    total: States = tree[:count].sum(axis=0)
    return total


def sum_of_products(x: Entries, y: Entries, buffers: Buffers) -> States:
    """Return sum_a x(a) y(a), with no more roundings than `sum_over_actions`.

    With x = pi that is the expectation of y under the policy.
    """
    count, rows = x.shape
    parts = -(-count // _RUN)
    if parts > _FEW or buffers.repeats is not None:
        return sum_over_actions(np.multiply(x, y, out=buffers("product", x.shape)), buffers)
    if rows == 1:
        return sum_of_products(np.repeat(x, 2, axis=1), np.repeat(y, 2, axis=1), buffers)[:1]
    run = -(-count // parts)
    total: States = np.einsum("ar,ar->r", x[:run], y[:run])
    for start in range(run, count, run):
        total += np.einsum("ar,ar->r", x[start : start + run], y[start : start + run])
    return total


def evaluate(block: Block, buffers: Buffers) -> Policy:
    """Return the policy and soft values of `block`."""
    shape = block.logits.shape

    def buffer(quantity: str) -> Entries:
        return buffers(f"policy.{quantity}", shape)

    highest = block.logits.max(axis=0)
    z = np.subtract(block.logits, highest, out=buffer("z"))
    lowest = z.min(axis=0)
    live = np.full(shape[1], buffers.actions(z))
    deep = bool(lowest.min() < _SAFE)
    if deep:
        np.maximum(z, FLOOR, out=z)
    pi = np.exp(z, out=buffer("pi"))
    Z = sum_over_actions(pi, buffers)
    pi /= Z
    if deep:
        lowest = np.min(z, axis=0, where=pi > 0.0, initial=0.0)
        live = buffers.number_of(pi != 0.0)
    log_Z = np.log(Z)
    if not block.soft:
        none = np.zeros(shape[1])
        return Policy(
            z, pi, highest, log_Z, -lowest, deep, live, np.broadcast_to(none, shape), none
        )
    g = np.subtract(z, log_Z, out=buffer("g"))
    g *= block.alpha
    np.subtract(block.q, g, out=g)
    value = sum_of_products(pi, g, buffers)
    return Policy(z, pi, highest, log_Z, -lowest, deep, live, g, value)
