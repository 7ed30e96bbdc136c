"""A progress bar on stderr for long runs, on a terminal only."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from softcheck.output import is_live

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0
"""Seconds after which a run counts as long."""


@contextmanager
def progress_bar(color: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give a callable that takes the states done and their total, or None off a terminal."""
    if not is_live(sys.stderr):
        yield None
        return
    begun = monotonic()
    bar: Progress | None = None
    task: TaskID | None = None

    def update(done: int, total: int) -> None:
        nonlocal bar, task
        if bar is None:
            if monotonic() - begun < PATIENCE:
                return
            from rich.console import Console
            from rich.progress import Progress

            bar = Progress(console=Console(stderr=True, no_color=not color), transient=True)
            bar.start()
        if task is None:
            task = bar.add_task("states", total=total)
        bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        if bar is not None:
            bar.stop()
