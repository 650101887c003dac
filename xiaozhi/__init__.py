"""小智·Zero: a self-hosted Assistants API (v2), and a private assistant in your browser."""

__version__ = "0.1.0"
