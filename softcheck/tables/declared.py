"""Which loss and which reduction a case is of: what its own words say, and what the user declares.

Words in a case are data: the name of a loss that comes with softcheck, or a formula; never a path.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, get_args

from softcheck import shipped
from softcheck.errors import InputError, SoftcheckError, did_you_mean, printable
from softcheck.gradient.definition import Loss
from softcheck.settings import Reduction
from softcheck.tables.limits import MAX_FORMULA
from softcheck.tables.roles import ROLES, Roles

LoadLoss: TypeAlias = Callable[[str], Loss]
"""From the name of a loss, or a formula, to the loss; it opens no file."""


@dataclass(frozen=True)
class Declared:
    """What a user declares of a case.

    Attributes
    ----------
    loss : Loss or None
        None where it is that of the case, or else the default one.
    reduction : Reduction or None
        None where it is that of the case, or else the default one.
    origins : mapping of str to str
        Where "loss" and "reduction" were declared, for messages.
    load : callable
        See `LoadLoss`.
    """

    loss: Loss | None = None
    reduction: Reduction | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    load: LoadLoss = shipped.load

    @property
    def roles(self) -> Roles:
        """The roles of the loss that is declared, or else of the default one."""
        return ROLES if self.loss in (None, shipped.stored(shipped.DEFAULT)) else Roles(self.loss)

    def loss_of(self, where: str, texts: Mapping[str, str]) -> Loss | None:
        """Return the loss that a case names, as it was declared where it was; None without one.

        Raises
        ------
        InputError
            If it is none that is known, or another one than is declared.
        """
        if "loss" not in texts:
            return None
        text, place = texts["loss"], f"{where}::loss"
        if not text.strip() or len(text) > MAX_FORMULA:
            found = f"a text of {len(text)} characters" if text.strip() else "an empty text"
            expected = f"the name of a loss, or a formula of at most {MAX_FORMULA} characters"
            raise InputError(place, found, expected, "Correct it, or leave it out and give --loss.")
        try:
            loss = self.load(text.strip())
        except SoftcheckError as error:
            raise InputError(place, error.found, error.expected, error.hint) from error
        if self.loss is not None and self.loss.variants != loss.variants:
            raise self._contradiction("loss", place, text, self.loss.name)
        return self.loss or loss

    def reduction_of(self, where: str, texts: Mapping[str, str]) -> Reduction | None:
        """Return the reduction that a case names, None if it names none.

        Raises
        ------
        InputError
            If it is none that there is, or another one than is declared.
        """
        if "reduction" not in texts:
            return None
        text, place = texts["reduction"].strip(), f"{where}::reduction"
        every: tuple[Reduction, ...] = get_args(Reduction)
        known = next((each for each in every if each == text), None)
        if known is None:
            hint = did_you_mean(text, every, "Correct it, or leave it out and give --reduction.")
            raise InputError(place, f"'{text}'", f"one of {', '.join(every)}", hint)
        if self.reduction not in (None, known):
            raise self._contradiction("reduction", place, text, str(self.reduction))
        return known

    def _contradiction(self, what: str, place: str, found: str, declared: str) -> InputError:
        short = printable(declared, 60)
        return InputError(
            place,
            f"the {what} '{printable(found, 60)}'",
            f"'{short}', as {self.origins.get(what, what)} says",
            "Leave out one of the two.",
        )
