"""Equality for every number of actions: only this says that a step is proved."""
