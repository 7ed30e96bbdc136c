"""Record logits, their gradient and Q in a PyTorch training step, and change nothing in it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from softcheck.api import declared, loss_of, loss_of_case, text_of
from softcheck.errors import UsageError
from softcheck.gradient.tolerance import Precision
from softcheck.settings import Reduction
from softcheck.tables import origin
from softcheck.tables.arrays import as_numpy, by_name
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.tables.refusals import load_extra
from softcheck.tables.roles import Arrays, Roles
from softcheck.tables.table import AsGiven
from softcheck.training.saving import save_case

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


@dataclass
class _Pass:
    """A forward pass whose logits a gradient may reach; the first gradient of all is kept."""

    number: int
    logits: "Tensor | None"
    grad: "Tensor | None" = None
    gradients: int = 0


class Captured:
    """What a step left behind; made by `capture`."""

    def __init__(
        self,
        actors: int,
        critics: int,
        given: dict[str, AsGiven],
        words: dict[str, str],
        roles: Roles,
    ) -> None:
        self._words = words
        self._roles = roles
        self._actors = actors
        self._critics = critics
        self._given = given
        self._forwards = 0
        self._passes: list[_Pass] = []
        several = (critics or 1) if "q" in roles else 0
        self._q: list[list[tuple[Tensor, ...]]] = [[] for _ in range(several)]
        self._hooks = ExitStack()
        self._arrays: dict[str, Any] | None = None

    @property
    def arrays(self) -> dict[str, Any]:
        """The arguments of `assert_gradient` and `save_case`, by name, once the block has ended."""
        if self._arrays is None:
            raise UsageError(
                "captured.arrays",
                "a with block that has not ended well",
                "its end",
                "Use the arrays after the block.",
            )
        return self._arrays

    def record(
        self,
        *,
        logits: "Tensor | None" = None,
        q: "Tensor | tuple[Tensor, ...] | None" = None,
        **arrays: Unpack[Arrays],
    ) -> None:
        """Hand over what no module of the step returns.

        Parameters
        ----------
        logits : Tensor
            The logits of the loss, as they go into the softmax, before the backward pass.
        q : Tensor, or tuple of Tensor
            The action values of the loss; a tuple holds the critics.
        **arrays
            Whatever else is to be in the case, such as the loss; see
            `softcheck.tables.roles.Arrays`.

        Raises
        ------
        UsageError
            If it is there already, or a module was named that returns it.
        """
        known = {*self._given, *self._words, *["logits"] * self._actors, *["q"] * self._critics}
        copies = _copies({**arrays})
        for name, value in {"logits": logits, "q": q, **copies}.items():
            if value is not None and name in known:
                raise UsageError(
                    f"record({name}=...)",
                    f"{name} for a second time",
                    "it once",
                    "Leave it out here, or where the block is entered."
                    if name != "loss"
                    else "Leave it out here; the value of the loss is loss_value.",
                )
        if logits is not None:
            self._hear_logits(logits)
        if q is not None:
            _refuse_q("record(q=...)", self._roles)
            self._q[0].append(_critics_in(q))
        self._given |= copies

    def _listen(
        self, module: "Module", select: Callable[[Any], Any] | None, hear: Callable[[Any], None]
    ) -> None:
        """Hear every output of a module, or what is selected of it, until the block ends."""

        def hook(_module: object, _inputs: object, output: Any) -> None:
            hear(select(output) if select else output)

        self._hooks.callback(module.register_forward_hook(hook).remove)

    def _hear_logits(self, output: object) -> None:
        """Keep logits if a gradient may reach them, and hear of it when one does."""
        logits = _tensor("logits", output)
        self._forwards += 1
        if not logits.requires_grad:
            return
        one = _Pass(self._forwards, None if self._reached() else logits.detach().clone())
        self._passes.append(one)
        handle = logits.register_hook(partial(self._hear_gradient, one))  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._hooks.callback(handle.remove)

    def _hear_gradient(self, one: _Pass, grad: "Tensor") -> None:
        """Keep the first gradient, and count the others."""
        if not self._reached():
            one.grad = grad.detach().clone()
        one.gradients += 1

    def _hear_q(self, number: int, output: object) -> None:
        """Keep the output of a critic; one that comes after the gradient had no part in it."""
        if not self._reached():
            self._q[number].append(_critics_in(output))

    def _reached(self) -> bool:
        """Return whether a gradient has reached any logits."""
        return any(one.gradients for one in self._passes)

    def _finish(self) -> None:
        """Put together what belongs together, or say why that cannot be told."""
        taken = self._taken()
        logits = as_numpy("logits", taken.logits)
        _refuse_probabilities(logits)
        q = tuple(critic for number in range(len(self._q)) for critic in self._q_of(number))
        arrays = {
            **({"q": q if len(q) > 1 else q[0]} if q else {}),
            "logits": logits,
            "grad": as_numpy("grad", taken.grad),
            **self._given,
        }
        if "loss" in self._words:
            loss = Declared(self._roles.loss)
            case_from_arrays(by_name(**arrays), name="capture", declared=loss)
        self._arrays = arrays | self._words

    def _taken(self) -> _Pass:
        """Return the one pass that a gradient reached, once."""
        reached = [one for one in self._passes if one.gradients]
        if self._forwards == 0:
            found, expected = "no logits", "a forward pass of the actor in the with block"
            hint = (
                "Call the module that was named, not its .forward; of a compiled one, name what "
                "torch.compile returned."
                if self._actors
                else "Name the actor, or hand its output over with record(logits=...)."
            )
        elif not self._passes:
            found, expected = "logits without a graph", "logits that require a gradient"
            hint = "Run the actor of the loss in the block, outside of torch.no_grad()."
        elif not reached:
            found, expected = "no backward pass to the logits", "one in the with block"
            hint = "Call backward() in the block, on a loss of these very logits, not of a copy."
        elif len(reached) > 1:
            numbers = ", ".join(str(one.number) for one in reached)
            found = f"gradients at the logits of forward passes {numbers} of {self._forwards}"
            expected = "a gradient at those of one"
            hint = "Keep one forward and one backward pass of the actor's loss in the block."
        elif reached[0].gradients > 1:
            found, expected = f"{reached[0].gradients} backward passes to the logits", "one"
            hint = "Add the losses up for one backward(), or end the block after the first."
        else:
            return reached[0]
        raise UsageError("capture", found, expected, hint)

    def _q_of(self, number: int) -> list[AsGiven]:
        """Return what the passes of a critic agree on."""
        name = f"critic {number + 1}" if self._critics else "q"
        passes = [[as_numpy("q", critic) for critic in one] for one in self._q[number]]
        if not passes:
            raise UsageError(
                "capture",
                f"no output of {name}",
                "the action values of the loss, before its backward()",
                "Call the critic in the block, or hand its output over with record(q=...).",
            )
        if any(not _same(one, passes[0]) for one in passes):
            raise UsageError(
                "capture",
                f"{len(passes)} outputs of {name}, not all the same",
                "that of the actor's loss",
                "Open the block after the critics' update, or hand over record(q=...).",
            )
        return passes[0]


@contextmanager
def capture(
    *,
    actor: "Module | None" = None,
    critics: "Module | Sequence[Module]" = (),
    q: "Tensor | tuple[Tensor, ...] | None" = None,
    alpha: ArrayLike | None = None,
    path: str | os.PathLike[str] | None = None,
    logits_of: "Callable[[Any], Tensor] | None" = None,
    q_of: "Callable[[Any], Tensor | tuple[Tensor, ...]] | None" = None,
    reduction: Reduction | None = None,
    **arrays: Unpack[Arrays],
) -> Iterator[Captured]:
    """Record logits, their gradient and Q while a PyTorch training step runs as it always does.

    The block holds the actor's loss and its backward pass. The logits taken are those that the
    gradient reached; forward passes without a graph are ignored. Critics count up to then, and
    may run several times if they return the same. Whatever leaves open which arrays belong
    together is an error at the end of the block, and then nothing is written.

    Parameters
    ----------
    actor : Module
        Returns the logits as they go into the softmax: a network, or its last layer; of a
        compiled one, what ``torch.compile`` returned.
    critics : Module, or sequence of Module
        Return the action values, a module for each critic, where the loss has such.
    q : Tensor, or tuple of Tensor
        The action values, in place of critics; see `Captured.record`.
    alpha : array_like
        The weight of the entropy, as it is when the block is entered; or give `log_alpha`.
    path : str or path, optional
        Where `save_case` writes what was recorded; not if the block raises.
    logits_of, q_of : callable, optional
        From what the actor or a critic returns to the tensor that is meant, where it returns
        something else; `q_of` may return a tuple of critics. A gradient reaches only the tensor
        that the loss uses: `logits_of` picks it and makes no slice of it.
    reduction : str
        How the loss is reduced; it goes into `arrays` and into the file.
    **arrays
        The loss, mask, weights and others, as they are when the block is entered; see
        `softcheck.tables.roles.Arrays`. A loss multiplied by a GradScaler is one with weights:
        ``weights=torch.full((batch,), scaler.get_scale())``.

    Yields
    ------
    Captured
        With `arrays` once the block has ended, and `record` for what no module returns.

    Raises
    ------
    UsageError
        If a gradient reached no logits, or more than once, if what it reached are probabilities,
        or if a critic's outputs differ.

    Examples
    --------
    >>> with capture(actor=actor, critics=(qf1, qf2), alpha=alpha) as captured:
    ...     actor_loss(observations).backward()
    >>> assert_gradient(**captured.arrays, reduction="mean")
    >>> with capture(actor=head, loss="cross-entropy", labels=labels, path="step.npz"):
    ...     criterion(model(tokens)).backward()
    """
    actors = [] if actor is None else _modules("actor", actor)
    modules = _modules("critics", critics)
    others: dict[str, Any] = {"alpha": alpha, **arrays}
    loss, dumped_by = text_of("loss", others), text_of(origin.KEY, others)
    load = loss_of if path is None else loss_of_case
    roles = declared(None if loss is None else load(loss), reduction).roles
    given = _copies(others)
    if roles.has_critics and "alpha" not in map(roles.family, given):
        raise UsageError("capture", "no alpha", "alpha or log_alpha", "Give the temperature.")
    if modules:
        _refuse_q("critics", roles)
    words = {"loss": loss, "reduction": reduction, origin.KEY: dumped_by}
    said = {name: text for name, text in words.items() if text is not None}
    captured = Captured(len(actors), len(modules), given, said, roles)
    if q is not None:
        captured.record(q=q)
    with captured._hooks:
        for module in actors:
            captured._listen(module, logits_of, captured._hear_logits)
        for number, critic in enumerate(modules):
            captured._listen(
                critic, q_of or partial(_tensor, "q"), partial(captured._hear_q, number)
            )
        yield captured
    captured._finish()
    if path is not None:
        save_case(path, **captured.arrays)


def _refuse_q(where: str, roles: Roles) -> None:
    """Raise UsageError for action values of a loss that has none."""
    if "q" not in roles:
        raise UsageError(
            where,
            f"action values, which {roles.called} has not",
            f"arrays among {', '.join(roles)}",
            "Leave them out, or say which loss is meant.",
        )


def _modules(name: str, value: Any) -> "list[Module]":
    """Return the modules that were named, each of which can be called."""
    nn = load_extra("capture", "torch.nn", "torch")
    several = isinstance(value, (list, tuple, nn.ModuleList))
    every = [*value] if several else [value]
    for module in every:
        if not isinstance(module, nn.Module):
            raise UsageError(
                name,
                f"a {type(module).__name__}",
                "a torch.nn.Module that the step calls",
                "Name one, or hand its output over with record().",
            )
    return every


def _tensor(name: str, value: object) -> "Tensor":
    """Return a value that is a tensor."""
    from torch import Tensor

    if isinstance(value, Tensor):
        return value
    raise UsageError(
        name,
        f"a {type(value).__name__}",
        "a tensor",
        f"Say which part is meant: {name}_of=lambda output: ..., or name the layer it comes from.",
    )


def _critics_in(value: object) -> "tuple[Tensor, ...]":
    """Return copies of one critic's output or of several."""
    every = value if isinstance(value, tuple) else (value,)
    return tuple(_tensor("q", critic).detach().clone() for critic in every)


def _copies(arrays: Mapping[str, object]) -> dict[str, AsGiven]:
    """Return what was given, as it is now."""
    return {name: np.array(array) for name, array in by_name(**arrays).items()}


def _refuse_probabilities(logits: AsGiven) -> None:
    """Raise UsageError for what is a policy in every state: its softmax has been taken already."""
    numbers = np.atleast_1d(logits.astype(np.float64))
    unit = Precision.of(logits.dtype).unit
    in_range = ((numbers >= 0.0) & (numbers <= 1.0)).all()
    sums = np.abs(numbers.sum(axis=-1) - 1.0) <= _SUM_ROUNDING * unit
    if numbers.shape[-1] > 1 and in_range and sums.all():
        raise UsageError(
            "capture",
            "probabilities for logits: in [0, 1], with the sum 1 in every state",
            "the logits, as they go into the softmax",
            "Name the layer before the softmax, or hand its output over with record(logits=...).",
        )


_SUM_ROUNDING = 8.0
"""How far the sum of a policy may be from 1, in units of the roundoff of its dtype."""


def _same(one: Sequence[AsGiven], other: Sequence[AsGiven]) -> bool:
    """Return whether arrays are the same bit by bit, NaN included."""
    return [(a.shape, a.dtype, a.tobytes()) for a in one] == [
        (b.shape, b.dtype, b.tobytes()) for b in other
    ]
