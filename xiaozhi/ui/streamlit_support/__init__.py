"""All that the page relies on inside of Streamlit, which is no public API of it, and a check of it.

Each is small, has a test, and is looked at when the page is made (self_check.py).
"""
