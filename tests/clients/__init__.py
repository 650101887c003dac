"""Clients that others wrote, each driven through conversations with the real server."""
