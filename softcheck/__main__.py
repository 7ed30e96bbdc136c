"""Where the program starts: `softcheck`, and `python -m softcheck`.

Nothing may be imported before `main` runs: until then, Ctrl-C prints a traceback.
"""

import os

TYPE_CHECKING = False  # see __init__
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

SIGNALLED = 128
"""Added to the number of a signal that ends the program, as shells count."""

INTERRUPTED = SIGNALLED + 2
"""That of Ctrl-C, whose number is not to be had before `signal` is loaded."""


def main() -> "NoReturn":
    """Run the command line; a signal while it is being loaded ends the program without a word."""
    try:
        import signal  # 10 ms, in which Ctrl-C has no handler yet

        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _end)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)

    import atexit

    from softcheck.command.funnel import Signalled
    from softcheck.command.main import main as run

    try:
        run()
    except Signalled as signalled:
        # All of ours is tidied up. What libraries leave to the end of the interpreter, such as the
        # semaphores of a pool, is done as ever; only threads are not waited for.
        atexit._run_exitfuncs()
        _end(signalled.number)


def _end(number: int, _frame: "FrameType | None" = None) -> "NoReturn":
    """End at once: before there is anything to tidy up, and after."""
    os._exit(SIGNALLED + number)


if __name__ == "__main__":
    main()
