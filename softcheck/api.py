"""The library face: verify arrays, and assert in anyone's test suite that a gradient is right."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import getdoc
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

from softcheck import result
from softcheck.errors import SoftcheckError, UsageError, did_you_mean
from softcheck.gradient.definition import Loss
from softcheck.report import FORMATS, Style
from softcheck.report.assertion import render
from softcheck.result import Status
from softcheck.settings import (
    Choices,
    General,
    OutputFormat,
    Reduction,
    Settings,
    settings_of,
    spelled,
)
from softcheck.tables import origin
from softcheck.tables.arrays import by_name
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.tables.roles import Arrays
from softcheck.verification import summarise, verify_case

if TYPE_CHECKING:
    from numpy.typing import ArrayLike  # quoted below, for help() would write it out

__unittest = True  # unittest leaves out of its tracebacks the frames of modules that say so


class Options(Arrays, Choices, total=False):
    """Everything beside Q, logits, gradient and alpha that a verification may be told.

    Attributes
    ----------
    action_axis : int
        The axis of the actions, -1 by default.
    """

    action_axis: int


class Report(result.Report, frozen=True):
    """The report of a call: true if all of it passed, and as text what the program prints.

    A notebook shows it as a page with pictures.
    """

    def render(self, form: OutputFormat = "text") -> str:
        """Return the report in a form of `--output-format`.

        Raises
        ------
        UsageError
            If there is no such form.
        """
        chosen = settings_of(General)["output_format"].read(form, "form")
        return FORMATS[chosen].verification(self, Style(calls=True))

    def __str__(self) -> str:
        """Return the report as text, to be printed."""
        return self.render().removesuffix("\n")

    def _repr_markdown_(self) -> str:
        return self.render("markdown")

    def _repr_html_(self) -> str:
        """Return the page in a frame, so that its style is its own."""
        from softcheck.report.html.page import framed

        return framed(self.render("html"))


def _described(function: Callable[..., Any]) -> None:
    """Add to the help of a call what `Options` takes, from where that is said."""
    arrays, own = (
        (getdoc(owner) or "").partition("Attributes\n----------\n")[2]
        for owner in (Arrays, Options)
    )
    settings = [
        f"{name} : {setting.expected}\n    {setting.option.help}; by default "
        f"{setting.option.default or spelled(setting.default)}."
        for name, setting in settings_of(Settings).items()
    ]
    others = "Other Parameters\n----------------"
    function.__doc__ = "\n".join((getdoc(function) or "", "", others, arrays, own, *settings))


_FLAG = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


@contextmanager
def _speaking_of_arguments() -> Iterator[None]:
    """Have errors name arguments where they name options of the command line."""

    def spelling(flag: re.Match[str]) -> str:
        argument = flag[1].replace("-", "_")
        return argument if argument in _ARGUMENTS else flag[0]

    try:
        yield
    except SoftcheckError as error:
        parts = (error.where, error.found, error.expected, error.hint)
        where, _, expected, hint = (_FLAG.sub(spelling, part) for part in parts)
        raise type(error)(where, error.found, expected, hint) from error.__cause__


def verify(
    *,
    logits: "ArrayLike",
    q: "ArrayLike | tuple[ArrayLike, ...] | None" = None,
    alpha: "ArrayLike | None" = None,
    grad: "ArrayLike | None" = None,
    **options: "Unpack[Options]",
) -> Report:
    """Verify Eq. (6), or another loss, and a gradient if given, on arrays in memory.

    Arrays may be those of NumPy, PyTorch (on any device, part of a graph or not) or JAX, or
    anything with ``__array__`` or DLPack.

    Parameters
    ----------
    logits : array_like
        Logits of the policy, shape (..., actions); -inf masks an action.
    q : array_like, or tuple of array_like
        Action values, the shape of `logits`; a tuple holds the critics.
    alpha : array_like
        The weight of the entropy, >= 0: one number, or one for each state.
    grad : array_like, optional
        dL/dlogits as computed elsewhere. Its dtype says how exactly it has to be right.
    **options
        Among them `loss`, the loss that is verified where it is not that of Eq. (6), and its
        arrays, in place of `q` and `alpha` where it has none; and the settings.

    Returns
    -------
    Report
        With one case. It is true if that passed: ``assert softcheck.verify(...)``. To have what is
        wrong in the message of the failure, use `assert_gradient`.

    Raises
    ------
    SoftcheckError
        Where the arrays are not what a verification can be made of.

    Examples
    --------
    >>> verify(loss="cross-entropy", logits=logits, labels=labels, grad=grad, reduction="mean")
    """
    with _speaking_of_arguments():
        given: dict[str, Any] = {**options}
        settings = Settings(**{name: given.pop(name) for name in _SETTINGS & given.keys()})
        check_expected(settings.expect)
        axis = given.pop("action_axis", -1)
        said = declared(loss_of(text_of("loss", given)), settings.reduction)
        dumped_by = text_of(origin.KEY, given)
        _refuse_texts(given)
        arrays = by_name(q, logits=logits, alpha=alpha, grad=grad, **given)
        case = case_from_arrays(arrays, action_axis=axis, declared=said, dumped_by=dumped_by)
        made = summarise([verify_case(case, settings, pictures=True)])
    return Report(**{name: getattr(made, name) for name in made.__struct_fields__})


_described(verify)

_SETTINGS = Settings.__dataclass_fields__.keys()
_ARGUMENTS = _SETTINGS | Options.__annotations__.keys() | {"q", "logits", "alpha", "grad"}


def _refuse_texts(arrays: Mapping[str, Any]) -> None:
    """Refuse a text where an array belongs: it may be a setting whose name is misspelled."""
    for name, given in arrays.items():
        if isinstance(given, str):
            hint = did_you_mean(name, _ARGUMENTS, "Give the numbers themselves.")
            raise UsageError(name, "a text", "an array", hint)


def text_of(name: str, arrays: dict[str, Any]) -> str | None:
    """Take out of named arrays one that is a text, be it an array as `numpy.load` returns it."""
    given = arrays.get(name)
    is_text = isinstance(given, str) or getattr(getattr(given, "dtype", None), "kind", "") == "U"
    return str(arrays.pop(name)) if is_text else None


def declared(
    loss: Loss | None,
    reduction: Reduction | None,
    origins: Mapping[str, str] = MappingProxyType({}),
) -> Declared:
    """Return what a user declares of a case, which may name any loss but no file.

    Parameters
    ----------
    loss : Loss or None
        None where it is that of the case, or the default one.
    reduction : Reduction or None
        None where it is that of the case, or the default one.
    origins : mapping of str to str
        Where each of the two was declared, for messages.

    Raises
    ------
    UsageError
        If there is no such reduction.
    """
    if reduction is not None:
        reduction = Settings(reduction=reduction).reduction
    return Declared(loss, reduction, origins, loss_of_case)


def check_expected(codes: str | None, where: str = "expect") -> None:
    """Raise UsageError if a case must fail with a mistake that has no such code.

    Parameters
    ----------
    codes : str or None
        As a diagnosis has it: a code, or some that ``+`` joins.
    where : str
        Its place, for the message.
    """
    if codes is None:
        return
    from softcheck.diagnosis.mistakes import MISTAKES

    for code in codes.split("+"):
        if code not in MISTAKES:
            hint = did_you_mean(code, MISTAKES, "softcheck explain lists them all.")
            raise UsageError(where, f"'{code}'", "the code of a mistake", hint)


def loss_of(text: str | None, where: str = "loss") -> Loss | None:
    """Return the loss that a user declares, if they do: a name, a document or a formula.

    Raises
    ------
    SoftcheckError
        If there is no such loss, or its gradient is not proved.
    """
    if text is None:
        return None
    from softcheck.losses import load

    return load(text, where=where)


_DOCUMENT = re.compile(r"[^\\]*\.[A-Za-z]{2,8}(::.*)?", re.DOTALL)


def loss_of_case(text: str) -> Loss:
    """Return a loss by its name or its formula, which may name no file.

    Raises
    ------
    SoftcheckError
        If there is no such loss, or its gradient is not proved.
    """
    if _DOCUMENT.fullmatch(text):
        raise UsageError(
            "loss",
            f"'{text}'",
            "the name of a loss, or a formula: a case names no document",
            "Write the formula itself, or give the document by --loss.",
        )
    from softcheck.losses import load

    return load(text, where="loss", files=False)


def assert_gradient(
    *,
    logits: "ArrayLike",
    grad: "ArrayLike",
    q: "ArrayLike | tuple[ArrayLike, ...] | None" = None,
    alpha: "ArrayLike | None" = None,
    **options: "Unpack[Options]",
) -> None:
    """Raise AssertionError, with what is wrong as its message, unless `grad` is right.

    Parameters
    ----------
    logits, grad, q, alpha, **options
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
