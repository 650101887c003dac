"""The page, in real Chromium, before the real server and the scripted model."""
