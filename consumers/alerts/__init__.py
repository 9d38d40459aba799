"""The alerts consumer: rules on prices, and an alert each time one comes true."""
