"""A text to what it claims."""
