"""Tests of xiaozhi/runs."""
