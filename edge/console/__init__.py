"""The operator's pages: accounts, plans, review, model access, upstreams, credits, audit."""
