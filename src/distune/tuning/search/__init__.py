"""How a study searches: samplers propose, pruners stop early."""
