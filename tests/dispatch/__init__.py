"""Who is executed now, and who waits."""
