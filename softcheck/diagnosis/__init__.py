"""Naming a mistake from the numbers of a wrong gradient."""

from softcheck.diagnosis.name import diagnose

__all__ = ["diagnose"]
