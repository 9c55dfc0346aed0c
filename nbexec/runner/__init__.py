"""The process that runs one notebook."""
