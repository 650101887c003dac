"""Tests of xiaozhi/api."""
