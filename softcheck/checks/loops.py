"""Loops that Numba compiles once: the machine code is kept, and runs without it.

To import Numba, and to load what it keeps itself, takes 0.4 s and 100 MB of a process. Machine code
that needs nothing but the processor is loaded by LLVM alone, in a tenth of that.
"""

import hashlib
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from ctypes import CFUNCTYPE, byref, c_double, c_int8, c_int32, c_int64, c_void_p
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.replacing import replacing

Argument: TypeAlias = NDArray[Any] | float | tuple[Any, ...] | None
"""What a loop is called with: arrays, numbers, named tuples of such, and None for what is not."""

_LOG = logging.getLogger(__name__)

_OF_CHECKS = "dumps", "fused", "lanes", "moments", "oracles", "scan", "tally", "weighing"
_FLAGS = 0x0001 | 0x0002 | 0x0100 | 0x0400
"""Of an array in NumPy: contiguous in either order, aligned, and writeable."""

_NEEDS = re.compile(r"^declare [^@]*@\"?(?!llvm\.)([^\"(]+)", re.MULTILINE)


def sources() -> list[Path]:
    """Return the files that hold what is compiled."""
    checks = Path(__file__).parent
    of_checks = [checks / f"{name}.py" for name in _OF_CHECKS]
    return [*of_checks, *sorted((checks.parent / "gradient").rglob("*.py"))]


@cache
def _digest() -> str:
    """Return a digest of what is compiled."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def folder() -> Path:
    """Return where machine code is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "softcheck"


def missing() -> str:
    """Return why nothing can be compiled, nor what was compiled be loaded, or nothing."""
    return "" if find_spec("llvmlite") else _not_there("there is no llvmlite")


def _not_there(what: object) -> str:
    return f"Numba cannot be imported ({what}): pip install 'softcheck[fast]'"


class Loop:
    """A function that is compiled for what it is called with, once for each form of that.

    It fills in arrays, and returns nothing.

    Parameters
    ----------
    module, name : str
        Where it is. The module is imported only where there is something to compile.
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name
        self._made: dict[str, _Code | str] = {}
        self._lock = Lock()

    def __call__(self, *arguments: Argument) -> str:
        """Run it; return why that cannot be, or nothing."""
        form = _form(arguments)
        with self._lock:
            if form not in self._made:
                self._made[form] = self._make(form, arguments)
        code = self._made[form]
        if isinstance(code, str):
            return code
        code(*arguments)
        return ""

    @property
    def failure(self) -> str:
        """Why some form could not run, or nothing."""
        return next((made for made in self._made.values() if isinstance(made, str)), "")

    def _make(self, form: str, arguments: tuple[Argument, ...]) -> "_Code | str":
        """Return the machine code of a form, or why there is none."""
        try:
            from llvmlite import __version__, binding

            on = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
            known = _digest(), __version__, binding.get_process_triple(), *on, form
            name = f"{self.name}-{hashlib.sha256(repr(known).encode()).hexdigest()[:32]}"
            kept = folder() / name
            if (made := _read(kept)) is None:
                _LOG.info("compiling the checks, once: 5 to 20 s")
                made = self._compiled(arguments)
                with suppress(OSError):
                    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    with replacing(kept) as file:
                        file.write(hashlib.sha256(made).digest() + made)
            symbol, _, code = made.partition(b"\n")
            return _Code(symbol.decode(), code)
        except ImportError as error:
            return _not_there(error)
        except Exception as error:
            first = str(error).strip().partition("\n")[0]
            return f"Numba cannot compile it ({type(error).__name__}: {first[:120]})"

    def _compiled(self, arguments: tuple[Argument, ...]) -> bytes:
        """Return the name of the function in its machine code, a line, and the code."""
        function = getattr(import_module(self.module), self.name)
        from numba import typeof

        form = tuple(map(typeof, arguments))
        function.compile(form)
        made = function.overloads[form]
        if needs := _NEEDS.findall(made.library.get_llvm_str()):
            raise ValueError(f"its machine code needs {', '.join(needs)}")
        _, _, (code, _) = made.library.serialize_using_object_code()
        symbol: str = made.fndesc.llvm_func_name
        return symbol.encode() + b"\n" + bytes(code)


class _Code:
    """Machine code, loaded. Whoever calls it holds no lock of the interpreter."""

    def __init__(self, symbol: str, code: bytes) -> None:
        from llvmlite import binding

        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
            cpu=binding.get_host_cpu_name(),
            features=binding.get_host_cpu_features().flatten(),
            jit=True,
        )
        # It owns the memory of the code.
        self._engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
        self._engine.add_object_file(binding.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        address = self._engine.get_function_address(symbol)
        if not address:
            raise ValueError(f"its machine code has no {symbol}")
        self._function: Callable[..., int] = CFUNCTYPE(c_int32)(address)

    def __call__(self, *arguments: Argument) -> None:
        """Run it."""
        returned, raised = c_void_p(), c_void_p()
        if self._function(byref(returned), byref(raised), *_flat(arguments)):
            raise RuntimeError("a compiled loop has raised an error")


def _read(path: Path) -> bytes | None:
    """Return what was kept, or None if it is not there, not as it was, or may be another's."""
    try:
        if _may_be_of_others(path):
            return None
        kept = path.read_bytes()
    except OSError:
        return None
    digest, made = kept[:32], kept[32:]
    return made if hashlib.sha256(made).digest() == digest else None


def _may_be_of_others(path: Path) -> bool:
    """Whether somebody else may have written a file, whose code would then run."""
    found, user = path.stat(), getattr(os, "getuid", None)
    if user is None:  # Windows, where only the user may write to such a folder
        return False
    return found.st_uid not in (0, user()) or bool(found.st_mode & stat.S_IWOTH)


def _form(x: Argument) -> str:
    """Return what machine code is compiled for."""
    if isinstance(x, tuple):
        return f"({' '.join(map(_form, x))})"
    if isinstance(x, np.ndarray):
        return f"{x.dtype.str}{x.ndim}x{x.flags.num & _FLAGS}"
    return type(x).__name__


def _flat(x: Argument) -> Iterator[Any]:
    """Yield an argument as machine code takes it: the model of Numba's data, number by number."""
    if isinstance(x, tuple):
        for each in x:
            yield from _flat(each)
    elif isinstance(x, np.ndarray):
        yield from (None, None, c_int64(x.size), c_int64(x.itemsize), c_void_p(x.ctypes.data))
        yield from map(c_int64, (*x.shape, *x.strides))
    elif x is None:
        yield None
    elif isinstance(x, bool):
        yield c_int8(x)
    else:
        yield c_int64(x) if isinstance(x, int) else c_double(x)
