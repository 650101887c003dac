"""Several processes on one Postgres, as clients see them."""
