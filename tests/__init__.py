"""The tests: each reads as a story, and uses the public way in."""
