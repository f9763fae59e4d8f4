"""The panels of both products: who is signed in, keys, usage, requests, credits, set-up."""
