"""What a file may ask of this machine; beyond it, an error instead of a long wait.

An array that is read block by block has no limit of its own: its file does, because the size that
its header claims must be the size of its bytes.
"""

EXACT_INTEGER = 2**53
"""The largest magnitude up to which every integer is a float64."""

MAX_DIMENSIONS = 32
"""Axes of an array, and levels of nesting in JSON and pickles."""

MAX_HEADER_BYTES = 64 * 1024
"""The header of an .npy array, which needs about a hundred bytes."""

MAX_TEXT_BYTES = 256 * 1024 * 1024
"""A JSON or CSV file: some ten million numbers. Larger tables belong in a binary format."""

MAX_WHOLE_BYTES = 4 * 1024**3
"""An array, or a file, that must be in memory as a whole: text, tidy Parquet, pickles, and
compressed arrays in an order that does not follow the states."""

MAX_COPY_BYTES = 16 * 1024**3
"""The copy on this machine of a file that is elsewhere and cannot be read by ranges."""

MAX_SKIP_BYTES = 2**20
"""Bytes of an answer that are read past rather than asking anew."""

SECONDS_OF_SILENCE = 60
"""How long a server may say nothing."""

MAX_LISTED = 2**25
"""Numbers of one table in JSON or in the lists of a pickle, each of them a Python object."""

MAX_DEFLATE_RATIO = 1032
"""Deflate cannot shrink its input further; a member that claims more is not what it says."""

MAX_NAMED = 5
"""How many names or labels an error lists."""

MAX_FORMULA = 4096
"""Characters of the loss that a case names or writes out."""

MAX_PATH = 1024
"""Characters of the file that a case says it was dumped by."""
