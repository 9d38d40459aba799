"""Files of recorded prices: from the bytes of any known packing, text and layout to exact prices, row by row."""
