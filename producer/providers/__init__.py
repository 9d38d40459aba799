"""The providers of prices, behind one Protocol."""
