"""Tokens to trees, by recursive descent. What is not understood is refused, with its place.

    expression = [sign] product {("+" | "-") product}
    product    = factor {["cdot" | "times" | "/"] factor}
    factor     = primary ["^" exponent]

A sum, an expectation's operator or a derivative of a sum takes the whole product that follows; a
logarithm and a derivative of anything else take one factor. `name(args)` is an application
exactly when every argument is an action or a word of context such as the state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from softcheck.derive.expr import (
    ONE,
    Add,
    Delta,
    Diff,
    Div,
    Exp,
    Expect,
    Expr,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
    free_indices,
    minus,
    negative,
)
from softcheck.derive.limits import DIGITS, NESTING, POWER
from softcheck.derive.tokens import ReadError, Token

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε",
    "zeta": "ζ", "eta": "η", "theta": "θ", "vartheta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ",
    "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ",
    "varphi": "φ", "psi": "ψ", "omega": "ω", "ell": "ℓ", "Lambda": "Λ", "Phi": "Φ", "Psi": "Ψ",
    "Omega": "Ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Pi": "Π",
}  # fmt: skip

CONSTANTS = {"α", "β", "η", "τ", "λ"}
"""Scalars that a document need not declare: temperatures, which depend on nothing."""

TABLES = {"Q", "θ"}
"""Quantities that a document need not declare: one free number an action."""

_ACCENTS = {"tilde": "\u0303", "bar": "\u0304", "hat": "\u0302", "overline": "\u0304",
            "widetilde": "\u0303", "widehat": "\u0302", "vec": "\u20d7"}  # fmt: skip
_INDEX_LETTERS = set("abcijklmuv")
_STATES = {"s", "s_t"}
_PARAMETERS = {"θ", "φ", "π", "ψ", "ω"}
"""Decorations that say whose parameters or policy it is; of each quantity there is one."""
_SIZES = {"n", "N", "K"}
_FUNCTIONS = {"f", "h", "F", "G", "H"}
"""Names that before a bracket are no factor, whatever it holds."""
_OPENERS = {"(": ")", "[": "]", "{": "}"}
_INDICATORS = {("mathbf", "1"), ("mathbb", "1"), ("mathds", "1"), ("mathbb", "I"), ("mathbf", "I"),
               ("bm", "1"), ("boldsymbol", "1"), ("mathrm", "1")}  # fmt: skip
_EXPECTATIONS = {("mathbb", "E"), ("mathbf", "E"), ("mathrm", "E"), ("operatorname", "E"),
                 ("mathsf", "E"), ("mathcal", "E")}  # fmt: skip
_OUTSIDE = {
    "sqrt": "a root", "max": "a maximum", "min": "a minimum", "sup": "a supremum",
    "inf": "an infimum", "int": "an integral", "prod": "a product over an index",
    "lim": "a limit", "argmax": "an argmax", "argmin": "an argmin", "arg": "an argmax",
    "pm": "a plus-minus sign", "mp": "a plus-minus sign", "cases": "a distinction of cases",
    "dots": "an ellipsis", "ldots": "an ellipsis", "cdots": "an ellipsis", "infty": "infinity",
    "tanh": "a hyperbolic function", "sin": "a trigonometric function", "binom": "a binomial",
    "cos": "a trigonometric function", "top": "a transpose", "odot": "a product of vectors",
}  # fmt: skip
_HIGHEST_ORDER = 4
_REACH = "it is not clear how far {} reaches, put brackets around it"
_BRACES = {"underbrace": "_", "overbrace": "^"}


@dataclass(frozen=True)
class Brace:
    """A part of a formula that a brace marks.

    Attributes
    ----------
    body : Expr
    marked, label : list of Token
        The part, and what stands at the brace.
    bound : set of str
        The actions that sums around it bind.
    """

    body: Expr
    marked: list[Token]
    label: list[Token]
    bound: frozenset[str]


@dataclass
class Scope:
    """What is known beside the tokens, and what is found beside the tree.

    Attributes
    ----------
    bound : list of str
        The actions that sums around the place bind.
    braces : list of Brace
        The parts that are marked by a brace.
    sizes : set of str
        The letters that were read as the number of actions.
    marks : dict of name to set of str
        The decorations that were left out of a name, and under "the state" what was read as it.
    depth : int
        Brackets that are open.
    """

    bound: list[str] = field(default_factory=list)
    braces: list["Brace"] = field(default_factory=list)
    sizes: set[str] = field(default_factory=set)
    marks: dict[str, set[str]] = field(default_factory=dict)
    depth: int = 0


def parse(tokens: Sequence[Token], scope: Scope, at: int) -> Expr:
    """Return the tree of an expression.

    Parameters
    ----------
    tokens : sequence of Token
    scope : Scope
        Filled with what braces say.
    at : int
        Where the document stands, for the error of an empty expression.

    Raises
    ------
    ReadError
        At the first token that is not understood, or is left over.
    """
    parser = _Parser(tokens, scope, at)
    tree = parser.expression()
    parser.end()
    return tree


def parse_index(tokens: Sequence[Token], scope: Scope) -> str | None:
    """Return the action that the tokens name, or None if they name none."""
    parser = _Parser(tokens, scope, 0)
    index = parser.index()
    return index if index is not None and parser.done else None


class _Parser:
    def __init__(self, tokens: Sequence[Token], scope: Scope, at: int) -> None:
        self.tokens = list(tokens)
        self.scope = scope
        self.at = tokens[-1].end if tokens else at
        self.i = 0

    # Tokens

    @property
    def done(self) -> bool:
        return self.i >= len(self.tokens)

    def peek(self, ahead: int = 0) -> Token:
        """Return a token without taking it; beyond the last there is an empty one."""
        place = self.i + ahead
        return (
            self.tokens[place] if place < len(self.tokens) else Token("end", "", self.at, self.at)
        )

    def take(self) -> Token:
        token = self.peek()
        self.i += 1
        return token

    def sees(self, *texts: str, kind: str = "sign", ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind == kind and token.text in texts

    def commands(self, *texts: str) -> bool:
        return self.sees(*texts, kind="command")

    def refuse(self, expected: str) -> ReadError:
        token = self.peek()
        if token.kind == "end":
            return ReadError(f"the formula ends where {expected} was expected", token.start)
        if token.kind in ("command", "font") and token.text in _OUTSIDE:
            return ReadError(f"{_OUTSIDE[token.text]} is outside what can be decided", token.start)
        return ReadError(f"{_shown(token)} not understood, expected {expected}", token.start)

    def end(self) -> None:
        if not self.done:
            raise self.refuse("an operator or the end of the formula")

    def group(self) -> list[Token]:
        """Take a braced group, or one token as TeX does, and return its content."""
        if not self.sees("{"):
            if self.done:
                raise self.refuse("an argument")
            token = self.take()
            if token.kind != "number" or len(token.text) == 1:
                return [token]
            if not token.text[0].isdigit():
                raise ReadError("put this number in braces", token.start)
            # Without braces TeX takes one digit.
            self.i -= 1
            self.tokens[self.i] = replace(token, text=token.text[1:], start=token.start + 1)
            return [replace(token, text=token.text[0])]
        return self.inside(self.take())

    def inside(self, opener: Token) -> list[Token]:
        """Return the tokens up to the bracket that closes `opener`, which was just taken."""
        closers = [_OPENERS[opener.text]]
        escaped = [opener.kind == "command"]
        first = self.i
        while not self.done:
            token = self.take()
            if token.kind not in ("sign", "command"):
                continue
            plain = token.kind == "sign"
            if token.text in _OPENERS and (plain or token.text == "{"):
                closers.append(_OPENERS[token.text])
                escaped.append(not plain)
            elif token.text in (")", "]", "}") and (plain or token.text == "}"):
                if token.text != closers.pop() or plain == escaped.pop():
                    raise ReadError(f"{_shown(token)} closes another bracket", token.start)
                if not closers:
                    return list(self.tokens[first : self.i - 1])
        raise ReadError(f"{_shown(opener)} does not close", opener.start)

    def nested(self, tokens: Sequence[Token]) -> "_Parser":
        return _Parser(tokens, self.scope, self.peek(-1).end)

    def whole(self, tokens: Sequence[Token]) -> Expr:
        """Return the tree of tokens of which nothing may be left over."""
        self.scope.depth += 1
        if self.scope.depth > NESTING:
            raise ReadError(f"more than {NESTING} brackets within each other", self.peek(-1).start)
        parser = self.nested(tokens)
        tree = parser.expression()
        parser.end()
        self.scope.depth -= 1
        return tree

    # The three levels

    def expression(self) -> Expr:
        terms = [self.signed()]
        while self.sees("+", "-", "−") or self.signed_brace():
            sign = self.take().text if self.sees("+", "-", "−") else "+"
            term = self.signed()
            terms.append(term if sign == "+" else negative(term))
        return terms[0] if len(terms) == 1 else Add(tuple(terms))

    def signed_brace(self) -> bool:
        r"""Tell whether a brace comes that holds a sign and a term, as in `A \overbrace{- B}`."""
        return (
            self.commands(*_BRACES)
            and self.sees("{", ahead=1)
            and self.sees("+", "-", "−", ahead=2)
        )

    def signed(self) -> Expr:
        minuses = 0
        while self.sees("+", "-", "−"):
            minuses += self.take().text != "+"
        product = self.product()
        return negative(product) if minuses % 2 else product

    def product(self) -> Expr:
        factors = [self.factor()]
        slashes = 0
        while True:
            if self.commands("cdot", "times", "ast") or self.sees("*", "·"):
                self.take()
                factors.append(self.factor())
            elif self.sees("/"):
                slashes += 1
                if slashes > NESTING:
                    raise ReadError(f"more than {NESTING} slashes", self.peek().start)
                self.take()
                factors[-1:] = [self.quotient(factors[-1])]
            elif self.starts_factor() and not self.signed_brace():
                factors.append(self.factor())
            else:
                return factors[0] if len(factors) == 1 else _product(factors)

    def quotient(self, over: Expr) -> Expr:
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
        return self.sees(*_OPENERS) or self.commands("{")

    def starts_factor(self) -> bool:
        token = self.peek()
        if token.kind in ("letter", "number", "font"):
            return True
        if token.kind == "sign":
            return token.text in _OPENERS
        if token.kind == "command":
            known = token.text in GREEK or token.text in _ACCENTS or token.text in _PRIMARIES
            return known or token.text == "{" or token.text in _OUTSIDE
        return False

    def factor(self) -> Expr:
        self.scope.depth += 1
        if self.scope.depth > NESTING:
            raise ReadError(f"more than {NESTING} operators within each other", self.peek().start)
        base = self.primary()
        if self.sees("^"):
            base = self.raised(base)
        self.scope.depth -= 1
        return base

    def raised(self, base: Expr) -> Expr:
        caret = self.take()
        exponent = self.whole(self.group())
        number = _number(exponent)
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

    def primary(self) -> Expr:  # noqa: C901  one case a kind of token
        token = self.peek()
        if token.kind == "number":
            return self.number()
        if token.kind == "sign" and token.text in _OPENERS:
            return self.bracket()
        if token.kind == "sign" and token.text == "|":
            return self.cardinality()
        if token.kind == "command":
            if token.text == "{":
                return self.bracket()
            if token.text in _PRIMARIES:
                return _PRIMARIES[token.text](self)
        if token.kind == "font":
            if (token.font, token.text) in _INDICATORS:
                return self.indicator()
            if (token.font, token.text) in _EXPECTATIONS:
                return self.expectation()
            if token.text in _WORDS:
                return _WORDS[token.text](self)
        if token.kind == "letter" and token.text == "e" and self.sees("^", ahead=1):
            self.i += 2
            return Exp(self.whole(self.group()))
        if token.kind == "letter" and token.text == "e" and not self.sees("_", "'", "(", ahead=1):
            self.take()
            return Exp(ONE)
        if token.kind == "letter" and token.text == "E" and self.sees("_", ahead=1):
            return self.expectation()
        if self.starts_name():
            return self.symbol()
        raise self.refuse("a number, a symbol or a bracket")

    def number(self) -> Expr:
        token = self.peek()
        if token.text == "1" and self.sees("{", kind="command", ahead=1):
            return self.indicator()
        if len(token.text) > DIGITS:
            raise ReadError(f"a number of more than {DIGITS} digits", token.start)
        return Num(Fraction(self.take().text))

    def bracket(self) -> Expr:
        opener = self.take()
        content = self.inside(opener)
        if opener.text == "[":
            indicator = self.relation_of_actions(content)
            if indicator is not None:
                return indicator
        return self.whole(content)

    def cardinality(self) -> Expr:
        bar = self.take()
        if self.sees("A", kind="font") and self.sees("|", ahead=1):
            self.i += 2
            return Size()
        raise ReadError("'|' not understood, expected |\\mathcal{A}|", bar.start)

    def fraction(self) -> Expr:
        command = self.take()
        over, under = self.group(), self.group()
        if over and under and _is_differential(over[0]) and _is_differential(under[0]):
            return self.derivative(over, under)
        if not over or not under:
            raise ReadError(f"\\{command.text} with an empty part", command.start)
        return Div(self.whole(over), self.whole(under))

    def derivative(self, over: Sequence[Token], under: Sequence[Token]) -> Expr:
        """Return d over / d under; with nothing in `over` the derivative takes what follows."""
        head = self.nested(over)
        head.take()
        order = head.order()
        variables = []
        below = self.nested(under)
        while not below.done:
            if not _is_differential(below.peek()):
                raise below.refuse("∂ and a variable")
            below.take()
            variables += below.variable_and_order()
        if len(variables) != order:
            raise ReadError(
                f"a derivative of order {order} by {len(variables)} variables", over[0].start
            )
        if head.done:
            bracketed = self.starts_bracket() or self.commands("sum")
            body = self.operand(variables)
            if self.starts_factor() and not bracketed:
                raise ReadError(_REACH.format("this derivative"), self.peek().start)
        else:
            body = self.whole(head.tokens[head.i :])
        return _derivative(body, variables)

    def order(self) -> int:
        if not self.sees("^"):
            return 1
        self.take()
        number = _number(self.whole(self.group()))
        if number is None or number.denominator != 1 or not 1 <= number <= _HIGHEST_ORDER:
            raise ReadError("an order of differentiation that is not 1 to 4", self.peek(-1).start)
        return int(number)

    def variable(self) -> Sym:
        """Take the variable that a derivative goes by."""
        start = self.peek().start
        variable, *more = self.variable_and_order()
        if more:
            raise ReadError("a derivative by a power", start)
        return variable

    def variable_and_order(self) -> list[Sym]:
        """Take a variable, as often as its order says."""
        start = self.peek().start
        symbol = self.symbol() if self.starts_name() else None
        order = self.order()
        if isinstance(symbol, Pow) and symbol.exponent <= _HIGHEST_ORDER:
            order, symbol = symbol.exponent, symbol.base
        if not isinstance(symbol, Sym) or symbol.name in ("", "n"):
            raise ReadError("a derivative by something that is not a variable", start)
        letter = symbol.name.partition("_")[2]
        if not symbol.args and len(letter) == 1 and letter.isalpha():
            raise ReadError(
                f"{letter!r} is no name of an action here, take one of a, b, c, i, j, k, l", start
            )
        if symbol.name in TABLES and not symbol.args:
            raise ReadError(
                f"a derivative by the whole of {symbol.name} is a vector, name one entry", start
            )
        return [symbol] * order

    def partial(self) -> Expr:
        r"""Read `\partial_{x} X`, `\nabla_{x} X` or `\partial X / \partial x`."""
        command = self.take()
        if self.sees("_"):
            self.take()
            content = self.group()
            index = parse_index(content, self.scope)
            if index is not None and command.text == "nabla":
                raise ReadError(
                    rf"a gradient by an action, write \nabla_{{\theta_{index}}}", command.start
                )
            if index is not None:
                variable = Sym("θ", (index,))
            else:
                inner = self.nested(content)
                variable = inner.variable()
                inner.end()
            order = self.order()
            return _derivative(self.operand([variable]), [variable] * order)
        if command.text == "nabla":
            raise ReadError(
                "a gradient by the whole of θ is a vector, name one entry", command.start
            )
        body = self.factor()
        if not (self.sees("/") and _is_differential(self.peek(1))):
            raise self.refuse("/ ∂ and a variable")
        self.i += 2
        return Diff(body, self.variable())

    def operand(self, variables: Sequence[Sym]) -> Expr:
        """Take what a derivative applies to: a whole sum, else one factor."""
        start = self.peek().start
        body = self.factor()
        constant = isinstance(body, Num | Size) or (
            isinstance(body, Sym) and body.name in CONSTANTS - {v.name for v in variables}
        )
        if constant and self.starts_factor():
            raise ReadError(_REACH.format("this derivative"), start)
        return body

    def sum(self) -> Expr:
        command = self.take()
        below: list[Token] = []
        above: list[Token] = []
        while self.sees("_", "^"):
            place = below if self.take().text == "_" else above
            if place:
                raise ReadError("a sum with two ranges", command.start)
            place += self.group()
        binders = self.binders(below, above, command)
        self.scope.bound += [name for name, _ in binders]
        tree = self.product()
        del self.scope.bound[len(self.scope.bound) - len(binders) :]
        for name, skip in reversed(binders):
            tree = Sum(name, tree, skip)
        return tree

    def binders(
        self, below: Sequence[Token], above: Sequence[Token], of: Token
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Return the actions that a sum runs over, and those that each of them leaves out."""
        parser = self.nested(below)
        names = [parser.binder()]
        while parser.sees(","):
            parser.take()
            names.append(parser.binder())
        if len(set(names)) < len(names):
            # `a' \in A, a' \neq a` names its action twice.
            if len(names) != 2 or parser.done:
                raise ReadError("a sum that binds an action twice", of.start)
            names.pop()
        skip = parser.range(names[-1], above)
        parser.end()
        if skip and len(names) > 1:
            raise ReadError("a double sum with an action left out, write two sums", of.start)
        return [(name, tuple(skip)) for name in names]

    def range(self, name: str, above: Sequence[Token]) -> list[str]:
        """Take the rest of what stands below a sum, and return the actions that it leaves out."""
        if self.sees("="):
            self.take()
            if not (self.sees("1", kind="number") and above):
                raise self.refuse("1, and n above the sum")
            self.take()
            self.upper(above)
            return []
        if above:
            raise ReadError("a sum with an end and no start", above[0].start)
        skip: list[str] = []
        if self.commands("in"):
            self.take()
            self.action_set()
            skip += self.left_out()
        if self.sees(":", ",", "|") or self.commands("colon", "mid"):
            self.take()
            if self.binder() != name:
                raise self.refuse("a condition on the action of the sum")
        if self.commands("neq", "ne"):
            self.take()
            skip += self.differing(name)
        elif self.commands("notin"):
            self.take()
            skip += self.action_list()
        return skip

    def differing(self, name: str) -> list[str]:
        r"""Take `b, c` or `b, a \neq c`, for the action `a` of a sum."""
        skip = [self.binder()]
        while self.sees(","):
            self.take()
            other = self.binder()
            if self.commands("neq", "ne"):
                if other != name:
                    raise self.refuse("a condition on the action of the sum")
                self.take()
                other = self.binder()
            skip.append(other)
        return skip

    def binder(self) -> str:
        index = self.index(any_letter=True)
        if index is None:
            raise self.refuse("an action")
        return index

    def action_set(self) -> None:
        token = self.take()
        if token.text != "A" or token.kind not in ("font", "letter"):
            raise ReadError(f"a sum over {_shown(token)}, expected \\mathcal{{A}}", token.start)
        if self.sees("("):
            self.inside(self.take())

    def left_out(self) -> list[str]:
        r"""Take `\setminus \{a\}`."""
        if not self.commands("setminus", "backslash"):
            return []
        self.take()
        return self.action_list()

    def action_list(self) -> list[str]:
        r"""Take `\{a, b\}`."""
        content = self.nested(self.inside(self.take()) if self.commands("{") else self.group())
        names = [content.binder()]
        while content.sees(","):
            content.take()
            names.append(content.binder())
        content.end()
        return names

    def upper(self, above: Sequence[Token]) -> None:
        text = "".join(token.text for token in above)
        if text not in {*_SIZES, "A", "|A|"}:
            raise ReadError(f"a sum up to {text!r}, expected n", above[0].start)
        if text in _SIZES:
            self.scope.sizes.add(text)

    def expectation(self) -> Expr:
        start = self.take().start
        binders = self.drawn(start)
        if not (self.sees("[", "(", "{") or self.commands("{")):
            raise self.refuse("brackets around what is averaged")
        opener = self.take()
        content = self.inside(opener)
        return Expect(*binders, self.averaged(binders[0], content))

    def averaged(self, index: str, content: Sequence[Token]) -> Expr:
        """Return what stands in the brackets of a mean over an action."""
        self.scope.bound.append(index)
        tree = self.whole(content)
        self.scope.bound.pop()
        return tree

    def drawn(self, start: int) -> tuple[str, str]:
        r"""Take `_{a \sim \pi(\cdot|s)}`."""
        if not self.sees("_"):
            raise ReadError("an expectation must name its action, as in E_{a ~ pi}", start)
        self.take()
        content = self.nested(self.group())
        index = content.index(any_letter=True)
        if index is None or not (content.commands("sim") or content.sees("~")):
            raise ReadError("an expectation must name its action, as in E_{a ~ pi}", start)
        content.take()
        where = content.peek()
        under = content.symbol() if content.starts_name() else None
        if not isinstance(under, Sym) or under.args:
            raise ReadError("an expectation under something that is no distribution", where.start)
        content.end()
        return index, under.name

    def covariance(self) -> Expr:
        r"""Read `\mathrm{Cov}_{a \sim \pi}(X, Y)` and `\mathrm{Var}_{a \sim \pi}[X]`."""
        command = self.take()
        binders = self.drawn(command.start)
        if not self.sees("(", "["):
            raise self.refuse("brackets")
        parts = _split(self.inside(self.take()), {","})
        if len(parts) != (2 if command.text == "Cov" else 1):
            raise ReadError(f"\\{command.text} of {len(parts)} quantities", command.start)
        x, y = (self.averaged(binders[0], part) for part in (parts[0], parts[-1]))
        both = Expect(*binders, Mul((x, y)))
        return minus(both, Mul((Expect(*binders, x), Expect(*binders, y))))

    def indicator(self) -> Expr:
        token = self.take()
        if self.sees("_"):
            self.take()
            content = self.group()
            if content and content[0].text == "{" and content[0].kind == "command":
                content = content[1:-1]
        elif self.sees("{", "[", "(") or self.commands("{"):
            content = self.inside(self.take())
        else:
            raise ReadError("an indicator without its condition", token.start)
        found = self.relation_of_actions(content)
        if found is None:
            raise ReadError(
                "an indicator whose condition is not an equality of actions", token.start
            )
        return found

    def relation_of_actions(self, content: Sequence[Token]) -> Expr | None:
        """Return the indicator of `i = j` or of `i != j`, or None if it is neither."""
        parser = self.nested(content)
        left = parser.index()
        equal = parser.sees("=")
        if left is None or not (equal or parser.commands("neq", "ne")):
            return None
        parser.take()
        right = parser.index()
        if right is None or not parser.done:
            return None
        return Delta(left, right) if equal else minus(ONE, Delta(left, right))

    def delta(self) -> Expr:
        start = self.take().start
        content: list[Token] = []
        if self.sees("_"):
            self.take()
            content = self.group()
        elif self.sees("("):
            content = self.inside(self.take())
        if len(content) == 1 and content[0].kind == "number" and len(content[0].text) == 2:
            content = [replace(content[0], text=digit) for digit in content[0].text]
        parser = self.nested(content)
        left = parser.index()
        if parser.sees(",") or parser.commands("mid"):
            parser.take()
        right = parser.index()
        if left is None or right is None or not parser.done:
            raise ReadError("a delta without its two actions", start)
        return Delta(left, right)

    def logarithm(self) -> Expr:
        self.take()
        if self.sees("^", "_"):
            raise self.refuse("what the logarithm is of")
        return Log(self.factor_of_function())

    def exponential(self) -> Expr:
        self.take()
        if not (self.sees("(", "[", "{") or self.commands("{")):
            return Exp(self.factor_of_function())
        return Exp(self.bracket())

    def factor_of_function(self) -> Expr:
        if isinstance(body := self.factor(), Num) and self.starts_factor():
            raise ReadError(_REACH.format("this function"), self.peek().start)
        return body

    def softmax(self) -> Expr:
        r"""Read `\mathrm{softmax}(x)_a`, where x may be a whole table."""
        start = self.take().start
        index = self.subscript_action()
        if not self.sees("(", "["):
            raise self.refuse("what the softmax is of")
        content = self.inside(self.take())
        if index is None:
            index = self.subscript_action()
        if index is None and self.sees("("):
            index = parse_index(self.inside(self.take()), self.scope)
        if index is None:
            raise ReadError("a softmax without its action is a vector, name one entry", start)
        table = self.whole(content)
        used = {index, *self.scope.bound, *free_indices(table)}
        other = next(
            name for name in (f"b{chr(39) * k}" for k in range(NESTING)) if name not in used
        )
        return Div(Exp(_entry(table, index)), Sum(other, Exp(_entry(table, other))))

    def subscript_action(self) -> str | None:
        if not self.sees("_"):
            return None
        self.take()
        parts = [parse_index(part, self.scope) for part in _split(self.group(), {","})]
        return parts[-1]

    def brace(self) -> Expr:
        command = self.take()
        marked = self.group()
        body = self.whole(marked)
        if self.sees(_BRACES[command.text]):
            self.take()
            bound = frozenset(self.scope.bound)
            self.scope.braces.append(Brace(body, marked, self.group(), bound))
        return body

    def boxed(self) -> Expr:
        self.take()
        return self.whole(self.group())

    # Names

    def starts_name(self) -> bool:
        token = self.peek()
        if token.kind in ("letter", "font"):
            return True
        return token.kind == "command" and (token.text in GREEK or token.text in _ACCENTS)

    def symbol(self) -> Expr:
        """Take a name with its decorations and arguments."""
        start = self.peek()
        name = self.base()
        args: list[str] = []
        literal: list[str] = []
        decorations: list[str] = []
        marks, power = self.attached(args, literal, decorations)
        name += marks
        applied = self.application(name)
        if applied is not None:
            labels, more = applied
            args += more
            name += labels
            decorations += literal
        else:
            if name in _FUNCTIONS and self.sees("("):
                raise ReadError(
                    rf"{name} before a bracket may be a function or a factor, put \cdot between",
                    start.start,
                )
            args += literal
        name = self.decorated(name, decorations)
        if name in _SIZES and not args and (name == "n" or name in self.scope.sizes):
            self.scope.sizes.add(name)
            return Size()
        if name in self.scope.bound and not args:
            raise ReadError(f"the action {name!r} stands where a number is expected", start.start)
        tree: Expr = Sym(name, tuple(args))
        return tree if power is None else Pow(tree, power)

    def attached(
        self, args: list[str], literal: list[str], decorations: list[str]
    ) -> tuple[str, int | None]:
        """Take what stands below and above a name; return its marks and its power, if any."""
        marks = ""
        power = None
        while True:
            before = self.i
            if self.sees("_"):
                self.take()
                self.subscript(args, literal, decorations)
            elif self.sees("'"):
                self.take()
                marks += "'"
            elif self.sees("^") and power is None:
                self.take()
                star, power = self.superscript(decorations)
                marks += star
            if self.i == before:
                return marks, power

    def decorated(self, name: str, decorations: Sequence[str]) -> str:
        """Return a name with the decorations that tell it apart, and note those that do not."""
        marks = sorted({mark for mark in decorations if mark})
        kept = [mark for mark in marks if mark not in _PARAMETERS]
        if kept:
            name += "_" + ",".join(kept)
        if len(kept) < len(marks):
            left_out = ",".join(mark for mark in marks if mark in _PARAMETERS)
            self.scope.marks.setdefault(name, set()).add(left_out)
        return name

    def base(self) -> str:
        token = self.take()
        if token.kind == "command" and token.text in _ACCENTS:
            inner = self.nested(self.group())
            name = inner.base()
            inner.end()
            return name + _ACCENTS[token.text]
        if token.kind == "command" and token.text in GREEK:
            return GREEK[token.text]
        if token.kind == "font" and token.font in ("mathcal", "mathscr", "cal"):
            return {"L": "ℒ", "H": "ℋ"}.get(token.text, f"cal{token.text}")
        if token.kind in ("letter", "font"):
            return token.text
        self.i -= 1
        raise self.refuse("a symbol")

    def subscript(self, args: list[str], literal: list[str], decorations: list[str]) -> None:
        """Sort what stands below a name into actions, numbers and decorations."""
        parser = self.nested(self.group())
        if parser.done:
            raise parser.refuse("a subscript")
        while not parser.done:
            token = parser.peek()
            index = parser.index()
            if index is not None:
                (literal if token.kind == "number" else args).append(index)
            elif token.kind == "text":
                decorations.append(token.text.strip())
                parser.take()
            elif parser.starts_name():
                decorations.append(parser.decoration())
            else:
                raise parser.refuse("an action or a word")
            if parser.sees(",", ";"):
                parser.take()

    def decoration(self) -> str:
        name = self.base()
        while self.sees("'") or self.commands("prime"):
            self.take()
            name += "'"
        if self.sees("_") and name == "s":
            self.take()
            name += "_" + "".join(token.text for token in self.group())
        if name in _STATES:
            self.scope.marks.setdefault("the state", set()).add(name)
            return ""
        return name

    def superscript(self, decorations: list[str]) -> tuple[str, int | None]:
        """Take what stands above a name: a mark of it, or a power; else leave it alone."""
        before = self.i
        content = self.group()
        text = "".join(token.text for token in content)
        if text in ("*", "star", "ast"):
            return "*", None
        if set(text) == {"'"} or text == "prime":
            return "'" if text == "prime" else text, None
        kinds = {token.kind for token in content}
        if kinds == {"text"} or (kinds == {"font"} and len(content) == 1):
            decorations.append(text.strip())
            return "", None
        names = self.nested(content)
        if names.starts_name() and not (set(text) & set("0123456789")):
            name = names.decoration()
            if names.sees("_"):
                names.take()
                names.group()
            if names.done and name in _PARAMETERS:
                return "", None
        if text.isdigit() and len(text) < 3:
            return "", int(text)
        # A power that is not a small number is read where it is raised, or refused there.
        self.i = before - 1
        return "", None

    def application(self, name: str) -> tuple[str, list[str]] | None:
        """Take `(args)` if every argument is an action or context; None leaves it a product."""
        if not self.sees("("):
            return None
        before = self.i
        opener = self.take()
        try:
            content = self.inside(opener)
        except ReadError:
            self.i = before
            return None
        parts = _split(content, {",", "|", ";", "mid", "Vert", "parallel", "vert"})
        args: list[str] = []
        labels: list[str] = []
        for part in parts:
            index = parse_index(part, self.scope)
            if index is not None and part[0].kind != "number":
                args.append(index)
                continue
            label = self.context(part)
            if label is None:
                if len(parts) > 1:
                    raise ReadError(
                        f"an argument of {name} that is neither an action nor the state",
                        (part or content or [opener])[0].start,
                    )
                self.i = before
                return None
            if label:
                labels.append(label)
        return (f"({'‖'.join(labels)})" if labels else ""), args

    def context(self, part: Sequence[Token]) -> str | None:
        """Return what a word of context adds to a name, or None if it is no context."""
        if not part:
            return ""
        if len(part) == 1 and part[0].text in ("cdot", "·"):
            return ""
        parser = self.nested(part)
        if not parser.starts_name():
            return None
        try:
            symbol = parser.symbol()
        except ReadError:
            return None
        if not parser.done or not isinstance(symbol, Sym) or symbol.args:
            return None
        if symbol.name in _STATES:
            self.scope.marks.setdefault("the state", set()).add(symbol.name)
            return ""
        if symbol.name in ("θ", "π"):
            return ""
        if symbol.name in CONSTANTS and len(part) == 1:
            return None
        known = symbol.name.rstrip("'*") in {*_STATES, *_PARAMETERS, "p", "q", "y", "z", "x"}
        return symbol.name if known or "_" in symbol.name or symbol.name.endswith("*") else None

    def index(self, *, any_letter: bool = False) -> str | None:
        """Take the name of an action, or nothing."""
        token = self.peek()
        before = self.i
        if token.kind == "number" and token.text.isdigit() and token.text[0] != "0":
            self.take()
            return token.text
        accent = ""
        if token.kind == "command" and token.text in _ACCENTS:
            self.take()
            accent = _ACCENTS[token.text]
            content = self.group()
            if len(content) != 1:
                self.i = before
                return None
            token = content[0]
        elif token.kind == "letter":
            self.take()
        else:
            return None
        name = token.text + accent
        while self.sees("'") or (self.sees("^") and self.primed()):
            self.take()
            name += "'"
        if self.sees("_") and (
            self.peek(1).kind == "number" or self.sees("t", kind="letter", ahead=1)
        ):
            self.i += 1
            name += "_" + self.take().text
        base = token.text
        allowed = base in _INDEX_LETTERS or name in self.scope.bound
        if token.kind != "letter" or not (allowed or (any_letter and base not in _STATES)):
            self.i = before
            return None
        return name

    def primed(self) -> bool:
        r"""Tell whether `^\prime` or `^{\prime}` comes, and stand before its last token."""
        if self.sees("prime", kind="command", ahead=1):
            self.i += 1
            return True
        if self.sees("{", ahead=1) and self.sees("prime", kind="command", ahead=2):
            self.i += 3
            return True
        return False


def _shown(token: Token) -> str:
    text = f"\\{token.text}" if token.kind == "command" else token.text
    return repr(text).replace("\\\\", "\\")


def _split(tokens: Sequence[Token], separators: set[str]) -> list[list[Token]]:
    """Split at separators outside of brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind in ("sign", "command"):
            depth += (token.text in _OPENERS) - (token.text in (")", "]", "}"))
            double_bar = token.kind == "command" and token.text == "|"
            if depth == 0 and (token.text in separators or double_bar):
                if parts[-1] or token.text != "|":
                    parts.append([])
                continue
        parts[-1].append(token)
    return parts


def _is_differential(token: Token) -> bool:
    if token.kind == "command":
        return token.text in ("partial", "nabla")
    return token.text == "d" and token.kind in ("letter", "font")


def _derivative(body: Expr, variables: Sequence[Sym]) -> Expr:
    for variable in reversed(variables):
        body = Diff(body, variable)
    return body


def _product(factors: Sequence[Expr]) -> Expr:
    flat: list[Expr] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Mul) else [factor]
    return Mul(tuple(flat))


def _number(x: Expr) -> Fraction | None:
    """Return the number that a tree of numbers is."""
    match x:
        case Num(value):
            return value
        case Mul(factors):
            result = Fraction(1)
            for factor in factors:
                number = _number(factor)
                if number is None:
                    return None
                result *= number
            return result
        case Div(over, under):
            above, below = _number(over), _number(under)
            return None if above is None or not below else above / below
    return None


def _entry(x: Expr, index: str) -> Expr:
    """Return one entry of a formula of whole tables."""
    match x:
        case Sym(name, ()) if name in TABLES or name not in CONSTANTS:
            return Sym(name, (index,))
        case Add(terms):
            return Add(tuple(_entry(term, index) for term in terms))
        case Mul(factors):
            return Mul(tuple(_entry(factor, index) for factor in factors))
        case Div(over, under):
            return Div(_entry(over, index), _entry(under, index))
        case Log(of):
            return Log(_entry(of, index))
    return x


_PRIMARIES: dict[str, Callable[[_Parser], Expr]] = {
    "frac": _Parser.fraction,
    "tfrac": _Parser.fraction,
    "dfrac": _Parser.fraction,
    "sum": _Parser.sum,
    "log": _Parser.logarithm,
    "ln": _Parser.logarithm,
    "exp": _Parser.exponential,
    "partial": _Parser.partial,
    "nabla": _Parser.partial,
    "delta": _Parser.delta,
    "underbrace": _Parser.brace,
    "overbrace": _Parser.brace,
    "boxed": _Parser.boxed,
}
"""Commands that start a factor."""

_WORDS: dict[str, Callable[[_Parser], Expr]] = {
    "softmax": _Parser.softmax,
    "log": _Parser.logarithm,
    "ln": _Parser.logarithm,
    "exp": _Parser.exponential,
    "Cov": _Parser.covariance,
    "Var": _Parser.covariance,
}
"""The same for names that are set in a font."""
