"""Published weights: where they lie, what their files hold, and models of transformers made from them."""
