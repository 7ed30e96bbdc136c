"""The command that verifies a case again, from what its report says of it."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from softcheck.result import Case, Input
from softcheck.settings import Settings, settings_of
from softcheck.shipped import DEFAULT
from softcheck.tables.inputs import Inputs
from softcheck.tables.roles import ROLES


def command(case: Case) -> str:
    """Return it as a shell takes it, or nothing for arrays in memory, which no command has."""
    files = [given for given in case.inputs if given.path is not None]
    if not files:
        return ""
    whole = all(_is_of(case.name, given) for given in files)
    words = [case.name] if whole else [word for given in files for word in _option(given)]
    numbers = (given.role for given in case.inputs if given.path is None)
    return shlex.join(["softcheck", "verify", *words, *_settings(case, *numbers)])


def _is_of(name: str, given: Input) -> bool:
    """Return whether an array is found by its name in a file or folder."""
    path = Path(given.path or "")
    if Path(name) in path.parents:
        return True
    role = ROLES.get(given.role)
    return path == Path(name) and (role is None or given.key in role.names)


def _option(given: Input) -> Iterator[str]:
    """Yield the option that gives an array."""
    place = "::".join(filter(None, (given.path, given.key)))
    setting = settings_of(Inputs).get(given.role.rstrip("0123456789"))
    if setting is None:
        yield from ("--array", f"{given.role}={place}")
    else:
        yield from (setting.flag, place)


def _settings(case: Case, *numbers: str) -> Iterator[str]:
    """Yield the options of all that is not an array and not as it is by default."""
    if case.loss is not None and case.loss.name != DEFAULT:
        yield from ("--loss", case.loss.name)
    for number in numbers:
        setting = settings_of(Inputs).get(number)
        value = case.settings[number]
        yield from (
            ("--array", f"{number}={value}")
            if setting is None
            else (
                setting.flag,
                str(value),
            )
        )
    logits = next(given for given in case.inputs if given.role == "logits")
    last = len(logits.shape) - 1
    axis = case.settings.get("action_axis", last)
    if axis != last:
        yield from ("--action-axis", str(axis))
    for name, setting in settings_of(Settings).items():
        value = case.settings.get(name, setting.default)
        if value != setting.default and setting.option.flag:
            yield from [setting.flag] if setting.is_switch else [setting.flag, str(value)]
