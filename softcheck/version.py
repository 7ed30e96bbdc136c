"""The version, alone: whatever says it need not import more."""

__version__ = "0.1.0"
