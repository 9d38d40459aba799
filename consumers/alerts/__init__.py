"""The alerts consumer: evaluates rules on live prices and publishes an alert each time a rule fires."""
