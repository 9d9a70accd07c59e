"""How a layer may be mapped: what is legal, and the chunks it takes."""
