"""A loss as data: the arrays that it is made of, its formula, and that as a list of operations.

Nothing is computed here, and nothing heavy is imported. With l = log pi, s the logsumexp of the
logits, W(a) = dL/dl(a) and kappa = dL/ds, the gradient of any loss by a logit is

    G(a) = W(a) - pi(a) sum_b W(b) + kappa pi(a).
"""

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias


class Kind(enum.Enum):
    """How an array relates to the table of states and actions; the value says it in words."""

    TABLE = "one number for each state and action"
    STATE = "one number for each state"
    NUMBER = "one number, or one for each state"
    INDEX = "the number of an action for each state"


Legal: TypeAlias = Literal["finite", "finite or -inf", "not negative", "positive"]
"""The numbers that an array may hold where an action is legal."""


@dataclass(frozen=True, slots=True)
class Given:
    """An array that a formula is about.

    Attributes
    ----------
    symbol : str
        Its name in the formula, such as "α".
    name : str
        Its name in a case, such as "alpha".
    kind : Kind
    legal : Legal
    default : Fraction or None
        Its value where a case has none; None if a case must have it.
    about : str
        What it is, in a few words.
    """

    symbol: str
    name: str
    kind: Kind
    legal: Legal = "finite"
    default: Fraction | None = None
    about: str = ""


Operator: TypeAlias = Literal[
    "number",  # a rational constant
    "size",  # how many actions of the state are legal
    "given",  # an array, by its name; not an index
    "indicator",  # 1 at the action whose number an index holds, else 0
    "log_policy",
    "policy",
    "logsumexp",  # over the legal actions, of its operand; of the logits where it has none
    "add",
    "multiply",
    "divide",
    "power",  # with a whole exponent
    "exp",
    "log",
    "sum",  # over the legal actions
    "below",  # 1 where the first is at most the second, else 0: of the data, whatever moves
    "at",  # the entry at the action whose number an index holds
]


@dataclass(frozen=True, slots=True)
class Operation:
    """A step of a program.

    Attributes
    ----------
    operator : Operator
    operands : tuple of int
        Which earlier steps it takes.
    of : Fraction, str, int or None
        The constant of "number", the name of "given", the index of "indicator" and "at", the
        exponent of "power".
    by_action : bool
        Whether its value is one number for each action, or one for the state.
    """

    operator: Operator
    operands: tuple[int, ...] = ()
    of: Fraction | str | int | None = None
    by_action: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """A formula as operations in order; the last one is its value."""

    operations: tuple[Operation, ...]

    @property
    def by_action(self) -> bool:
        """Whether its value is one number for each action."""
        return self.operations[-1].by_action

    @property
    def takes_policy(self) -> bool:
        """Whether it depends on the logits."""
        return any(
            step.operator in ("policy", "log_policy", "logsumexp") for step in self.operations
        )

    @property
    def names(self) -> frozenset[str]:
        """The arrays that it takes."""
        named = ("given", "indicator", "at")
        return frozenset(str(step.of) for step in self.operations if step.operator in named)


def with_arrays(program: Program, to: Mapping[str, str | Fraction]) -> Program:
    """Return a program in which other arrays, or numbers, stand for some of its own."""

    def changed(step: Operation) -> Operation:
        of = to.get(str(step.of)) if step.operator in ("given", "indicator", "at") else None
        if isinstance(of, Fraction):
            return Operation("number", of=of)
        return step if of is None else replace(step, of=of)

    return Program(tuple(map(changed, program.operations)))


_REDUCED = "sum", "at", "logsumexp"
"""What takes an operand by action, and is one number for the state."""


def without(program: Program, arrays: Collection[str]) -> Program:
    """Return a program in which some arrays are 0, less the steps that do not matter then."""
    steps = [Operation("number", of=Fraction(0))]
    zero, places = 0, list[int]()

    def placed(step: Operation) -> int:
        operands = [places[n] for n in step.operands]
        match step.operator:
            case "given" if step.of in arrays:
                return zero
            case "multiply" if zero in operands:
                return zero
            case "divide" | "sum" | "at" if operands[0] == zero:
                return zero
            case "add":
                operands = [n for n in operands if n != zero]
                if len(operands) < 2:
                    return operands[0] if operands else zero
        by_action = step.by_action
        if operands and step.operator not in _REDUCED:
            by_action = any(steps[n].by_action for n in operands)
        steps.append(replace(step, operands=tuple(operands), by_action=by_action))
        return len(steps) - 1

    for step in program.operations:
        places.append(placed(step))
    return _needed(steps, places[-1])


def _needed(steps: Sequence[Operation], last: int) -> Program:
    """Return the program of a step and what it takes."""
    needed = {last}
    for n in range(last, -1, -1):
        if n in needed:
            needed.update(steps[n].operands)
    place = {n: at for at, n in enumerate(sorted(needed))}
    return Program(
        tuple(replace(steps[n], operands=tuple(place[m] for m in steps[n].operands)) for n in place)
    )


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What makes a loss one of the family that is linear in pi, pi log pi, log pi and s^2.

        L = -sum_a pi(a) (q(a) - alpha log pi(a)) - sum_a y(a) log pi(a) + zeta s^2 + rest

    with y(a) = target(a) + uniform + chosen 1{a = index}; None is 0. No coefficient depends on the
    policy, but `chosen` may on that of its action: then the gradient is that of the loss in which
    it is held constant.

    Attributes
    ----------
    q, target : Program or None
        By action.
    alpha, uniform, chosen, zeta, rest : Program or None
        One number a state.
    index : str or None
        The array that holds the number of the chosen action.
    """

    q: Program | None = None
    alpha: Program | None = None
    target: Program | None = None
    uniform: Program | None = None
    chosen: Program | None = None
    index: str | None = None
    zeta: Program | None = None
    rest: Program | None = None

    @property
    def are_held(self) -> bool:
        """Whether `chosen` depends on the policy."""
        return self.chosen is not None and self.chosen.takes_policy

    @property
    def names(self) -> frozenset[str]:
        """The arrays that they take."""
        programs = (self.q, self.alpha, self.target, self.uniform, self.chosen, self.zeta)
        taken = [program.names for program in (*programs, self.rest) if program is not None]
        return frozenset().union(*taken)


@dataclass(frozen=True, slots=True)
class Summand:
    """One of the terms that add up to a loss.

    Attributes
    ----------
    text : str
        As it is printed.
    weights : tuple of str
        The arrays of one number that it is proportional to.
    part : Coefficients or Program
        Its own coefficients where the loss is one of the family, and else its gradient.
    """

    text: str
    weights: tuple[str, ...]
    part: Coefficients | Program


@dataclass(frozen=True, slots=True)
class Variant:
    """A loss for one choice of the arrays it is given by.

    Attributes
    ----------
    givens : tuple of Given
        In the order of reports; those with a default may be missing from a case.
    formula, gradient : str
        The loss of a state and its derivative by the logit of an action a, in Unicode.
    formula_latex, gradient_latex : str
        The same as LaTeX.
    proved : bool
        Whether the gradient was proved for every number of actions.
    value, slope : Program
        The loss and its gradient.
    family : Coefficients or None
        None for a loss outside of the family.
    temperature : str or None
        The array that the logits are divided by before the softmax, if one does.
    equation : str
        What its gradient is called, such as "Eq. (6)"; empty where it has no name.
    summands : tuple of Summand
        Its terms, if it has several: their gradients add up to that of the loss.
    """

    givens: tuple[Given, ...]
    formula: str
    gradient: str
    formula_latex: str
    gradient_latex: str
    proved: bool
    value: Program
    slope: Program
    family: Coefficients | None
    temperature: str | None = None
    equation: str = ""
    summands: tuple[Summand, ...] = ()

    @property
    def called(self) -> str:
        """What its gradient is called in messages."""
        return self.equation or "the formula"


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss: what it is called, and its variants.

    Attributes
    ----------
    name : str
        That of a document that is shipped, or what the user gave.
    title : str
        What it is, in a few words; empty for one of the user's.
    variants : tuple of Variant
        At least one; a case has the arrays of exactly one of them.
    """

    name: str
    title: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A mistake of a loss, and the gradient that it leaves.

    Attributes
    ----------
    code : str
        That of `softcheck explain`.
    said : str
        What was done, in words.
    term : str
        The term that it is about, or the loss with `sg[...]`, as it is printed; empty where it is
        about none.
    factor : str
        What the term is multiplied by; empty where there is no such thing.
    slope : Program
        As that of `Variant`.
    is_zero : bool
        Whether nothing but rounding is left of the gradient.
    also : tuple of Wrong
        Other mistakes that leave the same gradient for every number of actions.
    value : Program or None
        The loss that was computed, where it is another one.
    others : tuple of Wrong
        The same mistake with other numbers.
    """

    code: str
    said: str
    term: str
    factor: str
    slope: Program
    is_zero: bool = False
    also: tuple["Wrong", ...] = ()
    value: Program | None = None
    others: tuple["Wrong", ...] = ()


@dataclass(frozen=True, slots=True)
class Across:
    """What the gradient of a loss is made of before the softmax.

    Attributes
    ----------
    slope : Program
        Its derivative by log pi of each action.
    shift : Program or None
        What logsumexp adds to the gradient, if it does.
    """

    slope: Program
    shift: Program | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a loss by itself, or a number of which its gradient is a linear function.

    Attributes
    ----------
    text : str
        The term as it is printed, or the name of the number.
    slope : Program
        Its gradient, or what is added to that of the loss where the number is larger by 1.
    is_number : bool
    is_outer : bool
        Whether it is one of those that add up to the loss.
    """

    text: str
    slope: Program
    is_number: bool = False
    is_outer: bool = False


@dataclass(frozen=True, slots=True)
class Generated:
    """What is made from a loss to name its mistakes.

    Attributes
    ----------
    wrongs : tuple of Wrong
        The usual ones first.
    terms : tuple of Term
        If it has several.
    across : Across or None
        None where that is not known.
    """

    wrongs: tuple[Wrong, ...] = ()
    terms: tuple[Term, ...] = ()
    across: Across | None = None
