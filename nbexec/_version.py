"""The version of nbexec, in one place; it must stay readable without importing anything."""

__version__ = "0.1.0"
