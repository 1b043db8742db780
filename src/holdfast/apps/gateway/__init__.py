"""The model's door: the Messages API, governed. Thin: it translates HTTP, and holds no rule."""
