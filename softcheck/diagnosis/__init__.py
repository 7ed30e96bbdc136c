"""Naming a mistake from the numbers of a wrong gradient."""
