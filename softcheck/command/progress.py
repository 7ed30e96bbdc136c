"""A progress bar on stderr for long runs, and what else keeps them waiting; on a terminal only."""

import logging
import sys
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from softcheck.command.output import is_live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from softcheck.verification import Progress

PATIENCE = 1.0
"""Seconds after which a run counts as long."""


@contextmanager
def progress_bar(color: bool) -> "Iterator[Progress | None]":
    """Give what shows progress on a terminal; elsewhere None.

    What is logged meanwhile is shown too, until there is progress again.
    """
    if not is_live(sys.stderr):
        yield None
        return
    begun = monotonic()
    bar: Bar | None = None
    tasks: dict[str, TaskID] = {}
    waiting: list[TaskID] = []
    lock = Lock()

    def started() -> "Bar":
        nonlocal bar
        if bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            bar = Bar(console=Console(stderr=True, no_color=not color), transient=True)
            bar.start()
        return bar

    def update(what: str, done: int, total: int | None) -> None:
        with lock:
            if bar is None and monotonic() - begun < PATIENCE:
                return
            shown = started()
            while waiting:
                shown.remove_task(waiting.pop())
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=None)
            said = what if total is not None else f"{done} {what}"
            shown.update(tasks[what], completed=done, total=total, description=said)

    class Said(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with lock:
                waiting.append(started().add_task(record.getMessage(), total=None))

    log, handler = logging.getLogger("softcheck"), Said()
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield update
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        if bar is not None:
            bar.stop()
