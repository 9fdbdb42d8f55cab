"""The 2 of the square's slope is forgotten."""


@gradient("mse_loss")
def mse_loss_gradient(g, call):
    prediction, target = call.arrays
    dprediction = (prediction - target) * share_of_each(g, call, prediction.size)
    return dprediction, -dprediction if call.needs[1] else None
