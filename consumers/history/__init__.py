"""The history consumer: stores every price once."""
