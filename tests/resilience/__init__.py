"""What must hold whatever dies, fills up or jumps, while many clients talk to the server."""
