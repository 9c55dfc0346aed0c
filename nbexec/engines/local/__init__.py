"""Executions on this machine: runners, forked from fork servers that are kept ready."""
