"""The configuration file: finding it, reading it strictly, and which settings a case has from it.

It is `softcheck.toml`, or the table `[tool.softcheck]` of `pyproject.toml`, in the nearest folder
upwards that has either; both in one folder are an error, for one of them would go unread.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from softcheck.errors import UsageError, did_you_mean, nearest
from softcheck.settings import (
    Document,
    General,
    Setting,
    Settings,
    settings_of,
    spelled,
)
from softcheck.tables.files import File
from softcheck.tables.inputs import Inputs
from softcheck.tables.refusals import decode, reading
from softcheck.tables.roles import ROLES, is_critic, is_known
from softcheck.tables.urls import is_url, shown

if TYPE_CHECKING:
    from softcheck.gradient.definition import Loss
    from softcheck.tables.case import Case

MAX_BYTES = 1024 * 1024
"""A configuration file: some ten thousand cases."""

REPORTS = ("report", "derive_report")
"""The keys of the report files of `verify` and of `derive`: one does not overwrite the other's."""

_OWN = "softcheck.toml"
_SHARED = "pyproject.toml"
_OF_A_CASE = {
    name: setting
    for name, setting in settings_of(Inputs, Settings).items()
    if setting.option.heading != "Run"
}
_OF_ALL = settings_of(Inputs, Settings, General, Document)
_ELSEWHERE = {
    "path": "It belongs to a case: put it under [[case]].",
    "tool": f"Headings have tool.softcheck in {_SHARED} only: leave it out.",
} | dict.fromkeys(
    _OF_ALL.keys() - _OF_A_CASE.keys(), "It is for all cases: put it above the first [[case]]."
)
"""What to do about a key in the wrong one of the two tables."""


class Value(NamedTuple):
    """A value and where it comes from: a flag, an environment variable, or a key of a file."""

    value: Any
    origin: str


Values = Mapping[str, Value]
"""What was chosen, by the name of the setting, or `arrays.NAME` for a part of such a table; what is
not in it has its default."""


def values_of(setting: Setting, value: Any, origin: str) -> dict[str, Value]:
    """Return the values that were chosen for a setting at a place."""
    if not setting.is_table:
        return {setting.name: Value(value, origin)}
    mark = " " if origin == setting.flag else "."
    return {
        f"{setting.name}{_PART}{name}": Value(part, f"{origin}{mark}{name}")
        for name, part in value.items()
    }


_PART = "."


@dataclass(frozen=True)
class Chosen:
    """A case that is to be verified: its name, its path if it has one, and its values."""

    name: str
    path: str | None
    values: Values

    def with_flags(self, flags: Values) -> "Chosen":
        """Return the case as flags and the environment have it."""
        return replace(self, values={**self.values, **flags})

    @property
    def places(self) -> list[str]:
        """Where its arrays are read from."""
        given = [text for of in self._arrays.values() for text in _texts(of.value)]
        return given if self.path is None else [self.path, *given]

    @property
    def _arrays(self) -> Values:
        """Its arrays by role."""
        known = {name for name, setting in settings_of(Inputs).items() if setting.option.place}
        arrays: dict[str, Value] = {}
        for key, value in self.values.items():
            setting, _, part = key.partition(_PART)
            name = part or setting
            if setting in known and name in arrays:
                raise UsageError(
                    value.origin,
                    f"a second array for {name}, beside that of {arrays[name].origin}",
                    "one array for each role",
                    "Leave out one of the two.",
                )
            if setting in known:
                arrays[name] = value
        return arrays

    @property
    def settings(self) -> Settings:
        """How it is verified."""
        known = settings_of(Settings)
        return Settings(**{name: of.value for name, of in self.values.items() if name in known})

    @property
    def loss(self) -> "Loss | None":
        """The loss that was declared for it, None where none was."""
        from softcheck.api import loss_of

        return loss_of(*self.values["loss"]) if "loss" in self.values else None

    def open(self) -> "Case":
        """Return its arrays.

        Raises
        ------
        SoftcheckError
            See `tables.case.open_case`.
        """
        from softcheck.api import declared
        from softcheck.tables.case import open_case

        said = {name: self.values[name] for name in ("loss", "reduction") if name in self.values}
        inputs = {
            name: of.value
            for name, of in self.values.items()
            if (setting := settings_of(Inputs).get(name))
            and not setting.option.place
            and name != "loss"
        }
        places = self._arrays
        return open_case(
            self.path,
            {role: _texts(of.value) for role, of in places.items()},
            origins={role: of.origin for role, of in places.items()},
            declared=declared(
                self.loss,
                said["reduction"].value if "reduction" in said else None,
                {name: of.origin for name, of in said.items()},
            ),
            **inputs,
        )

    def runs(self) -> Iterator[tuple[str, Callable[[], "Case"], Settings]]:
        """Yield a name, an opener and settings: one, or one for each of several gradients."""
        grad = self.values.get("grad")
        if grad is None or len(_texts(grad.value)) == 1:
            yield self.name, self.open, self.settings
            return
        for dump in _texts(grad.value):
            one = self.with_flags({"grad": Value(dump, grad.origin)})
            yield shown(dump), partial(_renamed, one, shown(dump)), one.settings


@dataclass(frozen=True)
class CaseTable:
    """A `[[case]]` of a configuration file.

    Attributes
    ----------
    where : str
        Its place, for messages.
    path : str or None
        Its glob as written; a case of arrays given one by one has none.
    files : tuple of str
        What the glob matches, in order, as seen from the working directory.
    values : Values
    """

    where: str
    path: str | None
    files: tuple[str, ...]
    values: Values


@dataclass(frozen=True)
class Configuration:
    """What a configuration file says; without a file, nothing.

    Attributes
    ----------
    path : str or None
    general : Values
        For all cases.
    entries : tuple of CaseTable
        For some; where two match one path, the later one wins, key by key.
    """

    path: str | None = None
    general: Values = field(default_factory=dict)
    entries: tuple[CaseTable, ...] = ()

    def chosen(self, path: str) -> Chosen:
        """Return a case by its path, with the settings of every entry that matches it."""
        values = dict(self.general)
        for entry in self._by_file.get(_identity(path), ()):
            values |= entry.values
        return Chosen(shown(path), path, values)

    def every(self) -> list[Chosen]:
        """Return the configured cases, each path once.

        Raises
        ------
        UsageError
            If a glob matches nothing.
        """
        cases: dict[str, Chosen] = {}
        for entry in self.entries:
            if entry.path is None:
                cases[entry.where] = Chosen(entry.where, None, {**self.general, **entry.values})
            elif not entry.files:
                raise _matches_nothing(f"{entry.where}.path", entry.path)
            for file in entry.files:
                cases.setdefault(_identity(file), self.chosen(file))
        return list(cases.values())

    def documents(self) -> list[str]:
        """Return the configured documents, each path once.

        Raises
        ------
        UsageError
            If a glob matches nothing.
        """
        chosen = self.general.get("derive", Value((), ""))
        found: dict[str, str] = {}
        for pattern in chosen.value:
            files = list(_matches(pattern, str(Path(self.path or ".").parent)))
            if not files:
                raise _matches_nothing(chosen.origin, pattern)
            for file in files:
                found.setdefault(_identity(file), file)
        return list(found.values())

    def report_files_of_others(self, name: str) -> list[str]:
        """Return the report files that are configured for another command than that of `name`."""
        others = [self.general[key].value for key in REPORTS if key != name and key in self.general]
        return [option for options in others for option in options]

    @cached_property
    def _by_file(self) -> Mapping[str, Sequence[CaseTable]]:
        entries: dict[str, list[CaseTable]] = {}
        for entry in self.entries:
            for file in entry.files:
                entries.setdefault(_identity(file), []).append(entry)
        return entries


def _identity(path: str) -> str:
    """Return what is the same for all names of a file, whatever the system makes of capitals."""
    return os.path.normcase(os.path.realpath(path))


def _matches_nothing(where: str, pattern: str) -> UsageError:
    return UsageError(
        where,
        f"no file that matches {spelled(pattern)}",
        "at least one",
        "Correct the pattern, which is relative to the configuration file.",
    )


def configuration(file: str | None, *, isolated: bool) -> Configuration:
    """Return what a configuration file says: the one named, or the nearest one.

    Raises
    ------
    UsageError
        If it is not TOML, has an unknown key, or a value that is not allowed; or if two files of
        one folder configure softcheck.
    InputError
        If it is missing or unreadable.
    """
    if isolated:
        if file is not None:
            raise UsageError("--config", f"'{file}'", "no file with --isolated", "Leave one out.")
        return Configuration()
    found = _nearest() if file is None else _named(file)
    return Configuration() if found is None else _decoded(*found)


def with_origins(
    settings: Mapping[str, Setting], general: Values, cases: Iterable[Chosen], path: str | None
) -> str:
    """Return every value with its origin, as TOML: first for all cases, then what a case adds."""
    lines = [f"# {path or 'no configuration file'}"]
    for setting in settings.values():
        chosen = [*_lines({setting.name: setting}, general)]
        lines += chosen or [_unset(setting)]
    for case in cases:
        lines += ["", "[[case]]"]
        if case.path is not None:
            lines.append(f"path = {spelled(case.path)}")
        own = {name: of for name, of in case.values.items() if of != general.get(name)}
        lines += _lines(settings, own)
    return "".join(f"{line}\n" for line in lines)


def _lines(settings: Mapping[str, Setting], values: Values) -> Iterator[str]:
    """Yield the values of some settings."""
    for name, value in values.items():
        if name.partition(_PART)[0] in settings:
            yield f"{f'{name} = {spelled(value.value)}':<32}  # {value.origin}"


def _unset(setting: Setting) -> str:
    if setting.default is not None:
        return f"{f'{setting.name} = {spelled(setting.default)}':<32}  # default"
    return f"# {setting.name}: {setting.option.default or 'not set'}"


def _nearest() -> tuple[str, str, Mapping[str, Any]] | None:
    """Return the nearest file that configures softcheck, its prefix for messages and its table."""
    with reading(".", "a working directory", "Change to a folder that exists."):
        here = Path.cwd()
    for folder in (here, *here.parents):
        found = [
            section
            for name in (_OWN, _SHARED)
            if os.path.isfile(folder / name)  # noqa: PTH113  Path raises where it may not look
            and (section := _section(os.path.relpath(folder / name, here)))
        ]
        if len(found) > 1:
            raise UsageError(
                found[0][0],
                f"a second configuration beside [tool.softcheck] in {found[1][0]}",
                "one of them",
                "Move all settings into one of the two files.",
            )
        if found:
            return found[0]
    return None


def _named(file: str) -> tuple[str, str, Mapping[str, Any]]:
    section = _section(file)
    if section is None:
        raise UsageError(file, "no table [tool.softcheck]", "one", "Name the file that has it.")
    return section


def _section(file: str) -> tuple[str, str, Mapping[str, Any]] | None:
    """Return the part of a file that is softcheck's, or None where it has none."""
    import tomllib

    if Path(file).exists() and not Path(file).is_file():
        raise UsageError(file, "no regular file", "a file of TOML", "Name the file itself.")
    size = File(file).size()
    if size > MAX_BYTES:
        found, allowed = f"{size} bytes", f"a configuration of at most {MAX_BYTES}"
        raise UsageError(file, found, allowed, "Name the cases by patterns.")
    text = decode(file, File(file).read_whole(MAX_BYTES))
    try:
        table: Any = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            file, str(error) or "values nested too deeply", "TOML", "Correct the file."
        ) from error
    if Path(file).name != _SHARED:
        return file, f"{file}::", table
    tools = table.get("tool")
    table = tools.get("softcheck") if isinstance(tools, dict) else None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise UsageError(f"{file}::tool.softcheck", spelled(table), "a table", "Correct the file.")
    return file, f"{file}::tool.softcheck.", table


def _decoded(file: str, prefix: str, table: Mapping[str, Any]) -> Configuration:
    folder = str(Path(file).parent)
    rest = {key: value for key, value in table.items() if key != "case"}
    entries = table.get("case", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        header = "[[tool.softcheck.case]]" if "tool.softcheck" in prefix else "[[case]]"
        raise UsageError(
            f"{prefix}case", spelled(entries), f"tables headed {header}", "Correct the file."
        )
    return Configuration(
        path=file,
        general=_values(rest, _OF_ALL, prefix, folder, ("case",)),
        entries=tuple(
            _entry(entry, f"{prefix}case[{number}]", folder) for number, entry in enumerate(entries)
        ),
    )


def _entry(table: Mapping[str, Any], where: str, folder: str) -> CaseTable:
    rest = {key: value for key, value in table.items() if key != "path"}
    values = _values(rest, _OF_A_CASE, f"{where}.", folder, ("path",))
    path = table.get("path")
    if path is None and "logits" in values:
        return CaseTable(where, None, (), values)
    if not isinstance(path, str) or not path:
        found = "no path" if path is None else spelled(path)
        raise UsageError(
            f"{where}.path",
            found,
            "the path of a case, or a pattern",
            'As in path = "dumps/*.npz".',
        )
    return CaseTable(where, path, tuple(_matches(path, folder)), values)


def _matches(pattern: str, folder: str) -> Iterator[str]:
    """Yield what a pattern matches; a file whose name is the whole pattern comes first."""
    import glob

    if os.path.lexists(_relocated(pattern, folder)):
        yield _relocated(pattern, folder)
        return
    for match in sorted(glob.glob(pattern, root_dir=folder, recursive=True)):  # noqa: PTH207  absolute ones too
        yield _relocated(match, folder)


def _values(
    table: Mapping[str, Any],
    settings: Mapping[str, Setting],
    prefix: str,
    folder: str,
    others: Sequence[str],
) -> Values:
    """Read the keys of a table, in which `-` and `_` are the same."""
    values: dict[str, Value] = {}
    seen: dict[str, str] = {}
    for key, raw in table.items():
        name = key.replace("-", "_")
        where = f"{prefix}{key}"
        if name not in settings:
            known = sorted([*settings, *others])
            hint = _ELSEWHERE.get(name) or did_you_mean(name, known, "Remove it.")
            raise UsageError(where, "an unknown key", f"one of {', '.join(known)}", hint)
        if name in seen:
            raise UsageError(where, f"{seen[name]} too", "one of the two", "Remove one.")
        seen[name] = where
        value = settings[name].read(raw, where)
        if name == "names":
            _check_names(value, where, any_role="loss" in table)
        if name == "expect":
            _check_expected(value, where)
        if settings[name].option.place:
            value = _each(value, lambda text: _relocated(text, folder))
        if name in REPORTS:
            value = _each(value, lambda text: _report_relocated(text, folder))
        if name == "loss":
            value = _loss_relocated(value, folder)
        values |= values_of(settings[name], value, where)
    return values


def _check_names(names: Mapping[str, str], where: str, *, any_role: bool) -> None:
    """Raise UsageError for a key that is a mistake, and for an array that is named twice.

    Whether it is a role, only the loss of a case can say; but where no other than the default one
    is spoken of (`any_role`), what is nearly a role of that is a slip.
    """
    seen: dict[str, str] = {}
    for role, own in names.items():
        meant = ROLES.of(role)
        if meant is None and (any_role or is_known(role) or nearest(role, ROLES) is None):
            pass
        elif meant is None or (role not in ROLES and not is_critic(role) and role != "log_alpha"):
            known = (*ROLES, "q1", "q2", "log_alpha")
            hint = (
                did_you_mean(role, known, 'The role comes first, as in grad = "actor_grad".')
                if meant is None
                else f"Did you mean '{ROLES.family(role)}'?"
            )
            raise UsageError(
                f"{where}.{role}", "an unknown role", f"one of {', '.join(known)}", hint
            )
        if own in seen:
            raise UsageError(
                f"{where}.{role}",
                f"the array {spelled(own)}, which is {seen[own]} already",
                "an array for each role",
                "Remove one of the two.",
            )
        seen[own] = role


def _renamed(case: Chosen, name: str) -> "Case":
    return replace(case.open(), name=name)


def _texts(value: Any) -> list[str]:
    """Return the places, or the number, of a role as text."""
    return value if isinstance(value, list) else [str(value)]


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value with all text in it changed; numbers stay."""
    if isinstance(value, list):
        return [change(text) for text in value]
    if isinstance(value, dict):
        return {name: _each(part, change) for name, part in value.items()}
    return change(value) if isinstance(value, str) else value


def _report_relocated(text: str, folder: str) -> str:
    form, colon, path = text.partition(":")
    return f"{form}{colon}{_relocated(path, folder)}" if path else text


def _check_expected(codes: str, where: str) -> None:
    from softcheck.api import check_expected

    check_expected(codes, where)


def _loss_relocated(text: str, folder: str) -> str:
    """Return a loss as it is said in a folder: a document is another one as seen from here."""
    from softcheck.losses import names

    candidates = [] if text in names() else [text, text.rpartition("::")[0]]
    for candidate in filter(None, candidates):
        place = _relocated(candidate, folder)
        with suppress(OSError, ValueError):  # a formula need not be the name of anything
            if _DOCUMENT.fullmatch(candidate) or Path(place).is_file():
                return place + text[len(candidate) :]
    return text


_DOCUMENT = re.compile(r"[^\\]*\.[A-Za-z]{2,8}")
"""What names a document, whether it is there or not."""


def _relocated(path: str, folder: str) -> str:
    """Return a path that a file in `folder` means, as seen from the working directory."""
    return path if folder == "." or is_url(path) else os.path.join(folder, path)  # noqa: PTH118  it may be PATH::KEY
