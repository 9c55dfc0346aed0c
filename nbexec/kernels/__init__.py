"""Kernels, as a runner starts them, talks to them and ends them."""
