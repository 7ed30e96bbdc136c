"""What was read and proved of a loss, as the record of a report."""

from softcheck import result
from softcheck.derive.expr import Sym
from softcheck.derive.ladder import Proof
from softcheck.derive.spell import unicode
from softcheck.gradient.definition import Given, Kind
from softcheck.losses.documents import Named
from softcheck.losses.making import Made
from softcheck.losses.stops import harmless
from softcheck.version import __version__

_SHAPES = {
    Kind.TABLE: "(..., actions)",
    Kind.STATE: "(...)",
    Kind.NUMBER: "one number or (...)",
    Kind.INDEX: "(...)",
}

_IN_CASES = "no minimum and no maximum is at a tie"


def report(named: Named) -> result.LossReading:
    """Return what a loss is: its formulas, its proof, its arrays, its harmless stop-gradients."""
    return result.LossReading(
        schema_version=result.SCHEMA_VERSION,
        tool=result.Tool(name="softcheck", version=__version__),
        command="derive",
        status=result.Verdict.PROVED,
        loss=named.name,
        title=named.title,
        equation=named.variants[0].variant.equation,
        variants=tuple(map(_variant, named.variants)),
    )


def _variant(made: Made) -> result.LossVariant:
    variant = made.variant
    by = unicode(Sym(made.policy.logits, (made.action,)))
    logits = Given(made.policy.logits, "logits", Kind.TABLE, about="the logits of the policy")
    return result.LossVariant(
        loss=result.Formula(latex=variant.formula_latex, reading=variant.formula),
        by=by,
        gradient=result.Formula(latex=variant.gradient_latex, reading=variant.gradient),
        status=result.Verdict.PROVED,
        where=Proof(made.theorem, (), None).words + (_IN_CASES,) * bool(made.policy.regions),
        family=variant.family is not None,
        arrays=(
            *(_array(given, made.action) for given in (logits, *variant.givens)),
            _gradient(by),
        ),
        harmless=harmless(made),
    )


def _gradient(by: str) -> result.LossArray:
    """Return the array of what is to be checked."""
    return result.LossArray(
        name="grad",
        symbol=f"∂L/∂{by}",
        shape=_SHAPES[Kind.TABLE],
        dtype="floating point",
        legal="finite",
        default=None,
        about="the gradient that your code computed",
    )


def _array(given: Given, action: str) -> result.LossArray:
    args = (action,) if given.kind is Kind.TABLE else ()
    return result.LossArray(
        name=given.name,
        symbol=unicode(Sym(given.symbol, args)),
        shape=_SHAPES[given.kind],
        dtype="integer" if given.kind is Kind.INDEX else "floating point",
        legal=given.legal,
        default=None if given.default is None else str(given.default),
        about=given.about,
    )
