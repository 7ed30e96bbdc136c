"""Any loss as a list of operations: its value, its numeric derivatives, and what rounding does."""
