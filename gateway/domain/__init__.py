"""Records and decisions: pure, without input or output of any kind."""
