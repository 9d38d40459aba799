"""Where prices come from: one module per provider, behind one Protocol."""
