"""`softcheck explain`: what a code, a check or a column means, or a loss and its mistakes."""

from typing import TYPE_CHECKING, Annotated

import typer

from softcheck.command.output import write
from softcheck.errors import UsageError, did_you_mean, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softcheck.losses.making import Made

EXAMPLES = (
    "softcheck explain missing-alpha\n"
    "softcheck explain cross-entropy\n"
    "softcheck explain resolution\n"
    "softcheck explain"
)


def _names(incomplete: str) -> list[str]:
    from softcheck.losses import names
    from softcheck.report.explain import NAMES

    every = dict.fromkeys((*NAMES, *names()))
    return [name for name in every if name.startswith(incomplete)]


def explain(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="The code at the end of a diagnosis, a check or a column of the report, or a loss "
            "as --loss takes it",
            autocompletion=_names,
            rich_help_panel="Arguments",
        ),
    ] = None,
) -> None:
    """Say what a diagnosis, a check or a column means, or what a loss is and goes wrong in it.

    Without a name, list them all.
    """
    from softcheck.losses import names
    from softcheck.report.explain import NAMES, WIDTH, explained, listing
    from softcheck.shipped import stored

    losses = names()
    if name is None:
        write("".join(f"{line}\n" for line in listing()))
        write("\nLosses\n\n")
        write("".join(f"  {loss:<{WIDTH}}  {stored(loss).title}\n" for loss in losses))
        return
    is_loss = name in losses or not _is_word(name)
    texts = [explained(name)] if not set(name.split("+")) - set(NAMES) else []
    texts += ["".join(f"{line}\n" for line in _of_loss(name))] if is_loss else []
    if not texts:
        hint = did_you_mean(name, (*NAMES, *losses), "softcheck explain lists them all.")
        expected = "the code of a diagnosis, a check, a column, or a loss"
        raise UsageError("explain", f"'{printable(name)}'", expected, hint)
    write("\n".join(texts))


def _is_word(text: str) -> bool:
    """Tell whether a text can be no formula and no file."""
    return not set(text) & set("\\$.:/(= ")


def _of_loss(text: str) -> "Iterator[str]":
    from softcheck.losses import read
    from softcheck.losses.reporting import report
    from softcheck.report.loss_words import facts, heading

    named = read(text, where="explain")
    said = report(named)
    yield f"{printable(said.loss)}: {heading(said) or 'a loss of your own'}."
    for made, variant in zip(named.variants, said.variants, strict=True):
        yield ""
        for name, fact in facts(variant):
            yield f"  {name:<9} {fact}"
        yield ""
        yield from _mistakes(made)


def _mistakes(made: "Made") -> "Iterator[str]":
    """Yield the mistakes of a loss, under the codes of a diagnosis."""
    from softcheck.losses.mistakes import mistakes

    found = mistakes(made)
    width = max((len(wrong.code) for wrong in found), default=0)
    for wrong in found:
        more = ", or another number" * bool(wrong.others)
        yield f"  {wrong.code:<{width}}  {printable(wrong.said, 400)}{more}"
        for other in wrong.also:
            yield f"  {'':<{width}}  or {printable(other.said, 400)}"
