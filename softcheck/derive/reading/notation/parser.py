"""Expressions by recursive descent, whatever their factors start with.

expression = [sign] product {("+" | "-") product}
product    = factor {["cdot" | "times" | "/"] factor}
factor     = primary ["^" exponent]
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from softcheck.derive.expr import Add, Div, Exp, Expr, Mul, Num, Pow, Size, Sym, negative
from softcheck.derive.glyphs import ACCENTS, GREEK
from softcheck.derive.limits import NESTING, NUMBER_DIGITS, POWER
from softcheck.derive.reading.notation.cursor import OPENERS
from softcheck.derive.reading.notation.indicators import relation_of_actions
from softcheck.derive.reading.notation.names import Names
from softcheck.derive.reading.notation.vocabulary import BRACES, OUTSIDE, SETS, STYLES
from softcheck.derive.reading.tokens import ReadError, Token

REACH = "it is not clear how far {} reaches, put brackets around it"


class Parser(Names, ABC):
    """A cursor that reads expressions; the grammar says which forms a factor has beside names.

    Attributes
    ----------
    reach : int
        The place up to which a function without brackets was read: what follows there may be
        meant to belong to it.
    """

    reach = -1

    def whole(self, tokens: Sequence[Token]) -> Expr:
        """Return the tree of tokens of which nothing may be left over."""
        parser = self.nested(tokens)
        parser.depth += 1
        if parser.depth > NESTING:
            raise ReadError(f"more than {NESTING} brackets within each other", self.peek(-1).start)
        tree = parser.expression()
        parser.end()
        return tree

    # The three levels

    def expression(self) -> Expr:
        """Take a sum of signed products."""
        terms = [self._signed()]
        while self.sees("+", "-") or self._signed_brace():
            sign = self.take().text if self.sees("+", "-") else "+"
            term = self._signed()
            terms.append(term if sign == "+" else negative(term))
        return terms[0] if len(terms) == 1 else Add(tuple(terms))

    def _signed_brace(self) -> bool:
        r"""Tell whether a brace comes that holds a sign and a term, as in `A \overbrace{- B}`."""
        return self.commands(*BRACES) and self.sees("{", ahead=1) and self.sees("+", "-", ahead=2)

    def _signed(self) -> Expr:
        minuses = 0
        while self.sees("+", "-"):
            minuses += self.take().text != "+"
        product = self.product()
        return negative(product) if minuses % 2 else product

    def product(self) -> Expr:
        """Take factors, as far as they go."""
        factors = [self.factor()]
        slashes = 0
        while True:
            if self.commands("cdot", "times", "ast") or self.sees("*"):
                self.take()
                factors.append(self.factor())
            elif self.sees("/"):
                if self.reach == self.i:
                    raise ReadError(REACH.format("the function before '/'"), self.peek().start)
                slashes += 1
                if slashes > NESTING:
                    raise ReadError(f"more than {NESTING} slashes", self.peek().start)
                self.take()
                factors[-1:] = [self._quotient(factors[-1])]
            elif self.starts_factor() and not self._signed_brace():
                if self.reach == self.i:
                    self.found.guesses.append("a function without brackets is of one factor only")
                factors.append(self.factor())
            else:
                return factors[0] if len(factors) == 1 else _product(factors)

    def _quotient(self, over: Expr) -> Expr:
        bracketed = self.starts_bracket()
        under = self.factor()
        numbers = isinstance(over, Num) and isinstance(under, Num)
        if not bracketed and not numbers and self.starts_factor():
            raise ReadError(
                "a slash with several factors behind it can mean two things, write \\frac",
                self.peek().start,
            )
        return Div(over, under)

    def starts_bracket(self) -> bool:
        """Tell whether a bracket opens."""
        return self.sees(*OPENERS) or self.commands("{")

    def starts_factor(self) -> bool:
        """Tell whether a factor comes."""
        token = self.peek()
        if token.kind in ("letter", "number", "font"):
            return True
        if token.kind == "sign":
            return token.text in OPENERS
        if token.kind == "command":
            named = token.text in GREEK or token.text in ACCENTS
            return named or token.text in ("{", "Pr", *OUTSIDE) or self.form() is not None
        return False

    def factor(self) -> Expr:
        """Take one factor with its power."""
        self.depth += 1
        if self.depth > NESTING:
            raise ReadError(f"more than {NESTING} operators within each other", self.peek().start)
        base = self._primary()
        if self.sees("^"):
            base = self._raised(base)
        self.depth -= 1
        return base

    def _raised(self, base: Expr) -> Expr:
        caret = self.take()
        above = self.group()
        exponent = self.whole(above)
        if above[0].text == "(" and isinstance(exponent, Num):
            raise ReadError("a number in brackets above is no power, write it without", caret.start)
        number = number_of(exponent)
        if number is None or number.denominator != 1:
            raise ReadError(
                "a power whose exponent is not a whole number is outside what can be decided",
                caret.start,
            )
        if abs(number) > POWER:
            raise ReadError(f"a power beyond {POWER}", caret.start)
        if isinstance(base, Exp):
            return Exp(Mul((Num(number), base.of)))
        return Pow(base, int(number))

    # What a factor starts with

    @abstractmethod
    def form(self) -> "Form | None":
        """Return what reads the factor that comes, if a rule of its own does."""

    def _primary(self) -> Expr:
        """Take what a factor is but for its power."""
        token = self.peek()
        form = self.form()
        if form is not None:
            return form(self)
        if token.kind == "number":
            return self._number()
        if self.starts_bracket():
            return self.bracket()
        if self.sees("|"):
            return self._cardinality()
        if self.starts_name():
            return self._quantity()
        raise self.refuse("a number, a symbol or a bracket")

    def _quantity(self) -> Expr:
        """Take a name; a word that nothing defines is a function of what stands behind it."""
        token = self.peek()
        tree = self.symbol()
        word = token.kind == "font" and len(token.text) > 1 and STYLES.get(token.font) == "roman"
        known = isinstance(tree, Sym) and self.scope.arity(tree.name) is not None
        if word and not known and self.starts_factor():
            raise ReadError(
                rf"{token.text} may be a function of what follows, put \cdot between", token.start
            )
        return tree

    def _number(self) -> Expr:
        token = self.take()
        if len(token.text) > NUMBER_DIGITS:
            raise ReadError(f"a number of more than {NUMBER_DIGITS} digits", token.start)
        return Num(Fraction(token.text))

    def bracket(self) -> Expr:
        """Take what stands in brackets, which may be an indicator."""
        opener = self.take()
        content = self.inside(opener)
        if opener.text == "[":
            indicator = relation_of_actions(self, content)
            if indicator is not None:
                return indicator
        return self.whole(content)

    def _cardinality(self) -> Expr:
        bar = self.take()
        if self.sees(*SETS, kind="font") or self.sees("A", kind="letter"):
            self.found.sets.add(self.take().text)
            self.state_of_set()
            if self.sees("|"):
                self.take()
                return Size()
        raise ReadError("'|' not understood, expected |\\mathcal{A}|", bar.start)


def _product(factors: Sequence[Expr]) -> Expr:
    flat: list[Expr] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Mul) else [factor]
    return Mul(tuple(flat))


def number_of(x: Expr) -> Fraction | None:
    """Return the number that a tree of numbers is."""
    match x:
        case Num(value):
            return value
        case Mul(factors):
            result = Fraction(1)
            for factor in factors:
                number = number_of(factor)
                if number is None:
                    return None
                result *= number
            return result
        case Div(over, under):
            above, below = number_of(over), number_of(under)
            return None if above is None or not below else above / below
    return None


Form: TypeAlias = Callable[[Parser], Expr]
"""What reads a factor whose first token tells what it is."""
