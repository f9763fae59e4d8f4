"""The one door to providers: choke point for grants, revocation and settlement."""
