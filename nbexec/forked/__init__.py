"""What is inside of a forked process, and sent as text to other interpreters; it imports nothing else of nbexec."""
