"""The library face: verify arrays, and assert in anyone's test suite that a gradient is right."""

from typing import Any, TypedDict, Unpack

from numpy.typing import ArrayLike

from softcheck.report import FORMATS, Style
from softcheck.result import Report, Status
from softcheck.settings import CriticChoice, Dtype, Reduction, Settings
from softcheck.tables.case import case_from_arrays
from softcheck.verification import summarise, verify_case


class Options(TypedDict, total=False):
    """Everything beside Q, logits and alpha that a verification may be told.

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
    action_axis : int
        The axis of the actions, -1 by default.
    reduction, critics, compute_dtype, grad_dtype, tolerance_factor, samples, seed, threads,
    max_findings, strict
        See `softcheck.settings.Settings`.
    """

    log_alpha: ArrayLike
    mask: ArrayLike
    weights: ArrayLike
    policy: ArrayLike
    log_policy: ArrayLike
    entropy: ArrayLike
    g: ArrayLike
    value: ArrayLike
    advantage: ArrayLike
    loss: ArrayLike
    action_axis: int
    reduction: Reduction
    critics: CriticChoice
    compute_dtype: Dtype | None
    grad_dtype: Dtype | None
    tolerance_factor: float
    samples: int
    seed: int
    threads: int | None
    max_findings: int
    strict: bool


def verify(
    *,
    q: ArrayLike | tuple[ArrayLike, ...],
    logits: ArrayLike,
    alpha: ArrayLike | None = None,
    grad: ArrayLike | None = None,
    **options: Unpack[Options],
) -> Report:
    """Verify Eq. (6), and a gradient if given, on arrays in memory.

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
        With one case.

    Raises
    ------
    SoftcheckError
        Where the arrays are not what a verification can be made of.
    """
    chosen: dict[str, Any] = {
        key: value for key, value in options.items() if key in Settings.__dataclass_fields__
    }
    axis = options.get("action_axis", -1)
    given: dict[str, object] = {"logits": logits, "alpha": alpha, "grad": grad}
    given |= {key: value for key, value in options.items() if key not in {*chosen, "action_axis"}}
    if isinstance(q, tuple):
        given |= {f"q{number}": critic for number, critic in enumerate(q, start=1)}
    else:
        given["q"] = q
    arrays = {role: array for role, array in given.items() if array is not None}
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
    """Raise AssertionError, with the concise report, unless `grad` is right.

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
    report = verify(q=q, logits=logits, grad=grad, alpha=alpha, **options)
    if report.status is not Status.PASSED:
        raise AssertionError("\n" + FORMATS["concise"].verification(report, Style()).rstrip())
