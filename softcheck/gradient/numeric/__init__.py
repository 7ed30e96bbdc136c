"""Numeric derivatives of the loss, one method a file. None of them knows Eq. (6).

A method returns its values and a bound on their error together (as FiniteDifferences.jl does).
"""
