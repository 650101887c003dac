"""Model endpoints as they really answer, seen through the API."""
