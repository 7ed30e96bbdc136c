"""Zip archives: what stands before a member, and where its bytes begin."""

import struct
from typing import IO
from zipfile import ZipInfo

_UTF8 = 0x800

_HEADER = struct.Struct("<26x2H")
"""What stands before a member: at its end the lengths of its name and of what follows that."""


def local_header(stream: IO[bytes], member: ZipInfo) -> tuple[str, int]:
    """Return the name in the header of a member, and where in the archive its bytes begin."""
    stream.seek(member.header_offset)
    name, extra = _HEADER.unpack(stream.read(_HEADER.size))
    written = stream.read(name).decode("utf-8" if member.flag_bits & _UTF8 else "cp437")
    return written, member.header_offset + _HEADER.size + name + extra
