"""The decorator only marks the exercise."""


def add(x: Array, y: Array) -> Array:
    return x + y
