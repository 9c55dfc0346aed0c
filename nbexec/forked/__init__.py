"""Code that runs inside forked processes, and is also sent as text to other interpreters."""
