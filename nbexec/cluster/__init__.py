"""The processes that talk to Dask: the bridge beside the notebook server, and what it needs on each worker."""
