"""Where the program starts: `softcheck`, and `python -m softcheck`."""

import os
import signal
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; a signal while it is being loaded ends the program without a word."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)

    from softcheck import cli

    cli.main()


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End at once: before there is anything to tidy up, and after."""
    os._exit(128 + number)


if __name__ == "__main__":
    main()
