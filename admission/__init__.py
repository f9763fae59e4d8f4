"""The holder side of a lease: credentials, allowance, and the doors that ask for them."""
