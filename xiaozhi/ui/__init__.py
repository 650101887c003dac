"""The chat app: a client of the server like any other. It imports nothing of ours."""
