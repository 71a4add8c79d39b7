"""The steps from a bill to its shares, one per file, in the order in which `rules.assess` takes them."""
