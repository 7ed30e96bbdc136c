"""Names with all that hangs on them: actions, accents, primes, powers, arguments."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from softcheck.derive.expr import Expr, Pow, Size, Sym
from softcheck.derive.glyphs import ACCENTS, GREEK, bold, raised, script
from softcheck.derive.reading.notation.cursor import Cursor, Found, Scope, spelled, split
from softcheck.derive.reading.notation.vocabulary import (
    CONSTANTS,
    ENTROPIES,
    ENTRY,
    FIXED,
    INDEX_LETTERS,
    OUTSIDE,
    PARAMETERS,
    SIZE_LETTERS,
    STYLES,
    TABLES,
    THE_STATE,
)
from softcheck.derive.reading.tokens import FUNCTIONS, ReadError, Token

STARS = ("*", "star", "ast")


def parse_index(tokens: Sequence[Token], scope: Scope) -> str | None:
    """Return the action that the tokens name, or None if they name none."""
    names = Names(tokens, scope, Found(), 0)
    index = names.index()
    return index if index is not None and names.done else None


_BARS = {"|", "mid", "Vert", "parallel", "vert", "lvert", "rvert"}


@dataclass(frozen=True)
class _Mark:
    """A word that stands below or above a name."""

    word: str
    place: str


@dataclass
class _Below:
    """What hangs on a name: actions, actions given by their numbers, and words."""

    args: list[str] = field(default_factory=list)
    literal: list[str] = field(default_factory=list)
    words: list[_Mark] = field(default_factory=list)


@dataclass(frozen=True)
class _Argument:
    """What stands between two commas: an action, its number, the state, a name, or any."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class _Applied:
    """What stands in the brackets behind a name, in groups that bars separate."""

    groups: list[list[_Argument]]

    @property
    def actions(self) -> list[str]:
        """The actions among the arguments."""
        return [each.text for group in self.groups for each in group if each.kind in _ACTIONS]

    @property
    def labels(self) -> str:
        """The names among the arguments, with what stands between them."""
        groups = (
            ",".join(each.text for each in group if each.kind == "name") for group in self.groups
        )
        return "‖".join(filter(None, groups))

    @property
    def is_number(self) -> bool:
        """Whether there is only a number: `V(0)` is a value, not the entry of an action."""
        return [each.kind for group in self.groups for each in group] == ["number"]

    @property
    def fits_indexed(self) -> bool:
        """Whether it may stand behind a name that has its actions already."""
        known = {*PARAMETERS, "p", "q", "y", "z", "x"}
        names = [each for group in self.groups for each in group if each.kind == "name"]
        return all(
            each.text.rstrip("'*") in known or "_" in each.text or each.text.endswith("*")
            for each in names
        )


_ACTIONS = ("action", "number")


def _kinds(group: Sequence[_Argument]) -> set[str]:
    return {each.kind for each in group if each.kind != "any"}


def _barred(tokens: Sequence[Token]) -> list[Token]:
    """Return tokens in which the word "given" is the bar that it stands for."""
    given = [token.kind == "text" and token.text.strip() == "given" for token in tokens]
    return [
        replace(token, kind="sign", text="|") if word else token
        for token, word in zip(tokens, given, strict=True)
    ]


class Names(Cursor):
    """A cursor that reads quantities and actions."""

    # Quantities

    def starts_name(self) -> bool:
        """Tell whether a name comes."""
        token = self.peek()
        if token.kind in ("letter", "font"):
            return True
        named = token.text == "Pr" or token.text in GREEK or token.text in ACCENTS
        return token.kind == "command" and named

    def symbol(self, *, variable: bool = False) -> Expr:
        """Take a name with its decorations and arguments; of a variable no bracket follows."""
        start = self.peek()
        self._refuse_words()
        base, style = self._base()
        below = _Below()
        marks, power = self._attached(below)
        name = base + marks
        labels = ""
        if name in self.scope.numbered and not below.args:
            below.words += [_Mark(number, "below") for number in below.literal]
            below.literal.clear()
        applied = self._application(self._decorated(name, below.words), bool(below.args))
        if applied is None:
            if not variable:
                self._refuse_application(self._decorated(name, below.words), below, start)
            below.args += below.literal
        else:
            below.words += [_Mark(number, "below") for number in below.literal]
            below.args += applied.actions
            labels = applied.labels
        name = self._decorated(name, below.words)
        if applied is not None:
            name, labels = self._of(name, labels)
            self._entry_of_value(labels, below)
            self._note_pattern(name, applied)
        self._note(name, base, style, below)
        sizes = {"n"} | self.found.sizes | self.scope.sizes
        if name in SIZE_LETTERS & sizes and not below.args:
            self.found.sizes.add(name)
            return Size() if power is None else Pow(Size(), power)
        if name in self.scope.bound and not below.args:
            raise ReadError(f"the action {name!r} stands where a number is expected", start.start)
        tree: Expr = Sym(self._known(name, labels, len(below.args)), tuple(below.args))
        return tree if power is None else Pow(tree, power)

    def _refuse_words(self) -> None:
        """Refuse a word where a quantity is expected: it is a function, or no formula."""
        token = self.peek()
        if token.kind == "font" and token.text in OUTSIDE:
            raise self.refuse("a symbol")
        if token.kind == "font" and token.text in FUNCTIONS and self.sees("(", "[", ahead=1):
            raise ReadError(
                f"a value of {token.text} stands where a name was expected", token.start
            )
        run = [token]
        while run[-1].kind == "letter" and run[-1].text.isascii():
            if self.peek(len(run)).start != run[-1].end:
                break
            run.append(self.peek(len(run)))
        word = spelled([part for part in run if part.kind == "letter"])
        if len(word) > 2 and word.isascii():
            raise ReadError(
                rf"{word!r} in letters is a product or a word, write \mathrm{{{word}}}", token.start
            )

    def _refuse_application(self, name: str, below: "_Below", start: Token) -> None:
        """Refuse a name before a bracket that may be what a function is applied to."""
        if below.args or below.literal or not (self.sees("(", "[") or self.commands("{")):
            return
        if name in self.found.sizes or self.scope.arity(name) == 0:
            number = self.sees("(") and self.peek(1).kind == "number" and self.sees(")", ahead=2)
            if not number:
                return
        raise ReadError(
            rf"{name} before a bracket may be a function or a factor, put \cdot between",
            start.start,
        )

    def _attached(self, below: "_Below") -> tuple[str, int | None]:
        """Take what stands below and above a name; return its marks and its power, if any."""
        marks = ""
        power = None
        while True:
            before = self.i
            if self.sees("_"):
                self.take()
                self._subscript(below)
            elif self.sees("'"):
                self.take()
                marks += "'"
            elif self.sees("*") and self._is_star():
                self.take()
                marks += "*"
            elif self.sees("^") and power is None:
                self.take()
                mark, power = self._superscript(below.words)
                marks += mark
            if self.i == before:
                return marks, power

    def _is_star(self) -> bool:
        """Tell whether `*` is the mark of a name, as in the `π*(a)` of plain text: no product."""
        if self.peek(1).kind == "end":
            return True
        beside = self.peek(-1).end == self.peek().start and self.peek().end == self.peek(1).start
        before = self.i
        self.i += 1
        starred = beside and self._application("", indexed=False) is not None
        self.i = before
        return starred

    def _decorated(self, name: str, words: Sequence["_Mark"]) -> str:
        """Return a name with the words below and above it that tell it apart."""
        kept = sorted({mark.word for mark in words if mark.word and not self._dropped(name, mark)})
        return name + ("_" + ",".join(kept) if kept else "")

    def _dropped(self, name: str, mark: "_Mark") -> bool:
        """Tell whether a mark only says whose parameters or policy a quantity has."""
        fixed = name in TABLES | CONSTANTS and mark.word in ("θ", "ϑ")
        return mark.word in PARAMETERS and not fixed

    def _note(self, name: str, base: str, style: str, below: "_Below") -> None:
        """Note how a name was spelled: the font, and the marks that are left out or move."""
        if len(base) == 1:
            what = "an entry" if below.args else "the whole"
            self.found.spelling(name, f"font of {what}", style or "plain")
        dropped = {mark.word for mark in below.words if self._dropped(base, mark)}
        if dropped:
            self.found.spelling(name, "marks", ",".join(sorted(dropped)))
        for mark in below.words:
            if mark.word and mark.word not in dropped:
                self.found.spelling(name, f"place of {mark.word}", f"{mark.word} {mark.place} it")

    def _base(self) -> tuple[str, str]:
        """Take a letter with its accents, or a word; return it and the style of its font."""
        token = self.take()
        if token.kind == "command" and token.text in ACCENTS:
            inner = self.nested(self.group())
            name, style = inner._base()
            inner.end()
            return name + ACCENTS[token.text], style
        if token.kind == "command" and token.text in GREEK:
            return GREEK[token.text], ""
        if token.kind == "command" and token.text == "Pr":
            return "Pr", ""
        if token.kind == "font" and token.font in ("mathcal", "mathscr", "cal"):
            style = "script" if token.font == "mathscr" else ""
            return "".join(map(script, token.text)), style
        if token.kind in ("letter", "font"):
            return token.text, STYLES.get(token.font, "")
        self.i -= 1
        raise self.refuse("a symbol")

    def _subscript(self, below: "_Below") -> None:
        """Sort what stands below a name into actions, numbers and words."""
        content = self.group()
        if spelled(content) in FIXED:
            below.words.append(_Mark(spelled(content), "below"))
            return
        parser = self.nested(content)
        if parser.done:
            raise parser.refuse("a subscript")
        while not parser.done:
            token = parser.peek()
            index = parser.index()
            if index is not None:
                (below.literal if token.kind == "number" else below.args).append(index)
            elif token.kind == "text":
                below.words.append(_Mark(token.text.strip(), "below"))
                parser.take()
            elif parser.starts_name():
                below.words.append(_Mark(parser._decoration(), "below"))
            elif parser.commands("cdot"):
                parser.take()
            elif parser.commands(*STARS) or parser.sees(*STARS):
                parser.take()
                below.words.append(_Mark("*", "below"))
            else:
                raise parser.refuse("an action or a word")
            if parser.sees(",", ";"):
                parser.take()

    def _decoration(self) -> str:
        name, style = self._base()
        if style == "bold" and name.isascii() and len(name) == 1:
            name = bold(name)
        while self.sees("'") or self.commands("prime"):
            self.take()
            name += "'"
        if name == "π" and self.sees("^") and spelled(self.tokens[self.i + 1 :]) in STARS:
            self.i = len(self.tokens)
            name += "*"
        if self.sees("_") and name == "s":
            self.take()
            name += "_" + spelled(self.group())
        if self.scope.is_state(name):
            self.found.spelling(THE_STATE, "", name)
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

    def _superscript(  # noqa: C901  one case a mark
        self, words: list["_Mark"]
    ) -> tuple[str, int | None]:
        """Take what stands above a name: a mark of it, or a power; else leave it alone."""
        before = self.i
        content = self.group()
        text = spelled(content)
        if text in STARS:
            return "*", None
        if text in ("+", "-"):
            words.append(_Mark(text, "above"))
            return "", None
        if set(text) == {"'"} or text == "prime":
            return "'" if text == "prime" else text, None
        if text[:1] == "(" and text[-1:] == ")":
            # The number of a step, as in `V^{(2)}`, and no power.
            mark = raised(text)
            if mark is None:
                raise ReadError("a mark in brackets that is not understood", content[0].start)
            return mark, None
        if {token.kind for token in content} <= {"text", "font"} and len(content) == 1:
            if text == "T":
                raise ReadError("a transpose is outside what can be decided", content[0].start)
            words.append(_Mark(text, "above"))
            return "", None
        names = self.nested(content)
        if names.starts_name() and not (set(text) & set("0123456789")):
            name = names._decoration()
            if names.done and (name in PARAMETERS or name.startswith("π")):
                words.append(_Mark(name, "above"))
                return "", None
        if text.isdigit() and len(text) < 3:
            return "", int(text)
        # A power that is not a small number is read where it is raised, or refused there.
        self.i = before - 1
        return "", None

    # What a name is applied to

    def _application(self, name: str, indexed: bool) -> "_Applied | None":
        """Take `(args)` if every argument is an action or a name; None leaves it a product."""
        if not self.sees("("):
            return None
        before = self.i
        try:
            content = self.inside(self.take())
        except ReadError:
            self.i = before
            return None
        groups = [split(group, {",", ";"}) for group in split(_barred(content), _BARS)]
        found = [[self._argument(part) for part in group] for group in groups]
        several = sum(map(len, groups)) > 1
        if any(argument is None for group in found for argument in group):
            if several:
                raise ReadError(
                    "an argument that is neither an action nor a name", self.tokens[before].start
                )
            self.i = before
            return None
        applied = _Applied([[each for each in group if each is not None] for group in found])
        if not several and indexed and not applied.fits_indexed:
            self.i = before
            return None
        if not several and applied.is_number and not self.scope.arity(name):
            self.i = before
            return None
        return applied

    def _argument(self, part: Sequence[Token]) -> "_Argument | None":
        """Return what one argument is, or None if it is a formula."""
        if not part or (len(part) == 1 and part[0].text == "cdot"):
            return _Argument("any")
        index = parse_index(part, self.scope)
        if index is not None:
            return _Argument("number" if part[0].kind == "number" else "action", index)
        parser = self.nested(part)
        if not parser.starts_name():
            return None
        try:
            symbol = parser.symbol()
        except ReadError:
            return None
        if not parser.done or not isinstance(symbol, Sym) or symbol.args:
            return None
        if self.scope.is_state(symbol.name):
            self.found.spelling(THE_STATE, "", symbol.name)
            return _Argument("state")
        return _Argument("name", symbol.name)

    def _of(self, name: str, labels: str) -> tuple[str, str]:
        """Return a name and what it is of; the parameters and the policy are left out."""
        if labels not in ("θ", "π") or (labels == "π" and name in ENTROPIES):
            return name, labels
        if name in TABLES | CONSTANTS and labels == "θ":
            return f"{name}_θ", ""
        self.found.spelling(name, "argument", "θ")
        return name, ""

    def _entry_of_value(self, labels: str, below: "_Below") -> None:
        """Take the entry of a function's value, `f(z)_i` or `f(z)(i)`."""
        if not labels or below.args:
            return
        if self.sees("_"):
            self.take()
            below.literal = below.args
            self._subscript(below)
        elif self.sees("("):
            before = self.i
            more = self._application("", indexed=True)
            if more is None or more.labels:
                self.i = before
            else:
                below.args += more.actions

    def _note_pattern(self, name: str, applied: "_Applied") -> None:
        """Note what the bar separates, where more than one thing stands in the brackets."""
        first, *behind = applied.groups
        over_states = _kinds(first) == {"state"} and any("action" in _kinds(g) for g in behind)
        if over_states:
            raise ReadError(f"{name} of a state is no distribution of actions", self.peek(-1).start)
        if len(applied.actions) > 1:
            counts = "|".join(str(len(_Applied([group]).actions)) for group in applied.groups)
            self.found.spelling(name, f"bar of {len(applied.actions)}", f"actions {counts}")
        given = "state" in {kind for group in applied.groups for kind in _kinds(group)}
        if applied.actions and not (given and "state" in _kinds(first)):
            (self.found.stateful if given else self.found.stateless).add(name)
        if applied.actions and given:
            where = "a comma" if "state" in _kinds(first) else "a bar"
            self.found.spelling(name, "state", f"the state by {where}")

    def _known(self, name: str, labels: str, count: int) -> str:
        """Return the name under which a quantity is known: `F` and `F(x)` are one."""
        full = f"{name}({labels})" if labels else name
        known = [each for each, actions in self.scope.arities.items() if actions == count]
        if full in known:
            return full
        if labels:
            if name in known:
                self.found.spelling(name, "argument", labels)
                return name
            return full
        same = [each for each in known if each.endswith(")") and each.partition("(")[0] == name]
        return same[0] if len(same) == 1 else full

    def state_of_set(self) -> None:
        r"""Take the state of `\mathcal{A}_s` or `\mathcal{A}(s)`."""
        if not self.sees("_", "("):
            return
        start = self.peek(-1).start
        opener = self.take()
        content = self.group() if opener.text == "_" else self.inside(opener)
        if not self.scope.is_state(spelled(content)):
            raise ReadError("a set of actions that depends on more than the state", start)

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
        elif token.kind == "command" and token.text == "jmath":
            token = replace(self.take(), kind="letter", text=ENTRY)
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
        letters = (INDEX_LETTERS - self.scope.contexts | self.scope.letters) - self.scope.quantities
        allowed = base in letters or name in self.scope.bound
        allowed |= any_letter and not self.scope.is_state(base)
        if token.kind != "letter" or not allowed:
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
