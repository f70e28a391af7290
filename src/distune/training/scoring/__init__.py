"""The scores that are tuned, and every metric that is reported."""
