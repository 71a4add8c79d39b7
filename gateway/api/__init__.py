"""HTTP for agents and systems: thin; no SQL, no rule."""
