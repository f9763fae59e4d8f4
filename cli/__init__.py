"""``gatebeyz``: the operator's command line."""
