"""Tests of xiaozhi/store."""
