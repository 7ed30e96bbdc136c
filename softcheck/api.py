"""The library face: verify arrays, and assert in anyone's test suite that a gradient is right."""

from typing import Any, Unpack

from numpy.typing import ArrayLike

from softcheck.errors import SoftcheckError, UsageError
from softcheck.report.assertion import render
from softcheck.result import Report, Status
from softcheck.settings import Choices, Settings
from softcheck.tables.arrays import by_name
from softcheck.tables.case import case_from_arrays
from softcheck.tables.roles import Arrays
from softcheck.verification import summarise, verify_case

__unittest = True  # unittest leaves out of its tracebacks the frames of modules that say so


class Options(Arrays, Choices, total=False):
    """Everything beside Q, logits, gradient and alpha that a verification may be told.

    Attributes
    ----------
    action_axis : int
        The axis of the actions, -1 by default.
    """

    action_axis: int


def verify(
    *,
    q: ArrayLike | tuple[ArrayLike, ...],
    logits: ArrayLike,
    alpha: ArrayLike | None = None,
    grad: ArrayLike | None = None,
    **options: Unpack[Options],
) -> Report:
    """Verify Eq. (6), and a gradient if given, on arrays in memory.

    Arrays may be those of NumPy, PyTorch (on any device, part of a graph or not) or JAX, or
    anything with ``__array__`` or DLPack.

    Parameters
    ----------
    q : array_like, or tuple of array_like
        Action values, shape (..., actions); a tuple holds the critics.
    logits : array_like
        Logits of the policy, the shape of `q`; -inf masks an action.
    alpha : array_like
        The temperature, >= 0: one number, or one for each state.
    grad : array_like, optional
        dL/dlogits as computed elsewhere. Its dtype says how exactly it has to be right.
    **options
        See `Options`.

    Returns
    -------
    Report
        With one case. It is true if that passed: ``assert softcheck.verify(...)``. To have what is
        wrong in the message of the failure, use `assert_gradient`.

    Raises
    ------
    SoftcheckError
        Where the arrays are not what a verification can be made of.
    """
    chosen: dict[str, Any] = {
        key: value for key, value in options.items() if key in Settings.__dataclass_fields__
    }
    axis = options.get("action_axis", -1)
    others = {key: value for key, value in options.items() if key not in {*chosen, "action_axis"}}
    arrays = by_name(q, logits=logits, alpha=alpha, grad=grad, **others)
    settings = Settings(**chosen)
    return summarise([verify_case(case_from_arrays(arrays, action_axis=axis), settings)])


def assert_gradient(
    *,
    q: ArrayLike | tuple[ArrayLike, ...],
    logits: ArrayLike,
    grad: ArrayLike,
    alpha: ArrayLike | None = None,
    **options: Unpack[Options],
) -> None:
    """Raise AssertionError, with what is wrong as its message, unless `grad` is right.

    Parameters
    ----------
    q, logits, grad, alpha, **options
        See `verify`.

    Raises
    ------
    AssertionError
        If a check failed or was inconclusive.
    SoftcheckError
        Where the arrays are not what a verification can be made of.
    """
    __tracebackhide__ = True
    if grad is None:
        raise UsageError(
            "grad",
            "None",
            "the gradient under test",
            "Call backward() first, and before it logits.retain_grad().",
        )
    try:
        (case,) = verify(q=q, logits=logits, grad=grad, alpha=alpha, **options).cases
    except SoftcheckError as error:
        # The message says where; the way through this package does not help whose test it is.
        raise error.with_traceback(None) from None
    if case.status is not Status.PASSED:
        raise AssertionError(render(case))
