"""Files: notebooks, and what only their owner may see."""
