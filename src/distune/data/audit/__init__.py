"""The audit: what a reader of any score on this data should know first."""
