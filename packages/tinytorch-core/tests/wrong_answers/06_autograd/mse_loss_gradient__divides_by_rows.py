"""The mean is taken over the rows of a batch, not over its elements."""


@gradient("mse_loss")
def mse_loss_gradient(g, call):
    prediction, target = call.arrays
    dprediction = 2 * (prediction - target) * share_of_each(g, call, len(prediction))
    return dprediction, -dprediction if call.needs[1] else None
