"""The commands that a document defines for itself, and where it does."""

import re
from collections.abc import Mapping
from dataclasses import replace

from softcheck.derive.reading.places import Region
from softcheck.derive.reading.tokens import Macro

_DEFINITION = re.compile(
    r"\\(?:re|provide)?newcommand(?![A-Za-z])\*?+\s*+\{?+\s*+\\(?P<new>[A-Za-z]++)\s*+\}?+"
    r"|\\DeclareRobustCommand\*?+\s*+\{?+\s*+\\(?P<robust>[A-Za-z]++)\s*+\}?+"
    r"|\\[gex]?def\s*+\\(?P<def>[A-Za-z]++)"
    r"|\\DeclareMathOperator\*?+\s*+\{?+\s*+\\(?P<operator>[A-Za-z]++)\s*+\}?+"
    r"|\\let\s*+\\(?P<let>[A-Za-z]++)[ \t]*+=?+[ \t]?+(?P<target>\\[A-Za-z]++|[^\s\\])"
    r"|\\(?:New|Renew|Provide|Declare)(?:Expandable)?DocumentCommand\s*+\{?+\s*+"
    r"\\(?P<document>[A-Za-z]++)\s*+\}?+"
    r"|(?P<environment>\\(?:re)?newenvironment)\*?+\s*+\{[^{}\n]*+\}"
    r"|\\newtheorem\*?+\s*+\{[^{}\n]*+\}|\\Declare[A-Za-z]++(?=\s*+[{\\])"
)
_COUNT = re.compile(r"\s*+\[(?P<count>\d)\]|(?P<hashes>(?:\s*+#\d)++)")
_GROUP = re.compile(r"\s*+(?:(?P<option>\[[^\[\]\n]*+\])|(?P<open>\{))")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)

_USED = re.compile(r"\\([A-Za-z]++)")
_SCOPE = re.compile(
    r"\\(?:begin|end)(?:group(?![A-Za-z])|\s*+\{(?!document))|\\[be]group(?![A-Za-z])"
)
_NAMES = ("new", "robust", "def", "operator", "let", "document")
_CATEGORY = re.compile(r"\\(?:catcode|mathcode|lccode|uccode|active|scantokens)(?![A-Za-z])")
_ODD = "it changes what characters mean, and what follows may be read as something else"
_NEVER = "a definition whose braces do not close"


def braces(text: str) -> dict[int, int]:
    """Return where each brace of a text that opens is closed."""
    closing, opened = {}, []
    for match in _BRACE.finditer(text):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            closing[opened.pop()] = match.start()
    return closing


def macros(text: str) -> tuple[dict[str, Macro], list[Region]]:
    """Return the commands that a document defines, and its definitions.

    A command is ambiguous where one body does not stand for it everywhere: it is defined twice in
    two ways, within a group, behind a formula that uses it, or with arguments of a form of its own.
    """
    found: dict[str, Macro] = {}
    regions = [Region("unread", *match.span(), reason=_ODD) for match in _CATEGORY.finditer(text)]
    aliases: dict[str, str] = {}
    closing = braces(text)
    passed = _Passed(text, closing)
    for match in _DEFINITION.finditer(text):
        start = match.start()
        inner = start < passed.place
        passed.until(start)
        macro, end = _defined(text, match, closing)
        if match["let"] and macro.body[0] == "\\":
            target = macro.body[1:]
            macro = found.get(target, macro)
            if target not in found:
                aliases[match["let"]] = target
        if end is None:
            regions.append(Region("unread", start, match.end(), reason=_NEVER))
        elif not inner:
            regions.append(Region("macro", start, end))
        if name := next((match[kind] for kind in _NAMES if match[kind]), None):
            other = found[name] != macro if name in found else name in passed.used
            odd = macro.ambiguous or other or passed.local or inner or end is None
            found[name] = replace(macro, ambiguous=odd)
        passed.place = max(passed.place, match.end() if end is None else end)
    for name, target in aliases.items():
        if target in found:  # it was given another meaning after it had been copied
            found[name] = replace(found[name], ambiguous=True)
    return found, regions


class _Passed:
    """The part of a text before a place: the commands in it, and whether a group is open there."""

    def __init__(self, text: str, closing: Mapping[int, int]) -> None:
        self.text = text
        self.place = 0
        self.used: set[str] = set()
        self._groups = iter([*sorted(closing.items()), (len(text), len(text))])
        self._group = next(self._groups)
        self._closes = self._scopes = 0

    def until(self, place: int) -> None:
        """Go on to a later place."""
        between = self.text[self.place : place]
        self.used.update(_USED.findall(between))
        self._scopes += sum(1 if scope[1] == "b" else -1 for scope in _SCOPE.findall(between))
        while self._group[0] < place:
            self._closes = max(self._closes, self._group[1])
            self._group = next(self._groups)
        self.place = max(self.place, place)

    @property
    def local(self) -> bool:
        """Whether what is defined here is so only up to the end of a group or an environment."""
        return self._scopes > 0 or self.place < self._closes


def _defined(
    text: str, match: re.Match[str], closing: Mapping[int, int]
) -> tuple[Macro, int | None]:
    """Return what a definition says, and where it ends: nowhere if its braces do not close."""
    if match["let"]:
        return Macro(0, match["target"]), match.end()
    end, count, odd = match.end(), 0, bool(match["document"])
    if counted := _COUNT.match(text, end):
        count = int(counted["count"] or 0) or (counted["hashes"] or "").count("#")
        end = counted.end()
    groups: list[str] = []
    wanted = 2 if match["environment"] or match["document"] else 1
    while len(groups) < wanted and (group := _GROUP.match(text, end)):
        if group["option"]:
            odd, end = True, group.end()
        elif (last := closing.get(group.end() - 1)) is not None:
            groups.append(text[group.end() : last])
            end = last + 1
        else:
            return Macro(count, ""), None
    if not groups:  # its arguments are delimited in a way of their own
        return Macro(count, "", ambiguous=True), end
    body = groups[-1]
    return Macro(count, rf"\mathrm{{{body}}}" if match["operator"] else body, odd), end
