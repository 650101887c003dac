"""Speeds: one question a file, each with a peer in the same run. Not collected by pytest."""
