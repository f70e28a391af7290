"""The Hugging Face hub: one commit of a repository, fetched once, found again without a request."""
