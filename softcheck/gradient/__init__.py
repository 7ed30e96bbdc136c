"""The mathematics of a loss on a block of states: no file, no report."""
