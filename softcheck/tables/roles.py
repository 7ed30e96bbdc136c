"""The roles that arrays can play: all that there is to know about each, and what files call them.

A role is a given of the loss, or of every loss, or under test. What is given has legal values, and
any other is an error; what is under test may hold anything, for it has a check that tells.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypedDict

from softcheck.errors import UsageError, nearest
from softcheck.gradient.definition import Coefficients, Given, Kind, Legal, Loss, Operation, Program
from softcheck.shipped import DEFAULT, stored

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def _finite(number: Any) -> Any:
    return abs(number) < math.inf


def _finite_or_masked(number: Any) -> Any:
    return number < math.inf


def _not_negative(number: Any) -> Any:
    return (number >= 0) & (number < math.inf)


def _positive(number: Any) -> Any:
    return (number > 0) & (number < math.inf)


def _true_or_false(number: Any) -> Any:
    return (number == 0) | (number == 1)


def _whole(number: Any) -> Any:
    return (abs(number) < 2**53) & (number % 1 == 0)


def _whole_not_negative(number: Any) -> Any:
    return (number >= 0) & _whole(number)


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

_LEGAL: Mapping[Legal, Domain] = MappingProxyType(
    {
        "finite": _FINITE,
        "finite or -inf": Domain(_finite_or_masked, "a finite number or -inf"),
        "not negative": Domain(_not_negative, "a finite number that is not negative"),
        "positive": Domain(_positive, "a finite number above 0"),
    }
)

_ACTION = Domain(
    _whole_not_negative,
    "the number of an action, counted from 0",
    "Save whole numbers, one for each state.",
)


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

    def flag(self, place: str = "") -> str:
        """Return the option that gives it, with a place if there is one; none if a case has to."""
        if self.option:
            return f"--{self.name} {place}".strip()
        return f"--array {self.name}={place or 'F'}" if self.check is None else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name it goes by in files."""
        return (self.name, *self.aliases, *([self.logarithm] if self.logarithm else ()))


_LOGITS = Role(
    name="logits",
    kind=Kind.TABLE,
    aliases=("theta", "policy_logits", "action_logits"),
    domain=_LEGAL["finite or -inf"],
    required=True,
    option="Logits of the policy",
)
_GRAD = Role(
    name="grad",
    kind=Kind.TABLE,
    aliases=("gradient", "logits_grad", "grad_logits", "dlogits"),
    check="gradient",
    option="Gradient under test; each one is a case",
    several=True,
)
_BESIDE = (
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
)
_IGNORED = Role(
    name="ignore_index",
    kind=Kind.NUMBER,
    domain=Domain(_whole, "a whole number", "Give the label of what is left out, such as -100."),
)
_VALUE = Role(
    name="loss", kind=Kind.NUMBER, aliases=("loss_value",), check="loss", strangers=("loss_values",)
)
_POLICY = (
    Role(name="policy", kind=Kind.TABLE, check="policy"),
    Role(name="log_policy", kind=Kind.TABLE, check="log_policy"),
)
_ENTROPY = Role(name="entropy", kind=Kind.STATE, check="entropy")
# Those of a rollout, without alpha log pi and by time, have the plural.
_OF_V = (
    Role(name="value", kind=Kind.STATE, check="value", strangers=("values",)),
    Role(name="advantage", kind=Kind.TABLE, check="advantage", strangers=("advantages",)),
)
_G = Role(name="g", kind=Kind.TABLE, check="g")

_GIVENS: Mapping[str, Mapping[str, Any]] = {
    "q": {
        "aliases": ("q_values", "Q", "qf", "min_q"),
        "option": "Q-table; once for each critic",
        "several": True,
    },
    "alpha": {
        "aliases": ("temperature", "ent_coef"),
        "logarithm": "log_alpha",
        "option": "Temperature: a number, or one a state",
    },
    "actions": {"aliases": ("actions_taken", "taken_actions")},
    "advantages": {"aliases": ("adv", "advs", "advantage")},
    "beta": {"aliases": ("kl_coef", "kl_coeff", "kl_beta")},
    "clip": {"aliases": ("clip_range", "cliprange", "clip_eps")},
    "coef": {"aliases": ("ent_coef", "entropy_coef", "entropy_coeff")},
    "entropy_coef": {"aliases": ("ent_coef", "entropy_coeff")},
    "label_smoothing": {"aliases": ("smoothing",)},
    "labels": {"aliases": ("label", "y")},
    "old_log_probs": {"aliases": ("old_logprobs", "old_logps", "old_per_token_logps")},
    "ref_log_probs": {"aliases": ("ref_logprobs", "ref_logps", "reference_log_probs")},
    "ref_logits": {"aliases": ("reference_logits",)},
    "targets": {"aliases": ("soft_labels", "soft_targets", "target_probs")},
    "teacher_log_probs": {"aliases": ("teacher_logprobs", "teacher_logps")},
    "temperature": {"aliases": ("tau",)},
    "z_coef": {"aliases": ("z_loss_coef", "z_loss_weight", "z_loss_multiplier")},
}
"""What else is known of a given by its name, whatever the loss: mostly what else files call it."""

_SOFT = Coefficients(
    q=Program((Operation("given", of="q", by_action=True),)),
    alpha=Program((Operation("given", of="alpha"),)),
)
"""The loss of Eq. (6), whatever its name: it alone has critics, g, a value and an advantage."""


def _role(given: Given, *, required: bool) -> Role:
    """Return the role of a given of a loss."""
    known = _GIVENS.get(given.name, {})
    domain = _ACTION if given.kind is Kind.INDEX else _LEGAL[given.legal]
    if given.kind in (Kind.STATE, Kind.NUMBER):
        what = "the temperature" if given.name == "alpha" else given.name
        domain = replace(domain, hint=f"Check how {what} was dumped.")
    if given.name != given.name.lower():  # a symbol R may be dumped as r
        known = {**known, "aliases": (*known.get("aliases", ()), given.name.lower())}
    return Role(name=given.name, kind=given.kind, domain=domain, required=required, **known)


def _every(loss: Loss) -> list[Role]:
    """Return the roles that there are for a loss, in the order of reports."""
    variants = [{given.name: given for given in each.givens} for each in loss.variants]
    everywhere = set.intersection(*map(set, variants))
    givens = [
        _role(given, required=given.default is None and name in everywhere)
        for name, given in {name: each[name] for each in variants for name in each}.items()
    ]
    common = [_LOGITS, _GRAD, *_BESIDE, _VALUE, *_POLICY, _ENTROPY]
    if taken := {role.name for role in common} & {role.name for role in givens}:
        raise UsageError(
            loss.name,
            f"a symbol whose array would be '{min(taken)}'",
            f"another name than {', '.join(role.name for role in common)}: those are of every case",
            "Give the symbol another name.",
        )
    soft = _is_soft(loss)
    every = [
        *(role for role in givens if _is_table_of_q(role)),
        _LOGITS,
        _GRAD,
        *(role for role in givens if not _is_table_of_q(role)),
        *[_IGNORED] * any(role.kind is Kind.INDEX for role in givens),
        *_BESIDE,
        _VALUE,
        *_POLICY,
        *(_OF_V if soft else ()),
        _ENTROPY,
        *[_G] * soft,
    ]
    own = {role.name for role in every}
    return [
        replace(role, aliases=tuple(alias for alias in role.aliases if alias not in own))
        for role in every
    ]


def _is_table_of_q(role: Role) -> bool:
    return role.name == "q" and role.kind is Kind.TABLE


def _is_soft(loss: Loss) -> bool:
    return [(each.family, each.temperature) for each in loss.variants] == [(_SOFT, None)]


_CRITIC = re.compile(r"qf?([1-9][0-9]?)")


@dataclass(frozen=True, eq=False)
class Roles(Mapping[str, Role]):
    """The roles that there are for a loss, by name, in the order of reports.

    Several critics, where a loss has such, are `q1`, `q2` and so on; they are found by their names,
    but do not stand in the order, where `q` stands for them.

    Parameters
    ----------
    loss : Loss

    Raises
    ------
    UsageError
        If the loss has a symbol for what every case may hold.
    """

    loss: Loss
    _roles: Mapping[str, Role] = field(init=False, repr=False)
    _by_name: Mapping[str, Role] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        every = _every(self.loss)
        object.__setattr__(self, "_roles", {role.name: role for role in every})
        # The first of two with one alias has it: what the loss is given before what is tested.
        names = {name: role for role in reversed(every) for name in role.names}
        object.__setattr__(self, "_by_name", names)

    def __getitem__(self, name: str) -> Role:
        """Return a role by its name in reports."""
        critic = self._critic(name)
        return self._roles[name] if critic is None else critic

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)

    @property
    def is_soft(self) -> bool:
        """Whether the loss is that of Eq. (6), whatever its name."""
        return _is_soft(self.loss)

    @property
    def called(self) -> str:
        """What messages call the loss."""
        return self.loss.name if len(self.loss.name) <= _SHORT_NAME else "the loss"

    @property
    def has_critics(self) -> bool:
        """Whether Q may come from several critics, and g, value and advantage can be checked."""
        return _is_soft(self.loss)

    def _critic(self, name: str) -> Role | None:
        match = _CRITIC.fullmatch(name) if self.has_critics else None
        return match and self.critic(int(match[1]))

    def critic(self, number: int) -> Role:
        """Return the role of one of several critics, counted from 1."""
        return replace(self._roles["q"], name=f"q{number}", aliases=())

    def of(self, name: str | None, names: Mapping[str, str] = MappingProxyType({})) -> Role | None:
        """Return the role that a file means by `name`, or None for a name without one.

        Parameters
        ----------
        name : str or None
        names : mapping of str to str
            The user's own name for some roles, by role; it replaces all the usual ones of that
            role.
        """
        if name is None:
            return None
        for meant, own in names.items():
            if own == name:
                return self.of(meant)
        role = self._critic(name) or self._by_name.get(name)
        if role is not None and names and self.family(role.name) in map(self.family, names):
            return None
        return role

    def is_logarithm(
        self, name: str | None, role: str, names: Mapping[str, str] = MappingProxyType({})
    ) -> bool:
        """Return whether a file holds the logarithm of a role under `name`; see `of`."""
        meant = next((role for role, own in names.items() if own == name), name)
        return meant is not None and meant == self[role].logarithm

    def likely(self, name: str, roles: Iterable[str]) -> str | None:
        """Return the one of some roles that a name without a role was probably meant for."""
        known = {alias: role for role in roles for alias in self[role].names}
        near = nearest(name, known, cutoff=0.75)
        return None if near is None else known[near]

    def slip_of(self, name: str, roles: Iterable[str]) -> str | None:
        """Return the one of some roles whose name this is but for a slip of the pen, if it is.

        Names of all roles count, so that a slip for another role is none for one of these.
        """
        meant = {
            role.name
            for role in self.values()
            if name.casefold() not in role.strangers
            and any(_is_slip(name, own) for own in role.names)
        }
        return min(meant) if meant and meant <= {*roles} else None

    def family(self, name: str) -> str:
        """Return under which role a name is given: every critic as q, log_alpha as alpha."""
        role = self.of(name)
        if role is None:
            return name
        return "q" if self._critic(role.name) else role.name


_SHORT_NAME = 24
"""Letters of a name that is none of a formula."""

ROLES = Roles(stored(DEFAULT))
"""Those of the default loss, which the command line has options for."""


class Arrays(TypedDict, total=False):
    """The arrays of a case beside Q, logits, gradient and alpha; which a loss has, it says.

    Attributes
    ----------
    log_alpha : array_like
        The logarithm of alpha, in its place.
    labels, actions : array_like of int
        The number of an action for each state.
    ignore_index : int
        The label of states that are left out, as if their weight were 0.
    targets : array_like
        A distribution over the actions for each state, the shape of `logits`.
    advantages : array_like
        One number for each state.
    ref_logits, ref_log_probs, teacher_logits, teacher_log_probs : array_like
        Another policy, the shape of `logits`.
    temperature, beta, coef, entropy_coef, label_smoothing, z_coef : array_like
        One number, or one for each state. Without a loss that has a temperature, it is alpha.
    arrays : mapping of str to array_like
        Those of a loss of your own, by name.
    mask : array_like of bool
        True where an action is legal, the shape of `logits`.
    weights : array_like
        A weight for each state's loss.
    policy, log_policy, entropy, g, value, advantage : array_like
        Intermediates that are to be checked too.
    loss : str, or array_like
        The loss that is verified: a name, a formula, or a file that has it. An array is the value
        that the code computed for it, to be checked too.
    loss_value : array_like
        That value, where `loss` says which loss it is.
    dumped_by : str
        The line of code that the arrays come from, as FILE:LINE, for reports.
    """

    log_alpha: "ArrayLike"
    labels: "ArrayLike"
    actions: "ArrayLike"
    ignore_index: "ArrayLike"
    targets: "ArrayLike"
    advantages: "ArrayLike"
    ref_logits: "ArrayLike"
    ref_log_probs: "ArrayLike"
    teacher_logits: "ArrayLike"
    teacher_log_probs: "ArrayLike"
    temperature: "ArrayLike"
    beta: "ArrayLike"
    coef: "ArrayLike"
    entropy_coef: "ArrayLike"
    label_smoothing: "ArrayLike"
    z_coef: "ArrayLike"
    arrays: "Mapping[str, ArrayLike]"
    mask: "ArrayLike"
    weights: "ArrayLike"
    policy: "ArrayLike"
    log_policy: "ArrayLike"
    entropy: "ArrayLike"
    g: "ArrayLike"
    value: "ArrayLike"
    advantage: "ArrayLike"
    loss: "ArrayLike"
    loss_value: "ArrayLike"
    dumped_by: str


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


WORDS = ("loss", "reduction")
"""What a case may say of its loss in words, where an array could be."""

TEXTS = (*WORDS, "dumped_by")
"""All that a case may say in words; see `tables.origin` for the last."""


def is_known(name: str) -> bool:
    """Return whether the name is that of what a case of the default loss, or a shipped one, has.

    What a loss of the user's own calls its arrays, only that loss knows.
    """
    others = (alias for known in _GIVENS.values() for alias in known.get("aliases", ()))
    return ROLES.of(name) is not None or name in {*_GIVENS, _IGNORED.name, *others, *WORDS}


def is_critic(role: str) -> bool:
    """Return whether the role is one of several critics: q1, q2, ..."""
    return _CRITIC.fullmatch(role) is not None


def is_q(role: str) -> bool:
    """Return whether the role is Q, of the only critic or of one of several."""
    return role == "q" or is_critic(role)
