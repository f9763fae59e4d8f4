"""Many Generates on one gRPC stream; what goes over it is told in inference.proto.

``calling``   the caller's side: a stub like any other, calls like any other
``serving``   the service's side: a servicer's Generate, once per call
``writer``    what both have: one writer that takes along all that is ready

Why: docs/adr/0019. Whatever cannot go by link (no link is up, the peer knows none, a large body)
goes as an RPC of its own, so a link is never needed, only cheaper.
"""
