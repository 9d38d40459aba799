"""What all providers over HTTP share: how they are asked, within their plans, and left alone while they fail."""
