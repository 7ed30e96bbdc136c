"""Names with all that hangs on them: actions, accents, primes, powers, arguments."""

from collections.abc import Sequence

from softcheck.derive.expr import Expr, Pow, Size, Sym
from softcheck.derive.reading.notation.cursor import Cursor, Found, Scope, spelled, split
from softcheck.derive.reading.notation.vocabulary import (
    ACCENTS,
    CONSTANTS,
    FIXED,
    FUNCTIONS,
    GREEK,
    INDEX_LETTERS,
    PARAMETERS,
    SIZE_LETTERS,
    STATES,
    THE_STATE,
)
from softcheck.derive.reading.tokens import ReadError, Token

STARS = ("*", "star", "ast")


def parse_index(tokens: Sequence[Token], scope: Scope) -> str | None:
    """Return the action that the tokens name, or None if they name none."""
    names = Names(tokens, scope, Found(), 0)
    index = names.index()
    return index if index is not None and names.done else None


class Names(Cursor):
    """A cursor that reads quantities and actions."""

    # Quantities

    def starts_name(self) -> bool:
        """Tell whether a name comes."""
        token = self.peek()
        if token.kind in ("letter", "font"):
            return True
        return token.kind == "command" and (token.text in GREEK or token.text in ACCENTS)

    def symbol(self) -> Expr:
        """Take a name with its decorations and arguments."""
        start = self.peek()
        name = self._base()
        args: list[str] = []
        literal: list[str] = []
        decorations: list[str] = []
        marks, power = self._attached(args, literal, decorations)
        name += marks
        applied = self._application(name)
        if applied is not None:
            labels, more = applied
            args += more
            name += labels
            decorations += literal
            if labels and not args and self.sees("_"):
                # The entry of a function's value, `f(z)_i`.
                self.take()
                self._subscript(args, args, decorations)
        else:
            if name in FUNCTIONS and self.sees("("):
                raise ReadError(
                    rf"{name} before a bracket may be a function or a factor, put \cdot between",
                    start.start,
                )
            args += literal
        name = self._decorated(name, decorations)
        if name in SIZE_LETTERS and not args and (name == "n" or name in self.found.sizes):
            self.found.sizes.add(name)
            return Size()
        if name in self.scope.bound and not args:
            raise ReadError(f"the action {name!r} stands where a number is expected", start.start)
        tree: Expr = Sym(name, tuple(args))
        return tree if power is None else Pow(tree, power)

    def _attached(
        self, args: list[str], literal: list[str], decorations: list[str]
    ) -> tuple[str, int | None]:
        """Take what stands below and above a name; return its marks and its power, if any."""
        marks = ""
        power = None
        while True:
            before = self.i
            if self.sees("_"):
                self.take()
                self._subscript(args, literal, decorations)
            elif self.sees("'"):
                self.take()
                marks += "'"
            elif self.sees("^") and power is None:
                self.take()
                star, power = self._superscript(decorations)
                marks += star
            if self.i == before:
                return marks, power

    def _decorated(self, name: str, decorations: Sequence[str]) -> str:
        """Return a name with the decorations that tell it apart, and note those that do not."""
        marks = sorted({mark for mark in decorations if mark})
        kept = [mark for mark in marks if mark not in PARAMETERS]
        if kept:
            name += "_" + ",".join(kept)
        if len(kept) < len(marks):
            left_out = ",".join(mark for mark in marks if mark in PARAMETERS)
            self.found.marks[name].add(left_out)
        return name

    def _base(self) -> str:
        token = self.take()
        if token.kind == "command" and token.text in ACCENTS:
            inner = self.nested(self.group())
            name = inner._base()
            inner.end()
            return name + ACCENTS[token.text]
        if token.kind == "command" and token.text in GREEK:
            return GREEK[token.text]
        if token.kind == "font" and token.font in ("mathcal", "mathscr", "cal"):
            return {"L": "ℒ", "H": "ℋ"}.get(token.text, f"cal{token.text}")
        if token.kind in ("letter", "font"):
            return token.text
        self.i -= 1
        raise self.refuse("a symbol")

    def _subscript(self, args: list[str], literal: list[str], decorations: list[str]) -> None:
        """Sort what stands below a name into actions, numbers and decorations."""
        content = self.group()
        if spelled(content) in FIXED:
            decorations.append(spelled(content))
            return
        parser = self.nested(content)
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
                decorations.append(parser._decoration())
            elif parser.commands("cdot"):
                parser.take()
            else:
                raise parser.refuse("an action or a word")
            if parser.sees(",", ";"):
                parser.take()

    def _decoration(self) -> str:
        name = self._base()
        while self.sees("'") or self.commands("prime"):
            self.take()
            name += "'"
        if name == "π" and self.sees("^") and spelled(self.tokens[self.i + 1 :]) in STARS:
            self.i = len(self.tokens)
            name += "*"
        if self.sees("_") and name == "s":
            self.take()
            name += "_" + spelled(self.group())
        if name in STATES:
            self.found.marks[THE_STATE].add(name)
            return ""
        if self.sees("_") and name in PARAMETERS:
            return self._of_parameters(name)
        return name

    def _of_parameters(self, name: str) -> str:
        r"""Take what tells parameters or policies apart: `\theta_{old}`, `\pi_\theta`."""
        self.take()
        content = self.group()
        whose = spelled(content)
        if whose not in FIXED:
            inner = self.nested(content)
            if name != "π" or not inner.starts_name():
                raise inner.refuse("old or ref")
            whose = inner._decoration()
            inner.end()
        if whose in PARAMETERS:
            return name
        if whose in FIXED:
            return f"{name}_{whose}" if name == "π" else whose
        raise ReadError(f"it is not known what {name} with the mark {whose!r} is", content[0].start)

    def _superscript(self, decorations: list[str]) -> tuple[str, int | None]:
        """Take what stands above a name: a mark of it, or a power; else leave it alone."""
        before = self.i
        content = self.group()
        text = spelled(content)
        if text in STARS:
            return "*", None
        if set(text) == {"'"} or text == "prime":
            return "'" if text == "prime" else text, None
        kinds = {token.kind for token in content}
        if kinds == {"text"} or (kinds == {"font"} and len(content) == 1):
            decorations.append(text.strip())
            return "", None
        names = self.nested(content)
        if names.starts_name() and not (set(text) & set("0123456789")):
            name = names._decoration()
            if names.done and name in PARAMETERS:
                if name != "π":
                    decorations.append(name)
                return "", None
            if names.done and name.startswith("π"):
                decorations.append(name)
                return "", None
        if text.isdigit() and len(text) < 3:
            return "", int(text)
        # A power that is not a small number is read where it is raised, or refused there.
        self.i = before - 1
        return "", None

    def _application(self, name: str) -> tuple[str, list[str]] | None:
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
        parts = split(content, {",", "|", ";", "mid", "Vert", "parallel", "vert"})
        args: list[str] = []
        labels: list[str] = []
        for part in parts:
            index = parse_index(part, self.scope)
            if index is not None and part[0].kind != "number":
                args.append(index)
                continue
            label = self._context(part)
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

    def _context(self, part: Sequence[Token]) -> str | None:
        """Return what a word of context adds to a name, or None if it is no context."""
        if not part:
            return ""
        if len(part) == 1 and part[0].text == "cdot":
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
        if symbol.name in STATES:
            self.found.marks[THE_STATE].add(symbol.name)
            return ""
        if symbol.name in ("θ", "π"):
            return ""
        if symbol.name in CONSTANTS and len(part) == 1:
            return None
        known = symbol.name.rstrip("'*") in {*STATES, *PARAMETERS, "p", "q", "y", "z", "x"}
        return symbol.name if known or "_" in symbol.name or symbol.name.endswith("*") else None

    # Actions

    def index(self, *, any_letter: bool = False) -> str | None:
        """Take the name of an action, or nothing."""
        token = self.peek()
        before = self.i
        if token.kind == "number" and token.text.isdigit() and token.text[0] != "0":
            self.take()
            return token.text
        accent = ""
        if token.kind == "command" and token.text in ACCENTS:
            self.take()
            accent = ACCENTS[token.text]
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
        while self.sees("'") or (self.sees("^") and self._primed()):
            self.take()
            name += "'"
        if self.sees("_") and (
            self.peek(1).kind == "number" or self.sees("t", kind="letter", ahead=1)
        ):
            self.i += 1
            name += "_" + self.take().text
        base = token.text
        letters = (INDEX_LETTERS | self.scope.letters) - self.scope.quantities
        allowed = base in letters or name in self.scope.bound
        if token.kind != "letter" or not (allowed or (any_letter and base not in STATES)):
            self.i = before
            return None
        return name

    def _primed(self) -> bool:
        r"""Tell whether `^\prime` or `^{\prime}` comes, and stand before its last token."""
        if self.sees("prime", kind="command", ahead=1):
            self.i += 1
            return True
        if self.sees("{", ahead=1) and self.sees("prime", kind="command", ahead=2):
            self.i += 3
            return True
        return False
