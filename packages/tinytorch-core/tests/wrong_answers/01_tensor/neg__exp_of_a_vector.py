"""What has elements has them one after the other."""


@primitive
def exp(x: Array) -> Array:
    from math import exp as power

    return np.array([power(v) for v in x] if np.ndim(x) else power(x))
