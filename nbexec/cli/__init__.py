"""The command line: ``nbexec``."""
