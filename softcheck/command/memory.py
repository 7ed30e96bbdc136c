"""What becomes of memory that this program is done with."""

# The numbers of glibc's parameters, from its malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

KEPT = 64 * 2**20
"""So many bytes that are free are kept."""

OF_ARRAY = 16 * 2**20
"""So large is an array that is given back by itself; those of a block are smaller."""


def keep_freed() -> None:
    """Have the C library keep what is freed, where it can be asked to.

    The diagnosis makes and drops thousands of arrays of a megabyte. glibc gives each back and asks
    for the next, which the system clears: that took as long as the arithmetic on them.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    mallopt(_MMAP_THRESHOLD, OF_ARRAY)
    mallopt(_TRIM_THRESHOLD, KEPT)
