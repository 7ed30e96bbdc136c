"""Where the program starts: `softcheck`, and `python -m softcheck`.

Nothing may be imported before `main` runs: until then, Ctrl-C prints a traceback.
"""

import os

TYPE_CHECKING = False  # see __init__
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

INTERRUPTED = 130
SIGNALLED = 128
"""Added to the number of a signal that ends the program, as shells count."""


def main() -> "NoReturn":
    """Run the command line; a signal while it is being loaded ends the program without a word."""
    try:
        import signal  # 10 ms, in which Ctrl-C has no handler yet

        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _end)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)

    from softcheck.command.main import main as run

    try:
        run()
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > SIGNALLED:
            os._exit(end.code)  # all is tidied up, and threads are not waited for
        raise


def _end(number: int, _frame: "FrameType | None") -> "NoReturn":
    """End at once: before there is anything to tidy up, and after."""
    os._exit(SIGNALLED + number)


if __name__ == "__main__":
    main()
