"""The built-in demo upstream: a deterministic model behind three providers' wire grammars."""
