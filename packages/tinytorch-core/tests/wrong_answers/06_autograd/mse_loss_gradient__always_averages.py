"""The gradient is divided by the number of elements, averaged or not."""


@gradient("mse_loss")
def mse_loss_gradient(g, call):
    prediction, target = call.arrays
    dprediction = 2 * (prediction - target) * g / prediction.size
    return dprediction, -dprediction if call.needs[1] else None
