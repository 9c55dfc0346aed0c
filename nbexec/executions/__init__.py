"""The executions of a server, from the request to the record."""
