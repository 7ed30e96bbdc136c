"""The roles that arrays can play: all that there is to know about each, and what files call them.

A role is a given, or under test. What is given has legal values, and any other is an error; what is
under test may hold anything, for it has a check that tells.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypedDict

from softcheck.errors import nearest
from softcheck.gradient.definition import Kind

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def _finite(number: Any) -> Any:
    return abs(number) < math.inf


def _finite_or_masked(number: Any) -> Any:
    return number < math.inf


def _not_negative(number: Any) -> Any:
    return (number >= 0) & (number < math.inf)


def _true_or_false(number: Any) -> Any:
    return (number == 0) | (number == 1)


@dataclass(frozen=True)
class Domain:
    """The numbers that a role may hold.

    Parameters
    ----------
    includes : callable
        From a number, or an array of any shape, to whether it is one of them; without NumPy.
    words : str
        What they are, for messages.
    hint : str
        What to do about another one.
    booleans : bool
        Whether truth values are among them, as 0 and 1.
    """

    includes: Callable[[Any], Any]
    words: str = "a finite number"
    hint: str = "Mask the action (--mask) or fix the dump."
    booleans: bool = False


_FINITE = Domain(_finite)


@dataclass(frozen=True, kw_only=True)
class Role:
    """What an array means to the checks.

    Parameters
    ----------
    name : str
        The name in reports, and the first name it goes by in files.
    kind : Kind
        Its shape.
    aliases : tuple of str
        Other names of the same thing.
    logarithm : str or None
        The name under which a file holds its logarithm.
    domain : Domain
        What it may hold at an action that is legal, if it is a given.
    check : str or None
        The check that it is under; None for a given.
    required : bool
        Whether there is no case without it.
    option : str or None
        The help of its option on the command line; without one, only a case can hold it.
    several : bool
        Whether the option may be repeated.
    strangers : tuple of str
        Names that are nearly its own, and those of something else in the dumps that people have.
    """

    name: str
    kind: Kind
    aliases: tuple[str, ...] = ()
    logarithm: str | None = None
    domain: Domain = _FINITE
    check: str | None = None
    required: bool = False
    option: str | None = None
    several: bool = False
    strangers: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name it goes by in files."""
        return (self.name, *self.aliases, *([self.logarithm] if self.logarithm else ()))


_EVERY = (
    Role(
        name="q",
        kind=Kind.TABLE,
        aliases=("q_values", "Q", "qf", "min_q"),
        required=True,
        option="Q-table; once for each critic",
        several=True,
    ),
    Role(
        name="logits",
        kind=Kind.TABLE,
        aliases=("theta", "policy_logits", "action_logits"),
        domain=Domain(_finite_or_masked, "a finite number or -inf"),
        required=True,
        option="Logits of the policy",
    ),
    Role(
        name="grad",
        kind=Kind.TABLE,
        aliases=("gradient", "logits_grad", "grad_logits", "dlogits"),
        check="gradient",
        option="Gradient under test; each one is a case",
        several=True,
    ),
    Role(
        name="alpha",
        kind=Kind.NUMBER,
        aliases=("temperature", "ent_coef"),
        logarithm="log_alpha",
        domain=Domain(
            _not_negative,
            "a finite number that is not negative",
            "Check how the temperature was dumped.",
        ),
        required=True,
        option="Temperature: a number, or one a state",
    ),
    Role(
        name="mask",
        kind=Kind.TABLE,
        aliases=("action_mask", "legal_actions"),
        domain=Domain(
            _true_or_false,
            "0 or 1",
            "Save the mask as booleans, true where the action is legal.",
            booleans=True,
        ),
        option="True where an action is legal",
        strangers=("masks",),  # 0 where an episode has ended
    ),
    Role(
        name="weights",
        kind=Kind.STATE,
        domain=Domain(_finite, hint="Check how the weights were dumped.", booleans=True),
        option="A weight a state",
        strangers=("weight",),  # of a layer
    ),
    Role(name="loss", kind=Kind.NUMBER, check="loss"),
    Role(name="policy", kind=Kind.TABLE, check="policy"),
    Role(name="log_policy", kind=Kind.TABLE, check="log_policy"),
    # Those of a rollout, without alpha log pi and by time, have the plural.
    Role(name="value", kind=Kind.STATE, check="value", strangers=("values",)),
    Role(name="advantage", kind=Kind.TABLE, check="advantage", strangers=("advantages",)),
    Role(name="entropy", kind=Kind.STATE, check="entropy"),
    Role(name="g", kind=Kind.TABLE, check="g"),
)

ROLES: Mapping[str, Role] = MappingProxyType({role.name: role for role in _EVERY})
"""Every role by its name, in the order of reports; several critics are `critic(1)` and so on."""


class Arrays(TypedDict, total=False):
    """The arrays of a case beside Q, logits, gradient and alpha.

    Attributes
    ----------
    log_alpha : array_like
        The logarithm of the temperature, in place of `alpha`.
    mask : array_like of bool
        True where an action is legal, the shape of `q`.
    weights : array_like
        A weight for each state's loss.
    policy, log_policy, entropy, g, value, advantage, loss : array_like
        Intermediates that are to be checked too.
    """

    log_alpha: "ArrayLike"
    mask: "ArrayLike"
    weights: "ArrayLike"
    policy: "ArrayLike"
    log_policy: "ArrayLike"
    entropy: "ArrayLike"
    g: "ArrayLike"
    value: "ArrayLike"
    advantage: "ArrayLike"
    loss: "ArrayLike"


_BY_NAME = {name: role for role in _EVERY for name in role.names}
_CRITIC = re.compile(r"qf?([1-9][0-9]?)")


def role_of(name: str | None, names: Mapping[str, str] = MappingProxyType({})) -> Role | None:
    """Return the role that a file means by `name`, or None for a name without one.

    Parameters
    ----------
    name : str or None
    names : mapping of str to str
        The user's own name for some roles, by role; it replaces all the usual ones of that role.
    """
    if name is None:
        return None
    for meant, own in names.items():
        if own == name:
            return role_of(meant)
    role = critic(int(match[1])) if (match := _CRITIC.fullmatch(name)) else _BY_NAME.get(name)
    if role is not None and names and family(role.name) in map(family, names):
        return None
    return role


def is_logarithm(
    name: str | None, role: str, names: Mapping[str, str] = MappingProxyType({})
) -> bool:
    """Return whether a file holds the logarithm of a role under `name`; see `role_of`."""
    meant = next((role for role, own in names.items() if own == name), name)
    return meant is not None and meant == role_named(role).logarithm


def likely(name: str, roles: Iterable[str]) -> str | None:
    """Return the one of some roles that a name without a role was probably meant for."""
    known = {alias: role for role in roles for alias in ROLES[role].names}
    near = nearest(name, known, cutoff=0.75)
    return None if near is None else known[near]


def slip_of(name: str, roles: Iterable[str]) -> str | None:
    """Return the one of some roles whose name this is but for a slip of the pen, if it is.

    Names of all roles count, so that a slip for another role is none for one of these.
    """
    meant = {
        role.name
        for role in _EVERY
        if name.casefold() not in role.strangers and any(_is_slip(name, own) for own in role.names)
    }
    return min(meant) if meant and meant <= {*roles} else None


_SHORT, _LONG = 4, 7
"""Letters that a name has for a slip in it to be seen, and for one of them to be another one:
`v` and `G`, `grid` and `task` are words of their own."""


def _is_slip(name: str, known: str) -> bool:
    """Return whether a name is a known one but for one thing.

    That is capitals, two letters in the wrong order, one left out, one too many between others, one
    that is another between others, or an s at the end. What is put before a name or behind it makes
    another name, such as `q_loss` and `lossq` of `loss`, or `grad1`.
    """
    mine, theirs = name.casefold(), known.casefold()
    if len(theirs) < _SHORT or mine[:1] != theirs[:1]:
        return False
    before = _alike(mine, theirs)
    mine, theirs = mine[before:], theirs[before:]
    behind = _alike(mine[::-1], theirs[::-1])
    mine, theirs = mine[: len(mine) - behind], theirs[: len(theirs) - behind]
    swapped = len(mine) == 2 and mine == theirs[::-1]
    left_out = not mine and len(theirs) <= 1
    inside = behind > 0 and len(mine) == 1 and not mine.isdigit()
    too_many = not theirs and (inside or mine == "s")
    another = inside and len(theirs) == 1 and len(known) >= _LONG
    return swapped or left_out or too_many or another


def _alike(one: str, other: str) -> int:
    """Return how many letters two names begin with alike."""
    pairs = zip(one, other, strict=False)
    different = (at for at, (mine, theirs) in enumerate(pairs) if mine != theirs)
    return next(different, min(len(one), len(other)))


def role_named(role: str) -> Role:
    """Return a role by its name in reports: one of `ROLES`, or a critic."""
    match = _CRITIC.fullmatch(role)
    return critic(int(match[1])) if match else ROLES[role]


def critic(number: int) -> Role:
    """Return the role of one of several critics, counted from 1."""
    return replace(ROLES["q"], name=f"q{number}", aliases=())


def is_critic(role: str) -> bool:
    """Return whether the role is one of several critics: q1, q2, ..."""
    return _CRITIC.fullmatch(role) is not None


def is_q(role: str) -> bool:
    """Return whether the role is Q, of the only critic or of one of several."""
    return family(role) == "q"


def family(name: str) -> str:
    """Return under which role a name is given: every critic as q, log_alpha as alpha."""
    role = role_of(name)
    if role is None:
        return name
    return "q" if is_critic(role.name) else role.name
