"""Numeric derivatives of the loss, one method a file. None of them knows the formula."""
