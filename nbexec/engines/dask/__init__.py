"""Executions on a Dask cluster, as the notebook server sees them; it never imports anything of Dask."""
