"""What deploy/ holds: the balancer as it runs, and what its files must agree on."""
