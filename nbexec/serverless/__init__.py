"""Running notebooks from the calling process, without a notebook server."""
