"""The value of formulas at points: only this says that a step is refuted."""
