"""Encoders: pretrained or tiny networks that turn images and texts into tokens."""
