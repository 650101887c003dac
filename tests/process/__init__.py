"""The server as a process: how it starts, what keeps it from starting, and how it dies."""
