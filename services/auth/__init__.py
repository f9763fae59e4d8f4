"""Keys, accounts, leases, limits and the record of use."""
