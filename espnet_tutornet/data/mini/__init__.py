"""The synthetic corpus: sentences of a small grammar, spoken on the machine."""
