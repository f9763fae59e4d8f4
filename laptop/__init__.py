"""The laptop profile: everything GateBeyz needs, started by one command on one machine."""
